"""What differs between gradio 3.41, 4.40 and newer, answered once; the panes use these and never ask for a
version."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from clipcap_ext.webui.tab.ids import HIDDEN, elem_id

MAJOR = int(gr.__version__.split(".")[0])
IMAGE_SOURCE = {"source": "upload"} if MAJOR < 4 else {"sources": ["upload"]}
QUIET: dict[str, Any] = {"show_progress": "hidden", "api_name": False}
QUICK: dict[str, Any] = {**QUIET, "queue": False}  # answered at once, whatever runs


class Unreadable:
    """Stands for an upload that Pillow could not open; gradio itself would answer with a bare "Error"."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


def js(source: str) -> dict[str, str]:
    """The keyword that gives an event its JavaScript."""
    return {"_js": source} if MAJOR < 4 else {"js": source}


def picture(name: str, **options: Any) -> gr.Image:
    """An image box that keeps transparency and metadata, and hands over an Unreadable rather than fail."""
    box = gr.Image(type="pil", image_mode="RGBA", elem_id=elem_id(name), **IMAGE_SOURCE, **options)
    preprocess = box.preprocess

    def safely(value: Any) -> Any:
        try:
            return preprocess(value)
        except Exception as error:
            return Unreadable(f"{type(error).__name__}: {error}")

    box.preprocess = safely
    return forgotten(box)


def forgotten(component: Any) -> Any:
    """Keep the host from storing a component's value in its ui-config.json, which would win over ours for
    good."""
    component.do_not_save_to_config = True
    return component


def listed(choices: Sequence[tuple[str, str]]) -> list[Any]:
    """The choices of a list, (what is shown, its value) each. Gradio 3's takes no such pairs and shows the
    values."""
    return list(choices) if MAJOR >= 4 else [value for _, value in choices]


def hidden_text(name: str) -> gr.Textbox:
    """A text that the script reads or writes; it is in the page but not to be seen."""
    return forgotten(
        gr.Textbox(elem_id=elem_id(name), elem_classes=[HIDDEN], show_label=False, container=False)
    )


def hidden_mark(name: str, text: str = "") -> gr.HTML:
    """A word in the page for the script."""
    return gr.HTML(marked(text), elem_id=elem_id(name), elem_classes=[HIDDEN])


def marked(mark: str, kind: str = "") -> str:
    """What a `hidden_mark` holds; a `kind` is a class for the style sheet to go by."""
    return f'<i class="{kind}">{escape(mark)}</i>' if kind else f"<i>{escape(mark)}</i>"


def hidden_button(name: str) -> gr.Button:
    """A button that the script presses."""
    return gr.Button(name, elem_id=elem_id(name), elem_classes=[HIDDEN])


def able(yes: bool) -> Any:
    """An update that lets a component be used, or greys it out."""
    return gr.update(interactive=yes)


def uploaded_paths(files: Any) -> list[tuple[str, Path]]:
    """(the name it had, where it lies now) of each uploaded file."""
    if not files:
        return []
    paths = []
    for file in files if isinstance(files, list) else [files]:
        path = Path(str(getattr(file, "name", file)))
        paths.append((Path(getattr(file, "orig_name", None) or path.name).name, path))
    return paths
