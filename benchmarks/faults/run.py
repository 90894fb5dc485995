"""Hurts every writing door at its first, second, third ... change of the disk and counts what is lost.

PYTHONPATH=.:tests python benchmarks/faults/run.py              every change, every kind of fault: a table
PYTHONPATH=.:tests python benchmarks/faults/run.py --every 7    a seventh of them
PYTHONPATH=.:tests python benchmarks/faults/run.py --door undo  one door alone
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.doors import Converting, Door, FolderRun, Json, Overwriting, Saving, Shards, Undo
from benchmarks.faults.hub import Downloading, Removing, serve
from benchmarks.faults.injector import DONE, FOREIGN, KINDS, Fault, count_changes, run_with
from benchmarks.faults.training import Resuming, Training

COUNTED = ("lost", "doubled", "stray", "foreign")
TORN = (0, *sorted({round(1.17**power) for power in range(83)}))  # bytes a torn file may have, to 400 kB


@dataclass
class Tally:
    """What became of the faults of one door: how many, after how many of them anything was wrong, and all
    of that."""

    faults: int = 0
    failures: int = 0
    wrong: list[str] = field(default_factory=list)


def faults_of(door: Door, root: Path, every: int, kinds: Sequence[str]) -> Iterator[Fault]:
    """Each kind at each change that the door makes, or at every n-th of them."""
    fresh(door, root)
    changes = count_changes(root, lambda: door.act(root))
    for kind in kinds:
        places = TORN if kind == "torn" else range(1, changes + 1)
        yield from (Fault(kind, at) for number, at in enumerate(places) if number % every == 0)


def hurt(door: Door, root: Path, fault: Fault) -> Iterator[str]:
    """What is wrong after a fault, and after the next undisturbed run; `root` is a folder of the fault's own,
    so that nothing this process remembers of others helps."""
    fresh(door, root)
    first = run_with(fault, root, lambda: door.act(root))
    if first.code == FOREIGN:
        yield f"foreign: {first.text}"
    yield from door.wrong_after_fault(root)
    if fault.kind == "twice":
        run_with(fault, root, lambda: door.act(root))
        yield from door.wrong_after_fault(root)
    again = run_with(None, root, lambda: door.act(root))
    if again.code != DONE:
        yield f"the next run ended with {again.code}: {again.text}"
    yield from door.wrong_after_next(root)
    shutil.rmtree(root)


def warm_up(door: Door, root: Path) -> None:
    """Import in this process what the door needs, so that no child has to."""
    root.mkdir()
    door.prepare(root)
    door.act(root)


def fresh(door: Door, root: Path) -> None:
    fresh_folder(root)
    run_with(None, root, lambda: door.prepare(root))


def all_doors(place: Path) -> dict[str, Callable[[], Door]]:
    """Every door by its name, made once it is needed: some have small models of their own below `place`.

    Those of the Hub come before any that imports huggingface_hub, which reads once where its Hub is."""
    hub, training = (functools.cache(lambda make=make: make(place)) for make in (serve, for_training))
    return {
        FolderRun.name: FolderRun, Overwriting.name: Overwriting, Undo.name: Undo,
        Downloading.name: lambda: Downloading(hub()),
        Removing.name: lambda: Removing(hub(), fresh_folder(place / "downloaded")),
        Saving.name: lambda: Saving(tiny_models(place)),
        Converting.name: lambda: Converting(*published(place)), Shards.name: Shards, Json.name: Json,
        Training.name: lambda: Training(*training()), Resuming.name: lambda: Resuming(*training()),
    }  # fmt: skip


def tiny_models(place: Path) -> Path:
    """A folder with the tiny CLIP and the tiny ClipCap."""
    from tiny import write_tiny_clipcap, write_tiny_encoder

    models = place / "models"
    if not models.exists():
        models.mkdir()
        write_tiny_encoder(models / "tiny-clip")
        write_tiny_clipcap(models / "tiny-clipcap", "tiny-clip")
    return models


def published(place: Path) -> tuple[Path, Path]:
    """A small published file, and the folder of its vocabulary."""
    import torch
    from published import published_mlp
    from tiny import write_tokenizer

    from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer

    vocabulary = place / "published"
    write_tokenizer(vocabulary)
    file = vocabulary / "flickr8k.pt"
    torch.save(published_mlp(load_tokenizer(vocabulary).vocab_size, 512).state_dict(), file)
    return file, vocabulary


def for_training(place: Path) -> tuple[Path, Path, Path]:
    """Drawn photos, an encoder, and the folder of the run that nothing disturbs."""
    from tiny_tasks import write_flickr

    write_flickr(fresh_folder(place / "data"))
    return place / "data", tiny_models(place) / "tiny-clip", fresh_folder(place / "whole")


def fresh_folder(path: Path) -> Path:
    """`path`, empty."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path


def measure(
    place: Path, every: int = 1, only: Sequence[str] = (), kinds: Sequence[str] = KINDS
) -> dict[str, Tally]:
    """A tally a door, each told as soon as it is there."""
    tallies: dict[str, Tally] = {}
    for number, (name, make) in enumerate(all_doors(place).items()):
        if only and name not in only:
            continue
        door, tally = make(), Tally()
        tallies[name] = tally
        warm_up(door, place / f"warm-{number}")
        for fault in list(faults_of(door, place / f"work-{number}", every, kinds)):
            tally.faults += 1
            found = list(hurt(door, place / f"work-{number}-{fault.kind}-{fault.at}", fault))
            tally.failures += bool(found)
            tally.wrong += [f"{fault}: {text}" for text in found]
        tell(name, tally)
    return tallies


def tell(name: str, tally: Tally) -> None:
    """The door's line of the table, and the first of what was wrong."""
    counts = [sum(f": {kind}" in text for text in tally.wrong) for kind in COUNTED]
    other = len(tally.wrong) - sum(counts)
    figures = (tally.faults, tally.failures, *counts, other)
    print(f"| {name} | {' | '.join(map(str, figures))} |", flush=True)
    for text in tally.wrong[:5]:
        print(f"{name}: {text}", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="hurt every n-th change only")
    parser.add_argument("--door", nargs="+", default=(), help="these doors alone")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="these kinds of fault alone")
    args = parser.parse_args()
    import torch

    torch.set_num_threads(1)  # a forked child has no other threads
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk makes it wait
    heads = ("door", "tries", "failures", *COUNTED, "other")
    print(f"| {' | '.join(heads)} |\n|{' --- |' * len(heads)}", flush=True)
    with tempfile.TemporaryDirectory(dir=memory) as place:
        tallies = measure(Path(place), args.every, args.door, args.kinds)
    print(f"{sum(tally.faults for tally in tallies.values())} faults")
    return int(any(tally.wrong for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
