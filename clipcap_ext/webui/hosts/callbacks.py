"""Registers us with the host's script_callbacks: settings page, tab, gallery buttons, routes, unloading."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clipcap_ext.webui.hosts.extension import chosen_model, model_names, service
from clipcap_ext.webui.hosts.interface import Interface
from clipcap_ext.webui.hosts.webui import WebuiHost

if TYPE_CHECKING:
    from clipcap_ext.service.service import CaptionService

SECTION = ("clipcap", "Caption")
TAB_ID = "clipcap"


def register() -> None:
    """Give the host our tab, settings, gallery buttons and routes. Called each time the host loads its
    scripts; outside a WebUI there is nobody to register with."""
    host = service().host
    if isinstance(host, WebuiHost):
        register_callbacks(service(), host)


def register_callbacks(service: CaptionService, host: WebuiHost) -> None:
    """Once a load of the host's scripts: it forgets all callbacks before it loads them again."""
    from modules import script_callbacks

    interface = Interface(host)
    script_callbacks.on_ui_settings(lambda: add_settings(service))
    script_callbacks.on_before_ui(interface.reset)
    script_callbacks.on_after_component(interface.see)
    script_callbacks.on_ui_tabs(lambda: ui_tabs(service, host, interface))
    script_callbacks.on_app_started(lambda demo, app: add_routes(service, host, app))
    script_callbacks.on_script_unloaded(service.unload)


def add_settings(service: CaptionService) -> None:
    """Our section of the settings page."""
    from modules import shared

    from clipcap_ext.webui.settings import settings
    from clipcap_ext.webui.tab.parts import setting_component

    for setting in settings(model_names):
        component, arguments = setting_component(setting)
        info = shared.OptionInfo(setting.default, setting.text, component, arguments, section=SECTION)
        shared.opts.add_option(setting.key, info)


def ui_tabs(service: CaptionService, host: WebuiHost, interface: Interface) -> list[tuple[Any, str, str]]:
    """The tab, or none with a report: a fault of ours must not keep the WebUI from starting."""
    try:
        from clipcap_ext.webui.tab import build

        blocks = build(service, host, interface.components())
    except Exception:
        host.report("the Caption tab could not be built")
        interface.withdraw()
        return []
    interface.bind()
    return [(blocks, host.tab_title, TAB_ID)]


def add_routes(service: CaptionService, host: WebuiHost, app: Any) -> None:
    """The REST routes, where the host serves its own; again after each Reload UI, which makes a new app."""
    if not host.serves_api:
        return
    try:
        from clipcap_ext.webui.api import add_api

        add_api(app, service, host.api_access, chosen_model)
    except Exception:
        host.report("the REST routes could not be added")
