"""BERT's vocabulary, which a BLIP captioner writes with and its file does not hold: where this machine has
it. Nobody is asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from clipcap_ext.engine.clip.hub_cache import cached_file
from clipcap_ext.errors import CheckpointError

FILE = "vocab.txt"
REPO = "google-bert/bert-base-uncased"
# BERT's own under its two names, and captioners that come with the same vocabulary
REPOS = (
    "bert-base-uncased", REPO, "Salesforce/blip-image-captioning-base",
    "Salesforce/blip-image-captioning-large", "microsoft/git-base-coco", "microsoft/git-large-coco",
)  # fmt: skip
PAD, END = "[PAD]", "[SEP]"
NEEDED = (PAD, END, "[UNK]", "[CLS]", "[MASK]")


def find_words(file: Path, count: int, folder: Path | None) -> list[str]:
    """The `count` words of the vocabulary: in `folder`; else beside `file`, or in the Hugging Face cache.
    CheckpointError says in one line what to fetch."""
    for place in [folder / FILE] if folder else _places(file):
        if not place.is_file():
            continue
        words = place.read_text(encoding="utf-8", errors="replace").removesuffix("\n").split("\n")
        if len(words) == count and set(NEEDED) <= set(words):
            return words
        if folder:
            raise CheckpointError(
                f"{place} holds {len(words)} words, and {file} writes with BERT's {count}: name the folder "
                "of that vocabulary with --tokenizer."
            )
    where = f"is not in {folder}" if folder else "is not on this disk"
    raise CheckpointError(
        f"{file} needs BERT's vocabulary, {FILE} (0.2 MB), which {where}. Fetch "
        f"https://huggingface.co/{REPO}/resolve/main/{FILE} and put it beside the file."
    )


def _places(file: Path) -> Iterator[Path]:
    yield file.with_name(f"{file.stem}-tokenizer") / FILE
    yield file.with_name(FILE)
    yield from filter(None, (cached_file(repo, FILE) for repo in REPOS))
