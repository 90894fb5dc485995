"""A state dict in torch's own form made into safetensors, name for name; nothing in it can run."""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.engine.checkpoint.safefile import write_safetensors
from clipcap_ext.engine.published.state_file import read_state_file
from clipcap_ext.errors import CheckpointError
from clipcap_ext.files import write_file


def write_as_safetensors(file: Path, out: Path) -> None:
    """Write the weights of `file` to `out`, whole or not at all; those that share their memory, as a model's
    tied ones, are written once each.

    CheckpointError for a file that is damaged, holds anything but weights, or an `out` that is there.
    """
    from clipcap_ext.engine.published.weights import read_state

    if out.exists():
        raise CheckpointError(f"{out} is there already: name another file, or move it away.")
    tensors = read_state(read_state_file(file))
    try:
        with write_file(out) as part:
            write_safetensors(part, tensors, {"format": "pt"})  # older versions of transformers ask for it
    except OSError as error:
        raise CheckpointError(f"{out} could not be written: {error}.") from error
