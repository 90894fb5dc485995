"""Feeds every door with mutants and counts what comes back: taken, refused in our words, or anything else.

PYTHONPATH=.:tests python tests/fuzz/run.py --count 5000
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.doors import Doors

from clipcap_ext.errors import CaptionError


@dataclass
class Tally:
    """What became of the inputs of one door. foreign: seed -> what was raised that is not ours."""

    taken: int = 0
    refused: int = 0
    foreign: dict[int, str] = field(default_factory=dict)


def fuzz(doors: Doors, seeds: Iterable[int], only: str = "") -> dict[str, Tally]:
    """A mutant a seed; the doors take turns. The same seed is the same mutant at the same door."""
    table = {name: door for name, door in doors.all().items() if only in ("", name)}
    tallies = {name: Tally() for name in table}
    for seed in seeds:
        name = list(table)[seed % len(table)]
        try:
            table[name](random.Random(seed))
            tallies[name].taken += 1
        except CaptionError as error:
            tallies[name].refused += 1
            if not all(line.isprintable() for line in str(error).splitlines()):
                tallies[name].foreign[seed] = f"not printable: {error!r}"
        except Exception:
            tallies[name].foreign[seed] = traceback.format_exc(limit=-3)
    return tallies


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--door", default="", help="this one alone")
    parser.add_argument("--verbose", action="store_true", help="every foreign error, not one of each")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        from tiny import write_tiny_clipcap, write_tiny_encoder

        models = Path(place) / "models"
        models.mkdir()
        write_tiny_encoder(models / "tiny-clip")
        write_tiny_clipcap(models / "tiny-clipcap", "tiny-clip")
        work = Path(place) / "work"
        work.mkdir()
        tallies = fuzz(Doors(work, models), range(args.first, args.first + args.count), args.door)
    print("| door | inputs | taken | refused in words | anything else |\n| --- | --- | --- | --- | --- |")
    for name, tally in tallies.items():
        total = tally.taken + tally.refused + len(tally.foreign)
        print(f"| {name} | {total} | {tally.taken} | {tally.refused} | {len(tally.foreign)} |")
    seen: Counter[str] = Counter()
    for name, tally in tallies.items():
        for seed, text in tally.foreign.items():
            last = text.strip().splitlines()[-1][:80]
            seen[last] += 1
            if args.verbose or seen[last] == 1:
                print(f"\n{name}, seed {seed}:\n{text}", file=sys.stderr)
    return int(any(tally.foreign for tally in tallies.values()))


if __name__ == "__main__":
    sys.exit(main())
