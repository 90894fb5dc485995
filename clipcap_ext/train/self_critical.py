"""Self-critical training of a ClipCap (Rennie et al., 2017): the better half of the captions drawn grows likelier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding import decode_ids
from clipcap_ext.engine.model import ClipCapModel
from clipcap_ext.engine.tokenizer import BpeTokenizer
from clipcap_ext.errors import UsageError
from clipcap_ext.metrics.cider_reward import CiderReward
from clipcap_ext.metrics.protocols import plain_words
from clipcap_ext.train.batches import padded
from clipcap_ext.train.captioning import CaptioningConfig, CaptioningModule
from clipcap_ext.train.config import option

END = "."  # the word that a finished caption ends with, so that ending well is rewarded too


@dataclass(frozen=True, kw_only=True)
class SelfCriticalConfig(CaptioningConfig):
    """Options of self-critical training; an item is a photo, and an epoch looks at each photo once."""

    task: ClassVar[str] = "self-critical"

    samples: int = option(5, "Captions drawn of a photo; each is measured against the mean of the others.", low=2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.end_stop:
            raise UsageError("Self-critical training needs end_stop=true: it rewards captions that end.")
        for name in ("label_smoothing", "ignore_token_zero"):
            if getattr(self, name):
                raise UsageError(f"{name} does nothing in self-critical training: leave it off.")


class SelfCriticalModule(CaptioningModule):
    """A ClipCap whose forward in training is the summed loss of captions drawn from it (REINFORCE, leave-one-out).

    The loss of a drawn caption is minus its log-likelihood (nats) times its advantage: its CIDEr-D less the mean of the
    other captions drawn of the photo. In evaluation mode it is CaptioningModule, for the validation loss.
    """

    def __init__(
        self, clipcap: ClipCapModel, config: SelfCriticalConfig, tokenizer: BpeTokenizer, texts: Sequence[Sequence[str]]
    ) -> None:
        """texts: the captions of each training photo."""
        super().__init__(clipcap, config)
        self._samples, self._tokenizer = config.samples, tokenizer
        self._options = {
            "temperature": 1.0, "num_candidates": config.samples, "max_new_tokens": config.max_tokens,
        }  # fmt: skip
        self._reward = CiderReward([[f"{plain_words(text)} {END}" for text in group] for group in texts])

    def forward(
        self, image_features: Tensor, input_ids: Tensor | None = None, lengths: Tensor | None = None,
        photos: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """image_features (B, clip_dim); photos (B,), their numbers, in training; else as CaptioningModule."""
        if photos is None:
            assert input_ids is not None and lengths is not None
            return super().forward(image_features, input_ids, lengths)
        drawn = self._draw(image_features, photos.tolist())
        advantages = self._advantages(drawn, photos.tolist()).to(image_features.device)  # (B * samples,)
        batch = {name: tensor.to(image_features.device) for name, tensor in padded(drawn).items()}
        ids, lengths = batch["input_ids"], batch["lengths"]
        labelled = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        prefix = self.clipcap.prefix_embeds(image_features).repeat_interleave(self._samples, dim=0)
        logprobs = self.label_logits(prefix, ids, labelled).log_softmax(-1)
        said = logprobs.gather(1, ids[labelled][:, None])[:, 0]
        return -(said * advantages.repeat_interleave(lengths)).sum()

    def _draw(self, image_features: Tensor, photos: list[int]) -> list[tuple[int, ...]]:
        """Token ids of `samples` captions of each photo, drawn without dropout."""
        self.clipcap.eval()
        with torch.no_grad():
            embeds = self.clipcap.prefix_embeds(image_features)
        options = DecodingOptions(seed=int(torch.randint(2**31, ())), **self._options)
        keys = [str(photo) for photo in photos]
        groups = decode_ids(self.clipcap.gpt2, embeds, self._tokenizer.stop_ids, options, keys=keys)
        self.train()
        return [one.ids for group in groups for one in group]

    def _advantages(self, drawn: list[tuple[int, ...]], photos: list[int]) -> Tensor:
        rewards = torch.tensor(
            [self._reward(photos[i // self._samples], self._words(ids)) for i, ids in enumerate(drawn)]
        ).view(-1, self._samples)
        others = (rewards.sum(1, keepdim=True) - rewards) / (self._samples - 1)
        return (rewards - others).flatten()

    def _words(self, ids: Sequence[int]) -> str:
        words = plain_words(self._tokenizer.decode(ids))
        return f"{words} {END}" if ids[-1] in self._tokenizer.stop_ids else words
