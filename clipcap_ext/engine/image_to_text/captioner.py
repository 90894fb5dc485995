"""Captions by an image-to-text model of transformers: pixels in, its own generate, clean text out."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, Caption, DecodingOptions
from clipcap_ext.captioning import Looked, Prepared
from clipcap_ext.engine.captioner import keep_distinct
from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.engine.decoding.rows import row_generator
from clipcap_ext.engine.image_to_text.asking import mean_logprobs, room_of, settings_of, written_of
from clipcap_ext.engine.image_to_text.families import Family
from clipcap_ext.engine.image_to_text.pixels import Pixels
from clipcap_ext.engine.image_to_text.reading import text_of
from clipcap_ext.engine.image_to_text.tasks import OBJECTS
from clipcap_ext.errors import CaptionError

if TYPE_CHECKING:
    from PIL import Image
    from typing_extensions import Self  # in `typing` from Python 3.11 on

ROWS = 16  # beams and candidates written side by side: these models are large
CHAT_ROWS = 4  # of a chat, in which a picture alone takes a thousand places and more


class ImageToTextCaptioner:
    """A Captioner (see captioning.py) over a model of transformers; how sure it is was never measured."""

    def __init__(
        self, name: str, family: Family, encoder: Pixels, model: Any, tokenizer: Any,
        default_options: DecodingOptions,
    ) -> None:  # fmt: skip
        """model: a torch module with generate. tokenizer: one of transformers, that reads its ids."""
        self.name = name
        self.family = family
        self.encoder = encoder
        self.model = model
        self.tokenizer = tokenizer
        self.default_options = default_options
        self._room = room_of(model.config)
        self._fill()

    def caption(
        self, images: Sequence[Image.Image | Prepared], options: DecodingOptions | None = None, *,
        keys: Sequence[str] | None = None, score: bool = False,
    ) -> list[Caption]:  # fmt: skip
        """Caption images; `keys` (default: a digest of the pixels) seed each image's sampling."""
        return self.caption_looked(self.look(images, options, keys=keys), options, score=score)

    def prepare(self, image: Image.Image, options: DecodingOptions | None = None) -> Prepared:
        """One picture made ready for `look`, by any thread."""
        samples = (options or self.default_options).temperature > 0
        return Prepared(self.encoder.features_of(image), pixel_key(image) if samples else "")

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
        """The other half, some beams or candidates together. `score` changes nothing: no text is compared."""
        chosen = options or self.default_options
        rows = CHAT_ROWS if self.family.prompts.chat else ROWS
        width = max(1, rows // max(chosen.num_beams, chosen.num_candidates))
        parts = [looked[start : start + width] for start in range(0, len(looked), width)]
        return [caption for part in parts for caption in self._part(part, chosen)]

    def _part(self, looked: Sequence[Looked], options: DecodingOptions) -> list[Caption]:
        return self.caption_features([one.features for one in looked], [one.key for one in looked], options)

    @torch.inference_mode()
    def caption_features(
        self, features: Tensor | Sequence[Tensor], keys: Sequence[str], options: DecodingOptions | None = None
    ) -> list[Caption]:
        """Caption from features as this captioner's encoder made them; UsageError for an option that this
        family lacks."""
        chosen = options or self.default_options
        chosen.check_without(self.family.lacking)
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

    def _write(self, features: Tensor | Sequence[Tensor], options: DecodingOptions) -> list[Candidate]:
        """Features of B pictures -> B x num_candidates texts, each picture's best first."""
        inputs = {
            name: self._placed(value) for name, value in self.encoder.inputs(features, options.task).items()
        }
        output = self.model.generate(
            **inputs, return_dict_in_generate=True, output_scores=True, **self._settings(options, inputs)
        )
        beams = options.num_beams > 1
        texts = self._texts(written_of(output, beams), options.task)
        means = mean_logprobs(output, beams, self._ends())
        return [Candidate(text, mean) for text, mean in zip(texts, means, strict=True)]

    def _placed(self, value: Tensor) -> Tensor:
        """On the model's device; what is no number of tokens or places in its dtype, too."""
        dtype = self.encoder.dtype if value.is_floating_point() else value.dtype
        return value.to(device=self.encoder.device, dtype=dtype)

    def _settings(self, options: DecodingOptions, inputs: Mapping[str, Tensor]) -> dict[str, Any]:
        """generate's arguments, so that question and answer find places together."""
        asked = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
        if self.model.config.is_encoder_decoder or self._room is None:
            asked = 0
        room = None if self._room is None else self._room - asked
        if room is not None and room < 1:
            raise CaptionError(
                f"The picture and the words for {self.name} take {asked} places, and it has {self._room}: "
                "ask with fewer words."
            )
        return settings_of(options, room)

    def _fill(self) -> None:
        """Say what stands behind the end of a caption, where the model does not."""
        generation = self._generation  # transformers 4.30 gives a BLIP none
        if generation is not None and generation.pad_token_id is None and self._ends():
            own = self.tokenizer.pad_token_id
            generation.pad_token_id = self._ends()[0] if own is None else own

    def _texts(self, written: Tensor, task: str) -> list[str]:
        names_places = self.family.prompts.of(task) == OBJECTS  # in tokens that count as special
        texts = self.tokenizer.batch_decode(written, skip_special_tokens=not names_places)
        return [text_of(text, "tags" if names_places else task) for text in texts]

    @property
    def _generation(self) -> Any:
        """The settings of its generate, of the language model inside where that has them."""
        return (
            self.model.generation_config
            or getattr(self.model, "language_model", self.model).generation_config
        )

    def _ends(self) -> list[int]:
        """The ids that end a caption: the model's own, and the tokenizer's, for BERT's calls its own a
        separator."""
        own = getattr(self._generation, "eos_token_id", None)
        ids = (
            *(own if isinstance(own, list) else [own]),
            self.tokenizer.eos_token_id,
            self.tokenizer.sep_token_id,
        )
        return [one for one in dict.fromkeys(ids) if one is not None]

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
