"""Folders of tiny random image-to-text models, as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, "dog", "cat", "snow", ".")
PAD, CLS, SEP = 0, 2, 3
SIZE = 32
VISION = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
          "image_size": SIZE, "patch_size": 16}  # fmt: skip
TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "vocab_size": len(WORDS), "max_position_embeddings": 64}  # fmt: skip


def tiny_blip() -> Any:
    """A BLIP of two layers."""
    ids = {"bos_token_id": CLS, "pad_token_id": PAD, "eos_token_id": SEP, "sep_token_id": SEP}
    text = {**TEXT, **ids, "encoder_hidden_size": 16, "projection_dim": 16}
    config = transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=16)
    return transformers.BlipForConditionalGeneration(config)


def tiny_git() -> Any:
    """A GIT of two layers."""
    config = transformers.GitConfig(
        vision_config=VISION, **TEXT, bos_token_id=CLS, eos_token_id=SEP, pad_token_id=PAD
    )
    return transformers.GitForCausalLM(config)


def tiny_vit_gpt2() -> Any:
    """A ViT that a GPT-2 reads, of two layers each."""
    ids = {"bos_token_id": CLS, "eos_token_id": SEP, "pad_token_id": PAD}
    decoder = transformers.GPT2Config(
        vocab_size=len(WORDS), n_positions=64, n_embd=16, n_layer=2, n_head=2, **ids
    )
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION), decoder, decoder_start_token_id=CLS, **ids
    )
    model = transformers.VisionEncoderDecoderModel(config=config)
    generation = model.generation_config
    generation.decoder_start_token_id = CLS
    generation.bos_token_id, generation.eos_token_id, generation.pad_token_id = CLS, SEP, PAD
    return model


MODELS = {"blip": tiny_blip, "git": tiny_git, "vision-encoder-decoder": tiny_vit_gpt2}


def save_tiny(kind: str, folder: Path) -> Any:
    """Write a folder of one of MODELS; returns the model that was saved."""
    torch.manual_seed(len(kind))
    model = MODELS[kind]().eval()
    with torch.no_grad():
        for weight in model.parameters():  # wide enough that words follow from the picture
            if weight.dim() > 1:
                weight.copy_(torch.randn(weight.shape) * 0.5)
    model.save_pretrained(folder, safe_serialization=True) if _old() else model.save_pretrained(folder)
    words = folder / "vocab.txt"
    words.write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    transformers.BertTokenizer(str(words)).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return model


def _old() -> bool:
    """Whether this transformers still asks which form to write weights in."""
    return int(transformers.__version__.split(".")[0]) < 5


def pictures(count: int) -> list[Image.Image]:
    """Pictures of noise that differ."""
    generator = torch.Generator().manual_seed(7)
    noise = torch.randint(0, 256, (count, 40, 48, 3), dtype=torch.uint8, generator=generator)
    return [Image.fromarray(one.numpy()) for one in noise]
