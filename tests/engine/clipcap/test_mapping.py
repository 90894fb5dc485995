"""The mapping networks against a plain re-computation, and the published names of their weights."""

from __future__ import annotations

import math

import torch

from clipcap_ext.engine.clipcap.mapping import MlpMapper, TransformerMapper

PUBLISHED_MLP = {
    "model.0.weight": (3840, 768),
    "model.0.bias": (3840,),
    "model.2.weight": (7680, 3840),
    "model.2.bias": (7680,),
}


def test_mlp_has_the_published_shapes() -> None:
    with torch.device("meta"):
        mapper = MlpMapper(768, 768, 10)
    assert {name: tuple(tensor.shape) for name, tensor in mapper.state_dict().items()} == PUBLISHED_MLP


def test_mlp_is_linear_tanh_linear() -> None:
    mapper = MlpMapper(6, 4, 3)
    features = torch.randn(2, 6)
    state = mapper.state_dict()
    hidden = torch.tanh(features @ state["model.0.weight"].T + state["model.0.bias"])
    wanted = (hidden @ state["model.2.weight"].T + state["model.2.bias"]).reshape(2, 3, 4)
    torch.testing.assert_close(mapper(features), wanted)


def test_transformer_has_the_published_names() -> None:
    with torch.device("meta"):
        state = TransformerMapper(512, 768, 40, 40).state_dict()
    layer = {name.removeprefix("transformer.layers.0.") for name in state if ".layers.0." in name}
    assert layer == {
        "norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "attn.to_queries.weight",
        "attn.to_keys_values.weight", "attn.project.weight", "attn.project.bias",
        "mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias",
    }  # fmt: skip
    assert sum(".norm1.weight" in name for name in state) == 8
    assert state["linear.weight"].shape == (40 * 768, 512) and state["prefix_const"].shape == (40, 768)
    assert state["transformer.layers.0.mlp.fc1.weight"].shape == (2 * 768, 768)


def test_transformer_is_the_paper_step_by_step() -> None:
    torch.manual_seed(0)
    dim, heads, clip_length, prefix_length = 8, 2, 3, 5
    mapper = TransformerMapper(6, dim, prefix_length, clip_length, mapper_layers=2, mapper_heads=heads)
    features = torch.randn(2, 6)
    x = torch.cat(
        (mapper.linear(features).view(2, clip_length, dim), mapper.prefix_const.expand(2, -1, -1)), dim=1
    )
    for layer in mapper.transformer.layers:
        y = layer.norm1(x)
        queries = layer.attn.to_queries(y).reshape(2, -1, heads, dim // heads)
        pairs = layer.attn.to_keys_values(y).reshape(2, -1, 2, heads, dim // heads)
        weights = torch.einsum("bnhd,bmhd->bnmh", queries, pairs[:, :, 0]) / math.sqrt(dim // heads)
        mixed = torch.einsum("bnmh,bmhd->bnhd", weights.softmax(dim=2), pairs[:, :, 1]).reshape(2, -1, dim)
        x = x + layer.attn.project(mixed)
        x = x + layer.mlp.fc2(torch.relu(layer.mlp.fc1(layer.norm2(x))))
    torch.testing.assert_close(mapper(features), x[:, clip_length:])
