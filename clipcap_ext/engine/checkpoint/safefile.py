"""Whole files or none: atomic folders, safetensors read with clear errors; not a download. Imports no torch
itself."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def write_folder(target: Path) -> Iterator[Path]:
    """Give an empty folder beside `target`; if the block ends well it takes its place, else it is removed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".part", dir=target.parent))
    try:
        yield partial
        partial.chmod(0o755)  # mkdtemp makes private folders
        if target.exists():
            old = partial.with_suffix(".old")
            os.replace(target, old)
            os.replace(partial, target)
            shutil.rmtree(old)
        else:
            os.replace(partial, target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def write_safetensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors, contiguous and each with its own storage; only one that shares its storage is copied
    first."""
    from safetensors.torch import save_file

    save_file({name: _alone(tensor.detach().cpu()) for name, tensor in tensors.items()}, str(path))


def _alone(tensor: Tensor) -> Tensor:
    if not tensor.is_contiguous():
        return tensor.contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors to the CPU; CheckpointError if the file is missing, cut short or malformed."""
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing: the folder is not a whole checkpoint. Copy or download it again."
        )
    try:
        return load_file(str(path))
    except Exception as error:  # the Rust side has its own exception type, renamed between versions
        size = path.stat().st_size
        raise CheckpointError(
            f"{path} ({size} bytes) is not a readable safetensors file: {error}. Copy or download it again."
        ) from error
