"""How long the rows were trained, in words; it holds no score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from clipcap_ext.reproduce.states import listed

PLAIN = "plain"
Row = Mapping[str, Any]


def passes_of(attempt: Row) -> int:
    """The passes over the training captions that a row's training made; 0 where none is known, as of
    published weights."""
    return max((entry["epoch"] + 1 for entry in attempt["curve"]), default=0)


def budget_said(made: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """Of the rows made with stand-ins: passes, captions a step, what is scored, and the looks at a photo."""
    captions = settings_of(made[0][1])["batch_size"]
    yield (
        f"The budget is small: {_grouped(made, _passes)}; about {captions} captions a step, the learning "
        "rate falling to zero; scored is the epoch of the best validation loss."
    )
    if any(_looks(attempt) != PLAIN for _, attempt in made):
        yield f"The encoder is shown each training photo {_grouped(made, _looks)}."


def settings_of(attempt: Row) -> dict[str, str]:
    """What a row sets beside its preset."""
    return dict(text.split("=", 1) for text in attempt["assignments"])


def _grouped(made: Sequence[tuple[Row, Row]], say: Callable[[Row], str]) -> str:
    """What is said of every row, or of which: what is true of the most comes last, as of the others."""
    rows: dict[str, list[str]] = {}
    for row, attempt in made:
        rows.setdefault(say(attempt), []).append(f"`{row['name']}`")
    *few, usual = sorted(rows, key=lambda words: len(rows[words]))
    told = [f"{words} for {listed(rows[words])}" for words in few]
    return "; ".join([*told, f"{usual} for {'the others' if few else 'every row'}"])


def _passes(attempt: Row) -> str:
    passes = passes_of(attempt)
    return f"{'one pass' if passes == 1 else f'{passes} passes'} over the training captions"


def _looks(attempt: Row) -> str:
    crops = int(settings_of(attempt).get("views", "1")) - 1
    return f"{PLAIN} and in {crops} random crops" if crops else PLAIN
