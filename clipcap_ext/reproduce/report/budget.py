"""How long the rows were trained, in words; it holds no score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from clipcap_ext.reproduce.report.numbers import signed
from clipcap_ext.reproduce.states import listed

EVERY = "every training photo"
Row = Mapping[str, Any]


def passes_of(attempt: Row) -> int:
    """The passes over the training captions that a row's training made; 0 where none is known, as of
    published weights."""
    return max((entry["epoch"] + 1 for entry in attempt["curve"]), default=0)


def budget_said(made: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """Of the rows made with stand-ins: passes, captions a step, what is scored, how far the validation loss
    levelled off, and which photos were read."""
    yield (
        f"The budget is small: {_grouped(made, _passes)}. A step has {_grouped(made, _step)}, the learning "
        "rate falls to zero, and scored is the epoch of the best validation loss."
    )
    falls = [fall for _, attempt in made if (fall := _last_fall(attempt)) is not None]
    if falls:
        yield (
            "In the last of several passes the validation loss of seed 0 changed by "
            f"{signed(min(falls))} to {signed(max(falls))} nats a token."
        )
    if any(_photos(attempt) != EVERY for _, attempt in made):
        yield f"Trained on {_grouped(made, _photos)}."


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


def _step(attempt: Row) -> str:
    settings = settings_of(attempt)
    return f"{settings['batch_size']} {'photos' if 'labels' in settings else 'captions'}"  # SBG counts photos


def _photos(attempt: Row) -> str:
    limit = settings_of(attempt).get("limit", "")
    return f"{limit} training photos, drawn by the seed," if limit else EVERY


def _last_fall(attempt: Row) -> float | None:
    """What the last pass changed of the validation loss, None for a training of one pass."""
    ends = [entry["val_loss"] for entry in attempt["curve"] if "val_loss" in entry]
    return ends[-1] - ends[-2] if len(ends) > 1 else None
