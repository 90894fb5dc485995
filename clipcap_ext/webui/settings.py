"""What stands on the host's settings page under "Caption": keys, labels and choices; neither host nor
gradio."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from clipcap_ext.caption import PRECISIONS
from clipcap_ext.service.host import MEMORY_MODES


@dataclass(frozen=True)
class Setting:
    """One row. kind: dropdown, radio or checkbox; `choices` may be asked for anew each time the page is
    shown."""

    key: str
    default: Any
    label: str
    kind: str
    info: str = ""
    choices: Callable[[], Sequence[str]] | None = None

    @property
    def text(self) -> str:
        """What stands on the page: the label, and what there is to say of it."""
        return f"{self.label} ({self.info})" if self.info else self.label


def settings(model_names: Callable[[], Sequence[str]]) -> tuple[Setting, ...]:
    """The page, with the names of the models that can be chosen."""
    return (
        Setting(
            "clipcap_model", "", "Caption model where none is chosen", "dropdown",
            "generated images, Extras, REST; empty takes the first", lambda: ["", *model_names()],
        ),
        Setting(
            "clipcap_memory", "ram", "After a caption, the captioner", "radio",
            "keep: stays on the card; ram: moves to the computer's memory; free: is loaded anew each time",
            lambda: MEMORY_MODES,
        ),
        Setting(
            "clipcap_precision", "exact", "Precision where none is chosen", "radio",
            "fast: in 8 bits on a CPU, about twice as fast; some captions change", lambda: [*PRECISIONS],
        ),
        Setting(
            "clipcap_gallery_buttons", True, 'Show "send to Caption" under galleries', "checkbox",
            "after Reload UI",
        ),
    )  # fmt: skip
