"""Whether the paper's differences between rows hold in ours, pair by pair; it computes no score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clipcap_ext.reproduce.report.budget import passes_of
from clipcap_ext.reproduce.report.numbers import line, number, signed

SHOWN = ("BLEU-4", "METEOR", "ROUGE-L")  # where the paper gives them; of ClipCap's own tables all are shown
HOLDS, REVERSED, OPEN, NONE = "holds", "reversed", "open", "none to hold"
WORDS = (
    f"*{HOLDS.capitalize()}*: our difference has the paper's sign and its interval leaves 0 out; "
    f"*{REVERSED}*: it leaves 0 out on the other side; *{OPEN}*: it holds 0, so these rows do not tell; "
    f"*{NONE}*: it leaves 0 out where the paper has no difference."
)
Row = Mapping[str, Any]


def differences_section(table: Row) -> Iterator[str]:
    """A line a pair, nothing for a table without any."""
    if not table["pairs"]:
        return
    metrics = _metrics(table["pairs"])
    yield from ("**Do the paper's differences hold?**", "")
    yield from (_said(table["pairs"]), "", WORDS, "")
    yield line(["pair", *metrics])
    yield line(["---"] * (len(metrics) + 1))
    for pair in table["pairs"]:
        yield line([_label(table, pair), *[_cell(pair["values"].get(name)) for name in metrics]])
    yield ""


def word(paper: float, interval: Sequence[float]) -> str:
    """What the interval of our difference says of the paper's difference."""
    low, high = interval
    if low <= 0 <= high:
        return OPEN
    if paper == 0:
        return NONE
    return HOLDS if (low > 0) == (paper > 0) else REVERSED


def _metrics(pairs: Sequence[Row]) -> list[str]:
    given = list(dict.fromkeys(name for pair in pairs for name in pair["values"]))
    return [name for name in given if name in SHOWN] or given


def _said(pairs: Sequence[Row]) -> str:
    """What the figures are and what their intervals hold."""
    seeds = [len(seeds) for pair in pairs for seeds in pair["seeds"]]
    if max(seeds) == 1:
        held = (
            "Every row here has one seed: the intervals hold what other images would give and not what "
            "another training would, so a word is of these trainings, not yet of the recipes."
        )
    else:
        only = ", and nothing of a row's only seed" if min(seeds) == 1 else ""
        held = (
            "The intervals hold what other images would give and, as far as the few seeds tell, what other "
            f"trainings would{only}."
        )
    return (
        "Of every two rows that were made alike, the second's figure less the first's: the paper's "
        "difference, and ours on the same photos by the same protocol, with the 95% interval and the "
        "two-sided p of a bootstrap that draws images, the same for both rows, and seeds where a row has "
        f"several. {held} Each p is of its comparison alone, however many there are. The papers give their "
        "figures without intervals, so a word is of the sign alone, and a small "
        "difference of theirs may be chance."
    )


def _label(table: Row, pair: Row) -> str:
    """The two rows, and the passes of each where they are not the same."""
    rows = {row["name"]: row for row in table["rows"]}
    both = [rows[pair[end]] for end in ("first", "second")]
    passes = [passes_of(_attempt(row, pair)) for row in both]
    unlike = f" ({passes[0]} passes and {passes[1]})" if passes[0] != passes[1] else ""
    return f"{' → '.join(row['label'] for row in both)}{unlike}"


def _attempt(row: Row, pair: Row) -> Row:
    """What the pair was made of: the runs in earnest of its kind."""
    return next(
        attempt
        for attempt in row["attempts"]
        if "protocols" in attempt and attempt["stand_in"] == pair["stand_in"] and not attempt.get("smoke")
    )


def _cell(figures: Row | None) -> str:
    if figures is None:
        return ""
    low, high = (signed(end) for end in figures["interval"])
    ours = f"ours {signed(figures['difference'])} ({low} to {high}), p {number(figures['p'])}"
    return f"paper {signed(figures['paper'])}; {ours}: {word(figures['paper'], figures['interval'])}"
