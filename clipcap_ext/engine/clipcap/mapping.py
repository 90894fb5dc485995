"""The mapping networks of ClipCap, from CLIP features to GPT-2 embeds; not the language model behind them.

Module names are those of the published state dicts. Source: ClipCap (Mokady, Hertz and Bermano, 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MlpMapper(nn.Module):
    """Linear - tanh - Linear: (B, clip_dim) -> (B, prefix_length, n_embd)."""

    def __init__(self, clip_dim: int, n_embd: int, prefix_length: int, mapper_dropout: float = 0.0) -> None:
        super().__init__()
        hidden = n_embd * prefix_length // 2
        self.prefix_length, self.n_embd = prefix_length, n_embd
        self.model = nn.Sequential(
            nn.Linear(clip_dim, hidden), nn.Tanh(), nn.Linear(hidden, n_embd * prefix_length)
        )
        self.dropout = nn.Dropout(mapper_dropout)

    def forward(self, features: Tensor) -> Tensor:
        """(B, clip_dim) -> (B, prefix_length, n_embd)."""
        hidden = self.dropout(self.model[1](self.model[0](features)))  # (B, n_embd * prefix_length // 2)
        return self.model[2](hidden).view(-1, self.prefix_length, self.n_embd)


class _Attention(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_queries = nn.Linear(dim, dim, bias=False)
        self.to_keys_values = nn.Linear(dim, 2 * dim, bias=False)
        self.project = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape

        def heads(t: Tensor) -> Tensor:
            return t.reshape(batch, length, self.num_heads, dim // self.num_heads).transpose(1, 2)

        keys, values = self.to_keys_values(x).chunk(2, dim=-1)
        out = nn.functional.scaled_dot_product_attention(
            heads(self.to_queries(x)), heads(keys), heads(values)
        )
        return self.project(out.transpose(1, 2).reshape(batch, length, dim))


class _Mlp(nn.Module):
    def __init__(self, dim: int, ratio: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, int(dim * ratio)), nn.Linear(int(dim * ratio), dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(nn.functional.relu(self.fc1(x)))


class _Layer(nn.Module):
    def __init__(self, dim: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim), _Attention(dim, num_heads)
        self.norm2, self.mlp = nn.LayerNorm(dim), _Mlp(dim, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Transformer(nn.Module):
    def __init__(self, dim: int, num_heads: int, num_layers: int, mlp_ratio: float = 2.0) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(dim, num_heads, mlp_ratio) for _ in range(num_layers))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class TransformerMapper(nn.Module):
    """Pre-norm transformer over clip_length projected rows and prefix_length learnt ones; the latter come
    out.

    (B, clip_dim) -> (B, prefix_length, n_embd). No bias on queries, keys and values.
    """

    def __init__(
        self,
        clip_dim: int,
        n_embd: int,
        prefix_length: int,
        clip_length: int,
        mapper_layers: int = 8,
        mapper_heads: int = 8,
    ) -> None:
        super().__init__()
        self.clip_length, self.n_embd = clip_length, n_embd
        self.transformer = _Transformer(n_embd, mapper_heads, mapper_layers)
        self.linear = nn.Linear(clip_dim, clip_length * n_embd)
        self.prefix_const = nn.Parameter(torch.randn(prefix_length, n_embd))

    def forward(self, features: Tensor) -> Tensor:
        """(B, clip_dim) -> (B, prefix_length, n_embd)."""
        rows = self.linear(features).view(-1, self.clip_length, self.n_embd)
        const = self.prefix_const.expand(len(rows), -1, -1)
        out = self.transformer(torch.cat((rows, const), dim=1))  # (B, clip_length + prefix_length, n_embd)
        return out[:, self.clip_length :]
