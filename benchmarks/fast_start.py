"""The start of `fast` with and without the rounded weights that an earlier one kept, and of `exact`

A random ViT-L/14 before a random GPT-2 small, from folders, each start in a process of its own: seconds from
the loading to the first caption, imports not counted, and the peak of memory above what was resident before.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.loading import FOLDER, PHOTO, Peak

WAYS = ("exact", "fast, the first time", "fast, again")
ENCODER = "encoder"


def child(way: str, place: Path) -> dict[str, float]:
    """Start once in this process, without a vocabulary: what is said is not looked at."""
    import open_clip  # noqa: F401  (imports are not measured)
    from PIL import Image

    from benchmarks.decoding import CAPTION_TOKENS, Numbers
    from clipcap_ext.caption import DecodingOptions
    from clipcap_ext.engine.checkpoint.config import EncoderConfig, read_config
    from clipcap_ext.engine.clip.loading import load_encoder
    from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner
    from clipcap_ext.engine.clipcap.checkpoint import load_clipcap

    precision = way.partition(",")[0]
    options = DecodingOptions(max_new_tokens=CAPTION_TOKENS, precision=precision)
    image = Image.open(PHOTO)
    image.load()
    with Peak() as peak:
        start = time.perf_counter(), time.process_time()
        folder = place / FOLDER
        encoder = load_encoder(EncoderConfig("random", ""), folder=place / ENCODER)
        model = load_clipcap(folder, read_config(folder))
        captioner = ClipCapCaptioner("random", encoder, model, Numbers(), options)
        captioner.source = folder / "model.safetensors"
        captioner.caption([image])
        spent = time.perf_counter() - start[0], time.process_time() - start[1]
    return {"seconds": spent[0], "processor": spent[1], **peak.mebibytes}


def starts(place: Path, rounds: int) -> list[list[object]]:
    """All ways in turns."""
    cache = place / "cache"
    runs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for turn in range(rounds + 1):
        shutil.rmtree(cache / "clipcap-ext" / "precision", ignore_errors=True)
        for way in WAYS:
            ran = subprocess.run(
                [sys.executable, __file__, "--child", way, str(place)],
                check=True, capture_output=True, text=True, env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            )  # fmt: skip
            if turn or not rounds:  # the first turn brings the files into the system's cache for all
                runs[way].append(json.loads(ran.stdout.splitlines()[-1]))
    rows: list[list[object]] = []
    first = statistics.median(run["processor"] for run in runs[WAYS[1]])
    for way, some in runs.items():
        wall, processor, all_, own = (
            statistics.median(run[key] for run in some) for key in ("seconds", "processor", "all", "own")
        )
        ratio = f"{processor / first:.2f}"
        rows.append([way, f"{wall:.1f}", f"{processor:.1f}", ratio, f"{all_:.0f}", f"{own:.0f}"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-print", action="store_true", help="write nothing")
    parser.add_argument("--child", nargs=2, metavar=("WAY", "PLACE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    if arguments.child:
        print(json.dumps(child(arguments.child[0], Path(arguments.child[1]))))
        return
    from benchmarks.loading import write_both, write_encoder
    from benchmarks.measure import publish, table

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_both(place)
        (place / "weights.pt").unlink()
        write_encoder(place)
        rows = starts(place, arguments.rounds)
    header = [
        "to the first caption",
        "seconds",
        "processor seconds",
        "of the first",
        "peak MiB",
        "without file pages",
    ]
    text = table(header, rows)
    print(text) if arguments.only_print else publish("fast_start", text)


if __name__ == "__main__":
    main()
