"""What a training takes from the checkpoint it starts from: its options of shape, encoder and spelling; its
weights are loaded in module.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from clipcap_ext.engine.catalog import ModelEntry, find_encoder_folder, find_model
from clipcap_ext.engine.checkpoint.config import CheckpointConfig
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.clipcap.mappers import MapperConfig
from clipcap_ext.engine.clipcap.model import ClipCapConfig
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.own_language import FOLLOWING
from clipcap_ext.train.config import override
from clipcap_ext.train.language_model import SIZES

SPELLING = ("lowercase", "end_stop")  # how its captions were written: others would be learnt anew
OWN_LANGUAGE = ("gpt2", "tokenizer", *SIZES)
SETTINGS = "settings"


def with_start(
    preset: CaptioningConfig, by_hand: Mapping[str, Any], start: str
) -> tuple[CaptioningConfig, dict[str, Any]]:
    """The preset's options as the checkpoint `start` (a folder or a name) has them, and what was set by hand
    with its folder in it.

    ModelNotFound lists the models there are; UsageError says what contradicts the checkpoint.
    """
    entry = find_model(start)
    if entry.config is None or entry.config.kind != preset.task:
        what = entry.problem or f"it is a {entry.config.kind if entry.config else 'damaged checkpoint'}"
        raise UsageError(f"start={start} is no ClipCap to go on from: {what}")
    model = ClipCapConfig(**entry.config.model)
    held = {**model.language_config, **model.to_dict(), **_encoder(entry, entry.config, by_hand)}
    _check(start, entry.config, held, by_hand)
    taken = {
        **{spec.name: held[spec.name] for spec in fields(MapperConfig)},
        **{name: held[name] for name in ("prefix_length", "encoder", "encoder_weights", "normalize")},
        **_spelling(entry.config), **_language(preset, entry, model, by_hand), **_evidence(model),
        "max_tokens": _room(preset, model),
    }  # fmt: skip
    kept = {name: value for name, value in taken.items() if name not in by_hand}
    return override(preset, kept, f"start={start}"), {**by_hand, "start": str(entry.folder)}


def _encoder(entry: ModelEntry, config: CheckpointConfig, by_hand: Mapping[str, Any]) -> dict[str, Any]:
    """The checkpoint's encoder; one of ours that is named by hand need not lie beside it."""
    encoder = config.clip
    name = encoder.model
    if not encoder.pretrained and not (BUNDLED / name).is_dir() and "encoder" not in by_hand:
        name = str(find_encoder_folder(name, entry.folder))
    return {"encoder": name, "encoder_weights": encoder.pretrained, "normalize": encoder.normalize}


def _spelling(config: CheckpointConfig) -> dict[str, bool]:
    said = config.training.get(SETTINGS)
    said = said if isinstance(said, dict) else {}
    return {name: said[name] for name in SPELLING if isinstance(said.get(name), bool)}


def _language(
    preset: CaptioningConfig, entry: ModelEntry, model: ClipCapConfig, by_hand: Mapping[str, Any]
) -> dict[str, Any]:
    """The language model and its words are the checkpoint's own, unless the preset says the same or a hand
    does."""
    if model.lm:
        return {**FOLLOWING, "lm": str(entry.folder)}
    same = preset.gpt2 == "scratch" and all(getattr(preset, name) == model.gpt2[name] for name in SIZES)
    if same or any(name in by_hand for name in OWN_LANGUAGE):
        return {}
    return {"gpt2": str(entry.folder), "tokenizer": "gpt2", **dict.fromkeys(SIZES, 0)}


def _evidence(model: ClipCapConfig) -> dict[str, bool]:
    return {"evidence": True} if model.evidence else {}


def _room(preset: CaptioningConfig, model: ClipCapConfig) -> int:
    """The preset's longest caption, or what its positions leave room for."""
    evidence = model.evidence_config
    taken = model.prefix_length + (evidence.tokens if evidence else 0)
    own = model.language_config
    positions = own.get("n_positions") or own.get("max_position_embeddings") or preset.max_tokens + taken
    return max(1, min(preset.max_tokens, int(positions) - taken))


def _check(start: str, config: CheckpointConfig, held: Mapping[str, Any], by_hand: Mapping[str, Any]) -> None:
    """UsageError for what was set by hand and the checkpoint cannot be."""
    names = [*(spec.name for spec in fields(MapperConfig) if spec.name != "mapper_dropout"), "prefix_length"]
    names += [*SIZES, "encoder_weights", "normalize"]
    names += ["encoder"] if config.clip.pretrained else []  # a folder of ours may be a copy of it
    differing = [
        f"{name}={held.get(name)}, not {by_hand[name]}"
        for name in names
        if name in by_hand and by_hand[name] != held.get(name)
    ]
    if by_hand.get("vocab_size", held["vocab_size"]) < held["vocab_size"]:
        differing.append(f"vocab_size={held['vocab_size']}, not {by_hand['vocab_size']}")
    if by_hand.get("gpt2", "scratch") not in ("scratch", start):
        differing.append(f"a GPT-2 of its own, not {by_hand['gpt2']}")
    if differing:
        raise UsageError(
            f"start={start} has {'; '.join(differing)}. Leave such options out: they are taken from it."
        )
