"""The images a score is about: one part of a data set, its references and its name in signatures; no captions
made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.corpus import Corpus, Problem, read_corpus, split_corpus
from clipcap_ext.corpus.layouts.flickr_lists import official_splits
from clipcap_ext.errors import CorpusError, UsageError

SPLITS = ("test", "val", "train", "all")


@dataclass(frozen=True)
class EvaluationSplit:
    """Part of a corpus. `label` is its word in a signature; `numbering` the ids that numbers in other files
    mean."""

    corpus: Corpus
    label: str
    numbering: tuple[str, ...]

    @property
    def references(self) -> dict[str, tuple[str, ...]]:
        """image_id -> captions, as the data set writes them."""
        return {example.image_id: example.captions for example in self.corpus.examples}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the data set had to leave out."""
        return self.corpus.problems

    def having(self, captions: Mapping[str, str]) -> EvaluationSplit:
        """The images that have a caption; the label says how many, where that is not all."""
        if all(example.image_id in captions for example in self.corpus.examples):
            return self
        part = self.corpus.subset(captions)
        return EvaluationSplit(part, f"{self.label}-{len(part)}of{len(self.corpus)}", self.numbering)

    def first(self, limit: int | None) -> EvaluationSplit:
        """The first `limit` images; the label says so, for CIDEr-D and recall depend on the set of images."""
        if limit is None or limit >= len(self.corpus):
            return self
        if limit < 1:
            raise UsageError(f"--limit must be at least 1, not {limit}.")
        ids = self.corpus.image_ids[:limit]
        return EvaluationSplit(self.corpus.subset(ids), f"{self.label}-first{limit}", self.numbering)


def load_split(
    data: Path,
    split: str,
    scheme: str,
    layout: str = "auto",
    images: Path | None = None,
    *,
    pictures: bool = True,
) -> EvaluationSplit:
    """Read `split` (test, val, train by `scheme`, or all) of the data set at `data`; CorpusError if it has no
    image. Without `pictures` their files need not be there."""
    if split not in SPLITS:
        raise UsageError(f"Unknown split {split!r}; known: {', '.join(SPLITS)}.")
    corpus = read_corpus(data, layout, images, pictures=pictures)
    if split == "all":
        return EvaluationSplit(corpus, "all", tuple(corpus.image_ids))
    part: Corpus = getattr(split_corpus(corpus, scheme), split)
    if not part.examples:
        raise CorpusError(
            f"The {split} part of {corpus.name} is empty under the {scheme} split: choose another --split."
        )
    listed = (
        _listed(official_splits(data if data.is_dir() else data.parent), split)
        if scheme == "karpathy"
        else ()
    )
    return EvaluationSplit(part, f"{scheme}-{split}", listed or tuple(part.image_ids))


def _listed(splits: Mapping[str, str], split: str) -> tuple[str, ...]:
    """The official list in its own order: it is what published captions number their images by."""
    return tuple(name for name, marked in splits.items() if marked == split)
