"""Write Karpathy's form of a Flickr30k subset whose photos lie under other names, so that the package reads
it.

    python tools/flickr30k_subset.py SUBSET.csv.gz --images DIR --out DIR

SUBSET.csv.gz has a row a caption: flickr30k_image, flickr8k_image (the name in --images), split, caption. OUT
gets dataset_flickr30k.json and a link to the photos. Punctuation is set apart from words, as in Flickr30k's
own token file.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PUNCTUATION = re.compile(r"\s*([.,!?;:])(?=\s|$)")


def dataset(rows: Iterable[Mapping[str, str]]) -> dict[str, Any]:
    """Karpathy's object: every photo once, with its split and captions, in the order of the rows."""
    images: dict[str, dict[str, Any]] = {}
    for row in rows:
        image = {"filename": row["flickr8k_image"], "split": row["split"], "sentences": []}
        sentence = {"raw": " ".join(PUNCTUATION.sub(r" \1 ", row["caption"]).split())}
        images.setdefault(row["flickr8k_image"], image)["sentences"].append(sentence)
    return {"dataset": "flickr30k", "images": list(images.values())}


def main() -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("subset", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with gzip.open(args.subset, "rt", encoding="utf-8", newline="") as stream:
        made = dataset(csv.DictReader(stream))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "dataset_flickr30k.json").write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    link = args.out / "Images"
    if not link.exists():
        link.symlink_to(args.images.resolve())
    print(f"{args.out}: {len(made['images'])} photos")


if __name__ == "__main__":
    main()
