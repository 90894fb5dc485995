"""The contrastive task: photos and captions to a small CLIP that the engine loads as an encoder folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.corpus import Corpus, Splits
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer, train_bpe
from clipcap_ext.engine.clip.loading import save_encoder
from clipcap_ext.engine.clip.similarity import rivals
from clipcap_ext.engine.clip.text import ClipTokens
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import ImageError, UsageError
from clipcap_ext.train.contrastive.card import encoder_card
from clipcap_ext.train.contrastive.config import ContrastiveConfig
from clipcap_ext.train.contrastive.module import ContrastiveModule, contrastive_loss
from clipcap_ext.train.contrastive.pixels import Augmentation, Pixels
from clipcap_ext.train.contrastive.word_start import token_table
from clipcap_ext.train.data import load_splits, validation_subset
from clipcap_ext.train.loop.arithmetic import step_type
from clipcap_ext.train.loop.batches import ItemTask, pad_ids
from clipcap_ext.train.other_captions import read_other_captions
from clipcap_ext.train.task import RunFacts, decay_groups

RECALLS = (1, 5, 10)
CHUNK = 100  # validation photos encoded together


class ContrastiveTask(ItemTask):
    """One item is a training photo; each look at it draws a crop and `captions_per_image` of its captions."""

    config: ContrastiveConfig
    drop_last = True  # every process must bring as many pairs

    def __init__(
        self, config: ContrastiveConfig, train: Corpus, train_pixels: Pixels, val: Corpus, val_pixels: Pixels,
        bpe: BpeTokenizer, others: Sequence[Sequence[str]] = (),
    ) -> None:  # fmt: skip
        """others: captions of photos that are not here, those of one photo together."""
        self.config, self.bpe = config, bpe
        self._train, self._pixels, self._val_pixels = train, train_pixels, val_pixels
        tokens = ClipTokens(config.context_length, bpe)
        self._ids = [tokens.encode(example.captions) for example in train.examples]
        self._val_ids = [tokens.encode(example.captions) for example in val.examples]
        self._other_ids = [tokens.encode(captions) for captions in others]
        self.lengths = [0] * len(
            train.examples
        )  # a batch mixes short and long captions: easier negatives else
        self._augmentation = Augmentation(crop_min=config.crop_min, flip=config.flip, jitter=config.jitter)
        self.module = ContrastiveModule(config, bpe.vocab_size + 2)
        if config.text_init == "minilm":
            with torch.no_grad():
                table = token_table(bpe, config.text_width)
                self.module.clip.token_embedding.weight[: len(table)] = table

    @classmethod
    def build(
        cls, config: ContrastiveConfig, data: Path, cache: Path, say: Callable[[str], None]
    ) -> ContrastiveTask:
        """Read and decode the data set and learn the vocabulary on its training captions."""
        splits = load_splits(config, data, say)
        val = validation_subset(splits.val, config.validate_images, config.seed)
        train, train_pixels = _decode(config, splits.train, say)
        val, val_pixels = _decode(config, val, say)
        captions = [" ".join(c.lower().split()) for example in train.examples for c in example.captions]
        bpe = train_bpe(captions, config.vocab_size)
        others = _others(config, splits, say) if config.texts else ()
        return cls(config, train, train_pixels, val, val_pixels, bpe, others)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The image trunk at image_lr, the projections and the text tower at lr."""
        config, clip = self.config, self.module.clip
        trunk = decay_groups(self.module.visual.trunk, config.image_lr, config.weight_decay)
        inside = {id(p) for group in trunk for p in group["params"]}
        rest = decay_groups(clip, config.lr, config.weight_decay)
        for group in rest:
            group["params"] = [p for p in group["params"] if id(p) not in inside]
        return trunk + rest

    def start_epoch(self, epoch: int) -> None:
        """Freeze or thaw the image trunk."""
        self.module.frozen = epoch < self.config.freeze_image_epochs
        self.module.train()

    def weight(self, items: np.ndarray) -> int:
        """Photos."""
        return len(items)

    def collate(self, items: np.ndarray, epoch: int) -> dict[str, Tensor]:
        """pixels (B, 3, H, W) bytes and input_ids (B * captions_per_image, T); with `texts` pair_ids, too."""
        chosen: list[list[int]] = []
        for item in items:
            rng = np.random.default_rng((self.config.seed, epoch, int(item), 1))
            captions = self._ids[item]
            count = self.config.captions_per_image
            order = [
                int(i) for _ in range(-(-count // len(captions))) for i in rng.permutation(len(captions))
            ]
            chosen += [self._thin(captions[i], rng) for i in order[:count]]
        pixels = self._pixels.augmented(items, self._augmentation, self.config.seed, epoch)
        batch = {"pixels": pixels, "input_ids": pad_ids(chosen)["input_ids"]}
        return {**batch, "pair_ids": self._pairs(items, epoch)} if self._other_ids else batch

    def _pairs(self, items: np.ndarray, epoch: int) -> Tensor:
        """(2 * P, T): a caption of each of P photos that are not here, then another one of each."""
        rng = np.random.default_rng((self.config.seed, epoch, int(items[0]), 2))
        count = self.config.text_pairs * len(items)
        places = rng.choice(len(self._other_ids), count, replace=count > len(self._other_ids))
        groups = [self._other_ids[place] for place in places]
        two = [rng.permutation(len(group))[:2] for group in groups]
        ids = [
            self._thin(group[pick[side]], rng)
            for side in (0, 1)
            for group, pick in zip(groups, two, strict=True)
        ]
        return pad_ids(ids)["input_ids"]

    def _thin(self, ids: list[int], rng: np.random.Generator) -> list[int]:
        if not self.config.token_dropout:
            return ids
        kept = rng.random(len(ids)) >= self.config.token_dropout
        return [i for place, i in enumerate(ids) if place in (0, len(ids) - 1) or kept[place]]

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Loss over batches of photos with one caption each, and recall at 1, 5 and 10 both ways over all
        captions."""
        half = step_type(self.config.precision, self._device)
        with torch.autocast(self._device.type, half or torch.bfloat16, enabled=half is not None):
            images = [
                self.module.image_features(self._on_device(self._val_pixels.plain(part)))
                for part in self._chunks()
            ]
            texts = [
                self.module.text_features(
                    self._on_device(pad_ids([ids for row in part for ids in self._val_ids[row]])["input_ids"])
                )
                for part in self._chunks()
            ]
        similarity = (torch.cat(images) @ torch.cat(texts).T).cpu()  # (images, captions)
        owner = torch.tensor([row for row, captions in enumerate(self._val_ids) for _ in captions])
        return {"val_loss": self._validation_loss(similarity, owner), **recalls(similarity, owner)}

    def _validation_loss(self, similarity: Tensor, owner: Tensor) -> float:
        first = torch.tensor([int((owner == row).nonzero()[0]) for row in range(len(similarity))])
        square = similarity[:, first] * self.module.clip.logit_scale.exp().cpu()
        losses = [
            contrastive_loss(square[s : s + CHUNK, s : s + CHUNK]) for s in range(0, len(square), CHUNK)
        ]
        return float(torch.stack(losses).mean())

    def _chunks(self) -> list[np.ndarray]:
        rows = np.arange(len(self._val_ids))
        return [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]

    @property
    def _device(self) -> torch.device:
        return self.module.clip.logit_scale.device

    def _on_device(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device)

    def export(self, folder: Path, facts: RunFacts) -> None:
        """An encoder folder in float16."""
        name = facts.preset or folder.name
        card = encoder_card(name, self.config, facts, self._train.name, len(self._train.examples))
        config = self.config.model_cfg(self.bpe.vocab_size + 2)
        photos = [image_fingerprint(example.path) for example in self._train.examples]
        save_encoder(folder, self.module.clip, config, self.config.preprocess, card, self.bpe, photos)


def recalls(similarity: Tensor, owner: Tensor) -> dict[str, float]:
    """Recall at 1, 5 and 10, as parts of 1: captions that find their image, and images that find one of their
    captions.

    similarity (images, captions); owner (captions,), the row of each caption's image. Ties are misses.
    """
    cosines, owners = similarity.float().numpy(), owner.numpy()
    own = owners == np.arange(len(cosines))[:, None]  # (images, captions)
    place = rivals(cosines.T, cosines[owners, np.arange(len(owners))]) - 1  # (captions,) images ahead
    best = np.where(own, cosines, -np.inf).max(axis=1)
    ahead = rivals(np.where(own, -np.inf, cosines), best)  # (images,) captions ahead of the best own one
    to_images = {f"t2i_r{k}": float((place < k).mean()) for k in RECALLS}
    return {**to_images, **{f"i2t_r{k}": float((ahead < k).mean()) for k in RECALLS}}


def _others(config: ContrastiveConfig, splits: Splits, say: Callable[[str], None]) -> list[list[str]]:
    others = read_other_captions(Path(config.texts), splits.image_ids)
    pairs = [captions for captions in others if len(captions) > 1]
    if not pairs:
        raise UsageError(f"texts={config.texts} has two captions of no photo: there is no pair to learn.")
    say(f"{config.texts}: captions of {len(pairs)} photos that are not here")
    return pairs


def _decode(config: ContrastiveConfig, corpus: Corpus, say: Callable[[str], None]) -> tuple[Corpus, Pixels]:
    """The photos that can be read; the others are named and left out."""
    broken: set[str] = set()
    names = {example.path: example.image_id for example in corpus.examples}

    def read(path: Path) -> Any:
        try:
            return open_image(path)
        except ImageError as error:
            broken.add(names[path])
            say(f"left out: {error}")
            from PIL import Image

            return Image.new("RGB", (config.image_size, config.image_size))

    pixels = Pixels.load(
        [example.path for example in corpus.examples], read, config.preprocess, config.workers + 1
    )
    kept = [i for i, example in enumerate(corpus.examples) if example.image_id not in broken]
    if broken:
        pixels = Pixels(pixels.array[kept])
        corpus = corpus.subset([corpus.examples[i].image_id for i in kept])
    return corpus, pixels
