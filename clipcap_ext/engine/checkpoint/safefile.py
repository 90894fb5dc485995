"""Tensors as safetensors files, written lean and read with clear errors. Imports no torch itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

HALF = "torch.float16"
AT_ONCE = 16  # tensors converted before the pages of the file that they came from are let go


def write_safetensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors, contiguous and each with its own storage; only one that shares its storage is copied
    first. Whoever may read other new files may read this one. OSError if the disk does not take them."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    own, taken = {}, set[int]()
    for name, tensor in tensors.items():
        kept = _with_own_storage(tensor.detach().cpu())
        place = kept.untyped_storage().data_ptr()
        own[name] = kept.clone() if place in taken else kept
        taken.add(place)
    path.touch()
    mode = path.stat().st_mode  # the library makes its file for the writer's eyes alone
    try:
        save_file(own, str(path), metadata)
        path.chmod(mode)
    except SafetensorError as error:  # what the library makes of a full disk
        raise OSError(f"{path} could not be written: {error}") from error


def _with_own_storage(tensor: Tensor) -> Tensor:
    if not tensor.is_contiguous():
        return tensor.contiguous()
    whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    return tensor if whole else tensor.clone()


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """Read all tensors to the CPU; CheckpointError if the file is missing, cut short or malformed."""
    from safetensors.torch import load_file

    with _told(path):
        return load_file(str(path))


def read_words(path: Path) -> dict[str, str]:
    """What was written beside the tensors; CheckpointError as read_safetensors."""
    from safetensors import safe_open

    with _told(path), safe_open(str(path), framework="pt") as file:
        return dict(file.metadata() or {})


def read_float32(path: Path, later: Callable[[str], bool] = lambda name: False) -> dict[str, Tensor]:
    """As read_safetensors, floats as float32: what is float32 there stays mapped, of what is converted only
    a few tensors are in memory twice at a time.

    later: of which names the float16 stay as they are, mapped; they are only looked at, for a CheckpointError
    where a number is not finite.
    """
    from safetensors import safe_open

    state: dict[str, Tensor] = {}
    with _told(path):
        with safe_open(str(path), framework="pt") as file:
            names = list(file.keys())
        for start in range(0, len(names), AT_ONCE):
            with safe_open(str(path), framework="pt") as file:
                for name in names[start : start + AT_ONCE]:
                    tensor = file.get_tensor(name)
                    if later(name) and str(tensor.dtype) == HALF:
                        _check_finite(name, tensor)
                    else:
                        state[name] = tensor.float() if tensor.is_floating_point() else tensor
        with safe_open(str(path), framework="pt") as file:  # anew: the pages that were looked at are let go
            return state | {name: file.get_tensor(name) for name in names if name not in state}


def _check_finite(name: str, tensor: Tensor) -> None:
    if not bool(tensor.isfinite().all()):
        raise ValueError(f"{name} holds values that are not finite")


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Failures to read a file inside the block as CheckpointErrors."""
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing: the folder is not a whole checkpoint. Copy or download it again."
        )
    try:
        yield
    except Exception as error:  # the Rust side has its own exception type, renamed between versions
        size = path.stat().st_size
        raise CheckpointError(
            f"{path} ({size} bytes) is not a readable safetensors file: {error}. Copy or download it again."
        ) from error
