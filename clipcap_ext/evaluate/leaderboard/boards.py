"""Runs read from results.json files, and boards of those that may be compared; it writes no page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.report.compare import COMPARED, read_scored, statistics_of
from clipcap_ext.foreign_json import expect
from clipcap_ext.metrics import MetricTable
from clipcap_ext.metrics.known import METRICS


@dataclass(frozen=True)
class Figure:
    """A metric of one run and its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Run:
    """One results.json. board: data set, split and protocol. captions and scores: by image_id, the latter by
    metric. tables: what differences are computed of, over the same images in order."""

    name: str
    path: Path
    board: tuple[str, ...]
    signature: str
    date: str
    figures: Mapping[str, Figure]
    captions: Mapping[str, str]
    scores: Mapping[str, Mapping[str, float]]
    tables: Mapping[str, MetricTable]


@dataclass(frozen=True)
class Board:
    """Runs on the same images under the same protocol, so that their figures compare."""

    title: str
    image_ids: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def keys(self) -> list[str]:
        """The figures that any run has, in the metrics' own order, unknown ones last."""
        known = [key for metric in METRICS.values() for key in metric.keys]
        there = dict.fromkeys(key for run in self.runs for key in run.figures)
        return [key for key in known if key in there] + [key for key in there if key not in known]


def read_boards(paths: Sequence[Path]) -> list[Board]:
    """All runs, those that compare on one board, in the order given; UsageError names a file that is none."""
    twice = [str(path) for path, count in Counter(paths).items() if count > 1]
    if twice:
        raise UsageError(f"{twice[0]} is named more than once.")
    groups: dict[tuple[tuple[str, ...], frozenset[str]], list[Run]] = {}
    for run in map(_read, paths):
        groups.setdefault((run.board, frozenset(run.captions)), []).append(run)
    return [
        Board(" · ".join([*board, f"{len(ids)} images"]), tuple(sorted(ids)), _with_names_of_their_own(runs))
        for (board, ids), runs in groups.items()
    ]


def _read(path: Path) -> Run:
    results = read_scored(path)
    figures = expect(results.get("results"), dict, f"{path}, results", UsageError)
    images = {key: _image(path, key, one) for key, one in results["images"].items()}
    if not images or not figures:
        raise UsageError(f"{path} has no scored image.")
    tables = statistics_of(path, results)
    wrong = [name for name, table in tables.items() if len(table.per_image) != len(images)]
    if wrong:
        raise UsageError(f"{path} keeps {wrong[0]} of another number of images than it has captions of.")
    return Run(
        _name(path, results), path, tuple(results["data"][what] for what in COMPARED), results["signature"],
        results["date"], {key: _figure(path, key, one) for key, one in figures.items()},
        {key: caption for key, (caption, _) in images.items()},
        {key: scores for key, (_, scores) in images.items()}, tables,
    )  # fmt: skip


def _image(path: Path, image_id: str, held: Any) -> tuple[str, dict[str, float]]:
    where = f"{path}, images, {image_id}"
    one = expect(held, dict, where, UsageError)
    scores = expect(one.get("scores"), dict, f"{where}, scores", UsageError)
    numbers = {key: _number(value, f"{where}, scores, {key}") for key, value in scores.items()}
    return expect(one.get("caption"), str, f"{where}, caption", UsageError), numbers


def _figure(path: Path, key: str, held: Any) -> Figure:
    where = f"{path}, results, {key}"
    one = expect(held, dict, where, UsageError)
    ends = expect(one.get("interval"), list, f"{where}, interval", UsageError)
    if len(ends) != 2:
        raise UsageError(f"{where}, interval: two ends are expected, not {len(ends)}.")
    low, high = (_number(end, f"{where}, interval") for end in ends)
    return Figure(_number(one.get("value"), f"{where}, value"), low, high)


def _number(value: Any, where: str) -> float:
    number = float(expect(value, (int, float), where, UsageError))
    if not isfinite(number):
        raise UsageError(f"{where}: a number is expected, not {number}.")
    return number


def _name(path: Path, results: Mapping[str, Any]) -> str:
    """The model's, or the file of captions' without its suffix, or this file's."""
    model, hypotheses = results.get("model"), results.get("hypotheses")
    if isinstance(model, dict) and isinstance(model.get("name"), str):
        return str(model["name"])
    if isinstance(hypotheses, dict) and isinstance(hypotheses.get("file"), str):
        return Path(hypotheses["file"]).stem
    return path.stem


def _with_names_of_their_own(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Runs of one name get their file's besides, and its folder's where even that is one."""
    for beside in (lambda path: path.stem, lambda path: str(path.parent)):
        counts = Counter(run.name for run in runs)
        runs = [
            run if counts[run.name] == 1 else replace(run, name=f"{run.name} ({beside(run.path)})")
            for run in runs
        ]
    return tuple(runs)
