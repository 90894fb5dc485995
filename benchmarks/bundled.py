"""The bundled model: time to load it, milliseconds a photo, peak memory

Each figure comes from a fresh process, as a person meets it; photos are the files and folders given.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

MODEL = "tiny-flickr8k"
BATCH = 16


def child(photos: list[str]) -> dict[str, float]:
    """Load and caption in this process; seconds and MiB."""
    import resource

    start = time.perf_counter()
    import torch
    import transformers  # noqa: F401  (counted with the imports, not with the model)

    imported = time.perf_counter()
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.engine.images.finding import find_images
    from clipcap_ext.engine.images.reading import open_image

    captioner = load_captioner(MODEL)
    loaded = time.perf_counter()
    files = find_images(photos)
    captioner.caption([open_image(files[0])])
    first = time.perf_counter()
    singles = []
    for file in files:
        before = time.perf_counter()
        captioner.caption([open_image(file)])
        singles.append(time.perf_counter() - before)
    many = (files * BATCH)[:BATCH]
    before = time.perf_counter()
    captioner.caption([open_image(file) for file in many])
    batch = time.perf_counter() - before
    return {
        "import": imported - start, "load": loaded - imported, "first": first - loaded,
        "single": statistics.median(singles), "batch": batch / BATCH,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "threads": torch.get_num_threads(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(arguments.photos)))
        return
    command = [sys.executable, __file__, "--child", *arguments.photos]
    runs = [
        json.loads(
            subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
        )
        for _ in range(arguments.rounds)
    ]
    middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    from benchmarks.measure import publish, table

    rows = [
        ["importing torch and transformers", f"{middle['import']:.1f} s"],
        ["loading the model", f"{middle['load']:.1f} s"],
        ["the first photo", f"{1000 * middle['first']:.0f} ms"],
        ["a photo, one at a time", f"{1000 * middle['single']:.0f} ms"],
        [f"a photo, in a batch of {BATCH}", f"{1000 * middle['batch']:.0f} ms"],
        ["peak memory of the process", f"{middle['memory']:.0f} MiB"],
    ]
    size = sum(path.stat().st_size for path in bundled_files()) / 1e6
    rows.append(["model files in the repository", f"{size:.1f} MB"])
    publish(
        "bundled", table([f"{MODEL}, files read from disk, beam search as the model says", "figure"], rows)
    )


def bundled_files() -> list[Path]:
    from clipcap_ext.engine.checkpoint.places import BUNDLED

    return [path for path in BUNDLED.rglob("*") if path.is_file()]


if __name__ == "__main__":
    main()
