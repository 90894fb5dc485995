"""Writes the checkpoint folder of a published file: parts found, room checked, weights read, everything
fitted."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch

from clipcap_ext.engine.checkpoint.config import CheckpointConfig
from clipcap_ext.engine.checkpoint.folder import fill, save_checkpoint
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.front_matter import GPT2_REPO, base_models, hub_fields, with_front_matter
from clipcap_ext.engine.language.gpt2 import empty_gpt2
from clipcap_ext.engine.published.inspection import ORIGIN, config_of, origin_of
from clipcap_ext.engine.published.layout import PublishedLayout, infer_layout
from clipcap_ext.engine.published.parts import SBG_LABELS, PublishedParts, find_gpt2, find_tokenizer
from clipcap_ext.engine.published.run_config import with_run_config
from clipcap_ext.engine.published.state_file import StateFile
from clipcap_ext.engine.published.weights import read_weights
from clipcap_ext.engine.sbg.label_files import LABELS_FILE, bank_json, read_bank
from clipcap_ext.errors import CheckpointError
from clipcap_ext.files import file_sha256

SPARE = 64_000_000  # bytes, on disk and in memory, beside the weights
KEPT = (torch.float16, torch.bfloat16)  # dtypes of a whole file that are kept; all else becomes float32


def write_folder_of(source: StateFile, layout: PublishedLayout, out: Path, parts: PublishedParts) -> None:
    """Make `out` of a file, taking the place of an `out` that is there; CheckpointError as `convert_file`."""
    file = source.path
    parts = with_run_config(file, source.tensors, parts)
    base = None if layout.tuned else find_gpt2(file, layout.n_embd, parts.gpt2)
    sizes = layout.gpt2 if base is None else _sizes_of_base(base, layout, file)
    config = config_of(layout, sizes, parts, out.name, str(file))
    tokenizer = find_tokenizer(file, sizes["vocab_size"], parts.tokenizer or (parts.gpt2 if base else None))
    files = {} if layout.kind != "sbg" else {LABELS_FILE: bank_json(read_bank(parts.labels or SBG_LABELS))}
    check_room([source] if base is None else [source, base], out)
    state = read_weights(source)
    if base is not None:
        state |= {f"gpt2.{name}": tensor for name, tensor in read_weights(base).items()}
    dtypes = {tensor.dtype for tensor in state.values()}
    dtype = next((kept for kept in KEPT if dtypes == {kept}), torch.float32)
    config = replace(
        config, training={**config.training, ORIGIN: {**origin_of(file), "sha256": file_sha256(file)}}
    )
    model = fill(lambda: _build(config, sizes), state, str(file), dtype)
    try:
        save_checkpoint(out, model, tokenizer, config, card=_card(config, layout), dtype=dtype, files=files)
    except OSError as error:
        raise CheckpointError(
            f"{file} could not be converted, {out} could not be written: {error}. Name a folder elsewhere: "
            "python -m clipcap_ext convert FILE OUT."
        ) from error


def _build(config: CheckpointConfig, sizes: Mapping[str, int]) -> torch.nn.Module:
    return (
        empty_gpt2(sizes)
        if config.kind == "sbg"
        else ClipCapModel(ClipCapConfig(**config.model), filled=True)
    )


def _sizes_of_base(base: StateFile, layout: PublishedLayout, file: Path) -> dict[str, int]:
    held = infer_layout(base.tensors, str(base.path))
    if held.kind != "sbg" or held.n_embd != layout.n_embd:
        raise CheckpointError(
            f"{file} needs a plain GPT-2 that is {layout.n_embd} wide, and {base.path} holds: {held}. "
            "Name the folder of the right one with --gpt2."
        )
    return held.gpt2


def check_room(sources: list[StateFile], out: Path) -> None:
    """CheckpointError if the weights would not fit on the disk or, twice, into memory."""
    needed = sum(4 * spec.size for source in sources for spec in source.tensors.values()) + SPARE
    free = shutil.disk_usage(out.parent).free
    if free < needed:
        raise CheckpointError(
            f"{out} needs {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free on its disk: make room, or "
            "name a folder elsewhere."
        )
    memory = _free_memory()
    if memory is not None and memory < 2 * needed:
        raise CheckpointError(
            f"Converting {sources[0].path} takes {2 * needed / 1e6:.0f} MB of memory, and {memory / 1e6:.0f} "
            "MB are free: close other programs first."
        )


def _free_memory() -> int | None:
    """Bytes that the system could give; None where it does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None


def _card(config: CheckpointConfig, layout: PublishedLayout) -> str:
    origin, encoder = config.training[ORIGIN], config.clip
    scaled = "scaled to unit norm" if encoder.normalize else "as they come"
    terms = (
        config.training.get("terms")
        or "The file does not state its terms: those of whoever published it apply."
    )
    source = f"Converted from `{origin['file']}` ({origin['bytes']} bytes, sha256 {origin['sha256']})."
    features = f"{encoder.model} {encoder.pretrained}".rstrip()
    lines = [
        f"# {config.name}",
        "",
        source,
        "",
        f"{layout}; features of {features}, {scaled}.",
        "",
        terms,
        "",
    ]
    licence, data = (str(config.training.get(name, "")) for name in ("licence", "data"))
    fields = hub_fields(licence, data, base_models(encoder, GPT2_REPO), config.kind)
    return with_front_matter("\n".join(lines), fields)
