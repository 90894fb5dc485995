"""Whether a model was trained on the images it is about to be scored on; it knows files, not scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.corpus import Example
from clipcap_ext.engine.checkpoint.folder import read_trained_on
from clipcap_ext.errors import ScoringError

SHOWN = 3


@dataclass(frozen=True)
class TrainingOverlap:
    """What the folders of a model remember (`remembered` images in all) and which of the scored images are
    among it."""

    remembered: int
    image_ids: tuple[str, ...]

    def refuse(self, model: str, of: int) -> None:
        """ScoringError if there is an overlap."""
        if not self.image_ids:
            return
        shown = ", ".join(self.image_ids[:SHOWN]) + (", ..." if len(self.image_ids) > SHOWN else "")
        raise ScoringError(
            f"{model} was trained on {len(self.image_ids)} of these {of} images ({shown}): a score on them "
            "says nothing of how it captions new ones. Choose another --split, or add "
            "--allow-training-images to score it anyway; the results then say so."
        )


def training_overlap(folders: Iterable[Path], examples: Sequence[Example]) -> TrainingOverlap:
    """Compare images with those that the checkpoint and encoder `folders` were trained on, by their files'
    content."""
    seen = frozenset().union(*(read_trained_on(folder) for folder in folders))
    if not seen:
        return TrainingOverlap(0, ())
    return TrainingOverlap(
        len(seen), tuple(example.image_id for example in examples if _content(example) in seen)
    )


def _content(example: Example) -> str | None:
    try:
        return example.content()
    except OSError:  # reading it for its caption reports that
        return None
