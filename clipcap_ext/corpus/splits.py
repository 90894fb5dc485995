"""The splits, always by image: `paper` and `karpathy`, which tables are made on, and `random` for one's own
photos; nothing is drawn."""

from __future__ import annotations

from dataclasses import replace

from clipcap_ext.corpus.examples import Corpus, Example, Splits
from clipcap_ext.corpus.layouts.flickr_lists import WANTED
from clipcap_ext.engine.checkpoint.fingerprint import LENGTH
from clipcap_ext.errors import CorpusError, UsageError

SCHEMES = ("karpathy", "paper", "random")
HELD_SHARE = 0.1  # of the photos, where nobody says how many `random` sets aside
HELD_OUT = 1000  # images in the paper's test part, and in its validation part, where there is one


def split_corpus(
    corpus: Corpus, scheme: str = "karpathy", *, validation: bool = False, share: float = HELD_SHARE
) -> Splits:
    """Split by image. `paper`: the last 1000 images by name are the test part and, where `validation` is
    wanted (the paper's SBG has one), the 1000 before them that part; else it is empty. `karpathy`: as the
    data set marks its images; unmarked ones are in no part, and a test part there need not be. `random`: by
    the content of each file, a `share` of them for validation and as many for the test, whatever they are
    called and whatever lies beside them.

    Raises UsageError for an unknown scheme, CorpusError if the data set cannot be split so.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"There is no split {scheme!r}; known: {', '.join(SCHEMES)}.")
    if scheme == "random":
        return _random(corpus, share)
    return _paper(corpus, validation) if scheme == "paper" else _karpathy(corpus)


def _random(corpus: Corpus, share: float) -> Splits:
    """A photo's place between 0 and 1 is the first digits of its SHA-256; the last two shares are held
    out."""
    parts: tuple[list[Example], list[Example], list[Example]] = ([], [], [])
    for example in corpus.examples:
        try:
            place = int(example.content(), 16) / 16**LENGTH
        except OSError as error:
            raise CorpusError(f"The random split goes by the content of photos: {error}.") from error
        parts[2 if place >= 1 - share else 1 if place >= 1 - 2 * share else 0].append(example)
    return _splits(corpus, *parts)


def _paper(corpus: Corpus, validation: bool) -> Splits:
    held = HELD_OUT * (2 if validation else 1)
    if len(corpus) <= held:
        raise CorpusError(
            f"The paper split sets the last {held} images aside, and {corpus.name} has {len(corpus)} in all."
        )
    ordered = sorted(corpus.examples, key=lambda example: example.image_id)
    val_at, test_at = len(ordered) - held, len(ordered) - HELD_OUT
    return _splits(corpus, ordered[:val_at], ordered[val_at:test_at], ordered[test_at:])


def _karpathy(corpus: Corpus) -> Splits:
    parts = {
        split: [example for example in corpus.examples if example.split == split]
        for split in ("train", "val", "test")
    }
    missing = [split for split in ("train", "val") if not parts[split]]  # Conceptual Captions has no test
    if missing:
        raise CorpusError(
            f"{corpus.name} marks no image as {' or '.join(missing)}, so it has no karpathy split. Put the "
            f"official lists beside the captions ({WANTED}), or Karpathy's dataset_*.json, or mark the rows "
            "with a split."
        )
    return _splits(corpus, parts["train"], parts["val"], parts["test"])


def _splits(corpus: Corpus, *parts: list[Example]) -> Splits:
    return Splits(*(replace(corpus, examples=tuple(part)) for part in parts))
