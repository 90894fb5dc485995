"""Catches the host's components while its interface is built and ties our picture and buttons to them."""

from __future__ import annotations

from typing import Any

from clipcap_ext.service.host import HostComponents
from clipcap_ext.webui.hosts.webui import WebuiHost

PASTE_NAME = "clipcap"  # SD.Next has a "caption" of its own
SYMBOL = "\N{SPEECH BALLOON}"
INTERROGATE_SYMBOL = "\N{PAPERCLIP}"


def paste_module() -> Any:
    """The host's module of "send to" bindings: its name differs, and SD.Next keeps an empty one under the new
    name."""
    from modules import infotext_utils

    if hasattr(infotext_utils, "ParamBinding"):
        return infotext_utils
    from modules import generation_parameters_copypaste

    return generation_parameters_copypaste


def _is_drawing_board(picture: Any) -> bool:
    """SD.Next's Kanvas: a mere place in the page, which its own script fills."""
    return picture is not None and getattr(picture, "get_block_name", str)() == "html"


class Interface:
    """One building of the host's interface."""

    def __init__(self, host: WebuiHost) -> None:
        self._host = host
        self.reset()

    def reset(self) -> None:
        """The host begins to build: nothing was seen yet."""
        self._seen: dict[str, Any] = {}
        self._buttons: dict[str, Any] = {}
        self._interrogate: Any = None
        self._picture: Any = None

    def see(self, component: Any, **kwargs: Any) -> None:
        """Called for every component; gradio 4 makes some anew later, so the first of a name counts."""
        elem_id = kwargs.get("elem_id") or getattr(component, "elem_id", None)
        if not isinstance(elem_id, str) or elem_id in self._seen:
            return
        self._seen[elem_id] = component
        name = elem_id.removesuffix(self._host.beside_gallery)
        if name != elem_id and name in self._host.galleries and self._wants_buttons():
            self._buttons[name] = self._tool_button(
                SYMBOL, f"{name}_send_to_clipcap", "Send image to the Caption tab."
            )
        elif elem_id == "img2img_style_apply" and self._lost_interrogate():
            tip = "Caption the image with ClipCap and put the words into the prompt."
            self._interrogate = self._tool_button(INTERROGATE_SYMBOL, "clipcap_interrogate", tip)

    def components(self) -> HostComponents:
        """What the tab may send to."""
        fields = paste_module().paste_fields
        prompts, pictures, sizes, drawn = {}, {}, {}, set()
        for target in self._host.send_targets:
            prompt = self._seen.get(self._host.prompt_id(target))
            if prompt is not None:
                prompts[target] = prompt
            paste = fields.get(target, {})
            picture = paste.get("init_img")
            if _is_drawing_board(picture):
                drawn.add(target)
            elif picture is not None:
                pictures[target] = picture
            named = {name: field for field, name in paste.get("fields") or () if name in ("Size-1", "Size-2")}
            if len(named) == 2 and target != "inpaint":
                sizes[target] = (named["Size-1"], named["Size-2"])
        titles = self._host.target_titles
        return HostComponents(prompts, pictures, sizes, self._register, titles, frozenset(drawn))

    def _register(self, picture: Any) -> None:
        """Called by the tab inside its Blocks, when all of it is there."""
        self._picture = picture
        if self._interrogate is not None:
            self._wire_interrogate()

    def bind(self) -> None:
        """Tie the galleries to our picture; only once the tab is built, or the host would not start."""
        paste = paste_module()
        if self._picture is None:
            return self.withdraw()
        paste.add_paste_fields(PASTE_NAME, self._picture, None)
        for name, button in self._buttons.items():
            gallery = self._seen.get(f"{name}_gallery")
            if gallery is None:
                button.visible = False
                continue
            binding = paste.ParamBinding(
                paste_button=button,
                tabname=PASTE_NAME,
                source_text_component=None,
                source_image_component=gallery,
            )
            paste.register_paste_params_button(binding)
        return None

    def withdraw(self) -> None:
        """There is no tab to send to: hide the buttons that would do nothing."""
        for button in (*self._buttons.values(), self._interrogate):
            if button is not None:
                button.visible = False

    def _wants_buttons(self) -> bool:
        return bool(self._host.setting("clipcap_gallery_buttons", True)) and not self._host.tab_hidden

    def _tool_button(self, symbol: str, elem_id: str, tooltip: str) -> Any:
        from modules.ui_components import ToolButton

        return ToolButton(symbol, elem_id=elem_id, tooltip=tooltip)

    def _lost_interrogate(self) -> bool:
        """Some forks took the button away and kept the rest; a host that has its own keeps it alone."""
        from modules import ui

        return self._host.name != "SD.Next" and not hasattr(ui, "process_interrogate")

    def _wire_interrogate(self) -> None:
        from clipcap_ext.webui.hosts.extension import interrogate

        image, prompt = self.components().pictures.get("img2img"), self._seen.get("img2img_prompt")
        if image is None or prompt is None:
            self._interrogate.visible = False
            return
        self._interrogate.click(fn=interrogate, inputs=[image], outputs=[prompt], show_progress=False)
