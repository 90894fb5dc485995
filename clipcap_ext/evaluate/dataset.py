"""The images a score is about: one part of a data set, its references and its name in signatures; no captions
made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clipcap_ext.corpus import Corpus, Problem, read_corpus, split_corpus
from clipcap_ext.corpus.feature_folder import is_feature_folder
from clipcap_ext.corpus.layouts.flickr_lists import official_splits
from clipcap_ext.corpus.splits import HELD_SHARE, SCHEMES
from clipcap_ext.errors import CorpusError, UsageError
from clipcap_ext.evaluate.stored_features import StoredFeatures, read_stored

PARTS = ("test", "val", "train", "all")


def scheme_and_part(word: str) -> tuple[str, str]:
    """What --split says: a part, a scheme of splitting, or both as signatures say them (`karpathy-val`).

    Left out are karpathy and test, whatever the protocol. UsageError for another word.
    """
    scheme, dash, part = word.partition("-")
    if not dash:
        scheme, part = (word, "test") if word in SCHEMES else (SCHEMES[0], word)
    if scheme not in SCHEMES or part not in PARTS:
        raise UsageError(
            f"Unknown split {word!r}; known: {', '.join(PARTS)}, {', '.join(SCHEMES)}, and both as in "
            f"{SCHEMES[0]}-val."
        )
    return scheme, part


@dataclass(frozen=True)
class EvaluationSplit:
    """Part of a corpus. `label` is its word in a signature; `numbering` the ids that numbers in other files
    mean; `features` what its images are known by where no photo is kept."""

    corpus: Corpus
    label: str
    numbering: tuple[str, ...]
    features: StoredFeatures | None = None

    @property
    def references(self) -> dict[str, tuple[str, ...]]:
        """image_id -> captions, as the data set writes them."""
        return {example.image_id: example.captions for example in self.corpus.examples}

    @property
    def domains(self) -> dict[str, tuple[str, ...]]:
        """nocaps' domains by name -> the image ids of each; other data sets have none."""
        by_domain: dict[str, list[str]] = {}
        for example in self.corpus.examples:
            if example.domain:
                by_domain.setdefault(example.domain, []).append(example.image_id)
        return {name: tuple(sorted(ids)) for name, ids in sorted(by_domain.items())}

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What the data set had to leave out."""
        return self.corpus.problems

    def check_photos(self, option: str) -> None:
        """UsageError if only features are kept, which cannot be looked at as `option` does."""
        if self.features is not None:
            raise UsageError(
                f"{option} looks at photos, and {self.features.folder.path} holds features only."
            )

    def having(self, captions: Mapping[str, str]) -> EvaluationSplit:
        """The images that have a caption; the label says how many, where that is not all."""
        if all(example.image_id in captions for example in self.corpus.examples):
            return self
        part = self.corpus.subset(captions)
        return replace(self, corpus=part, label=f"{self.label}-{len(part)}of{len(self.corpus)}")

    def first(self, limit: int | None) -> EvaluationSplit:
        """The first `limit` images; the label says so, for CIDEr-D and recall depend on the set of images."""
        if limit is None or limit >= len(self.corpus):
            return self
        if limit < 1:
            raise UsageError(f"--limit must be at least 1, not {limit}.")
        part = self.corpus.subset(self.corpus.image_ids[:limit])
        return replace(self, corpus=part, label=f"{self.label}-first{limit}")


def load_split(
    data: Path,
    split: str,
    scheme: str,
    layout: str = "auto",
    images: Path | None = None,
    *,
    pictures: bool = True,
    share: float = HELD_SHARE,
) -> EvaluationSplit:
    """Read `split` (test, val, train by `scheme`, or all) of the data set at `data`; CorpusError if it has no
    image. Without `pictures` their files need not be there; share: what the random split sets aside. A
    feature folder has no photos and keeps what `features` says."""
    if is_feature_folder(data):
        corpus, features = _stored(data, layout, images)
    else:
        corpus, features = read_corpus(data, layout, images, pictures=pictures), None
    if split == "all":
        return EvaluationSplit(corpus, "all", tuple(corpus.image_ids), features)
    part = _part(corpus, split, scheme, share)
    listed = (
        _listed(official_splits(data if data.is_dir() else data.parent), split)
        if scheme == "karpathy"
        else ()
    )
    return EvaluationSplit(part, f"{scheme}-{split}", listed or tuple(part.image_ids), features)


def _stored(data: Path, layout: str, images: Path | None) -> tuple[Corpus, StoredFeatures]:
    if layout != "auto" or images is not None:
        raise UsageError(f"{data} holds features and no photos: --layout and --images do nothing.")
    return read_stored(data)


def _part(corpus: Corpus, split: str, scheme: str, share: float) -> Corpus:
    """The images of one part; a data set that marks this part need not mark the others."""
    marked = [example.image_id for example in corpus.examples if example.split == split]
    if scheme == "karpathy" and marked:
        return corpus.subset(marked)
    marks = sorted({example.split for example in corpus.examples if example.split})
    if scheme == "karpathy" and marks:
        raise CorpusError(
            f"{corpus.name} marks no image as {split}: choose --split {' or '.join([*marks, 'all'])}."
        )
    if scheme == "karpathy" and any(example.fingerprint for example in corpus.examples):
        raise CorpusError(
            f"The features in {corpus.name} do not say which split a picture is of: choose --split all, or "
            "random, which goes by the pictures' content."
        )
    part: Corpus = getattr(split_corpus(corpus, scheme, share=share), split)
    if not part.examples:
        raise CorpusError(
            f"The {split} part of {corpus.name} is empty under the {scheme} split: choose another --split."
        )
    return part


def _listed(splits: Mapping[str, str], split: str) -> tuple[str, ...]:
    """The official list in its own order: it is what published captions number their images by."""
    return tuple(name for name, marked in splits.items() if marked == split)
