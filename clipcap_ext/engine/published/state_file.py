"""What a file of weights holds, read off its head and index: names, dtypes and shapes; never a weight, never
torch.

Three forms: torch.save's zip, its older run of pickles, and safetensors. Every length that a file claims is
checked against the file before anything is believed, so that neither a huge nor a lying file is read whole.
"""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from clipcap_ext.engine.published.pickle_reading import StorageSpec, TensorSpec, read_pickle
from clipcap_ext.errors import CheckpointError

SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".safetensors")
MOST_BYTES = 11_000_000_000  # a shard of transformers is 10 GB at most, GPT-2 XL with a mapper 6.8 GB
MOST_INDEX = 1 << 20  # bytes of names and shapes; GPT-2 XL needs 0.2 MB
OLD_HEAD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
ZIP_HEAD, ZIP_END = b"PK\x03\x04", b"PK\x05\x06"
ZIP_LARGE_END, ZIP_LARGE_POINTER = b"PK\x06\x06", b"PK\x06\x07"
ZIP_ENDS, ZIP_MEMBER_BYTES = (
    (56, 20, 22),
    30,
)  # the 64-bit end, the pointer to it, the end; a member's own header
WRAPPERS = ("state_dict", "model_state_dict", "model")
NUMBERS = {
    "F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2),
    "I64": ("int64", 8),
    "I32": ("int32", 4), "I16": ("int16", 2), "I8": ("int8", 1), "U8": ("uint8", 1), "BOOL": ("bool", 1),
}  # fmt: skip


@dataclass(frozen=True)
class StateFile:
    """A file's form (zip, pickles or safetensors), the key its state dict hides under, and its tensors by
    name."""

    path: Path
    form: str
    nbytes: int
    wrapper: str
    tensors: Mapping[str, TensorSpec]


def read_state_file(path: Path) -> StateFile:
    """Look at a file of weights, some kilobytes of it; CheckpointError says in one line why it is not to be
    used."""
    size = _size_on_disk(path)
    try:
        with path.open("rb") as file:
            head = file.read(len(OLD_HEAD))
            form = _form(path, head)
            file.seek(0)
            if form == "safetensors":
                return StateFile(path, form, size, "", _safetensors(file, path, size))
            saved = _zip(file, path, size) if form == "zip" else _pickles(file, path, size)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    wrapper, tensors = _state_dict(saved, path)
    return StateFile(path, form, size, wrapper, tensors)


def unwrap(saved: Any) -> tuple[str, Any]:
    """The state dict of what was saved, and the key it was under: training scripts save more beside it."""
    for key in WRAPPERS:
        if isinstance(saved, Mapping) and isinstance(saved.get(key), Mapping):
            return key, saved[key]
    return "", saved


