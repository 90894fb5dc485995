"""What can be told of a model without loading it: licence, size, place, scores. It reads files and no
weights."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.engine.catalog import ModelEntry, find_encoder_folder, is_ready
from clipcap_ext.engine.checkpoint.config import CARD_FILE
from clipcap_ext.engine.checkpoint.places import BUNDLED, PHOTOS
from clipcap_ext.engine.front_matter import split_card
from clipcap_ext.engine.published.published_models import OF_A_REPOSITORY
from clipcap_ext.errors import CaptionError

MEMORY_BYTES = 4  # of a weight on a CPU
OTHER = "other"  # the Hub's word for a licence that is not on its list


def is_bundled(entry: ModelEntry) -> bool:
    """Whether it came with the package."""
    return entry.folder.parent == BUNDLED


def licence_of(entry: ModelEntry) -> str:
    """A few words for its terms: `license:` in the card's front matter, else `licence` in its config, else
    `license_name:` in the front matter; else empty."""
    said = _front(entry, "license")
    return said if said not in ("", OTHER) else _trained(entry, "licence") or _front(entry, "license_name")


def _front(entry: ModelEntry, name: str) -> str:
    """A line of the card's front matter, without its quotes."""
    match = re.search(rf"\A---\n(?:.*\n)*?{name}:\s*([^\n]+)\n", _card(entry))
    return match.group(1).strip("\"' ") if match else ""


def terms_of(entry: ModelEntry) -> str:
    """What its training data ask for, in whole sentences; the licence's name where nothing else is said; else
    empty."""
    return _trained(entry, "terms") or licence_of(entry)


def purpose_of(entry: ModelEntry) -> str:
    """The card's first plain sentence."""
    card = re.sub(r"\A---\n.*?\n---\n", "", _card(entry), flags=re.DOTALL)
    paragraphs = (" ".join(part.split()) for part in card.split("\n\n"))
    plain = (part for part in paragraphs if part and not part.startswith(("#", "|", "`", "-", "!", "<")))
    return next(plain, "").split(". ")[0]


@dataclass(frozen=True)
class Sample:
    """What a model said of one of the photos that come with the package."""

    photo: Path
    caption: str


def sample_of(entry: ModelEntry) -> Sample | None:
    """The first one that its card records, in the Hub's own field for that (`widget`), of a photo that is
    here; None where it records none."""
    widget = split_card(_card(entry))[0].get("widget")
    for row in widget if isinstance(widget, list) else ():
        said = row.get("output") if isinstance(row, Mapping) else None
        text = said.get("text") if isinstance(said, Mapping) else None
        photo = PHOTOS / Path(str(row.get("src"))).name if isinstance(text, str) else PHOTOS
        if isinstance(text, str) and text and photo.is_file():
            return Sample(photo, text)
    return None


def encoder_folder(entry: ModelEntry, models_dir: Path) -> Path | None:
    """The folder of the encoder a model needs, None where it comes from the Hub or is missing."""
    encoder = entry.config.encoder if entry.config is not None else None
    if encoder is None or encoder.pretrained:
        return None
    try:
        return find_encoder_folder(encoder.model, entry.folder, folders=[models_dir])
    except CaptionError:
        return None


def size_of(entry: ModelEntry, models_dir: Path) -> int:
    """Bytes on disk of the checkpoint and, where it is a folder of ours, its encoder."""
    encoder = encoder_folder(entry, models_dir)
    beside = sum(path.stat().st_size for path in encoder.iterdir() if path.is_file()) if encoder else 0
    return entry.size + beside


def state_of(entry: ModelEntry, models_dir: Path) -> tuple[str, str]:
    """(state in words, with a place for the encoder; the encoder's name)."""
    if entry.config is None or entry.problem:
        return "cannot be used", ""
    encoder = entry.config.encoder
    if encoder is None:
        return "on this machine, ready offline", ""
    if encoder.pretrained:
        named = f"{encoder.model} ({encoder.pretrained})"
        if not is_ready(entry, folders=[models_dir]):
            return "needs {encoder} from the Hub: Download in the Models pane", named
        return "on this machine, ready offline", named
    if encoder_folder(entry, models_dir) is None:
        return "its encoder {encoder} is missing", encoder.model
    return (
        "bundled, ready offline" if is_bundled(entry) else "on this machine, ready offline"
    ), encoder.model


def architecture_of(entry: ModelEntry) -> str:
    """The family of models that it is one of, as papers write it; empty for our own kinds."""
    return str(_of_transformers(entry).get("family", ""))


def memory_of(entry: ModelEntry) -> int:
    """Bytes of its weights in memory on a CPU, in float32; 0 for our own kinds, whose files are as large."""
    return MEMORY_BYTES * int(_of_transformers(entry).get("weights", 0))


def scores_of(entry: ModelEntry) -> str:
    """Its first row of scores with the signature they were measured by."""
    rows = entry.config.scores if entry.config is not None else ()
    if not rows:
        return ""
    values = rows[0].get("values", {})
    numbers = ", ".join(
        f"{name} {value:.3f}" for name, value in values.items() if isinstance(value, (int, float))
    )
    return f"{numbers} ({rows[0].get('signature', '')})"


def _of_transformers(entry: ModelEntry) -> Mapping[str, Any]:
    """What is known of the architecture of another's model; nothing of our own kinds."""
    return entry.config.model if entry.config is not None and entry.config.kind in OF_A_REPOSITORY else {}


def _trained(entry: ModelEntry, name: str) -> str:
    return str(entry.config.training.get(name, "")) if entry.config is not None else ""


def _card(entry: ModelEntry) -> str:
    try:
        return (entry.folder / CARD_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
