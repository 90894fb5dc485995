"""The WebUI's door to the Caption tab, its settings, gallery buttons and REST routes."""

from clipcap_ext.webui.hosts.callbacks import register

register()
