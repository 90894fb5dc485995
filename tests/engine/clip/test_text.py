"""Texts to ids of the text tower: our vocabulary's framing, cuts and padding, and the folder that carries
it."""

from __future__ import annotations

from pathlib import Path

import open_clip
import pytest
import torch
from tiny import CLIP_CONFIG

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.tokenizer import train_bpe
from clipcap_ext.engine.clip.loading import build_clip, load_encoder, save_encoder
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.clip.text import ClipTokens, encode_tokens

TEXTS = ["a dog runs in the snow .", "two dogs", "a man jumps"]


def test_own_vocabulary_frames_cuts_and_pads() -> None:
    bpe = train_bpe(TEXTS * 3, 300)
    ids = ClipTokens(6, bpe)(["a dog", "A  DOG", "a dog runs in the snow . " * 5])
    start, end = bpe.vocab_size, bpe.vocab_size + 1
    assert ids.shape == (3, 6)
    assert ids[0].tolist() == [start, *bpe.encode("a dog"), end, 0, 0]
    assert torch.equal(ids[0], ids[1])  # case and spaces do not matter
    assert ids[2, 0] == start and ids[2, -1] == end  # cut, yet still ended
    assert (ids.argmax(-1) == torch.tensor([3, 3, 5])).all()  # open_clip pools at the highest id


def test_folder_keeps_its_vocabulary(tmp_path: Path) -> None:
    bpe = train_bpe(TEXTS * 3, 300)
    config = {**CLIP_CONFIG, "text_cfg": {**CLIP_CONFIG["text_cfg"], "vocab_size": bpe.vocab_size + 2}}
    clip = build_clip(config)
    save_encoder(tmp_path / "own", clip, config, Preprocess(size=32), "A card.\n", bpe)
    encoder = load_encoder(EncoderConfig("own", ""), folder=tmp_path / "own")
    expected = torch.nn.functional.normalize(clip.eval().encode_text(ClipTokens(16, bpe)(TEXTS)), dim=-1)
    assert torch.allclose(encoder.encode_text(TEXTS), expected, atol=1e-2)  # float16 on disk
    assert not torch.allclose(encoder.encode_text(["a dog"]), encoder.encode_text(["two dogs"]), atol=1e-3)


def read_by(clip: torch.nn.Module, tokens: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """The features of tokens, and how many ids a text had in each call of the tower."""
    seen: list[int] = []
    hook = clip.transformer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].numel()))
    with torch.no_grad():
        features = encode_tokens(clip, tokens)
    hook.remove()
    return features, [count // len(tokens) // clip.token_embedding.embedding_dim for count in seen]


@pytest.mark.parametrize("texts", [["a dog"], TEXTS, ["two dogs in the snow " * 3, ""]])
def test_padding_behind_the_longest_text_is_not_computed(texts: list[str]) -> None:
    clip = build_clip(CLIP_CONFIG).eval()
    tokens = open_clip.tokenize(texts, context_length=CLIP_CONFIG["text_cfg"]["context_length"])
    features, seen = read_by(clip, tokens)
    longest = int((tokens > 0).sum(dim=1).max())
    assert seen == [longest]
    with torch.no_grad():
        torch.testing.assert_close(features, clip.encode_text(tokens))
    torch.testing.assert_close(read_by(clip, tokens[:, :longest])[0], features)


@pytest.mark.parametrize("change", ["pooled at the last id", "every id sees every other"])
def test_a_tower_that_looks_at_its_padding_is_given_all_of_it(change: str) -> None:
    clip = build_clip(CLIP_CONFIG).eval()
    if change == "pooled at the last id":
        if not hasattr(clip, "text_pool_type"):
            pytest.skip("this open_clip has one way of pooling")
        clip.text_pool_type = "last"
    else:
        clip.attn_mask = None
    tokens = open_clip.tokenize(["a dog"], context_length=CLIP_CONFIG["text_cfg"]["context_length"])
    features, seen = read_by(clip, tokens)
    assert seen == [tokens.shape[1]]
    with torch.no_grad():
        torch.testing.assert_close(features, clip.encode_text(tokens))
