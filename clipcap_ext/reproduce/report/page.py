"""results.md from results.json, and from nothing else; it computes no score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clipcap_ext.metrics.known import DEFAULT_METRICS, METRICS, keys_of
from clipcap_ext.reproduce.report.budget import passes_of
from clipcap_ext.reproduce.report.differences import differences_section
from clipcap_ext.reproduce.report.gap import gap_paragraph
from clipcap_ext.reproduce.report.numbers import line, number, signed
from clipcap_ext.reproduce.report.stand_in_words import what_differs

HEAD = """# Results

Written by `python -m clipcap_ext.reproduce` from `results.json` beside it; do not edit it by hand.

Every row of the papers' tables is here. *Reproduced* means the published recipe on the published encoder and
language model, known by their checksums, on every photo, with each figure's interval holding the paper's or
the figure within 1% of it; *run* is a row of which that cannot be said, and why. *Same code, stand-in
encoder* means the same code on parts that could be had: its difference to the paper says what the parts are
worth, not whether the paper is right. A *smoke run*, on fewer photos or with other settings, says only that
the row runs. Rows that *need* something have no figure of ours, but a command that makes one. Brackets hold
95% intervals over resampled images ({samples} resamples of the mean over the seeds); they do not hold what
another seed would give.
"""
SUBSET = (
    "*Subset*: only a part of the data set's photos was at hand, for training too. The row shows that the "
    "code runs on this data, and its figures are not those of the whole test part."
)
Row = Mapping[str, Any]


def results_page(results: Mapping[str, Any], plots: Mapping[str, list[str]]) -> str:
    """The page. plots: table -> files to show, relative to the page."""
    lines = [HEAD.format(samples=results["bootstrap"]["samples"])]
    paragraph = gap_paragraph(results)
    if paragraph:
        lines += ["## Two ways to score the same captions", "", paragraph, ""]
    for name, table in results["tables"].items():
        lines += _table(table, plots.get(name, []))
    return "\n".join(lines).rstrip() + "\n"


def _table(table: Row, plots: list[str]) -> Iterator[str]:
    yield from (f"## {table['title']}", "", f"The paper's figures: {table['source']}.", "")
    made = [(row, attempt) for row in table["rows"] for attempt in row["attempts"] if "protocols" in attempt]
    columns = _columns(table)
    yield from _figures(table, columns)
    yield ""
    if any(attempt["subset"] for _, attempt in made):
        yield from (SUBSET, "")
    if made:
        yield from differences_section(table)
        yield from _both_protocols(made, columns)
        yield from _making(made)
        yield from what_differs(made)
    for plot in plots:
        yield from (f"![{plot.rpartition('/')[2].removesuffix('.svg').replace('-', ' ')}]({plot})", "")
    yield from _notes(table)
    yield from _open_rows(table)


def _columns(table: Row) -> list[str]:
    """The toolkit's metrics if something of ours is shown, and always those that the paper gives; where it
    gives figures by domain, those alone, for all of ours would be too many to read."""
    in_paper = {name for row in table["rows"] for name in row["paper"]}
    if any(" " in name for name in in_paper):
        return sorted(in_paper, key=_by_domain)
    ours = {
        name for row in table["rows"] for attempt in row["attempts"] if "protocols" in attempt
        for name in attempt["protocols"]["standard"]["values"]
    }  # fmt: skip
    usual = keys_of(DEFAULT_METRICS)
    extra = sorted((in_paper | ours) - set(usual))
    return [name for name in (*usual, *extra) if name in in_paper | ours]


def _by_domain(name: str) -> tuple[int, str]:
    """Metric by metric, the whole before its domains, which alphabet and nocaps order alike."""
    metric, _, domain = name.partition(" ")
    return keys_of(METRICS).index(metric), domain


def _figures(table: Row, columns: list[str]) -> Iterator[str]:
    """The paper's figures, ours under the same protocol, and the difference."""
    yield line(["row", "figures", *columns, "state"])
    yield line(["---"] * (len(columns) + 3))
    for row in table["rows"]:
        lacking = [attempt for attempt in row["attempts"] if "protocols" not in attempt]
        state = f"{lacking[0]['state']} {lacking[0]['needs']}".strip() if lacking else ""
        paper = [number(row["paper"].get(name)) for name in columns]
        protocol = f"the paper's ({row['protocol']} protocol)" if row["paper"] else "the paper has none"
        yield line([f"**{row['label']}**", protocol, *paper, state])
        for attempt in row["attempts"]:
            if "protocols" in attempt:
                yield from _own_figures(row, attempt, columns, table["images"])


