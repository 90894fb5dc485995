"""The one way in: a folder or an annotation file to a Corpus, its layout named or recognised; it opens no
image."""

from __future__ import annotations

import os
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, ImageFinder
from clipcap_ext.corpus.examples import Corpus
from clipcap_ext.corpus.feature_folder import is_feature_folder
from clipcap_ext.corpus.layouts import LAYOUTS
from clipcap_ext.errors import CorpusError, UsageError


def read_corpus(
    place: str | os.PathLike[str],
    layout: str = "auto",
    images: str | os.PathLike[str] | None = None,
    *,
    pictures: bool = True,
) -> Corpus:
    """Read a data set: a folder, or its annotation file. `images` names their folder if it lies elsewhere.
    Without `pictures` images count whose files are not there: captions can be scored by their text.

    Rows and images that cannot be used are in `Corpus.problems`. Raises UsageError for an unknown layout,
    CorpusError if there is nothing of that layout, or nothing usable in it.
    """
    root = Path(place).expanduser()
    if layout != "auto" and layout not in LAYOUTS:
        raise UsageError(f"Unknown layout {layout!r}; known: auto, {', '.join(LAYOUTS)}.")
    for path in (root, *([Path(images)] if images else [])):
        if not path.exists():
            raise CorpusError(f"No data set at {path}: there is no such file or folder.")
    if is_feature_folder(root):
        raise CorpusError(
            f"{root} holds features, which only ClipCap presets train on: name the tables or photos they "
            "were made of."
        )
    tried = list(LAYOUTS.values()) if layout == "auto" else [LAYOUTS[layout]]
    folder = root if root.is_dir() else root.parent
    for candidate in tried:
        files = candidate.find(root)
        if files:
            collector = Collector(ImageFinder(folder, Path(images) if images else None))
            candidate.read(files, folder, collector)
            return _usable(collector.corpus(_name(folder), pictures), candidate.name)
    looked = "\n".join(f"  {candidate.name}: {candidate.looks_for}" for candidate in tried)
    shards = "\nShards (.tar, .tsv) become features first: python -m clipcap_ext.corpus features --help."
    raise CorpusError(f"No data set recognised at {root}. Looked for:\n{looked}{shards * _has_shards(root)}")


def _has_shards(place: Path) -> bool:
    names = os.listdir(place) if place.is_dir() else [place.name]
    return any(name.endswith((".tar", ".tgz", ".tar.gz", ".tsv")) for name in names)


def _usable(corpus: Corpus, layout: str) -> Corpus:
    if corpus.examples:
        return corpus
    shown = "".join(f"\n  {problem}" for problem in corpus.problems[:5])
    raise CorpusError(
        f"The {layout} data set {corpus.name} has no image with a caption; {len(corpus.problems)} "
        f"problems:{shown}"
    )


def _name(folder: Path) -> str:
    return folder.resolve().name
