"""What the Folder pane's controls hold when a button is pressed, and the task that they describe. No
component."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clipcap_ext.batch.folder import FolderTask, folder_from_text, note_of
from clipcap_ext.batch.wording import Wording
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.webui.decoding_controls import DecodingForm


@dataclass(frozen=True)
class Asked:
    """The model, every value of the pane and of the decoding by its name, and the options that the model's
    kind lacks."""

    model: str | None
    task: Mapping[str, Any]
    decoding: Mapping[str, Any]
    lacking: frozenset[str] = frozenset()

    @property
    def form(self) -> DecodingForm:
        """The decoding."""
        return DecodingForm.of_values(self.decoding, self.lacking)

    def folder_task(self) -> FolderTask:
        """The task that the controls describe; UsageError where they do not."""
        text = {name: self.task[name] or "" for name in ("folder", "prefix", "suffix", "trigger")}
        wording = Wording(
            self.task["policy"], text["prefix"], text["suffix"], text["trigger"], self.task["form"]
        )
        return FolderTask(
            folder_from_text(text["folder"]), wording, bool(self.task["recursive"]), self.task["extension"],
            note_of(self.model or "", self.form.lasting()),
        )  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """What was looked at, and the decoding it meant (a random seed is drawn once)."""

    asked: Asked
    options: DecodingOptions
