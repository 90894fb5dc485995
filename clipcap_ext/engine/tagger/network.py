"""A tagger's model.onnx in onnxruntime: one picture's pixels in, a probability for each tag out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clipcap_ext.errors import CheckpointError

CHANNELS = 3
CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Network:
    """Checked by one white picture when it is loaded; `tags` is how many probabilities it has to give."""

    def __init__(self, file: Path, tags: int, device: str) -> None:
        """device: cpu, or cuda, which is used where this onnxruntime can.

        CheckpointError for what is no ONNX model, or none from pixels to `tags` probabilities.
        """
        self._session = _session(file, device)
        self._input = self._session.get_inputs()[0]
        self.size = _size(self._input, str(file))
        white = np.full((self.size, self.size, CHANNELS), 255, dtype=np.float32)
        self._is_logits = False
        found = self._outputs(white, file)
        if found.shape != (tags,):
            raise CheckpointError(
                f"{file} gives {found.size} numbers a picture, and the list beside it has {tags} tags: the "
                "two do not belong together. Copy or download both again."
            )
        # probabilities of thousands of tags are all within 0 and 1, and logits never are
        self._is_logits = bool(found.min() < 0 or found.max() > 1)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """pixels (size, size, 3), BGR from 0 to 255 -> (tags,) float32."""
        found = self._outputs(pixels, None)
        return 1 / (1 + np.exp(-found)) if self._is_logits else found

    def _outputs(self, pixels: np.ndarray, file: Path | None) -> np.ndarray:
        try:
            (found,) = self._session.run(None, {self._input.name: pixels[None]})[:1]
        except Exception as error:  # the library has kinds of its own, which are not public
            where = f"{file} cannot be run" if file else "The tagger failed"
            raise CheckpointError(f"{where} by onnxruntime: {_first_line(error)}") from error
        numbers = np.asarray(found, dtype=np.float32).reshape(-1)
        if not np.isfinite(numbers).all():
            raise CheckpointError("The tagger gave numbers that are not finite: download it again.")
        return numbers


def _session(file: Path, device: str) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors alone, which are raised as well
    there = onnxruntime.get_available_providers()
    providers = [CUDA, CPU] if device == "cuda" and CUDA in there else [CPU]
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # as above
        raise CheckpointError(
            f"{file} is no model that onnxruntime {onnxruntime.__version__} can load "
            f"({_first_line(error)}). Download it again."
        ) from error


def _size(asked: Any, where: str) -> int:
    """The side of the square that the model takes, (batch, side, side, 3); CheckpointError for others."""
    shape = list(asked.shape)
    if len(shape) != 4 or shape[3] != CHANNELS or not isinstance(shape[1], int) or shape[1] != shape[2]:
        raise CheckpointError(
            f"{where} takes an input of shape {shape}, and taggers take (batch, side, side, {CHANNELS})."
        )
    return shape[1]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
