"""Captions by an image-to-text model of transformers: pixels in, its own generate, clean text out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.captioning import Looked, Prepared
from clipcap_ext.engine.captioner import keep_distinct
from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.engine.decoding.rows import row_generator
from clipcap_ext.engine.image_to_text.asking import mean_logprobs, room_of, settings_of
from clipcap_ext.engine.image_to_text.pixels import Pixels

if TYPE_CHECKING:
    from PIL import Image
    from typing_extensions import Self  # in `typing` from Python 3.11 on

ROWS = 16  # beams and candidates written side by side: these models are large


class ImageToTextCaptioner:
    """A Captioner (see captioning.py) over a model of transformers; how sure it is was never measured."""

    def __init__(
        self, name: str, encoder: Pixels, model: Any, tokenizer: Any, default_options: DecodingOptions
    ) -> None:
        """model: a torch module with generate. tokenizer: one of transformers, that reads its ids."""
        self.name = name
        self.encoder = encoder
        self.model = model
        self.tokenizer = tokenizer
        self.default_options = default_options
        self._room = room_of(model.config)

    def caption(
        self, images: Sequence[Image.Image | Prepared], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, score: bool = False,
    ) -> list[Caption]:  # fmt: skip
        """Caption images; `keys` (default: a digest of the pixels) seed each image's sampling."""
        return self.caption_looked(self.look(images, options, keys=keys), options, score=score)

    def prepare(self, image: Image.Image, options: DecodingOptions | None = None) -> Prepared:
        """One picture made ready for `look`, by any thread."""
        samples = (options or self.default_options).temperature > 0
        return Prepared(self.encoder.encode_image([image])[0], pixel_key(image) if samples else "")

    def look(
        self, images: Sequence[Image.Image | Prepared], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None,
    ) -> list[Looked]:  # fmt: skip
        """The first half of `caption`: prepare the pixels of images."""
        ready = [one if isinstance(one, Prepared) else self.prepare(one, options) for one in images]
        names = [one.key for one in ready] if keys is None else keys
        return [Looked(one.pixels, name) for one, name in zip(ready, names, strict=True)]

    def caption_looked(
        self, looked: Sequence[Looked], options: DecodingOptions | None = None, *, score: bool = False
    ) -> list[Caption]:
        """The other half, ROWS beams or candidates together. `score` changes nothing: no text is compared."""
        chosen = options or self.default_options
        width = max(1, ROWS // max(chosen.num_beams, chosen.num_candidates))
        parts = [looked[start : start + width] for start in range(0, len(looked), width)]
        return [caption for part in parts for caption in self._part(part, chosen)]

    def _part(self, looked: Sequence[Looked], options: DecodingOptions) -> list[Caption]:
        return self.caption_features(
            torch.stack([one.features for one in looked]), [one.key for one in looked], options
        )

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor, keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from pixels (B, 3, H, W) as this captioner's encoder prepared them."""
        chosen = options or self.default_options
        if chosen.temperature == 0:
            return self._captions(self._write(features, chosen), chosen)
        seed = secrets.randbits(32) if chosen.seed is None else chosen.seed
        written: list[Candidate] = []
        for row, key in zip(features, keys, strict=True):  # one by one: its randomness is its own
            with _seeded(seed, key, self.encoder.device):
                written += self._write(row[None], chosen)
        return self._captions(written, chosen)

    def quick_numbers(self, options: DecodingOptions) -> str:
        """None: these models are reckoned as they were loaded."""
        return ""

    def to(self, device: torch.device | str) -> Self:
        """Move all weights in place; returns self."""
        self.model.to(device)
        return self

    def _write(self, pixels: Tensor, options: DecodingOptions) -> list[Candidate]:
        """pixels (B, 3, H, W) -> B x num_candidates texts, each picture's best first."""
        output = self.model.generate(
            pixel_values=pixels.to(device=self.encoder.device, dtype=self.encoder.dtype),
            return_dict_in_generate=True, output_scores=True, **settings_of(options, self._room),
        )  # fmt: skip
        texts = self.tokenizer.batch_decode(output.sequences, skip_special_tokens=True)
        beams = options.num_beams > 1
        means = mean_logprobs(output, beams, self._ends())
        return [Candidate(clean_caption(text), mean) for text, mean in zip(texts, means, strict=True)]

    def _ends(self) -> list[int]:
        """The ids that end a caption: the tokenizer's, for BERT's calls its own a separator."""
        ids = (self.tokenizer.eos_token_id, self.tokenizer.sep_token_id)
        return [one for one in ids if one is not None]

    def _captions(self, written: Sequence[Candidate], options: DecodingOptions) -> list[Caption]:
        """Each picture's caption of all candidates in a row, the likeliest first where they were sampled."""
        count = options.num_candidates
        groups = [written[start : start + count] for start in range(0, len(written), count)]
        if options.temperature > 0:
            groups = [sorted(group, key=lambda one: -one.avg_logprob) for group in groups]
        kept = [keep_distinct(group) for group in groups]
        return [Caption(group[0].text, self.name, tuple(group)) for group in kept]


@contextmanager
def _seeded(seed: int, key: str, device: torch.device) -> Iterator[None]:
    """torch's own randomness drawn from seed and key inside, and as it was before outside."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(row_generator(seed, key, 0).initial_seed())
        yield
