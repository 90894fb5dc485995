"""Flickr's official split lists (one image name a line), which any layout may find beside its captions; no
captions."""

from __future__ import annotations

from pathlib import Path

LISTS = {
    "train": ("Flickr_8k.trainImages.txt", "flickr30k_train.txt", "train.txt"),
    "val": ("Flickr_8k.devImages.txt", "flickr30k_val.txt", "val.txt"),
    "test": ("Flickr_8k.testImages.txt", "flickr30k_test.txt", "test.txt"),
}
WANTED = ", ".join(names[0] for names in LISTS.values())


def official_splits(root: Path) -> dict[str, str]:
    """Image name -> train, val or test, from the lists in `root` or in its Flickr8k_text; empty if one is
    missing."""
    splits: dict[str, str] = {}
    for split, names in LISTS.items():
        places = [folder / name for folder in (root, root / "Flickr8k_text") for name in names]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            return {}
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            if line.strip():
                splits[line.strip()] = split
    return splits