def _own_figures(row: Row, attempt: Row, columns: list[str], images: int | None) -> Iterator[str]:
    values = attempt["protocols"][row["protocol"]]["values"]
    subset = f", subset: {attempt['data']['images']} of {images} test photos" if attempt["subset"] else ""
    state = f"{attempt['state']}{subset}"
    yield line(["", _ours(attempt), *[_with_interval(values.get(name)) for name in columns], state])
    if row["paper"]:
        yield line(["", "difference", *[_difference(values.get(name)) for name in columns], ""])


def _ours(attempt: Row) -> str:
    parts = "stand-in" if attempt["stand_in"] else attempt["stands_in"]
    return f"ours, {parts}" if parts else "ours"


def _both_protocols(made: list[tuple[Row, Row]], columns: list[str]) -> Iterator[str]:
    rows = [row["name"] for row, _ in made]
    yield from ("Our captions, each scored both ways:", "")
    yield line(["row", "protocol", *columns])
    yield line(["---"] * (len(columns) + 2))
    for row, attempt in made:
        for protocol, scored in attempt["protocols"].items():
            cells = [number(scored["values"].get(name, {}).get("value")) for name in columns]
            label = f"{row['label']} ({_ours(attempt)})" if rows.count(row["name"]) > 1 else row["label"]
            yield line([label if protocol == "paper" else "", protocol, *cells])
    yield ""


def _making(made: list[tuple[Row, Row]]) -> Iterator[str]:
    yield from (
        "How they were made (hours: the training steps by the clock, on a machine that may have done other "
        "work):",
        "",
    )
    yield line(
        ["row", "instead of the paper's parts", "preset", "passes", "seeds", "CIDEr-D a seed",
         "hours a training", "on"]
    )  # fmt: skip
    yield line(["---"] * 8)
    for row, attempt in made:
        seeds = attempt["protocols"]["standard"]["values"]["CIDEr-D"]["seeds"]
        hours = f"{attempt['hours']:.2f}" if attempt["hours"] is not None else "published weights"
        cells = [row["label"], attempt["stands_in"] or "nothing", f"`{attempt['preset']}`"]
        cells += [str(passes_of(attempt) or "")]
        cells += [", ".join(map(str, attempt["seeds"])), " ".join(map(number, seeds)), hours]
        yield line([*cells, "; ".join(attempt["hardware"])])
    yield ""
    signatures: dict[str, list[str]] = {}
    for row, attempt in made:
        for scored in attempt["protocols"].values():
            signatures.setdefault(scored["signature"], []).append(row["name"])
    yield "Signatures:"
    yield ""
    for signature, names in signatures.items():
        yield f"- `{signature}`: {', '.join(dict.fromkeys(names))}"
    yield from ("", "Commands:", "", "```")
    yield from dict.fromkeys(attempt["command"] for _, attempt in made)
    yield from ("```", "")


def _notes(table: Row) -> Iterator[str]:
    noted = [f"- {row['label']}: {row['note']}" for row in table["rows"] if row["note"]]
    if noted:
        yield from ("Notes:", "", *noted, "")


def _open_rows(table: Row) -> Iterator[str]:
    commands = [
        attempt["command"]
        for row in table["rows"]
        for attempt in row["attempts"]
        if "protocols" not in attempt
    ]
    if commands:
        yield from ("To complete the open rows:", "", "```", *dict.fromkeys(commands), "```", "")


def _with_interval(figures: Row | None) -> str:
    if figures is None:
        return ""
    low, high = figures["interval"]
    return f"{number(figures['value'])} ({number(low)}-{number(high)})"


def _difference(figures: Row | None) -> str:
    if figures is None or "difference" not in figures:
        return ""
    return signed(figures["difference"])
