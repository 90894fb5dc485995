"""Writes files that pretend to be weights, for the tests that none of them runs or fills the process; not a
test."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zipfile
from pathlib import Path

import torch
from published import published_mlp, save

HUGE = 12_000_000_000
PROTO, STOP = b"\x80\x02", b"."


class Canary:
    """Unpickled, it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


class Hidden:
    """Unpickled, it unpickles `data` by a function of torch itself."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[object, tuple[bytes]]:
        return torch.storage._load_from_bytes, (self.data,)


def good_state() -> dict[str, torch.Tensor]:
    """A small ClipCap that nothing is wrong with."""
    return dict(published_mlp(300).state_dict())


def saved(said: object, form: str = "zip") -> bytes:
    buffer = io.BytesIO()
    torch.save(said, buffer, _use_new_zipfile_serialization=form == "zip")
    return buffer.getvalue()


def zipped(members: dict[str, bytes], compress: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compress) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def with_index(index: bytes, **members: bytes) -> bytes:
    """A zip of torch's kind around any pickle."""
    return zipped(
        {"archive/data.pkl": index, **{f"archive/data/{name}": data for name, data in members.items()}}
    )


def members_of(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def table_of(tensor_shape: bytes, stride: bytes, length: bytes) -> bytes:
    """A pickle of {"wte.weight": a tensor of that shape and stride in a storage that claims `length`
    numbers}."""
    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu" + length + b"tQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + tensor_shape + stride + b"\x89}tR"
    return PROTO + b"}X\x0a\0\0\0wte.weight" + tensor + b"s" + STOP


def header_of(entries: dict[str, object], data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file with any header."""
    said = json.dumps(entries).encode()
    return struct.pack("<Q", len(said) if length is None else length) + said + data


def entry(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def overlapping() -> bytes:
    """Two names in a zip's index for the same bytes."""
    data = with_index(pickle.dumps({}, 2), **{"0": b"x" * 64, "1": b"y" * 64})
    first, second = (data.index(f"archive/data/{n}".encode()) - 30 for n in "01")
    at = data.rindex(b"archive/data/1") - 4
    assert struct.unpack("<I", data[at : at + 4])[0] == second
    return data[:at] + struct.pack("<I", first) + data[at + 4 :]


def with_holes(path: Path, head: bytes, size: int = 2_000_000_000) -> None:
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)


def corpus(folder: Path, canary: Path) -> dict[str, str]:
    """Write them all into `folder`; file name -> a part of what must be said of it. Running one makes
    `canary`."""
    evil, good = Canary(canary), saved(good_state())
    index = members_of(good)["archive/data.pkl"]
    deep = PROTO + b"}" + b")" + b"\x85" * 300_000 + b"Ns" + STOP  # a table whose key is a tuple 300 000 deep
    hidden, hidden_old = Hidden(saved(evil)), Hidden(saved(evil, "pickles"))
    endless = table_of(b"K\x02\x85", b"K\x01\x85", b"\x8a\x08" + bytes(7) + b"\x10")
    wide = table_of(b"J\0\0\0\x40K\x40\x86", b"K\0K\0\x86", b"K\x01")
    by_name = with_index(PROTO + b"cbuiltins\neval\nX\x01\0\0\x001\x85R.")
    bomb = zipped({"a/data.pkl": index, "a/data/0": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    counts = {n: t.int() if n.endswith("c_fc.weight") else t for n, t in good_state().items()}
    files: dict[str, tuple[bytes, str]] = {
        "runs_code.pt": (saved(evil), "asks for posix.mkdir"),
        "runs_code_old.pt": (saved(evil, "pickles"), "asks for posix.mkdir"),
        "runs_code_beside_weights.pt": (saved({**good_state(), "x": evil}), "asks for posix.mkdir"),
        "runs_code_plain.pt": (pickle.dumps(evil), "a pickle that torch.save did not write"),
        "runs_code_nested.pt": (saved({"state_dict": hidden}), "torch.storage._load_from_bytes"),
        "runs_code_nested_old.pt": (saved({"a": hidden_old}, "pickles"), "_load_from_bytes"),
        "runs_code_by_name.pt": (by_name, "asks for builtins.eval"),
        "runs_code_by_stack.pt": (with_index(b"\x80\x04\x8c\x02os\x8c\x06system\x93."), "asks for os.system"),
        "instance.pt": (with_index(PROTO + b"(ios\nsystem\n."), "the pickle instruction INST"),
        "extension.pt": (with_index(PROTO + b"\x82\x01."), "more than weights"),
        "whole_model.pt": (saved(published_mlp(300)), "published.PublishedClipCap"),
        "zip_bomb.pt": (bomb, "is compressed"),
        "zip_bomb_index.pt": (with_index(bytes(5_000_000)), "no data.pkl of a plausible size"),
        "zip_overlap.pt": (overlapping(), "files in its zip archive overlap"),
        "zip_cut.pt": (good[: len(good) // 2], "has no end"),
        "zip_cut_a_little.pt": (good[:-7], "has no end"),
        "zip_grown.pt": (good + b"more", "has no end"),
        "zip_spliced.pt": (good[:5000] + good[6000:], "its zip archive claims"),
        "zip_up.pt": (zipped({"archive/data.pkl": index, "archive/../../up.txt": b"x"}),
        "which leaves its folder"),
        "zip_root.pt": (zipped({"archive/data.pkl": index, "/etc/up.txt": b"x"}), "which leaves its folder"),
        "zip_windows.pt": (zipped({"archive/data.pkl": index, "C:/up.txt": b"x"}), "which leaves its folder"),
        "zip_other.pt": (zipped({"a/readme.txt": b"x"}), "no data.pkl"),
        "zip_two.pt": (zipped({"a/data.pkl": index, "b/data.pkl": index}), "2 folders"),
        "zip_short_storage.pt": (zipped({**members_of(good), "archive/data/0": b"1234"}),
        "storage 0 should have"), "old_cut.pt": (saved(good_state(), "pickles")[:-9], "its tensors need"),
        "old_cut_early.pt": (saved(good_state(), "pickles")[:600], "its pickle cannot be read"),
        "deep.pt": (with_index(deep), "its pickle cannot be read"),
        "memo.pt": (with_index(PROTO + b"Nr\xff\xff\xff\xff."), "holds no state dict"),
        "long_text.pt": (with_index(PROTO + b"X\xff\xff\xff\x7fabc."), "its pickle cannot be read"),
        "no_stack.pt": (with_index(PROTO + b"ttt."), "its pickle cannot be read"),
        "huge_storage.pt": (with_index(endless), "without key"),
        "huge_tensor.pt": (with_index(wide, **{"0": b"1234"}), "a tensor of shape"),
        "header_long.safetensors": (header_of({}, length=2**62), "its header claims"),
        "header_short.safetensors": (b"\x01", "its header claims"),
        "header_beyond.safetensors": (header_of({"a": entry(0, 8000, [2000])}, bytes(8)),
        "speaks of 8000 bytes"),
        "header_shape.safetensors": (header_of({"a": entry(0, 8, [2000])}, bytes(8)), "in 8 bytes"),
        "header_overlap.safetensors": (
            header_of({"a": entry(0, 8, [2]), "b": entry(4, 12, [2])}, bytes(12)), "places 'b' at 4"),
        "header_negative.safetensors": (header_of({"a": entry(-8, 0, [2])}, bytes(8)),
        "its header cannot be read"),
        "header_list.safetensors": (header_of([1, 2]), "its header cannot be read"),  # type: ignore[arg-type]
        "header_deep.safetensors": (struct.pack("<Q", 200_000) + b"[" * 200_000, "its header cannot be read"),
        "web_page.pt": (b"<!DOCTYPE html><html>not found</html>", "a web page saved under this name"),
        "empty.pt": (b"", "no file of weights"),
        "whole_numbers.pt": (saved(counts), "int32"),
        "padded.pt": (zipped({**members_of(good), "archive/data/pad": bytes(90_000_000)}),
        "its weights need"),
    }  # fmt: skip
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    said = {name: text for name, (_, text) in files.items()}
    return said | _not_plain_files(folder, good)


def _not_plain_files(folder: Path, good: bytes) -> dict[str, str]:
    with_holes(folder / "sparse.pt", b"", HUGE)
    with_holes(folder / "sparse_zip.pt", good)
    with_holes(
        folder / "sparse.safetensors", header_of({"a": entry(0, 1_999_999_000, [499_999_750])}).ljust(1000)
    )
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.pt").write_bytes(good)
    (folder / "link_out.pt").symlink_to(outside / "secret.pt")
    (folder / "link_to_nothing.pt").symlink_to(folder / "gone.pt")
    os.mkfifo(folder / "pipe.pt")
    return {
        "sparse.pt": "12.0 GB", "sparse_zip.pt": "the rest is holes",
        "sparse.safetensors": "the rest is holes",
        "link_out.pt": "a link out of its folder", "link_to_nothing.pt": "No such file", "pipe.pt": "no file",
    }  # fmt: skip


def write_good(folder: Path) -> Path:
    """One that is nothing but weights."""
    return save(good_state(), folder / "good.pt")
