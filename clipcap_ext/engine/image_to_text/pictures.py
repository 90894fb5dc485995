"""What an image-to-text model that is asked in words looks through: a picture and a prompt become its inputs
together, by its own processor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from clipcap_ext.engine.image_to_text.families import Family, version_numbers
from clipcap_ext.engine.image_to_text.pixels import Pixels

if TYPE_CHECKING:
    from PIL import Image


class Pictures(Pixels):
    """An Encoder (see captioning.py) whose features of a picture are its own dots, (H, W, 3) uint8: how many
    of its parts a model looks at follows from its size, and the prompt names each."""

    def __init__(
        self, processor: Any, model: nn.Module, fingerprint: str, dtype: torch.dtype, family: Family
    ) -> None:
        """processor: one of transformers, of pictures and texts."""
        super().__init__(processor, model, fingerprint, dtype)
        self._family = family

    def features_of(self, image: Image.Image) -> Tensor:
        """A picture -> its dots (H, W, 3) uint8."""
        return torch.from_numpy(np.array(image.convert("RGB")))

    def encode_image(self, images: Sequence[Image.Image] | Tensor) -> Tensor:
        """Pictures of one size -> (B, H, W, 3) uint8."""
        return (
            images if isinstance(images, Tensor) else torch.stack([self.features_of(one) for one in images])
        )

    def inputs(self, features: Sequence[Tensor] | Tensor, task: str) -> dict[str, Tensor]:
        """Dots of pictures, of any sizes, and a task -> what generate takes, on the CPU."""
        from PIL import Image

        pictures: list[Any] = [Image.fromarray(one.numpy()) for one in features]
        images = [[picture] for picture in pictures] if self._family.nested else pictures
        prompt = self._prompt(task)
        asked = prompt or self._needs_text
        texts = {"text": [prompt] * len(pictures), "padding": True} if asked else {}
        return dict(self._processor(images=images, return_tensors="pt", **texts))

    @property
    def _needs_text(self) -> bool:
        """Whether a picture alone is too little: transformers before 4.57 leaves out a BLIP-2's places for
        the picture then, and newer ones ask for a first token that a T5 does not have."""
        import transformers

        config: Any = self._model.config
        marked = getattr(config, "image_token_index", None) is not None
        first = getattr(getattr(config, "text_config", None), "bos_token_id", None)
        return marked and (first is None or version_numbers(transformers.__version__) < (4, 57))

    def _prompt(self, task: str) -> str:
        text = self._family.prompts.of(task)
        if not self._family.prompts.chat:
            return text
        content = [{"type": "image"}, {"type": "text", "text": text}]
        said = [{"role": "user", "content": content}]
        return str(self._processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False))
