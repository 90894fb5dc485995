"""The published repositories, small enough to be fetched in no time; not a test."""

from __future__ import annotations

from pathlib import Path

from fake_hub import GPT2
from published import make_talk, published_mlp, save, small_gpt2
from tiny import CLIP_CONFIG, WORDS, randomise, write_tokenizer

from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer


def published_files(folder: Path) -> dict[str, dict[str, bytes]]:
    """Repository -> path -> content; `folder` is worked in."""
    write_tokenizer(folder)
    vocab_size = load_tokenizer(folder).vocab_size
    words = len(WORDS.split()) + 2
    clipcap, coco, gpt2 = (
        published_mlp(vocab_size),
        published_mlp(vocab_size, clip_dim=512),
        small_gpt2(vocab_size),
    )
    for model in (clipcap, coco, gpt2):
        make_talk(model, vocab_size, words)
    vocabulary = {name: (folder / name).read_bytes() for name in ("vocab.json", "merges.txt")}
    body = save(gpt2.transformer.state_dict(), folder / "s", "safetensors").read_bytes()
    sbg = {
        "README.md": b"An SBG.", "top_hierarchy/config.json": b'{"model_type": "gpt2"}',
        "top_hierarchy/model.safetensors": body,
        "top_hierarchy/training_args.bin": b"not wanted",
    }  # fmt: skip
    return {
        "Anshler/clip-prefix": {
            "flickr8k_gradient.pt": save(clipcap.state_dict(), folder / "w.pt").read_bytes()
        },
        "Anshler/selective-blind-guessing": sbg,
        GPT2: vocabulary,
        "coco": {"coco.pt": save(coco.state_dict(), folder / "c.pt").read_bytes()},
    }


def small_clip(embed_dim: int, folder: Path) -> tuple[dict[str, object], bytes]:
    """A tiny CLIP: its configuration, and its weights' bytes as open_clip publishes them."""
    import open_clip
    from safetensors.torch import save_file

    text = {**CLIP_CONFIG["text_cfg"], "context_length": 77}
    config = {**CLIP_CONFIG, "embed_dim": embed_dim, "text_cfg": text}
    clip = open_clip.CLIP(**config, quick_gelu=True)
    randomise(clip, scale=0.15)
    save_file(clip.state_dict(), folder / "clip.safetensors")
    return config, (folder / "clip.safetensors").read_bytes()
