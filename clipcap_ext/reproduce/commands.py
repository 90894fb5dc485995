"""The commands that make a row, as a reader can type them; it runs none."""

from __future__ import annotations

from collections.abc import Sequence

from clipcap_ext.engine.published.published_models import find_published
from clipcap_ext.reproduce.recipes import GPT2, SMOLLM2, Recipe

OUT = "reproduced"
SMOLLM2_FETCHED = f"hf download HuggingFaceTB/{SMOLLM2} --local-dir {SMOLLM2}"
DATA = {"nocaps": "nocaps/nocaps_val_4500_captions.json"}


def making(
    recipe: Recipe, stand_in: bool, seeds: Sequence[int] = (0,), table: str = "", more: Sequence[str] = ()
) -> str:
    """The one command of a row; its data set is looked for in a folder of the table's name. more: further
    words."""
    table = table or recipe.table.name
    parts = ["python -m clipcap_ext.reproduce", f"--table {table}", f"--row {recipe.row.name}"]
    parts += [f"--data {DATA.get(table, table)}", f"--out {OUT}"]
    parts += ["--stand-in"] if stand_in else []
    parts += [f"--seeds {','.join(map(str, seeds))}"] if list(seeds) != [0] else []
    return " ".join([*parts, *more])


def completing(recipe: Recipe, stand_in: bool = False) -> str:
    """What makes an open row, a reproduced one but for `stand_in`, where the network and the data set are."""
    before = []
    known = find_published(recipe.published) if recipe.published else None
    if recipe.language != GPT2:
        before.append(SMOLLM2_FETCHED)
    elif known is not None and known.repo:
        before.append(f"python -m clipcap_ext download {known.name}")
    elif recipe.weights_of:
        before.append(making(recipe, False, table=recipe.weights_of))
    elif recipe.run == "sbg" and not stand_in:
        table = recipe.table.name
        bank = f"{OUT}/labels-{table}.json"
        before.append(f"python -m clipcap_ext.labels build --data {table} --split paper --out {bank}")
    return " && ".join([*before, making(recipe, stand_in)])
