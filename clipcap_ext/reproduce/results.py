"""results.json: every row of every table, what the papers say, what was measured, what is open; it renders
nothing.

It is made anew from the files of the scored runs, so it never holds a figure that cannot be derived from
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from clipcap_ext import __version__
from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap, percentiles
from clipcap_ext.metrics.stored import restored
from clipcap_ext.reproduce.commands import DATA, completing, making
from clipcap_ext.reproduce.pairs import pairs
from clipcap_ext.reproduce.paper import PaperRow, PaperTable, read_tables
from clipcap_ext.reproduce.parts import foreign_parts, missing_parts, wrong_parts
from clipcap_ext.reproduce.places import Places
from clipcap_ext.reproduce.recipes import GPT2, SMOLLM2, Recipe, recipes
from clipcap_ext.reproduce.scored import Made, made_of
from clipcap_ext.reproduce.scores import PROTOCOLS
from clipcap_ext.reproduce.states import NEEDS, NOT_RUN, SAME_CODE, SMOKE, listed, state_of
from clipcap_ext.reproduce.weights import is_finished, published_here

FORMAT = "clipcap-ext-reproduce-1"
DIGITS = 4
LENGTHS = (6, 8, 10, 12, 14)  # the last word of each bin but the last, which has no end


def assemble(out: Path, data: Mapping[str, Path] | None = None) -> dict[str, Any]:
    """Every table, from the scored runs below `out`; rows without one say what they need. data: where a
    table's data set is, if that is known."""
    return {
        "format": FORMAT, "version": __version__, "bootstrap": vars(Bootstrap()),
        "tables": {
            name: _table(table, recipes(name), out, (data or {}).get(name))
            for name, table in read_tables().items()
        },
    }  # fmt: skip


def _table(table: PaperTable, rows: list[Recipe], out: Path, data: Path | None) -> dict[str, Any]:
    made = {recipe.row.name: made_of(recipe, out) for recipe in rows}
    return {
        "title": table.title, "source": table.source, "images": table.images,
        "rows": [_row(recipe, made[recipe.row.name], out, data) for recipe in rows],
        "pairs": pairs(list(chain.from_iterable(made.values()))),
    }  # fmt: skip


def _row(recipe: Recipe, kinds: Sequence[Made], out: Path, data: Path | None) -> dict[str, Any]:
    row = recipe.row
    made = [attempt(kind.runs, kind.recipe, kind.stand_in) for kind in kinds]
    if not made or made[0]["stand_in"] or made[0].get("smoke"):
        made.insert(0, open_row(recipe, out, data))
    return {
        "name": row.name, "label": row.label, "protocol": row.protocol, "paper": dict(row.values),
        "note": row.note, "attempts": made,
    }  # fmt: skip


def open_row(recipe: Recipe, out: Path, data: Path | None = None) -> dict[str, Any]:
    """A row without a run in earnest: what it needs that is not here, and the command that makes it."""
    table = recipe.table
    lacking = [*missing_for(recipe, Places(out)), *wrong_parts(recipe)]
    scored = any((out / "scores" / table.name).glob("*.json"))
    if not scored and not (data or Path(DATA.get(table.name, table.name))).exists():
        lacking.append(f"the photos and captions of {table.title}")
    return {
        "state": NEEDS if lacking else NOT_RUN, "stand_in": False, "needs": listed(lacking),
        "command": completing(recipe),
    }  # fmt: skip


def missing_for(recipe: Recipe, places: Places, lm: Path = Path(SMOLLM2)) -> list[str]:
    """What keeps a full row from being made here: parts, another table's training, a label bank. lm: where
    another language model than GPT-2 would lie."""
    lacking = missing_parts(recipe, lm)
    ready = bool(recipe.published and published_here(recipe.published))
    if ready:  # GPT-2 is in them
        return [part for part in lacking if part != GPT2]
    if recipe.weights_of and not is_finished(places.run(recipe, 0)):
        lacking.append(f"the training of the table {recipe.weights_of}")
    if recipe.run == "sbg" and not places.labels(recipe.table.name).is_file():
        lacking.append("SBG's label bank")
    return lacking


