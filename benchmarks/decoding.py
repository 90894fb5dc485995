"""Cached decoding against the published loop without a cache, full size

The published loop runs GPT-2 over everything said so far for each of 67 steps, whatever the caption's length,
and takes the likeliest token that a top-p mask leaves. Both sides share one model with random weights and
must agree on their first 13 tokens, the length of a caption.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.measure import medians, publish, table
from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL, Gpt2, empty_gpt2, is_gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language

CAPTION_TOKENS, PUBLISHED_STEPS, TOP_P = 13, 67, 0.8


class Numbers(BpeTokenizer):
    """Stands in for a tokenizer: shows ids as numbers and knows no stop token, for random weights never mean
    one."""

    stop_ids = frozenset()

    def __init__(self) -> None:
        """It has no vocabulary."""

    def decode(self, ids: Sequence[int]) -> str:
        return " ".join(map(str, ids))


def loaded(gpt2: Gpt2) -> Gpt2:
    """The same GPT-2 as a checkpoint's is, around the same tensors."""
    own = empty_gpt2({name: getattr(gpt2.config, name) for name in GPT2_SMALL}).eval()
    own.transformer.load_state_dict(dict(gpt2.transformer.named_parameters()), assign=True)
    own.lm_head = gpt2.lm_head
    return own


def as_loaded(model: ClipCapModel) -> ClipCapModel:
    """The model with its GPT-2 as a checkpoint's is."""
    gpt2 = model.language.module
    assert is_gpt2(gpt2)
    model.language = Gpt2Language(loaded(gpt2))
    model.add_module("gpt2", model.language.module)
    return model


@torch.inference_mode()
def published_loop(lm: Gpt2, embeds: Tensor, steps: int) -> list[int]:
    """One caption, embeds (1, P, n_embd) -> its ids: no cache, logits at every position, all steps taken."""
    ids: list[int] = []
    for _ in range(steps):
        logits = lm(inputs_embeds=embeds, use_cache=False).logits[:, -1]
        ordered, order = torch.sort(logits, descending=True)
        beyond = torch.cumsum(ordered.softmax(-1), dim=-1) > TOP_P
        beyond[:, 1:] = beyond[:, :-1].clone()
        beyond[:, 0] = False
        logits[:, order[0][beyond[0]]] = -torch.inf
        token = logits.argmax(-1, keepdim=True)
        ids.append(int(token))
        embeds = torch.cat((embeds, lm.transformer.wte(token)), dim=1)
    return ids


def cached(model: ClipCapModel, embeds: Tensor, **options: Any) -> list[list[int]]:
    """The project's decode path: ids of the best candidate of each row."""
    wanted = DecodingOptions(max_new_tokens=CAPTION_TOKENS, **options)
    keys = [str(row) for row in range(len(embeds))]
    found = decode(model.language, embeds, Numbers(), wanted, keys=keys)
    return [[int(token) for token in group[0].text.split()[:-1]] for group in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--small", action="store_true", help="a small GPT-2, to try the script; writes nothing"
    )
    arguments = parser.parse_args()
    torch.manual_seed(0)
    sizes = {"vocab_size": 1000, "n_positions": 128, "n_embd": 64, "n_layer": 2, "n_head": 2}
    model = ClipCapModel(ClipCapConfig(gpt2=sizes) if arguments.small else ClipCapConfig()).eval()
    with torch.inference_mode():
        embeds = model.prefix_embeds(functional.normalize(torch.randn(16, 768), dim=-1))
    gpt2 = model.language.module
    assert is_gpt2(gpt2)
    model = as_loaded(model)
    naive = [published_loop(gpt2, embeds[row : row + 1], CAPTION_TOKENS) for row in range(2)]
    assert cached(model, embeds)[:2] == naive, "cached and naive decoding disagree"
    took = medians(
        {
            "naive": lambda: published_loop(gpt2, embeds[:1], PUBLISHED_STEPS),
            "one": lambda: cached(model, embeds[:1]),
            "sixteen": lambda: cached(model, embeds),
            "beams": lambda: cached(model, embeds[:1], num_beams=3),
        },
        arguments.rounds,
    )
    naive_each = took["naive"]
    ways = [
        ("published loop: no cache, 67 steps", naive_each),
        ("cache, 13 tokens, one image", took["one"]),
        ("cache, 13 tokens, batch of 16", took["sixteen"] / 16),
        ("cache, 13 tokens, one image, 3 beams", took["beams"]),
    ]
    rows = [[way, f"{each:.3f}", f"{naive_each / each:.1f}"] for way, each in ways]
    text = table(["decoding, GPT-2 small, prefix 10", "seconds an image", "times as fast"], rows)
    print(text) if arguments.small else publish("decoding", text)


if __name__ == "__main__":
    main()
