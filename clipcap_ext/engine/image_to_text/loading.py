"""An image-to-text model of transformers from a folder on disk: safetensors only, none of its code is run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from clipcap_ext.engine.checkpoint.config import CONFIG_FILE
from clipcap_ext.engine.image_to_text.captioner import ImageToTextCaptioner
from clipcap_ext.engine.image_to_text.describing import PROCESSOR_FILES, describe, usable_family
from clipcap_ext.engine.image_to_text.families import class_of, version_numbers
from clipcap_ext.engine.image_to_text.pictures import Pictures
from clipcap_ext.engine.image_to_text.pixels import Pixels
from clipcap_ext.engine.image_to_text.tasks import SENTENCE
from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import read_json_file

HERE = {"local_files_only": True, "trust_remote_code": False}  # nothing is fetched, no code of a model runs


def load_image_to_text(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype | None = None
) -> ImageToTextCaptioner:
    """Load a folder as transformers saves one: evaluation mode; dtype None is float32, and float16 is
    bfloat16 for a model that was trained in it, on a card that has it.

    CheckpointError for an unknown family, one the installed transformers lacks, weights in another form than
    safetensors, or a folder whose files do not fit each other.
    """
    family = usable_family(folder)
    chosen = _half_of(folder, device) if dtype == torch.float16 else dtype or torch.float32
    model = _model(class_of(family), folder, chosen).to(device).eval()
    settings = (folder / name for name in PROCESSOR_FILES)
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in settings if file.is_file())).hexdigest()
    if family.prompts == SENTENCE:
        images, tokenizer = _readers(folder)
        pixels = Pixels(images, model, digest, chosen)
    else:
        processor = _processor(folder)
        tokenizer, pixels = processor.tokenizer, Pictures(processor, model, digest, chosen, family)
    options = describe(folder).decoding_options()
    return ImageToTextCaptioner(folder.resolve().name, family, pixels, model, tokenizer, options)


def _half_of(folder: Path, device: torch.device | str) -> torch.dtype:
    """Which of the 16-bit forms: numbers of a model that was trained in bfloat16 may be too large for
    float16."""
    config = read_json_file(folder / CONFIG_FILE, CheckpointError)
    trained = config.get("dtype") or config.get("torch_dtype")
    on_card = torch.device(device).type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if trained == "bfloat16" and on_card else torch.float16


def _model(model_class: Any, folder: Path, dtype: torch.dtype) -> Any:
    try:
        with _quietly():
            model, found = model_class.from_pretrained(
                str(folder), use_safetensors=True, output_loading_info=True, **_in(dtype), **HERE
            )
    except Exception as error:  # sizes and files that fit no model lead the library to many kinds
        raise CheckpointError(f"{folder} cannot be loaded by transformers: {error}") from error
    if any(name.startswith("decoder.") for name in found["missing_keys"]):
        model.decoder.tie_weights()  # transformers 4.30 and 4.46 leave a ViT-GPT2's output weights random
    lacks = _without_value(model, set(found["missing_keys"]))
    if lacks:
        raise CheckpointError(f"{folder} lacks weights of its model: {', '.join(lacks[:5])}.")
    return model


def _in(dtype: torch.dtype) -> dict[str, Any]:
    """What makes transformers read weights in a dtype; sparing memory besides is the newer ones' own way, and
    leaves parts of a BLIP (4.30) or a ViT-GPT2 (4.46) empty where it has to be asked for."""
    import transformers

    return {"dtype" if version_numbers(transformers.__version__) >= (4, 56) else "torch_dtype": dtype}


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the library's own progress bar and advice, which a command's lines would stand among."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()


def _without_value(model: Any, missing: set[str]) -> list[str]:
    """Those of `missing` that no other weight lends its memory to, as the input's embeddings do to the
    output: some versions of transformers call those missing too."""
    named = dict(model.named_parameters(remove_duplicate=False))
    given = {weight.data_ptr() for name, weight in named.items() if name not in missing}
    return sorted(name for name in missing if name not in named or named[name].data_ptr() not in given)


def _processor(folder: Path) -> Any:
    """What prepares pictures and texts together. Texts are filled up on the left, before the question: what
    is written goes on from its end."""
    from transformers import AutoProcessor

    try:
        with _quietly():
            processor = AutoProcessor.from_pretrained(str(folder), **HERE)
        processor.tokenizer.padding_side = "left"
    except Exception as error:  # as above
        raise CheckpointError(f"{folder} has no usable processor: {error}") from error
    return processor


def _readers(folder: Path) -> tuple[Any, Any]:
    """The image processor and the tokenizer of a folder."""
    from transformers import AutoImageProcessor, AutoTokenizer

    try:
        processor = AutoImageProcessor.from_pretrained(str(folder), **HERE)
        return processor, AutoTokenizer.from_pretrained(str(folder), **HERE)
    except Exception as error:  # as above
        raise CheckpointError(f"{folder} has no usable image processor and tokenizer: {error}") from error
