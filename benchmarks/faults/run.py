"""Hurts every writing door at its first, second, third ... change of the disk and counts what is lost.

PYTHONPATH=.:tests python benchmarks/faults/run.py              every change, every kind of fault: a table
PYTHONPATH=.:tests python benchmarks/faults/run.py --every 7    a seventh of them
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.doors import Converting, Door, FolderRun, Json, Overwriting, Saving, Shards, Undo
from benchmarks.faults.injector import DONE, FOREIGN, KINDS, Fault, count_changes, run_with

TORN = (0, 1, 17, 64, 200, 1000, 4096, 20_000, 100_000)  # bytes that a file may have when it is torn


@dataclass
class Tally:
    """What became of the faults of one door: how many, and everything that was wrong."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)


def faults_of(door: Door, root: Path, every: int) -> Iterator[Fault]:
    """Each kind at each change that the door makes, or at every n-th of them."""
    fresh(door, root)
    changes = count_changes(root, lambda: door.act(root))
    for kind in KINDS:
        places = TORN if kind == "torn" else range(1, changes + 1)
        yield from (Fault(kind, at) for number, at in enumerate(places) if number % every == 0)


def hurt(door: Door, root: Path, fault: Fault) -> Iterator[str]:
    """What is wrong after a fault, and after the next undisturbed run."""
    fresh(door, root)
    first = run_with(fault, root, lambda: door.act(root))
    if first.code == FOREIGN:
        yield f"foreign: {first.text}"
    yield from door.wrong_after_fault(root)
    again = run_with(None, root, lambda: door.act(root))
    if again.code != DONE:
        yield f"the next run ended with {again.code}: {again.text}"
    yield from door.wrong_after_next(root)


def warm_up(door: Door, root: Path) -> None:
    """Import in this process what the door needs, so that no child has to."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    door.prepare(root)
    door.act(root)


def fresh(door: Door, root: Path) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    run_with(None, root, lambda: door.prepare(root))


def all_doors(place: Path) -> list[Door]:
    """Every door, with the small models that some of them need made below `place`."""
    import torch
    from published import published_mlp
    from tiny import write_tiny_clipcap, write_tiny_encoder, write_tokenizer

    from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer

    models = place / "models"
    models.mkdir()
    write_tiny_encoder(models / "tiny-clip")
    write_tiny_clipcap(models / "tiny-clipcap", "tiny-clip")
    vocabulary = place / "published"
    write_tokenizer(vocabulary)
    file = vocabulary / "flickr8k.pt"
    torch.save(published_mlp(load_tokenizer(vocabulary).vocab_size, 512).state_dict(), file)
    return [
        FolderRun(),
        Overwriting(),
        Undo(),
        Saving(models),
        Converting(file, vocabulary),
        Shards(),
        Json(),
    ]


def measure(place: Path, every: int = 1) -> dict[str, Tally]:
    """A tally a door."""
    tallies: dict[str, Tally] = {}
    for door in all_doors(place):
        tally = tallies[door.name] = Tally()
        root = place / "work"
        warm_up(door, root)
        for fault in list(faults_of(door, root, every)):
            tally.faults += 1
            tally.wrong += [f"{fault}: {text}" for text in hurt(door, root, fault)]
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="hurt every n-th change only")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)  # a forked child has no other threads
    memory = (
        "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    )  # a disk makes it wait
    with tempfile.TemporaryDirectory(dir=memory) as place:
        tallies = measure(Path(place), args.every)
    kinds = ("lost", "doubled", "stray", "foreign")
    print(
        "| door | faults | " + " | ".join(kinds) + " | other |\n| --- | --- | --- | --- | --- | --- | --- |"
    )
    for name, tally in tallies.items():
        counts = [sum(f": {kind}" in text for text in tally.wrong) for kind in kinds]
        other = len(tally.wrong) - sum(counts)
        print(f"| {name} | {tally.faults} | {' | '.join(map(str, counts))} | {other} |")
    for name, tally in tallies.items():
        for text in tally.wrong[:5]:
            print(f"{name}: {text}", file=sys.stderr)
    return int(any(tally.wrong for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
