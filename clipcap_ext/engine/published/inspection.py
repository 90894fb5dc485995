"""A published file looked at without reading its weights: what it is, what it would become, whether that was
done.

Looking reads some kilobytes and needs no torch. The file itself is never changed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, CheckpointConfig, read_config
from clipcap_ext.engine.published.blip.layout import BlipLayout, infer_blip, is_blip
from clipcap_ext.engine.published.blip.vocabulary import find_words
from clipcap_ext.engine.published.layout import PublishedLayout, infer_layout
from clipcap_ext.engine.published.parts import SBG_DECODING, PublishedParts, choose_encoder
from clipcap_ext.engine.published.run_config import with_run_config
from clipcap_ext.engine.published.state_file import SUFFIXES, StateFile, is_outside, read_state_file
from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import read_json_file

ORIGIN = "converted_from"  # in config.json's training
ORIGIN_FILE = f"{ORIGIN}.json"  # beside a config.json that is not ours
PLAUSIBLE, SPARE_BYTES = 4, 64_000_000  # an optimiser's state makes a file three times as large; old buffers


def inspect_file(file: Path) -> PublishedLayout | BlipLayout:
    """The architecture of a published file, told by names and shapes, in milliseconds.

    CheckpointError says in one line what is wrong: not weights, unsafe, damaged, missing or unknown tensors,
    too large.
    """
    return inspect_source(file)[1]


def inspect_source(file: Path) -> tuple[StateFile, PublishedLayout | BlipLayout]:
    """`inspect_file`, and what was found in the file."""
    source = read_state_file(file)
    infer = infer_blip if is_blip(source.tensors) else infer_layout
    layout = infer(source.tensors, str(file))
    needed = 4 * sum(spec.size for spec in source.tensors.values())
    if source.nbytes > PLAUSIBLE * needed + SPARE_BYTES:
        raise CheckpointError(
            f"{file} has {source.nbytes / 1e6:.0f} MB, and its weights need {needed / 1e6:.0f} MB: it is not "
            "opened."
        )
    return source, layout


def unconverted_files(folder: Path) -> list[Path]:
    """The published files in `folder` that have not been converted yet, by name."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and not path.is_dir()]
    return [path for path in files if not is_current(converted_folder(path), path)]


def planned_config(file: Path, parts: PublishedParts | None = None) -> CheckpointConfig:
    """What config.json will say once the file is converted; CheckpointError as `inspect_file`, and for a link
    out."""
    if is_outside(file, file.parent):
        target = os.path.realpath(file)
        raise CheckpointError(f"{file} is a link out of its folder, to {target}: put the file itself there.")
    source, layout = inspect_source(file)
    parts = with_run_config(file, source.tensors, parts or PublishedParts())
    if isinstance(layout, BlipLayout):
        find_words(file, layout.words, parts.tokenizer)
        weights = sum(spec.size for spec in source.tensors.values())
        return CheckpointConfig(layout.kind, file.name, {"family": "BLIP", "weights": weights}, None)
    return config_of(layout, layout.gpt2, parts, file.name, str(file))


def config_of(
    layout: PublishedLayout, gpt2: Mapping[str, int], parts: PublishedParts, name: str, where: str
) -> CheckpointConfig:
    """The config.json of a layout with a GPT-2 of these sizes."""
    sbg = layout.kind == "sbg"
    if parts.mapper_heads:
        layout = _with_heads(layout, parts.mapper_heads, where)
    decoding = parts.decoding if parts.decoding is not None else SBG_DECODING if sbg else {}
    model: dict[str, Any] = {"gpt2": dict(gpt2), "selection": {}} if sbg else layout.model(gpt2)
    encoder = choose_encoder(layout, parts, where)
    return CheckpointConfig(layout.kind, name, model, encoder, decoding, parts.training)


def _with_heads(layout: PublishedLayout, heads: int, where: str) -> PublishedLayout:
    if layout.mapper != "transformer" or layout.n_embd % heads:
        raise CheckpointError(
            f"{where} is said to have a mapper of {heads} attention heads, and it holds: {layout}. Name the "
            "file of its own training with --run-config."
        )
    return replace(layout, mapper_heads=heads)


def converted_folder(file: Path) -> Path:
    """Where a file is converted to on first use: beside it, named without the suffix."""
    return file.with_suffix("")


def origin_of(file: Path) -> dict[str, Any]:
    """What a converted checkpoint remembers of its file, to tell whether that has been exchanged since."""
    status = file.stat()
    return {"file": file.name, "bytes": status.st_size, "modified": int(status.st_mtime)}


def read_origin(folder: Path) -> Mapping[str, Any]:
    """What the checkpoint in `folder` says it was made from; empty if it is none or does not say."""
    if (folder / ORIGIN_FILE).is_file():
        origin = read_json_file(folder / ORIGIN_FILE, CheckpointError)
        return origin if isinstance(origin, Mapping) else {}
    if not (folder / CONFIG_FILE).is_file():
        return {}
    try:
        origin = read_config(folder).training.get(ORIGIN)
    except CheckpointError:
        return {}
    return origin if isinstance(origin, Mapping) else {}


def is_current(folder: Path, file: Path) -> bool:
    origin = read_origin(folder)
    return bool(origin) and file.exists() and origin_of(file).items() <= origin.items()
