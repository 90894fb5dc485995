"""Captions of a feature folder in batches, a bounded number of them in memory at a time; it knows no model.

An epoch takes the shards in an order of its own and cuts it into pools of about `buffer` captions. A pool is
planned as a whole corpus is in memory, so a corpus that fits into one pool gives the same batches. Every
process makes the same
plan and takes its share of each batch: the number of processes changes nothing, and no two see the same
caption. Only
counts are needed to know where a batch stands: a run goes on in an epoch's middle without reading what came
before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from clipcap_ext.corpus.feature_folder import FeatureFolder, Row
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.errors import CorpusError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.items import CaptionItems, prepare_caption
from clipcap_ext.train.loop.batches import batch_count, plan_epoch

STRIDE = 1_000_003  # between the seeds of an epoch's pools


@dataclass(frozen=True)
class PoolBatch:
    """Items of one pool; slices as an array does."""

    pool: CaptionItems
    items: np.ndarray

    def __getitem__(self, part: slice) -> PoolBatch:
        return PoolBatch(self.pool, self.items[part])


class CaptionStream:
    """The training captions of a feature folder."""

    def __init__(self, folder: FeatureFolder, held_out: Mapping[int, int], config: CaptioningConfig) -> None:
        """held_out: shard -> how many of its first pictures are not trained on."""
        self._folder, self._held_out, self._config = folder, held_out, config
        infos = folder.infos()
        captions = np.array([info.captions for info in infos])
        for shard, count in held_out.items():
            captions[shard] -= sum(len(row.captions) for row in islice(folder.rows(shard), count))
        self._captions = captions  # of each shard, those held out not counted
        self.photos = sum(info.images for info in infos) - sum(held_out.values())

    def texts(self) -> Iterator[tuple[str, ...]]:
        """The captions of each picture as they are learnt, shard by shard."""
        for shard in self._shards():
            for row in self._rows(shard):
                yield self._prepared(row)

    def fingerprints(self) -> Iterator[str]:
        """image_fingerprint of each picture, shard by shard; not known of those that came as features."""
        rows = (row for shard in self._shards() for row in self._rows(shard))
        return (row.fingerprint for row in rows if row.fingerprint)

    def steps(self, epoch: int, parts: int) -> int:
        """How many batches an epoch has."""
        return sum(self._batch_count(pool, parts) for pool in self.pools(epoch))

    def batches(
        self, tokenizer: CaptionVocabulary, epoch: int, first: int, parts: int
    ) -> Iterator[PoolBatch]:
        """The batches of an epoch from number `first` on; pools before it are passed over unread."""
        for number, shards in enumerate(self.pools(epoch)):
            count = self._batch_count(shards, parts)
            if first >= count:
                first -= count
                continue
            pool = self._read(tokenizer, shards, self._config.seed + STRIDE * number)
            plan = plan_epoch(
                pool.lengths,
                self._config.batch_size,
                seed=pool.seed,
                epoch=epoch,
                drop_last=False,
                parts=parts,
            )
            for items in plan[first:]:
                yield PoolBatch(pool, items)
            first = 0

    def pools(self, epoch: int) -> list[list[int]]:
        """The shards of each pool of an epoch: fewer than `buffer` captions, and one shard more."""
        order = np.random.default_rng((self._config.seed, epoch, 5)).permutation(self._shards())
        pools: list[list[int]] = [[]]
        held = 0
        for shard in order.tolist():
            if held >= self._config.buffer:
                pools.append([])
                held = 0
            pools[-1].append(shard)
            held += int(self._captions[shard])
        return [sorted(pool) for pool in pools if pool]

    def _batch_count(self, shards: list[int], parts: int) -> int:
        captions = int(self._captions[shards].sum())
        return batch_count(captions, self._config.batch_size, drop_last=False, parts=parts)

    def _read(self, tokenizer: CaptionVocabulary, shards: list[int], seed: int) -> CaptionItems:
        texts = [self._prepared(row) for shard in shards for row in self._rows(shard)]
        features = torch.cat([
            self._folder.features(shard)[self._held_out.get(shard, 0) :, : self._config.views]
            for shard in shards
        ])  # fmt: skip
        captions = int(self._captions[shards].sum())
        if len(features) != len(texts) or sum(map(len, texts)) != captions:
            names = ", ".join(self._folder.manifest.parts[shard] for shard in shards)
            raise CorpusError(f"The shards of {names} do not hold what they say: make their features again.")
        return CaptionItems(self._config, tokenizer, features, texts, seed=seed, all_items=True)

    def _shards(self) -> list[int]:
        """Those with a caption to learn."""
        return np.flatnonzero(self._captions).tolist()

    def _rows(self, shard: int) -> Iterator[Row]:
        return islice(self._folder.rows(shard), self._held_out.get(shard, 0), None)

    def _prepared(self, row: Row) -> tuple[str, ...]:
        return tuple(prepare_caption(text, self._config) for text in row.captions)
