"""What families of image-to-text models are asked for each task, in the words they were trained on; a table
only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clipcap_ext.caption import TASKS

OBJECTS = "<OD>"  # what Florence-2 answers with names and places; the names are tags


@dataclass(frozen=True)
class Prompts:
    """How a family is asked.

    texts: the prompt of each task that it has; empty for a picture alone. chat: prompts are put into the
    chat template that comes with a model. only: it takes no other words. missing: why what is not among
    `texts` is not there.
    """

    texts: Mapping[str, str] = field(default_factory=lambda: {"sentence": ""})
    chat: bool = False
    missing: str = "it was trained to write a sentence, and takes no instructions"
    only: bool = False

    def of(self, task: str) -> str:
        """The prompt of a task, or of a person's own words."""
        return self.texts.get(task, task)

    @property
    def lacking(self) -> dict[str, str]:
        """The values of the option `task` that it does not have, or the option itself, and why."""
        if self.only:
            return {"task": self.missing}
        return {f"task={task}": self.missing for task in TASKS if task not in self.texts}


SENTENCE = Prompts(only=True)
CONTINUED = Prompts(missing="it takes no instructions; words of your own are what its answer goes on from")
FLORENCE = Prompts({"sentence": "<CAPTION>", "detailed": "<DETAILED_CAPTION>", "tags": OBJECTS})
CHAT = Prompts(
    {
        "sentence": "Describe this picture in one short sentence.",
        "detailed": "Describe this picture in detail, in one paragraph.",
        "tags": "List what this picture shows as short keywords in English, separated by commas. Answer with "
        "the keywords alone.",
    },
    chat=True,
)
