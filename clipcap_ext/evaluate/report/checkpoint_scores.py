"""Scores into a checkpoint's own config.json, so that it says how good it is; it computes none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.checkpoint.config import CARD_FILE, CONFIG_FILE, read_config
from clipcap_ext.engine.front_matter import with_scores
from clipcap_ext.engine.published.published_models import OF_A_REPOSITORY
from clipcap_ext.errors import UsageError
from clipcap_ext.files import write_whole


def recordable_folder(model: str) -> Path:
    """The folder of a model, to write scores into; UsageError for one whose config.json is not ours."""
    entry = find_model(model)
    if entry.config is not None and entry.config.kind in OF_A_REPOSITORY:
        raise UsageError(
            f"--record: {entry.name} is a folder as its authors publish it, whose {CONFIG_FILE} has no place "
            "for scores: write them with --out."
        )
    return entry.folder


def record_scores(folder: Path, results: Mapping[str, Any]) -> None:
    """Add a row {signature, values, decoding, date}; it takes the place of one with the same signature and
    decoding. The card's fields for the Hub say the scores too."""
    config = read_config(folder)
    row = {
        "signature": results["signature"],
        "values": {name: round(figures["value"], 4) for name, figures in results["results"].items()},
        "decoding": {key: value for key, value in results["decoding"].items() if key != "batch_size"},
        "date": results["date"],
    }
    kept = [old for old in config.scores if not is_same_score(old, row)]
    scores = (*kept, row)
    write_whole(folder / CONFIG_FILE, replace(config, scores=scores).to_json())
    card = folder / CARD_FILE
    if card.is_file():
        write_whole(card, with_scores(card.read_text(encoding="utf-8"), config.name, scores))


def is_same_score(old: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether both are of one signature and one decoding; an option that is younger than a row was at its
    default then."""
    own = asdict(DecodingOptions())
    first, second = ({**own, **scored.get("decoding", {})} for scored in (old, row))
    return old.get("signature") == row.get("signature") and first == second
