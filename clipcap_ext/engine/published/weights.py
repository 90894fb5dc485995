"""Reads the weights of a published file that read_state_file found in order; nothing in it can run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.safefile import read_safetensors
from clipcap_ext.engine.published.layout import TIED, our_names
from clipcap_ext.engine.published.state_file import StateFile, unwrap
from clipcap_ext.errors import CheckpointError


def read_weights(source: StateFile) -> dict[str, Tensor]:
    """The weights under our names, on the CPU, old buffers and tied output weights dropped.

    A zip's weights stay on disk until they are used. CheckpointError as `read_state`.
    """
    state = read_state(source)
    ours = {new: state[name] for name, new in our_names(state).items()}
    for name in [name for name in ours if name.endswith(TIED)]:
        output = ours.pop(name)
        embeds = ours[f"{name.removesuffix(TIED)}transformer.wte.weight"]
        if not torch.equal(output, embeds):
            raise CheckpointError(
                f"{source.path}: its output weights ({TIED}) are not its embeddings. GPT-2 shares the two, "
                "and this package knows no other kind."
            )
    return ours


def read_state(source: StateFile) -> Mapping[str, Tensor]:
    """The weights under their own names, on the CPU; CheckpointError if what comes is not what the file's
    index said."""
    state = read_safetensors(source.path) if source.form == "safetensors" else _read_pickled(source)
    indexed = {name: (spec.dtype, spec.shape) for name, spec in source.tensors.items()}
    named = state if isinstance(state, Mapping) else {}
    if indexed != {name: _dtype_and_shape(value) for name, value in named.items()}:
        raise CheckpointError(f"{source.path} holds other weights than its index says: it is not used.")
    return named


def _dtype_and_shape(value: Any) -> tuple[str, tuple[int, ...]] | None:
    return (
        (str(value.dtype).removeprefix("torch."), tuple(value.shape)) if isinstance(value, Tensor) else None
    )


def _read_pickled(source: StateFile) -> Any:
    """torch's own reader of plain weights, from the module that it lives in: WebUIs put another over
    torch.load."""
    path = str(source.path)
    try:
        saved = torch.serialization.load(
            path, map_location="cpu", weights_only=True, mmap=source.form == "zip"
        )
    except Exception as error:  # torch raises many kinds
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read by torch {torch.__version__}: {reason}. Fetch it again."
        ) from error
    return unwrap(saved)[1]
