"""The captioning task of a ClipCap that reads evidence: but for its items and its decoding it is
CaptionerTask's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from clipcap_ext.engine.clipcap.evident import EvidenceReader
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.errors import UsageError
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.evidence_items import EvidenceItems, TextCaptions
from clipcap_ext.train.clipcap.items import prepare_caption
from clipcap_ext.train.clipcap.photoless import draw_photoless, encode_photoless, read_photoless
from clipcap_ext.train.clipcap.task import CHUNK, CaptionerTask
from clipcap_ext.train.clipcap.teacher import learnt_captions
from clipcap_ext.train.encoded import EncodedSplits, encode_splits, read_seen_photos
from clipcap_ext.train.export import DataFacts
from clipcap_ext.train.loop.batches import ItemTask
from clipcap_ext.train.validation import caption_in_chunks


class EvidentTask(CaptionerTask, ItemTask):
    """One item is a caption of a photo, or one made beside them, see evidence_items.py."""

    config: CaptioningConfig

    def __init__(
        self, config: CaptioningConfig, splits: EncodedSplits, table: ConceptTable,
        without: TextCaptions | None = None, parts_saw: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """found: the photos, concepts behind their features; parts_saw: what the parts it starts from were
        trained on."""
        self._trained_on = (*splits.saw, *parts_saw)
        captions = {example.image_id: example.captions for example in splits.train.examples}
        features, val = splits.train_features, splits.val_features
        texts = learnt_captions(captions, features.image_ids, config)
        data = DataFacts(splits.train.name, len(texts), splits.encoder_folder)
        width = features.features.shape[-1] - len(table.concepts)
        super().__init__(config, width, texts, data, splits.val, val)
        self.items = EvidenceItems(config, self.tokenizer, table, features.features, texts, without)
        self.lengths = self.items.lengths
        captions_of_val = {example.image_id: example.captions for example in splits.val.examples}
        val_texts = [
            [prepare_caption(text, config) for text in captions_of_val[name]] for name in val.image_ids
        ]
        self._shown = EvidenceItems(config, self.tokenizer, table, val.features, val_texts, only_photos=True)
        evidence = self.module.clipcap.config.evidence_config
        assert evidence is not None
        self._reader = EvidenceReader(self.module.clipcap, self.tokenizer, table, evidence)
        self._seen = val.features[:, 0]  # (M, clip_dim + concepts)

    @classmethod
    def build(
        cls, config: CaptioningConfig, data: Path, cache: Path, say: Callable[[str], None]
    ) -> EvidentTask:
        """Read the data set and encode its photos and the captions without photos."""
        splits = encode_splits(config, data, cache, say, views=config.views, concepts=True)
        table = splits.encoder.concept_table
        if table is None:
            raise UsageError(
                f"encoder={config.encoder} has no concepts.json: evidence=true needs an encoder with a "
                "concept reader."
            )
        without = None
        if config.texts:
            captions = read_photoless(Path(config.texts), splits.image_ids)
            drawn = draw_photoless(captions, config.photoless_limit, config.seed)
            chosen = [prepare_caption(text, config) for text in drawn]
            without = encode_photoless(splits.encoder, chosen, splits.train_features, say)
        return cls(config, splits, table, without, tuple(read_seen_photos(config.gpt2, config.start)))

    @property
    def trained_on(self) -> tuple[str, ...]:
        """Fingerprints of the photos."""
        return self._trained_on

    def weight(self, items: np.ndarray) -> int:
        """Labelled tokens."""
        return self.items.weight(items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """What CaptioningModule's forward takes, evidence in front of the captions."""
        return self.items.collate(items, epoch)

    def _val_batch(self, items: np.ndarray) -> dict[str, Tensor]:
        return self._shown.collate(items, 0)

    def _captions(self) -> dict[str, str]:
        options = self.config.decoding_options()

        def captions(part: slice) -> list[str]:
            groups = self._reader.decode(self._seen[part], options, keys=self._val_names[part])
            return [group[0].text for group in groups]

        return caption_in_chunks(self._val_names, CHUNK, captions)