def _size_on_disk(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    if not stat.S_ISREG(status.st_mode):
        raise CheckpointError(f"{path} is no file.")
    if status.st_size > MOST_BYTES:
        raise CheckpointError(
            f"{path} has {status.st_size / 1e9:.1f} GB, and the largest GPT-2 with a mapper, or shard of a "
            f"larger model, fits into {MOST_BYTES / 1e9:.0f} GB: it is not opened."
        )
    written = getattr(status, "st_blocks", 0) * 512  # 0 where the file system does not say
    if 0 < written < status.st_size // 2 and status.st_size > MOST_INDEX:
        raise CheckpointError(
            f"{path} claims {status.st_size} bytes and {written} were ever written: the rest is holes. Fetch "
            "it again."
        )
    return status.st_size


def _form(path: Path, head: bytes) -> str:
    if head.startswith(ZIP_HEAD):
        return "zip"
    if head == OLD_HEAD:
        return "pickles"
    if path.suffix == ".safetensors":
        return "safetensors"
    if head[:1] == b"\x80":
        raise CheckpointError(f"{path} is a pickle that torch.save did not write: it is not opened.")
    raise CheckpointError(
        f"{path} is no file of weights: it begins with {head[:8]!r}, not as torch.save's files do. Fetch it "
        "again; a web page saved under this name looks like this, too."
    )


def _damaged(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} is damaged or was made to deceive: {why}. Fetch it again.")


def _zip(file: BinaryIO, path: Path, size: int) -> Any:
    _check_zip_end(file, path, size)
    try:
        archive = zipfile.ZipFile(file)
        members = archive.infolist()
        top = _check_members(members, path, archive.start_dir)
        index = archive.read(f"{top}/data.pkl")
    except (zipfile.BadZipFile, LookupError, ValueError, RuntimeError, EOFError, struct.error) as error:
        raise _damaged(path, f"its zip archive cannot be read ({str(error)[:200]})") from error
    saved = read_pickle(io.BytesIO(index), str(path))
    sizes = {member.filename: member.file_size for member in members}
    for storage in _storages(saved):
        held = sizes.get(f"{top}/data/{storage.key}")
        if held != storage.nbytes:
            raise _damaged(
                path, f"storage {storage.key[:20]} should have {storage.nbytes} bytes and has {held}"
            )
    return saved


def _check_zip_end(file: BinaryIO, path: Path, size: int) -> None:
    """The archive's index must stand at the very end and be small; so every reader of zips sees the same
    index."""
    # A zip is read from its end: a record there says where the index is. Readers search for that record
    # backwards, and a comment may follow it. In a file with two of them, or with more behind it, Python's
    # zipfile could settle on one and torch's reader on the other: what was checked here would not be what is
    # loaded. So the record has to be the last 22 bytes, with a comment of length 0.
    file.seek(max(0, size - sum(ZIP_ENDS)))
    *large, end = _split(file.read(sum(ZIP_ENDS)), ZIP_ENDS)
    file.seek(0)
    if not end.startswith(ZIP_END) or end[-2:] != b"\0\0":
        raise _damaged(
            path, "its zip archive has no end: the file was cut short, or something was put behind it"
        )
    length, start = struct.unpack("<II", end[12:20])
    if large[1].startswith(ZIP_LARGE_POINTER):  # an archive above 4 GB says it again in 64 bits, just before
        length, start = struct.unpack("<QQ", large[0][40:56])
        if not large[0].startswith(ZIP_LARGE_END):
            raise _damaged(path, "its zip archive has two ends")
    if length > MOST_INDEX or start + length > size:
        raise _damaged(path, f"its zip archive claims an index of {length} bytes at {start}")


def _split(data: bytes, lengths: tuple[int, ...]) -> list[bytes]:
    """The last sum(lengths) bytes in pieces; what is not there is zeros."""
    data, pieces = data.rjust(sum(lengths), b"\0"), []
    for length in lengths:
        pieces.append(data[:length])
        data = data[length:]
    return pieces


def _check_members(members: list[zipfile.ZipInfo], path: Path, end: int) -> str:
    """The archive's one folder; CheckpointError for anything torch.save does not do."""
    tops = set()
    for member in members:
        name = member.filename
        parts = name.split("/")
        if name.startswith("/") or "\\" in name or ".." in parts or ":" in parts[0] or len(parts) < 2:
            raise CheckpointError(
                f"{path} holds a file named {name[:80]!r}, which leaves its folder: it is not opened."
            )
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise CheckpointError(
                f"{path} is compressed ({name[:80]}: {member.compress_size} bytes that become "
                f"{member.file_size}), and torch.save never does that: it is not opened."
            )
        tops.add(parts[0])
    if len(tops) != 1 or len({member.filename for member in members}) != len(members):
        raise _damaged(path, f"its zip archive holds {len(tops)} folders, or a name twice")
    ends = sorted((member.header_offset, member.header_offset + _stored(member)) for member in members)
    if any(before > start for (_, before), (start, _) in zip(ends, [*ends[1:], (end, end)], strict=True)):
        raise _damaged(path, "files in its zip archive overlap")
    (top,) = tops
    index = next((member for member in members if member.filename == f"{top}/data.pkl"), None)
    if index is None or index.file_size > MOST_INDEX:
        raise _damaged(
            path, "its zip archive holds no data.pkl of a plausible size, so torch.save did not write it"
        )
    return top


def _stored(member: zipfile.ZipInfo) -> int:
    return ZIP_MEMBER_BYTES + len(member.filename.encode()) + member.compress_size


def _pickles(file: BinaryIO, path: Path, size: int) -> Any:
    """torch.save's older form: magic, version, system, the object, the storages' keys, then the storages."""
    return read_old_form(io.BytesIO(file.read(MOST_INDEX)), path, size)


def read_old_form(stream: BinaryIO, path: Path, size: int) -> Any:
    """What the `size` bytes that begin in `stream` hold, which is left at the first storage."""
    _magic, version, system, saved, keys = (read_pickle(stream, str(path)) for _ in range(5))
    little = isinstance(system, Mapping) and system.get("little_endian", True)
    storages = {storage.key: storage for storage in _storages(saved)}
    if (
        version != 1001
        or not little
        or not isinstance(keys, list)
        or sorted(map(str, keys)) != sorted(storages)
    ):
        raise _damaged(path, "its parts are not those that torch.save writes")
    wanted = stream.tell() + sum(8 + storage.nbytes for storage in storages.values())
    if wanted != size:
        raise _damaged(path, f"its tensors need {wanted} bytes and it has {size}")
    return saved


def _storages(saved: Any) -> list[StorageSpec]:
    """Every storage under `saved`, however deep its tables, without recursion."""
    storages: dict[int, StorageSpec] = {}
    seen, pending = set(), [saved]
    while pending:
        value = pending.pop()
        if isinstance(value, TensorSpec) and value.storage is not None:
            value = value.storage
        if isinstance(value, StorageSpec):
            storages[id(value)] = value
        elif isinstance(value, (Mapping, list, tuple)) and id(value) not in seen:
            seen.add(id(value))
            pending += value.values() if isinstance(value, Mapping) else value
    return list(storages.values())


def _state_dict(saved: Any, path: Path) -> tuple[str, dict[str, TensorSpec]]:
    wrapper, state = unwrap(saved)
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(
            f"{path} holds no state dict (a table of names and weights): get the model's state dict."
        )
    odd = [
        str(name)
        for name, value in state.items()
        if type(name) is not str or not isinstance(value, TensorSpec)
    ]
    if odd:
        raise CheckpointError(
            f"{path} holds no state dict: {len(odd)} of {len(state)} entries are no weights, as "
            f"{odd[0][:80]!r}."
        )
    return wrapper, dict(state)


def _safetensors(file: BinaryIO, path: Path, size: int) -> dict[str, TensorSpec]:
    (length,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
    if not 2 <= length <= min(MOST_INDEX, size - 8):
        raise _damaged(path, f"its header claims {length} bytes of {size}")
    try:
        header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        tensors = {name: _entry(entry) for name, entry in header.items()}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise _damaged(path, f"its header cannot be read ({str(error)[:200]})") from error
    at = 0
    for name, (_, start, end) in sorted(tensors.items(), key=lambda item: item[1][1:]):
        if start != at:
            raise _damaged(path, f"its header places {name[:80]!r} at {start} where {at} is next")
        at = end
    if at != size - 8 - length:
        raise _damaged(path, f"its header speaks of {at} bytes and {size - 8 - length} follow")
    return {name: spec for name, (spec, _, _) in tensors.items()}


def _entry(entry: Mapping[str, Any]) -> tuple[TensorSpec, int, int]:
    dtype, itemsize = NUMBERS.get(entry["dtype"], (str(entry["dtype"])[:20], 0))
    shape, (start, end) = tuple(entry["shape"]), entry["data_offsets"]
    if len(shape) > 8 or any(type(n) is not int or not 0 <= n < 2**40 for n in (*shape, start, end)):
        raise ValueError(f"shape {str(shape)[:80]}")
    spec = TensorSpec(dtype, shape)
    if itemsize and spec.size * itemsize != end - start:
        raise ValueError(f"{dtype} of shape {shape} in {end - start} bytes")
    return spec, start, end


def is_outside(path: Path, root: Path) -> bool:
    """Whether `path`, links followed, lies outside `root`."""
    inside = os.path.realpath(root)
    return os.path.commonpath([inside, os.path.realpath(path)]) != inside