def attempt(runs: Sequence[Mapping[str, Any]], recipe: Recipe, kind: bool) -> dict[str, Any]:
    """What the scored runs of one row, one a seed, say together. UsageError if they are of different
    images."""
    first, seeds = runs[0], [run["seed"] for run in runs]
    if any(run["image_ids"] != first["image_ids"] for run in runs):
        raise UsageError(
            f"{recipe.table.name}, {recipe.row.name}: the seeds were scored on different images."
        )
    hours = [run["hours"] for run in runs if run["hours"] is not None]
    images = first["data"]["images"]
    subset = recipe.table.images is not None and images < recipe.table.images
    protocols = {name: _protocol(runs, name, recipe.row) for name in PROTOCOLS}
    parts, smoke = first.get("parts", []), first.get("smoke", {})
    state = SAME_CODE if recipe.substitute else state_of(
        protocols[recipe.row.protocol]["values"], recipe.row.values, parts, subset=subset
    )  # fmt: skip
    return {
        "state": SMOKE if smoke else state, "stand_in": kind,
        "stands_in": recipe.substitute or " and ".join(foreign_parts(parts)),
        "published": first["published"], "data": first["data"], "subset": subset,
        **({"parts": parts} if parts else {}), **({"smoke": smoke} if smoke else {}),
        "seeds": seeds, "hours": round(float(np.mean(hours)), DIGITS) if hours else None,
        "hardware": sorted({run["hardware"] for run in runs}), "preset": first["preset"],
        "assignments": first["assignments"], "decoding": first["decoding"],
        "language_model": first["language_model"],
        "command": making(recipe, kind, seeds, more=_smoke_words(smoke)),
        "protocols": protocols,
        "lengths": _lengths(runs), "curve": first["curve"],
    }  # fmt: skip


def _smoke_words(smoke: Mapping[str, Any]) -> list[str]:
    limit = [f"--limit {smoke['limit']}"] if smoke.get("limit") else []
    return [*limit, *(f"--set {setting}" for setting in smoke.get("settings", []))]


def _protocol(runs: Sequence[Mapping[str, Any]], protocol: str, row: PaperRow) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for part in runs[0]["protocols"][protocol]:
        kept = [run["protocols"][protocol][part] for run in runs]
        for metric, figures in together([seed["statistics"] for seed in kept]).items():
            values[f"{metric} {part}".strip()] = figures
    if protocol == row.protocol:
        for name in row.values.keys() & values.keys():
            values[name]["difference"] = round(values[name]["value"] - row.values[name], DIGITS)
    return {"signature": runs[0]["protocols"][protocol][""]["signature"], "values": values}


def together(statistics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Metric -> mean over the seeds, its interval over resampled images, and each seed's own value.

    Every seed's captions are resampled alike, so the interval is of the mean of the seeds; it does not hold
    what other seeds would give.
    """
    seeds = [restored(seed) for seed in statistics]
    weights = Bootstrap().weights(len(next(iter(seeds[0].values())).per_image))
    joined = {}
    for metric in seeds[0]:
        own = [tables[metric].value for tables in seeds]
        drawn = np.mean([tables[metric].resampled(weights) for tables in seeds], axis=0)
        joined[metric] = {
            "value": _rounded(np.mean(own)),
            "interval": [_rounded(end) for end in percentiles(drawn, Bootstrap().level)],
            "seeds": [_rounded(value) for value in own],
        }  # fmt: skip
    return joined


def _lengths(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """CIDEr-D (standard protocol) of captions by how many words they have, full stops aside."""
    lengths = np.array([len(text.replace(".", " ").split()) for run in runs for text in run["captions"]])
    scores = np.concatenate(
        [np.array(run["protocols"]["standard"][""]["statistics"]["CIDEr-D"]) for run in runs]
    )
    bins = np.searchsorted(LENGTHS, lengths)  # bin k holds lengths up to LENGTHS[k]
    return [
        {"words": _bin(k), "captions": int((bins == k).sum()), "CIDEr-D": _rounded(scores[bins == k].mean())}
        for k in range(len(LENGTHS) + 1)
        if (bins == k).any()
    ]


def _bin(k: int) -> str:
    if k == 0:
        return f"up to {LENGTHS[0]}"
    return f"over {LENGTHS[-1]}" if k == len(LENGTHS) else f"{LENGTHS[k - 1] + 1} to {LENGTHS[k]}"


def _rounded(value: Any) -> float:
    return round(float(value), DIGITS)
