"""Captions as test servers take them, which keep their references to themselves; it scores nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from clipcap_ext.corpus import Example
from clipcap_ext.files import write_whole


def write_submission(path: Path, examples: Sequence[Example], captions: Mapping[str, str]) -> list[str]:
    """Write `[{"image_id": number, "caption": text}, ...]`, an entry for every image, as EvalAI takes it for
    nocaps and COCO; whole or not at all.

    Returns the images that have no caption, whose entry is empty.
    """
    rows = [
        {"image_id": example.number, "caption": " ".join(captions.get(example.image_id, "").split())}
        for example in examples
    ]
    write_whole(path, json.dumps(rows, ensure_ascii=False) + "\n")
    return [example.image_id for example in examples if example.image_id not in captions]
