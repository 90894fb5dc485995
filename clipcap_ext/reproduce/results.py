"""results.json: every row of every table, what the papers say, what was measured, what is open; it renders
nothing.

It is made anew from the files of the scored runs, so it never holds a figure that cannot be derived from
them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipcap_ext import __version__
from clipcap_ext.errors import UsageError
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.metrics.stored import restored
from clipcap_ext.reproduce.commands import completing, making
from clipcap_ext.reproduce.paper import PaperRow, read_tables
from clipcap_ext.reproduce.places import Places
from clipcap_ext.reproduce.recipes import Recipe, recipes
from clipcap_ext.reproduce.scores import PROTOCOLS, read_scores
from clipcap_ext.reproduce.stand_in import ENCODERS, stand_in

FORMAT = "clipcap-ext-reproduce-1"
REPRODUCED, SAME_CODE, NEEDS = "reproduced", "same code, stand-in encoder", "needs weights not present"
DIGITS = 4
LENGTHS = (6, 8, 10, 12, 14)  # the last word of each bin but the last, which has no end
_SEED = re.compile(r"-seed(\d+)\.json$")


def assemble(out: Path) -> dict[str, Any]:
    """Every table, from the scored runs below `out`; rows without one say what they need."""
    return {
        "format": FORMAT, "version": __version__, "bootstrap": vars(Bootstrap()),
        "tables": {
            name: {
                "title": table.title, "source": table.source, "images": table.images,
                "rows": [_row(recipe, out) for recipe in recipes(name)],
            }
            for name, table in read_tables().items()
        },
    }  # fmt: skip


def _row(recipe: Recipe, out: Path) -> dict[str, Any]:
    row = recipe.row
    attempts = [_found(recipe, out, kind) for kind in (False, True)]
    made = [attempt for attempt in attempts if attempt is not None]
    if not made or made[0]["stand_in"]:
        made.insert(
            0, {"state": NEEDS, "stand_in": False, "needs": recipe.needs, "command": completing(recipe)}
        )
    return {
        "name": row.name, "label": row.label, "protocol": row.protocol, "paper": dict(row.values),
        "note": row.note, "attempts": made,
    }  # fmt: skip


def _found(recipe: Recipe, out: Path, kind: bool) -> dict[str, Any] | None:
    if kind and recipe.table.name not in ENCODERS:
        return None
    recipe = stand_in(recipe) if kind else recipe
    some = Places(out, kind).scores(recipe, 0)
    paths = {int(found.group(1)): path for path in some.parent.glob(some.name.replace("seed0", "seed*"))
             if (found := _SEED.search(path.name))}  # fmt: skip
    return attempt([read_scores(paths[seed]) for seed in sorted(paths)], recipe, kind) if paths else None


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
    return {
        "state": SAME_CODE if recipe.substitute else REPRODUCED, "stand_in": kind,
        "stands_in": recipe.substitute, "published": first["published"], "data": first["data"],
        "subset": recipe.table.images is not None and images < recipe.table.images,
        "seeds": seeds, "hours": round(float(np.mean(hours)), DIGITS) if hours else None,
        "hardware": sorted({run["hardware"] for run in runs}), "preset": first["preset"],
        "assignments": first["assignments"], "decoding": first["decoding"],
        "language_model": first["language_model"], "command": making(recipe, kind, seeds),
        "protocols": {name: _protocol(runs, name, recipe.row) for name in PROTOCOLS},
        "lengths": _lengths(runs), "curve": first["curve"],
    }  # fmt: skip


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
    tail = (1 - Bootstrap().level) / 2
    joined = {}
    for metric in seeds[0]:
        own = [tables[metric].value for tables in seeds]
        drawn = np.mean([tables[metric].resampled(weights) for tables in seeds], axis=0)
        low, high = np.quantile(drawn, [tail, 1 - tail])
        joined[metric] = {
            "value": _rounded(np.mean(own)), "interval": [_rounded(low), _rounded(high)],
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
