"""The always-visible script that captions each generated image and writes the caption into its infotext."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modules import scripts

from clipcap_ext.errors import Cancelled, CaptionError
from clipcap_ext.webui.hosts import find_host
from clipcap_ext.webui.hosts.webui import WebuiHost

if TYPE_CHECKING:
    from clipcap_ext.service.host import Host

INFOTEXT_KEY = "ClipCap caption"


class PerImage(str):
    """The caption of the latest image. Hosts that call infotext values ask by index and get each image's own.

    Without that, the file a host saves before a caption exists would carry the caption of the image before
    it.
    """

    captions: dict[int, str]

    def __call__(self, index: int = 0, use_main_prompt: bool = False, **_: Any) -> str | None:
        """The caption of image `index` of this batch; none for a grid."""
        return None if use_main_prompt else self.captions.get(index)


def ask_admission(host: Host) -> None:
    """Before the host looks at what is in this file."""
    if isinstance(host, WebuiHost):
        host.admit(INFOTEXT_KEY)


ask_admission(find_host())


class GeneratedCaptions(scripts.Script):
    """Off until switched on, in the interface or by the API's alwayson_scripts: "ClipCap caption", args
    [true]."""

    def title(self) -> str:
        """Its name in the interface and the API."""
        return INFOTEXT_KEY

    def show(self, is_img2img: bool) -> Any:
        """In both tabs."""
        return scripts.AlwaysVisible

    def ui(self, is_img2img: bool) -> list[Any]:
        """A switch and a model."""
        from clipcap_ext.webui.hosts.extension import model_names
        from clipcap_ext.webui.tab.parts import generated_controls

        return generated_controls(self.elem_id, model_names())

    def process_batch(self, p: Any, *args: Any, **kwargs: Any) -> None:
        """A new batch: the captions of the last one are done with."""
        p.extra_generation_params.pop(INFOTEXT_KEY, None)

    def postprocess_image(self, p: Any, pp: Any, enabled: bool = False, model: str = "", *args: Any) -> None:
        """Caption the image that is about to be saved; a failure is reported and the image saved without."""
        if not enabled:
            return
        from clipcap_ext.webui.hosts.extension import caption_inside, service

        try:
            text = PerImage(caption_inside([pp.image], model or "")[0])
        except Cancelled:
            return
        except CaptionError as error:
            service().host.report(str(error), exc_info=False)
            return
        if not text:
            return
        before = p.extra_generation_params.get(INFOTEXT_KEY)
        index = getattr(p, "batch_index", 0)
        text.captions = {**(before.captions if isinstance(before, PerImage) else {}), index: str(text)}
        p.extra_generation_params[INFOTEXT_KEY] = text
