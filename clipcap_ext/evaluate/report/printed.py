"""results.json as a table for a terminal; it computes nothing and prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clipcap_ext.evaluate.control_captions import CONSTANT, WRONG_IMAGES


def results_table(results: Mapping[str, Any]) -> str:
    """Values with intervals, controls beside them, what the captions are like, and the signature."""
    level = f"{results['bootstrap']['level']:.0%} interval"
    controls = [name for name in (WRONG_IMAGES, CONSTANT) if name in results.get("controls", {})]
    human = results.get("human", {})
    people = ["one person", "best person"] if human else []
    rows = [["", "value", level, *(name.replace("_", " ") for name in controls), *people]]
    for metric, figures in results["results"].items():
        low, high = figures["interval"]
        beside = [f"{results['controls'][name]['results'][metric]:.4f}" for name in controls]
        by_people = human.get(metric, {})
        beside += [f"{by_people[which]:.4f}" if by_people else "" for which in ("one", "best") if people]
        rows.append([metric, f"{figures['value']:.4f}", f"{low:.4f} - {high:.4f}", *beside])
    lines = [*aligned(rows), *_domain_lines(results), *_statistics_lines(results), results["signature"]]
    return "\n".join(lines)


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows as lines, the first column to the left and the others to the right."""
    return [_line(row, _widths(rows)) for row in rows]


def _domain_lines(results: Mapping[str, Any]) -> list[str]:
    """A table of the domains side by side, nothing where there are none."""
    domains = results.get("domains", {})
    if not domains:
        return []
    rows = [["by domain", *domains], ["images", *(str(one["images"]) for one in domains.values())]]
    for metric in results["results"]:
        rows.append([metric, *(f"{one['results'][metric]['value']:.4f}" for one in domains.values())])
    return ["", *aligned(rows), ""]


def _statistics_lines(results: Mapping[str, Any]) -> list[str]:
    lines = []
    if "statistics" in results:
        statistics = results["statistics"]
        length, frequent = statistics["length"], statistics["most_frequent"]
        lines.append(
            f"{statistics['captions']} captions of {length['mean']:.1f} words ({length['min']} to "
            f"{length['max']}), {statistics['vocabulary']} different words; "
            f"{statistics['duplicates']} captions repeat another, most often ({frequent['times']} times): "
            f"{frequent['caption']}"
        )
    overlap = results.get("model", {}).get("training_images", {}).get("scored", 0)
    if overlap:
        lines.append(f"WARNING: the model was trained on {overlap} of these images.")
    if results["problems"]:
        count = len(results["problems"])
        lines.append(f"{count} problem{'s' if count > 1 else ''}, the first: {results['problems'][0]}")
    return [*lines, *results.get("notes", [])]


def _widths(rows: list[list[str]]) -> list[int]:
    return [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]


def _line(row: list[str], widths: list[int]) -> str:
    first, *rest = (
        cell.ljust(width) if not i else cell.rjust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()
