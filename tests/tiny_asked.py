"""Folders of tiny random image-to-text models that are asked in words, as their authors publish them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import transformers

CHARACTERS = [chr(code) for code in range(33, 127)]
SPECIAL = [
    "<pad>",
    "<s>",
    "</s>",
    "<unk>",
    "<image>",
    "<fake_token_around_image>",
    "<global-img>",
    "<end_of_utterance>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|vision_start|>",
    "<|vision_end|>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)),
    "<loc_1>",
    "<loc_2>",
    "<video>",
]
VOCABULARY = {word: number for number, word in enumerate([*SPECIAL, *CHARACTERS, "Ġ", "Ċ"])}
PAD, START, END, IMAGE = (VOCABULARY[word] for word in ("<pad>", "<s>", "</s>", "<image>"))
SIZE, PATCH = 28, 14
IDS = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
TEXT = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    **IDS,
}
VISION = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": SIZE,
    "patch_size": PATCH,
}
MEAN = {
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "do_normalize": True,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_convert_rgb": True,
    "do_resize": True,
}
CHAT = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == 'image' %}IMAGE"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} Answer:{% endif %}"
)


def blip_2(folder: Path) -> Any:
    """A BLIP-2 before an OPT."""
    opt = {
        "model_type": "opt",
        "vocab_size": len(VOCABULARY),
        "hidden_size": 16,
        "ffn_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 256,
        "word_embed_proj_dim": 16,
        **IDS,
    }
    qformer = {
        "vocab_size": len(VOCABULARY),
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "encoder_hidden_size": 16,
        "cross_attention_frequency": 1,
    }
    config = transformers.Blip2Config(
        text_config=opt,
        vision_config=VISION,
        qformer_config=qformer,
        num_query_tokens=4,
        image_token_index=IMAGE,
    )
    size = {"size": {"height": SIZE, "width": SIZE}}
    write_readers(folder, "Blip2Processor", "BlipImageProcessor", size, num_query_tokens=4)
    return transformers.Blip2ForConditionalGeneration(config)


def florence2(folder: Path) -> Any:
    """A Florence-2, its stages of a block each."""
    text = {
        "model_type": "bart",
        "vocab_size": len(VOCABULARY),
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "max_position_embeddings": 256,
        "decoder_start_token_id": END,
        "forced_bos_token_id": None,
        **IDS,
    }
    vision = {
        "embed_dim": [8, 8, 8, 8],
        "depths": [1, 1, 1, 1],
        "num_heads": [2, 2, 2, 2],
        "num_groups": [2, 2, 2, 2],
        "window_size": 2,
        "projection_dim": 16,
        "max_position_embeddings": 20,
    }
    config = transformers.Florence2Config(
        text_config=text, vision_config=vision, image_token_id=IMAGE, is_encoder_decoder=True, **IDS
    )
    size = {"size": {"height": 64, "width": 64}, "image_seq_length": 5}
    write_readers(folder, "Florence2Processor", "CLIPImageProcessor", {**size, "do_center_crop": False})
    return transformers.Florence2ForConditionalGeneration(config)


def idefics3(folder: Path) -> Any:
    """An Idefics3, as SmolVLM is one."""
    config = transformers.Idefics3Config(
        text_config={"model_type": "llama", **TEXT},
        vision_config=VISION,
        image_token_id=IMAGE,
        scale_factor=2,
        tie_word_embeddings=False,
        pad_token_id=PAD,
    )
    settings = {
        "size": {"longest_edge": 2 * SIZE},
        "max_image_size": {"longest_edge": SIZE},
        "do_image_splitting": True,
        "do_pad": True,
        "resample": 1,
    }
    write_readers(
        folder,
        "Idefics3Processor",
        "Idefics3ImageProcessor",
        settings,
        CHAT.replace("IMAGE", "<image>"),
        image_seq_len=1,
    )
    return transformers.Idefics3ForConditionalGeneration(config)


def llava(folder: Path) -> Any:
    """A LLaVA before a Llama."""
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION},
        text_config={"model_type": "llama", **TEXT},
        image_token_index=IMAGE,
        image_seq_length=4,
    )
    settings = {
        "size": {"shortest_edge": SIZE},
        "crop_size": {"height": SIZE, "width": SIZE},
        "do_center_crop": True,
    }
    write_readers(
        folder,
        "LlavaProcessor",
        "CLIPImageProcessor",
        settings,
        CHAT.replace("IMAGE", "<image>\n"),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        image_token="<image>",
        num_additional_image_tokens=1,
    )
    return transformers.LlavaForConditionalGeneration(config)


def qwen2_vl(folder: Path) -> Any:
    """A Qwen2-VL."""
    return _qwen(
        folder, "Qwen2VL", {"depth": 2, "embed_dim": 16, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2}
    )


def qwen2_5_vl(folder: Path) -> Any:
    """A Qwen2.5-VL."""
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "num_heads": 2,
        "intermediate_size": 32,
        "out_hidden_size": 16,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    return _qwen(folder, "Qwen2_5_VL", vision)


def _qwen(folder: Path, name: str, vision: dict[str, Any]) -> Any:
    rope = {"type": "mrope", "rope_type": "default", "mrope_section": [1, 1, 2]}
    ids = {
        "image_token_id": VOCABULARY["<|image_pad|>"],
        "video_token_id": VOCABULARY["<|video_pad|>"],
        "vision_start_token_id": VOCABULARY["<|vision_start|>"],
        "vision_end_token_id": VOCABULARY["<|vision_end|>"],
    }
    see = {**vision, "patch_size": PATCH, "spatial_merge_size": 2, "temporal_patch_size": 2}
    config = getattr(transformers, f"{name}Config")(**TEXT, rope_scaling=rope, vision_config=see, **ids)
    settings = {
        "patch_size": PATCH,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "min_pixels": 28 * 28,
        "max_pixels": 56 * 56,
    }
    chat = CHAT.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
    write_readers(folder, f"{name}Processor", "Qwen2VLImageProcessor", settings, chat)
    return getattr(transformers, f"{name}ForConditionalGeneration")(config)


MODELS = {
    "blip-2": blip_2,
    "florence2": florence2,
    "idefics3": idefics3,
    "llava": llava,
    "qwen2_vl": qwen2_vl,
    "qwen2_5_vl": qwen2_5_vl,
}


def write_readers(
    folder: Path, processor: str, images: str, settings: dict[str, Any], chat: str = "", **own: Any
) -> None:
    """What prepares pictures and texts, by hand, as repositories of any age hold it."""
    starts = processor == "Blip2Processor"
    pieces = {
        "vocab.json": json.dumps(VOCABULARY),
        "merges.txt": "#version: 0.2\n",
        "tokenizer.json": _fast(starts),
    }
    added = {
        str(VOCABULARY[word]): {
            "content": word,
            "special": True,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "single_word": False,
        }
        for word in SPECIAL
    }
    kind = "Qwen2Tokenizer" if "Qwen" in processor else "GPT2Tokenizer"
    tokenizer = {
        "tokenizer_class": kind,
        "processor_class": processor,
        "added_tokens_decoder": added,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "model_max_length": 2048,
    }
    if starts:
        tokenizer["add_bos_token"] = True
    else:
        tokenizer["extra_special_tokens"] = {
            "image_token": "<|image_pad|>" if "Qwen" in processor else "<image>"
        }
    prepares = {"image_processor_type": images, "processor_class": processor, **MEAN, **settings}
    files = {
        "tokenizer_config.json": tokenizer,
        "preprocessor_config.json": prepares,
        "processor_config.json": {"processor_class": processor, **own},
    }
    if chat:
        files["chat_template.json"] = {"chat_template": chat}
    for name, text in (pieces | {name: json.dumps(content) for name, content in files.items()}).items():
        (folder / name).write_text(text, encoding="utf-8")


def _fast(starts: bool) -> str:
    """The vocabulary in the form of the `tokenizers` library; `starts`: a text begins with <s>, as OPT's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    made = Tokenizer(models.BPE(VOCABULARY, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    if starts:
        made.post_processor = processors.TemplateProcessing("<s> $A", "<s> $A $B", [("<s>", START)])
    return str(made.to_str())


def has(kind: str) -> bool:
    """Whether the installed transformers has this architecture."""
    from clipcap_ext.engine.image_to_text.families import FAMILIES

    return hasattr(transformers, FAMILIES[kind].model_class)


def save_asked(kind: str, folder: Path, **saving: Any) -> Any:
    """Write a folder of one of MODELS; returns the model that was saved."""
    torch.manual_seed(len(kind))
    model = MODELS[kind](folder).eval()
    with torch.no_grad():
        for weight in model.parameters():  # wide enough that words follow from the picture
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape) * (0.8 if kind == "florence2" else 0.4))
    model.save_pretrained(folder, safe_serialization=True, **saving) if _old() else model.save_pretrained(
        folder, **saving
    )
    return model


def _old() -> bool:
    """Whether this transformers still asks which form to write weights in."""
    return int(transformers.__version__.split(".")[0]) < 5
