"""The Extras postprocessor that captions: the host writes it beside the image where it writes captions."""

from __future__ import annotations

from typing import Any

from modules import scripts_postprocessing

from clipcap_ext.errors import Cancelled, CaptionError

NAME = "ClipCap caption"
WRITTEN = "postprocessing_existing_caption_action"  # the setting of the hosts that write `pp.caption`


class ExtrasCaption(scripts_postprocessing.ScriptPostprocessing):
    """After the host's own captioner (4000), so that both captions are kept."""

    name = NAME
    order = 4040

    def ui(self) -> dict[str, Any]:
        """A switch and a model. The host cannot do without this dictionary, so nothing may fail here."""
        from clipcap_ext.webui.hosts.extension import model_names
        from clipcap_ext.webui.tab.parts import extras_controls

        enable, model = extras_controls(model_names())
        return {"enable": enable, "model": model}

    def process(self, pp: Any, enable: bool = False, model: str = "", **_: Any) -> None:
        """Add to `pp.caption`, or to the infotext of a host that writes no captions."""
        if not enable:
            return
        from clipcap_ext.webui.hosts.extension import caption_inside, service

        try:
            text = caption_inside([pp.image], model or "")[0]
        except Cancelled:
            return
        except CaptionError as error:
            service().host.report(str(error), exc_info=False)
            return
        if not text:
            return
        if writes_captions(pp):
            pp.caption = ", ".join(part for part in (pp.caption, text) if part)
        else:
            pp.info[NAME] = text


def writes_captions(pp: Any) -> bool:
    """Whether the host writes the caption of `pp` to a file. Forge Neo still has the attribute of the hosts
    that do, and nobody who reads it."""
    from modules import shared

    return hasattr(pp, "caption") and hasattr(shared.opts, WRITTEN)
