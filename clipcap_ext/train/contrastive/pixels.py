"""Photos decoded once, kept in memory as bytes and cropped, mirrored and coloured for each look; not for
inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from clipcap_ext.corpus.augmentation import Augmentation
from clipcap_ext.engine.clip.preprocess import Preprocess


class Pixels:
    """The photos as (N, size, size, 3) bytes, each resized as `preprocess` resizes it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    @classmethod
    def load(
        cls,
        paths: Sequence[Path],
        read: Callable[[Path], Image.Image],
        preprocess: Preprocess,
        workers: int = 2,
    ) -> Pixels:
        """Decode every photo with `read` in threads; the errors of `read` pass through."""
        array = np.empty((len(paths), preprocess.size, preprocess.size, 3), dtype=np.uint8)

        def fill(i: int) -> None:
            array[i] = np.asarray(preprocess.resize(read(paths[i]).convert("RGB")))

        with ThreadPoolExecutor(workers) as pool:
            for _ in pool.map(fill, range(len(paths))):
                pass
        return cls(array)

    def plain(self, rows: Sequence[int] | np.ndarray) -> Tensor:
        """(B, 3, size, size) bytes, unchanged."""
        return torch.from_numpy(self.array[np.asarray(rows)]).permute(0, 3, 1, 2)

    def augmented(self, rows: np.ndarray, augmentation: Augmentation, seed: int, epoch: int) -> Tensor:
        """(B, 3, size, size) bytes, each changed by its own generator of (seed, epoch, row)."""
        looks = [
            np.asarray(
                augmentation(Image.fromarray(self.array[row]), np.random.default_rng((seed, epoch, int(row))))
            )
            for row in rows
        ]
        return torch.from_numpy(np.stack(looks)).permute(0, 3, 1, 2)
