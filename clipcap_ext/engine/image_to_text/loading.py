"""An image-to-text model of transformers from a folder on disk: safetensors only, none of its code is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.image_to_text.captioner import ImageToTextCaptioner
from clipcap_ext.engine.image_to_text.describing import PROCESSOR_FILE, usable_family
from clipcap_ext.engine.image_to_text.families import class_of
from clipcap_ext.engine.image_to_text.pixels import Pixels
from clipcap_ext.errors import CheckpointError

HERE = {"local_files_only": True, "trust_remote_code": False}  # nothing is fetched, no code of a model runs


def load_image_to_text(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> ImageToTextCaptioner:
    """Load a folder as transformers saves one: evaluation mode; dtype None is float32.

    CheckpointError for an unknown family, one the installed transformers lacks, weights in another form than
    safetensors, or a folder whose files do not fit each other.
    """
    model = _model(class_of(usable_family(folder)), folder, dtype or torch.float32).to(device).eval()
    processor, tokenizer = _readers(folder)
    digest = hashlib.sha256((folder / PROCESSOR_FILE).read_bytes()).hexdigest()
    pixels = Pixels(processor, model, digest)
    return ImageToTextCaptioner(folder.resolve().name, pixels, model, tokenizer, DecodingOptions())


def _model(model_class: Any, folder: Path, dtype: torch.dtype) -> Any:
    try:
        with _no_bar():
            model, found = model_class.from_pretrained(
                str(folder), use_safetensors=True, output_loading_info=True, **HERE
            )
    except Exception as error:  # sizes and files that fit no model lead the library to many kinds
        raise CheckpointError(f"{folder} cannot be loaded by transformers: {error}") from error
    if any(name.startswith("decoder.") for name in found["missing_keys"]):
        model.decoder.tie_weights()  # transformers 4.30 and 4.46 leave a ViT-GPT2's output weights random
    lacks = _without_value(model, set(found["missing_keys"]))
    if lacks:
        raise CheckpointError(f"{folder} lacks weights of its model: {', '.join(lacks[:5])}.")
    return model.to(dtype)


@contextmanager
def _no_bar() -> Iterator[None]:
    """Without the library's own progress bar, which a command's lines would stand among."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _without_value(model: Any, missing: set[str]) -> list[str]:
    """Those of `missing` that no other weight lends its memory to, as the input's embeddings do to the
    output: some versions of transformers call those missing too."""
    named = dict(model.named_parameters(remove_duplicate=False))
    given = {weight.data_ptr() for name, weight in named.items() if name not in missing}
    return sorted(name for name in missing if name not in named or named[name].data_ptr() not in given)


def _readers(folder: Path) -> tuple[Any, Any]:
    """The image processor and the tokenizer of a folder."""
    from transformers import AutoImageProcessor, AutoTokenizer

    try:
        processor = AutoImageProcessor.from_pretrained(str(folder), **HERE)
        return processor, AutoTokenizer.from_pretrained(str(folder), **HERE)
    except Exception as error:  # as above
        raise CheckpointError(f"{folder} has no usable image processor and tokenizer: {error}") from error
