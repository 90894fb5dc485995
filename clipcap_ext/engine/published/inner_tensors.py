"""A file that pickle.dump wrote, of tables, texts and tensors: read as data, its tensors as arrays.

Nothing in it is run, and torch is not needed."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clipcap_ext.engine.published.pickle_reading import StorageSpec, TensorSpec, read_pickle
from clipcap_ext.engine.published.state_file import read_old_form
from clipcap_ext.errors import CheckpointError

COUNT_BYTES = 8  # a storage's length, before its numbers


@dataclass(frozen=True)
class _Inner(StorageSpec):
    """A storage with its numbers."""

    content: memoryview = field(repr=False, compare=False)


def read_dumped(path: Path) -> Any:
    """What the file holds, each tensor as a TensorSpec for `array_of`; CheckpointError if it holds anything
    else, or is damaged. All of it is in memory."""

    def inside(content: bytes) -> StorageSpec:
        stream = io.BytesIO(content)
        found = read_old_form(stream, path, len(content))
        if not isinstance(found, StorageSpec):
            raise ValueError("a storage that is none")
        numbers = memoryview(content)[stream.tell() + COUNT_BYTES :]
        return _Inner(found.key, found.dtype, found.length, found.nbytes, numbers)

    try:
        with path.open("rb") as file:
            return read_pickle(file, str(path), inside)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error


def array_of(tensor: TensorSpec, where: str) -> np.ndarray:
    """A tensor of `read_dumped`, its numbers not copied; CheckpointError for numbers that numpy has not."""
    storage = tensor.storage
    if not isinstance(storage, _Inner) or storage.dtype == "bfloat16":
        raise CheckpointError(f"{where} holds a tensor of {tensor.dtype}, which is not read here.")
    numbers = np.frombuffer(storage.content, dtype=storage.dtype)[tensor.offset :]
    strides = tuple(step * numbers.itemsize for step in tensor.stride)
    return np.lib.stride_tricks.as_strided(numbers, tensor.shape, strides, writeable=False)
