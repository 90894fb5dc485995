"""ClipCap in the published structure and names, with the published loop, to compare converted files with; not
a test.

Written from the paper's description and the names of the published state dicts, apart from the package on
purpose.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from tiny import prefer_words, randomise
from torch import Tensor, nn

SMALL = {"n_positions": 128, "n_embd": 128, "n_layer": 2, "n_head": 2}


def small_gpt2(vocab_size: int, **sizes: int) -> nn.Module:
    """A GPT2LMHeadModel with random weights, initialised as a library's user would."""
    from transformers import GPT2Config, GPT2LMHeadModel

    return GPT2LMHeadModel(GPT2Config(**{**SMALL, **sizes}, vocab_size=vocab_size)).eval()


class PublishedMlp(nn.Module):
    """`model`: Linear, tanh, Linear."""

    def __init__(self, clip_dim: int, n_embd: int, prefix_length: int) -> None:
        super().__init__()
        hidden = n_embd * prefix_length // 2
        self.model = nn.Sequential(
            nn.Linear(clip_dim, hidden), nn.Tanh(), nn.Linear(hidden, n_embd * prefix_length)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class PublishedTransformer(nn.Module):
    """`linear`, `prefix_const` and `transformer.layers.N`: 8 heads as published, twice as wide inside, norms
    first."""

    def __init__(
        self, clip_dim: int, n_embd: int, prefix_length: int, clip_length: int, layers: int, heads: int = 8
    ) -> None:
        super().__init__()
        self.clip_length, self.heads = clip_length, heads
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(self._layer(n_embd) for _ in range(layers))
        self.linear = nn.Linear(clip_dim, clip_length * n_embd)
        self.prefix_const = nn.Parameter(torch.randn(prefix_length, n_embd))

    @staticmethod
    def _layer(dim: int) -> nn.Module:
        layer = nn.Module()
        layer.norm1, layer.norm2, layer.attn, layer.mlp = (
            nn.LayerNorm(dim),
            nn.LayerNorm(dim),
            nn.Module(),
            nn.Module(),
        )
        layer.attn.to_queries = nn.Linear(dim, dim, bias=False)
        layer.attn.to_keys_values = nn.Linear(dim, dim * 2, bias=False)
        layer.attn.project = nn.Linear(dim, dim)
        layer.mlp.fc1, layer.mlp.fc2 = nn.Linear(dim, dim * 2), nn.Linear(dim * 2, dim)
        return layer

    def forward(self, x: Tensor) -> Tensor:
        dim = self.prefix_const.shape[1]
        rows = torch.cat((self.linear(x).view(1, self.clip_length, dim), self.prefix_const[None]), dim=1)
        for layer in self.transformer.layers:
            rows = rows + self._attend(layer.attn, layer.norm1(rows))
            rows = rows + layer.mlp.fc2(torch.relu(layer.mlp.fc1(layer.norm2(rows))))
        return rows[:, self.clip_length :]

    def _attend(self, attn: nn.Module, x: Tensor) -> Tensor:
        _, length, dim = x.shape
        width = dim // self.heads
        queries = attn.to_queries(x).view(length, self.heads, width)
        both = attn.to_keys_values(x).view(length, 2, self.heads, width)
        scores = torch.einsum("nhd,mhd->hnm", queries, both[:, 0]) * width**-0.5
        said = torch.einsum("hnm,mhd->nhd", scores.softmax(-1), both[:, 1])
        return attn.project(said.reshape(1, length, dim))


class PublishedClipCap(nn.Module):
    """`gpt` and `clip_project`; `speak` is the published loop, without a cache."""

    def __init__(self, gpt: nn.Module, clip_project: nn.Module) -> None:
        super().__init__()
        self.gpt, self.clip_project = gpt, clip_project

    @torch.inference_mode()
    def speak(self, features: Tensor, tokens: int) -> list[int]:
        """The likeliest ids after one image's features (clip_dim), always `tokens` of them."""
        embeds = self.clip_project(features[None]).view(1, -1, self.gpt.config.n_embd)
        return speak(self.gpt, embeds, tokens)


@torch.inference_mode()
def speak(gpt: nn.Module, embeds: Tensor, tokens: int) -> list[int]:
    """The likeliest ids after embeds (1, P, n_embd)."""
    ids: list[int] = []
    for _ in range(tokens):
        logits = gpt(inputs_embeds=embeds, use_cache=False).logits[0, -1]
        ids.append(int(logits.argmax()))
        embeds = torch.cat((embeds, gpt.transformer.wte(torch.tensor([ids[-1:]]))), dim=1)
    return ids


def published_mlp(
    vocab_size: int, clip_dim: int = 768, prefix_length: int = 10, **sizes: int
) -> PublishedClipCap:
    """The tuned models' structure: COCO and Conceptual (512), the paper's Flickr8k (768)."""
    gpt = small_gpt2(vocab_size, **sizes)
    return PublishedClipCap(gpt, PublishedMlp(clip_dim, gpt.config.n_embd, prefix_length)).eval()


def published_transformer(
    vocab_size: int, clip_dim: int = 640, length: int = 40, layers: int = 8, heads: int = 8
) -> PublishedClipCap:
    """The structure of the models whose GPT-2 stood still: 40 rows in, 40 out."""
    gpt = small_gpt2(vocab_size)
    mapper = PublishedTransformer(clip_dim, gpt.config.n_embd, length, length, layers, heads)
    return PublishedClipCap(gpt, mapper).eval()


def make_talk(model: nn.Module, vocab_size: int, words: int) -> None:
    """Random weights under which the small vocabulary's words win, so that captions differ between images."""
    randomise(model, scale=0.2)
    gpt = getattr(model, "gpt", model)
    prefer_words(gpt.transformer, vocab_size - words)
    gpt.tie_weights()


def with_buffers(state: dict[str, Tensor], n_positions: int, as_bool: bool = True) -> dict[str, Tensor]:
    """The state dict with the constants that old versions of transformers kept in every layer."""
    grown = OrderedDict()
    for name, tensor in state.items():
        grown[name] = tensor
        if name.endswith("ln_1.bias"):
            layer = name.removesuffix("ln_1.bias")
            mask = torch.ones(n_positions, n_positions, dtype=torch.uint8).tril()[None, None]
            grown[f"{layer}attn.bias"] = mask.bool() if as_bool else mask
            grown[f"{layer}attn.masked_bias"] = torch.tensor(-1e4)
    return grown


def save(state: object, path: Path, form: str = "zip") -> Path:
    """Write as new torch (zip), old torch (pickles) or safetensors would."""
    if form == "safetensors":
        from safetensors.torch import save_file

        save_file({name: tensor.clone().contiguous() for name, tensor in state.items()}, str(path))  # type: ignore[attr-defined]
    else:
        torch.save(state, path, _use_new_zipfile_serialization=form == "zip")
    return path
