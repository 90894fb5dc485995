"""The CLIP that judges captions, whoever wrote them: one encoder in memory and the picture it saw last. It
captions nothing and imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clipcap_ext.captioning import Captioner, Encoder
from clipcap_ext.engine.catalog import find_model, is_ready
from clipcap_ext.engine.factory import load_model_encoder
from clipcap_ext.engine.judging.judgement import Judgement
from clipcap_ext.errors import CaptionError

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from clipcap_ext.service.host import Host

BUNDLED_JUDGE = "tiny-flickr8k"  # whose encoder judges where the chosen model has none that reads text
WITHOUT_TEXT = "imagenet"  # tag of encoders that are an image tower only


@dataclass(frozen=True)
class Judged:
    """Judgements in the order of the texts, and the model whose encoder judged."""

    judgements: tuple[Judgement, ...]
    judge: str


@dataclass(frozen=True)
class _Held:
    """The encoder in memory, and the model it is of."""

    model: str
    encoder: Encoder


class Judge:
    """Whoever calls `judge` or `free` holds the service's lock."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._held: _Held | None = None
        self._seen: tuple[str, Tensor] | None = None  # a picture's key and its features (1, clip_dim)

    def judge(
        self, image: Image.Image, texts: Sequence[str], model: str, own: Captioner | None,
        before_loading: Callable[[], None], words: bool = True,
    ) -> Judged:  # fmt: skip
        """Judge captions of an RGB picture by the encoder of `model`, or by the bundled one where that reads
        no text or is not here; `own` is the captioner of that name, where it is in memory. Errors as in
        `load_captioner`."""
        from clipcap_ext.engine.judging.judge import judge

        held = self._held = self._encoder_of(model, own, before_loading)
        features = self._features(image, held)
        return Judged(tuple(judge(held.encoder, features, texts, words=words)), held.model)

    def rest(self) -> None:
        """A job is over: an accelerator's memory is not for what judges now and then."""
        if self._held is not None and self._held.encoder.device.type != "cpu":
            self.free()

    def free(self) -> None:
        """Let go of encoder and picture."""
        self._held = self._seen = None

    def _encoder_of(self, model: str, own: Captioner | None, before_loading: Callable[[], None]) -> _Held:
        name = model if self.can_judge(model) else BUNDLED_JUDGE
        if own is not None and name == model:
            return self._kept(_Held(name, own.encoder))
        if self._held is not None and self._held.model == name:
            return self._held
        before_loading()
        return self._kept(_Held(name, self._loaded(name)))

    def _kept(self, held: _Held) -> _Held:
        """`held`; features of another encoder are forgotten."""
        if self._held is None or self._held.encoder is not held.encoder:
            self._seen = None
        return held

    def can_judge(self, model: str) -> bool:
        """Whether that model's encoder is here and reads text."""
        try:
            entry = find_model(model, folders=[self.host.models_dir])
        except CaptionError:
            return False
        encoder = None if entry.config is None else entry.config.encoder
        if encoder is None or entry.problem or not is_ready(entry, folders=[self.host.models_dir]):
            return False
        return encoder.pretrained != WITHOUT_TEXT

    def _loaded(self, name: str) -> Encoder:
        entry = find_model(name, folders=[self.host.models_dir])
        device = self.host.device()
        with self.host.loading():
            return load_model_encoder(
                entry.usable_config(), entry.folder, device, self.host.dtype(device),
                folders=[self.host.models_dir],
            )  # fmt: skip

    def _features(self, image: Image.Image, held: _Held) -> Tensor:
        """(1, clip_dim), from memory where this picture was the last."""
        from clipcap_ext.engine.checkpoint.fingerprint import pixel_key

        key = pixel_key(image)
        if self._seen is None or self._seen[0] != key:
            self._seen = key, held.encoder.encode_image([image])
        return self._seen[1]
