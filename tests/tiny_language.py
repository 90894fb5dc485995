"""Writes tiny language model folders as transformers has them, with a tokenizer of any script; not a test."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch

END = "<|end|>"
SIZES = {
    "llama": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "max_position_embeddings": 64,
    },
    "gpt2": {
        "n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64, "resid_pdrop": 0.0, "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
    },
    "opt": {
        "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 64, "word_embed_proj_dim": 32,
    },
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
}  # fmt: skip


def write_language_model(folder: Path, kind: str, texts: Sequence[str], *, tied: bool = True) -> None:
    """config.json, model.safetensors and a tokenizer.json of single characters learnt on `texts`."""
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True)
    words = write_characters(folder / "tokenizer.json", texts)
    config = AutoConfig.for_model(
        kind, **SIZES[kind], vocab_size=len(words), bos_token_id=words[END], eos_token_id=words[END],
        pad_token_id=words[END], tie_word_embeddings=tied,
    )  # fmt: skip
    torch.manual_seed(7)
    AutoModelForCausalLM.from_config(config).save_pretrained(str(folder), safe_serialization=True)


def write_characters(path: Path, texts: Sequence[str]) -> dict[str, int]:
    """A tokenizer of one token a character and no word boundary, as scripts without spaces need."""
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    words = {"<unk>": 0, **{one: i for i, one in enumerate(sorted(set("".join(texts))), 1)}}
    words[END] = len(words)
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken("<unk>", special=True), AddedToken(END, special=True)])
    tokenizer.save(str(path))
    return words


def change_config(folder: Path, **changes: object) -> None:
    """Change words of a folder's config.json."""
    path = folder / "config.json"
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps(content), encoding="utf-8")
