"""Features on disk: safetensors shards of rows under content keys, each written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.files import write_file

if TYPE_CHECKING:
    from torch import Tensor


class FeatureStore:
    """A folder of shards. A shard is `features` (n, clip_dim) float32 and, in its metadata, the n keys.

    A shard is named by a digest of its keys, so two processes that encode the same images write the same
    file; it appears under that name only when it is complete. One that cannot be read is as good as absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._where: dict[str, tuple[Path, int]] = {}
        for path in sorted(folder.glob("*.safetensors")):
            self._enter(path)

    def __contains__(self, key: str) -> bool:
        return key in self._where

    def write(self, rows: Mapping[str, Tensor]) -> None:
        """Store rows (each (clip_dim,)) as one new shard; nothing for no rows."""
        if not rows:
            return
        import torch

        from clipcap_ext.engine.checkpoint.safefile import write_safetensors

        self.folder.mkdir(parents=True, exist_ok=True)
        keys = list(rows)
        path = self.folder / f"{hashlib.sha256(' '.join(keys).encode()).hexdigest()[:24]}.safetensors"
        features = torch.stack([rows[key].float().cpu() for key in keys])  # (n, clip_dim)
        with write_file(path) as part:
            write_safetensors(part, {"features": features}, {"keys": json.dumps(keys)})
        self._where.update({key: (path, row) for row, key in enumerate(keys)})

    def read(self, keys: Iterable[str]) -> Tensor:
        """Rows in the order of `keys`, all of which are in the store -> (len(keys), clip_dim) float32."""
        import torch
        from safetensors.torch import load_file

        wanted: dict[Path, list[tuple[int, int]]] = {}
        count = 0
        for place, key in enumerate(keys):
            path, row = self._where[key]
            wanted.setdefault(path, []).append((place, row))
            count += 1
        gathered: Tensor | None = None
        for path, pairs in wanted.items():
            features = load_file(str(path))["features"]
            if gathered is None:
                gathered = torch.empty(count, features.shape[1])
            places, rows = (torch.tensor(column) for column in zip(*pairs, strict=True))
            gathered[places] = features[rows]
        return torch.empty(0, 0) if gathered is None else gathered

    def _enter(self, path: Path) -> None:
        from safetensors import safe_open

        try:
            with safe_open(str(path), framework="pt") as shard:
                keys = json.loads(shard.metadata()["keys"])
                rows = shard.get_slice("features").get_shape()[0]
        except (
            Exception
        ):  # cut short or not one of ours: safetensors' own error type was renamed between versions
            return
        if rows == len(keys):
            self._where.update({key: (path, row) for row, key in enumerate(keys)})
