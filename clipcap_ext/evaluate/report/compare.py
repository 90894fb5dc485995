"""Two results.json files side by side: python -m clipcap_ext.evaluate compare A.json B.json; it scores
nothing."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.report.printed import aligned
from clipcap_ext.evaluate.report.results import FORMAT, check_writable, provenance, write_results
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.significance import Difference, differences
from clipcap_ext.files import read_json
from clipcap_ext.foreign_json import expect
from clipcap_ext.metrics.stored import restored

WORD = "compare"
COMPARED = ("name", "split", "protocol")  # of the data: alike in both


def compare_command(arguments: Sequence[str]) -> str:
    """Run `compare` on its words: what is to be printed. UsageError for files that cannot be compared."""
    args = parser().parse_args(arguments)
    if args.out is not None:
        check_writable(args.out)
    if args.resamples < 1:
        raise UsageError("--resamples must be at least 1.")
    compared = compare(args.first, args.second, Bootstrap(samples=args.resamples, seed=args.resampling_seed))
    if args.out is not None:
        write_results(args.out, compared)
    return comparison_table(compared)


def compare(first: Path, second: Path, bootstrap: Bootstrap) -> dict[str, Any]:
    """The comparison of two results.json as a dictionary to be written; UsageError where they are not
    comparable."""
    read = [read_scored(first), read_scored(second)]
    _check_comparable(first, second, *read)
    kept = [statistics_of(path, result) for path, result in zip((first, second), read, strict=True)]
    compared = differences(kept[0], kept[1], bootstrap)
    return {
        **provenance(), "kind": "comparison",
        "systems": [{"file": path.name, **_said_of(result)} for path, result in zip((first, second), read,
        strict=True)], "differences": {gap.metric: _figures(gap) for gap in compared},
        "bootstrap": {**vars(bootstrap), "method": "paired: both systems on the same resampled images"},
    }  # fmt: skip


def comparison_table(compared: Mapping[str, Any]) -> str:
    """A comparison for a terminal."""
    level = f"{compared['bootstrap']['level']:.0%} interval"
    rows = [["", "first", "second", "difference", level, "p bootstrap", "p randomisation"]]
    for metric, figures in compared["differences"].items():
        low, high = figures["interval"]
        rows.append([
            metric, f"{figures['first']:.4f}", f"{figures['second']:.4f}", f"{figures['difference']:+.4f}",
            f"{low:+.4f} - {high:+.4f}", f"{figures['p_bootstrap']:.4f}", f"{figures['p_randomisation']:.4f}",
        ])  # fmt: skip
    names = [
        f"{place}: {system['file']}, {system['signature']}" for place, system in _named(compared["systems"])
    ]
    return "\n".join([*aligned(rows), *names])


def _named(systems: Sequence[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    return list(zip(("first", "second"), systems, strict=True))


def parser() -> argparse.ArgumentParser:
    """The words of the command."""
    made = argparse.ArgumentParser(
        prog=f"python -m clipcap_ext.evaluate {WORD}",
        description="Whether two systems scored on the same images differ by more than chance.",
    )
    made.add_argument("first", type=Path, help="results.json of one system")
    made.add_argument("second", type=Path, help="results.json of the other")
    made.add_argument("--resamples", type=int, default=1000, help="bootstrap resamples and random swaps")
    made.add_argument("--resampling-seed", type=int, default=0)
    made.add_argument("--out", type=Path, help="comparison.json to write")
    return made


def read_scored(path: Path) -> dict[str, Any]:
    """A results.json of scored captions, with what was kept of each image; UsageError for another file."""
    results = read_json(path)
    if not isinstance(results, dict) or results.get("format") != FORMAT or results.get("kind") != "captions":
        raise UsageError(f"{path} is no results.json of scored captions: make one with --out.")
    if "image_statistics" not in results:
        raise UsageError(
            f"{path} holds no image statistics, for an older version wrote it: score the captions again."
        )
    data = expect(results.get("data"), dict, f"{path}, data", UsageError)
    for what in COMPARED:
        expect(data.get(what), str, f"{path}, data, {what}", UsageError)
    for name in ("images", "image_statistics"):
        expect(results.get(name), dict, f"{path}, {name}", UsageError)
    for name in ("signature", "date"):
        expect(results.get(name), str, f"{path}, {name}", UsageError)
    return results


def statistics_of(path: Path, results: Mapping[str, Any]) -> dict[str, Any]:
    """What was kept of each image, as the metrics' own tables; UsageError for what they did not write."""
    try:
        return restored(results["image_statistics"])
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise UsageError(f"{path} holds image statistics that no metric here wrote: score again.") from error


def _check_comparable(
    first: Path, second: Path, results: Mapping[str, Any], other: Mapping[str, Any]
) -> None:
    for what in COMPARED:
        if results["data"][what] != other["data"][what]:
            raise UsageError(
                f"{first} is of {what} {results['data'][what]!r} and {second} of {other['data'][what]!r}: "
                "systems are compared on the same images under the same protocol."
            )
    if results["images"].keys() != other["images"].keys():
        lacking = sorted(results["images"].keys() ^ other["images"].keys())
        raise UsageError(
            f"{len(lacking)} images are in one of {first} and {second} alone, such as {lacking[0]}."
        )


def _said_of(results: Mapping[str, Any]) -> dict[str, Any]:
    named = results.get("model", results.get("hypotheses", {}))
    fingerprint = named.get("fingerprint", "") if isinstance(named, dict) else ""
    return {"signature": results["signature"], "date": results["date"], "fingerprint": fingerprint}


def _figures(difference: Difference) -> dict[str, Any]:
    return {
        "first": difference.first, "second": difference.second, "difference": difference.difference,
        "interval": list(difference.interval),
        "p_bootstrap": difference.p_bootstrap, "p_randomisation": difference.p_randomisation,
    }  # fmt: skip
