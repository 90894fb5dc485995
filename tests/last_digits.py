"""Says what tiny models say of tiny pictures, as JSON, for a process with other instructions; not a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]  # the package; this folder is there already

import numpy as np  # noqa: E402
import torch  # noqa: E402
from tiny import tiny_images  # noqa: E402

from clipcap_ext.caption import Caption, DecodingOptions  # noqa: E402

WAYS = {
    "greedy": DecodingOptions(max_new_tokens=12),
    "beams": DecodingOptions(max_new_tokens=12, num_beams=4, num_candidates=2),
    "ranked": DecodingOptions(
        max_new_tokens=12, temperature=0.7, top_k=20, num_candidates=4, rank_by="similarity", seed=7
    ),
}
PICTURES = 6


def texts(captions: list[Caption]) -> list[Any]:
    """What a person reads of captions: the candidates in order, the keywords in order."""
    return [[[one.text for one in some.candidates], [one.text for one in some.keywords]] for some in captions]


def words_said(folder: Path, batch_size: int) -> dict[str, list[Any]]:
    """`model, way` -> texts of the pictures, captioned `batch_size` at a time."""
    from clipcap_ext.engine.factory import load_captioner

    images = tiny_images(PICTURES)
    starts = range(0, PICTURES, batch_size)
    said = {}
    for name in ("tiny-clipcap", "tiny-sbg"):
        captioner = load_captioner(folder / name)
        for way, options in WAYS.items():
            parts = [captioner.caption(images[start : start + batch_size], options) for start in starts]
            said[f"{name}, {way}"] = [row for part in parts for row in texts(part)]
    return said


def exact_figures() -> dict[str, Any]:
    """Cosines, ranks and recalls of fixed features: whole numbers in disguise, so alike to the last bit."""
    from clipcap_ext.engine.clip.similarity import exact_cosines, nearest_first
    from clipcap_ext.evaluate.retrieval import retrieval_tables

    draw = np.random.default_rng(0)
    images, captions = draw.normal(size=(2, 40, 512)).astype(np.float32)
    cosines = exact_cosines(images, captions)
    recalls = retrieval_tables(images, captions, range(40))
    return {
        "cosines": [value.hex() for value in cosines.ravel().tolist()],
        "orders": [nearest_first(row).tolist() for row in cosines],
        "recalls": {name: table.value for name, table in recalls.items()},
    }


def main(folder: Path, batch_size: int) -> None:
    """Print everything as one line of JSON."""
    instructions = torch.backends.cpu.get_cpu_capability()
    print(json.dumps([instructions, words_said(folder, batch_size), exact_figures()]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
