"""Writes webdataset shards and a Conceptual Captions table of drawn photos; not a test."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from clipcap_ext.engine.checkpoint.config import EncoderConfig

BLOCK = 512  # tar's


class MeanColours:
    """A stand-in for ClipEncoder: features are the mean colours of the four quarters; it counts what it
    encodes."""

    fingerprint, clip_dim, config = "mean-colours", 12, EncoderConfig("mean-colours", "")
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.encoded = 0
        self.stop_after: int | None = None
        self.seconds = 0.0  # a batch takes at least

    def preprocess(self, image: Image.Image) -> torch.Tensor:
        pixels = np.asarray(image.resize((8, 8)), dtype=np.float32) / 255
        return torch.from_numpy(pixels).permute(2, 0, 1)

    def encode_image(self, batch: torch.Tensor) -> torch.Tensor:
        if self.stop_after is not None and self.encoded >= self.stop_after:
            raise KeyboardInterrupt
        time.sleep(self.seconds)
        self.encoded += len(batch)
        return torch.nn.functional.adaptive_avg_pool2d(batch, 2).flatten(1)  # (B, 12)


def photo(number: int) -> bytes:
    """A PNG of its own."""
    pixels = np.random.RandomState(number).randint(0, 256, (20, 30, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def caption(number: int) -> str:
    return f"picture number {number} ."


def write_tar(path: Path, members: Iterable[tuple[str, bytes]], mode: str = "w") -> Path:
    """A tar of these names and contents, in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def photo_members(numbers: Iterable[int]) -> list[tuple[str, bytes]]:
    """Even numbers with their caption in .txt, odd ones in .json."""
    members = []
    for n in numbers:
        members.append((f"{n:06}.png", photo(n)))
        said = (f"{n:06}.json", json.dumps({"caption": caption(n)}).encode())
        members.append((f"{n:06}.txt", caption(n).encode()) if n % 2 == 0 else said)
    return members


def write_shards(folder: Path, shards: int = 4, each: int = 5) -> list[Path]:
    """shard-0000.tar, ... of `each` photos."""
    return [
        write_tar(folder / f"shard-{i:04}.tar", photo_members(range(i * each, (i + 1) * each)))
        for i in range(shards)
    ]


def url(number: int) -> str:
    return f"http://pictures.example/{number}.jpg?x=1"


def write_table(
    folder: Path, rows: int, name: str = "{row:08d}.png", missing: Iterable[int] = ()
) -> tuple[Path, Path]:
    """captions.tsv and a folder of its pictures, but for those that are missing."""
    images = folder / "images"
    images.mkdir(parents=True)
    lines = []
    for row in range(rows):
        lines.append(f"{caption(row)}\t{url(row)}\n")
        if row not in missing:
            md5 = hashlib.md5(url(row).encode()).hexdigest()
            (images / name.format(row=row, line=row + 1, md5=md5)).write_bytes(photo(row))
    table = folder / "captions.tsv"
    table.write_text("".join(lines), encoding="utf-8")
    return table, images
