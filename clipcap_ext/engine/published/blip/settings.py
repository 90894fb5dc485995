"""The small files of a BLIP captioner's folder as transformers reads it: sizes, how pictures are prepared,
how words are read. Plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clipcap_ext.engine.published.blip.layout import HEAD_WIDTH, BlipLayout
from clipcap_ext.engine.published.blip.vocabulary import END, FILE, PAD

BEGIN, OTHER = "[DEC]", "[ENC]"  # its authors' own words, behind BERT's
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)  # CLIP's
BICUBIC = 3  # pillow's number


def settings_of(layout: BlipLayout, words: Sequence[str]) -> dict[str, Any]:
    """File name -> what it holds, JSON or lines of text; `words` are BERT's."""
    lines = "\n".join([*words, BEGIN, OTHER]) + "\n"
    return {
        "config.json": _config(layout, words), "preprocessor_config.json": _pictures(layout), FILE: lines,
        "tokenizer_config.json": {
            "tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": layout.places,
            "bos_token": BEGIN, "additional_special_tokens": [OTHER],
        },
    }  # fmt: skip


def _config(layout: BlipLayout, words: Sequence[str]) -> dict[str, Any]:
    """As its authors built it, to the epsilons of the norms."""
    end = words.index(END)
    sees = {
        "model_type": "blip_vision_model", "hidden_size": layout.width, "intermediate_size": layout.inner,
        "num_hidden_layers": layout.layers, "num_attention_heads": layout.width // HEAD_WIDTH,
        "image_size": layout.image_size, "patch_size": layout.patch, "hidden_act": "gelu",
        "layer_norm_eps": 1e-6,
    }  # fmt: skip
    says = {
        "model_type": "blip_text_model", "hidden_size": layout.text_width,
        "encoder_hidden_size": layout.width, "intermediate_size": layout.text_inner,
        "num_hidden_layers": layout.text_layers, "num_attention_heads": layout.text_width // HEAD_WIDTH,
        "max_position_embeddings": layout.places, "vocab_size": layout.vocab_size, "hidden_act": "gelu",
        "layer_norm_eps": 1e-12, "bos_token_id": layout.words, "eos_token_id": end, "sep_token_id": end,
        "pad_token_id": words.index(PAD),
    }  # fmt: skip
    return {
        "architectures": ["BlipForConditionalGeneration"], "model_type": "blip", "text_config": says,
        "vision_config": sees,
    }  # fmt: skip


def _pictures(layout: BlipLayout) -> dict[str, Any]:
    return {
        "image_processor_type": "BlipImageProcessor", "do_convert_rgb": True, "do_resize": True,
        "size": {"height": layout.image_size, "width": layout.image_size}, "resample": BICUBIC,
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": MEAN,
        "image_std": STD,
    }  # fmt: skip
