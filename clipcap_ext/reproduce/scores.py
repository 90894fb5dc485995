"""Captions of one run and their image statistics under both protocols, in one file; it trains and renders
nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipcap_ext.engine.catalog import find_model
from clipcap_ext.engine.encoder_names import model_folders, process_device
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.errors import CheckpointError, ScoringError
from clipcap_ext.evaluate.dataset import EvaluationSplit, load_split
from clipcap_ext.evaluate.generation import caption_examples
from clipcap_ext.evaluate.leakage import training_overlap
from clipcap_ext.files import write_whole
from clipcap_ext.flags import join_options
from clipcap_ext.metrics import DEFAULT_METRICS, score
from clipcap_ext.metrics.spice import SPICE, check_models
from clipcap_ext.metrics.stored import stored
from clipcap_ext.reproduce.hardware import hardware
from clipcap_ext.reproduce.recipes import Recipe
from clipcap_ext.reproduce.weights import Say, Weights, Workshop

FORMAT = "clipcap-ext-row-1"
PROTOCOLS = ("paper", "standard")
BATCH = 50


def score_run(recipe: Recipe, seed: int, weights: Weights, shop: Workshop) -> dict[str, Any]:
    """Caption the row's images and keep what every score of them can be derived from.

    ScoringError if the model was trained on an image that it would be scored on.
    """
    say = shop.say
    split = load_split(shop.data, recipe.split, recipe.scheme, images=shop.images).first(shop.limit)
    captions = caption(recipe, seed, weights.model, split, say, shop.device)
    domains = {name: [one for one in ids if one in captions] for name, ids in split.domains.items()}
    parts = {"": sorted(captions)} | {name: ids for name, ids in domains.items() if ids}
    return {
        "format": FORMAT, "table": recipe.table.name, "row": recipe.row.name, "seed": seed,
        "data": {"name": split.corpus.name, "split": split.label, "images": len(captions)},
        "preset": recipe.preset, "assignments": list(recipe.assignments), "decoding": dict(recipe.decoding),
        "published": weights.model if weights.model == recipe.published else "",
        "language_model": _language_model(weights.model), "parts": list(weights.parts),
        "smoke": {"limit": shop.limit, "settings": list(shop.settings)} if shop.places.smoke else {},
        "hours": weights.hours, "curve": list(weights.curve), "hardware": hardware(),
        "image_ids": sorted(captions), "captions": [captions[name] for name in sorted(captions)],
        "protocols": {name: _scored(captions, split, parts, name, say) for name in PROTOCOLS},
    }  # fmt: skip


def _language_model(model: str) -> dict[str, int]:
    """The sizes of the checkpoint's GPT-2, nothing where it has none."""
    config = find_model(model).config
    sizes = config.model.get("gpt2", {}) if config is not None else {}
    return {name: sizes[name] for name in ("n_layer", "n_head", "n_embd", "vocab_size") if name in sizes}


def caption(
    recipe: Recipe, seed: int, model: str, split: EvaluationSplit, say: Say, device: str = "auto"
) -> dict[str, str]:
    """image_id -> caption of every image of the split that can be read."""
    entry = find_model(model)
    config = entry.usable_config()
    overlap = training_overlap(model_folders(entry.folder, config.encoder), split.corpus.examples)
    overlap.refuse(entry.name, len(split.corpus))
    sampled = {"seed": seed} if recipe.decoding.get("temperature") else {}
    options = join_options(config.scored_options(), {**recipe.decoding, **sampled})
    captioner = load_captioner(model, process_device(device, 0))
    say(f"{recipe.table.name}, {recipe.row.name}, seed {seed}: captioning {len(split.corpus)} images")
    captions, problems = caption_examples(
        captioner, split.corpus.examples, options, BATCH, lambda done, of: None
    )
    for problem in problems:
        say(f"left out: {problem}")
    return captions


def _scored(
    captions: Mapping[str, str],
    split: EvaluationSplit,
    parts: Mapping[str, list[str]],
    protocol: str,
    say: Say,
) -> dict[str, Any]:
    """The statistics of all images, and of each domain: CIDEr-D counts documents in the images it scores."""
    say(f"  scoring, {protocol} protocol")
    kept: dict[str, Any] = {}
    for part, ids in parts.items():
        hypotheses = {name: captions[name] for name in ids}
        references = {name: split.references[name] for name in ids}
        label = f"{split.label}-{part}" if part else split.label
        scores = score(hypotheses, references, protocol, metrics_here(), data=split.corpus.name, split=label)
        kept[part] = {"signature": scores.signature, "statistics": stored(scores.tables)}
    return kept


def metrics_here() -> tuple[str, ...]:
    """The usual metrics, and SPICE where its models are."""
    try:
        check_models()
    except ScoringError:
        return DEFAULT_METRICS
    return (*DEFAULT_METRICS, SPICE.name)


def write_scores(path: Path, scores: Mapping[str, Any]) -> None:
    """Write one scored run, whole or not at all."""
    os.makedirs(path.parent, exist_ok=True)
    write_whole(path, json.dumps(scores, ensure_ascii=False, separators=(",", ":")) + "\n")


def read_scores(path: Path) -> dict[str, Any]:
    """Read one scored run; CheckpointError if it is none."""
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}. Remove it and run the row again.") from error
    if not isinstance(scores, dict) or scores.get("format") != FORMAT:
        raise CheckpointError(f"{path} was not written by this version: remove it and run the row again.")
    return scores
