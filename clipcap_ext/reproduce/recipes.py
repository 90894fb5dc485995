"""How each row is made: which training gives its weights, how it decodes, what stands in where weights are
missing.

A value that starts with @ names something made on the way: @gpt2 (the stand-in GPT-2's folder), @labels (a
label bank), @gradient (the checkpoint of that row's training); @lm is the folder of a language model that was
asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clipcap_ext.errors import UsageError
from clipcap_ext.reproduce.paper import PaperRow, PaperTable, find_table

FROZEN_NOTE = "The paper has no such row for this data set; ClipCap's own paper has it for COCO."
FROZEN = PaperRow("frozen", "ClipCap, transformer mapper, GPT-2 frozen", "paper", {}, FROZEN_NOTE)
FLICKR = ("flickr8k", "flickr30k")
GPT2, SMOLLM2 = "GPT-2", "SmolLM2-135M"
OTHER_LANGUAGE = tuple(
    PaperRow(
        f"smollm2-{how}", f"ClipCap, MLP mapper, {SMOLLM2} {how}", "paper", {}, "The paper has no such row."
    )
    for how in ("frozen", "tuned")
)


@dataclass(frozen=True)
class Recipe:
    """One row's making.

    run: rows with the same one share a training. published: the catalogue's name of weights that save the
    training.
    weights_of: another table whose training this row takes. substitute: what stands in even with the preset
    as it is.
    split, scheme: the images scored.
    """

    table: PaperTable
    row: PaperRow
    run: str
    preset: str
    assignments: tuple[str, ...] = ()
    decoding: Mapping[str, Any] = field(default_factory=dict)
    published: str = ""
    weights_of: str = ""
    substitute: str = ""
    encoder: str = "ViT-L-14"  # OpenAI's, or `imagenet` for a CNN that a package brings
    language: str = GPT2  # the language model it starts from
    split: str = "test"
    scheme: str = "paper"


def recipes(table: str, row: str | None = None) -> list[Recipe]:
    """The recipes of a table, or of one row of it; UsageError for a name that is not there."""
    all_rows = _flickr(find_table(table)) if table in FLICKR else _coco(find_table(table))
    if row is None:
        return all_rows
    if row not in (names := [recipe.row.name for recipe in all_rows]):
        raise UsageError(f"The table {table} has no row {row!r}; it has: {', '.join(names)}.")
    return [recipe for recipe in all_rows if recipe.row.name == row]


def _flickr(table: PaperTable) -> list[Recipe]:
    data = table.name
    made = []
    for row in (*table.rows, FROZEN, *(OTHER_LANGUAGE if data == "flickr8k" else ())):
        if row.name.startswith("sbg-"):
            candidates = int(row.name.removeprefix("sbg-"))
            published = "sbg-flickr8k" if data == "flickr8k" else ""
            made.append(
                Recipe(
                    table,
                    row,
                    "sbg",
                    f"sbg-{data}",
                    ("labels=@labels",),
                    sampling(candidates),
                    published=published,
                )
            )
        elif row.name == "merge-rnn":
            about = "EfficientNet-Lite0 in place of VGG-16"
            made.append(
                Recipe(
                    table, row, row.name, f"merge-rnn-{data}", substitute=about, encoder="imagenet",
                    scheme="karpathy",
                )
            )  # fmt: skip
        elif row is FROZEN:
            made.append(Recipe(table, row, row.name, "coco-transformer", FROZEN_ON_FLICKR))
        elif row in OTHER_LANGUAGE:
            trained = "mapper" if row.name.endswith("frozen") else "all"
            changed = ("lm=@lm", f"trained={trained}")
            made.append(Recipe(table, row, row.name, f"{data}-gradient", changed, language=SMOLLM2))
        else:
            published = "clipcap-flickr8k-gradient" if (data, row.name) == ("flickr8k", "gradient") else ""
            made.append(Recipe(table, row, row.name, f"{data}-{row.name}", published=published))
    return made


def sampling(candidates: int) -> dict[str, Any]:
    """SBG's decoding in the paper; without a choice there is nothing to rank."""
    ranked = {"rank_by": "similarity"} if candidates > 1 else {}
    return {"temperature": 1.0, "top_k": 50, "num_candidates": candidates, **ranked}


FROZEN_ON_FLICKR = (
    "split=paper", "holdout=250", "epochs=30", "patience=3", "warmup_steps=100", "encoder=ViT-L-14",
    "normalize=true", "lowercase=true", "validate_images=250",
)  # fmt: skip
PRESETS = {  # of ClipCap's own tables; nocaps takes COCO's weights
    ("coco", "transformer"): "coco-transformer", ("coco", "mlp"): "coco-mlp",
    ("conceptual", "transformer"): "conceptual-captions-transformer",
    ("conceptual", "mlp"): "conceptual-captions",
}  # fmt: skip


def _coco(table: PaperTable) -> list[Recipe]:
    weights_of = "coco" if table.name == "nocaps" else ""
    catalogue = {
        ("coco", "transformer"): "clipcap-coco-transformer",
        ("nocaps", "transformer"): "clipcap-coco-transformer",
        ("coco", "mlp"): "clipcap-coco", ("nocaps", "mlp"): "clipcap-coco",
        ("conceptual", "mlp"): "clipcap-conceptual",
    }  # fmt: skip
    split = {"coco": "test", "nocaps": "all", "conceptual": "val"}[table.name]
    return [
        Recipe(
            table, row, row.name, PRESETS[weights_of or table.name, row.name], (), {"num_beams": 5},
            published=catalogue.get((table.name, row.name), ""), weights_of=weights_of, split=split,
            scheme="karpathy",
            encoder="ViT-B-32" if row.name == "mlp" else "RN50x4",
        )
        for row in table.rows
    ]  # fmt: skip
