"""A CLIP with one tower's transformer blocks in a quicker arithmetic, attention included; patches, tokens and
norms stay float32."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.precision import quick
from clipcap_ext.engine.precision.kept_files import PICTURES, TEXTS
from clipcap_ext.engine.precision.quick import Maker, quick_layer, replace_layers, shared
from clipcap_ext.engine.towers.clip_model import ClipModel


class QuickAttention(nn.Module):
    """nn.MultiheadAttention over itself with quick layers, and the face that open_clip's blocks use."""

    def __init__(self, maker: Maker, name: str, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        assert attention.in_proj_weight is not None
        out = attention.out_proj
        self.heads, self.batch_first = attention.num_heads, bool(attention.batch_first)
        self.in_proj = maker.linear(f"{name}.in_proj", attention.in_proj_weight, attention.in_proj_bias)
        self.out_proj = maker.linear(f"{name}.out_proj", out.weight, out.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:  # fmt: skip
        """query, which key and value must be as well: (B, T, width), or (T, B, width) unless batch_first."""
        rows = query if self.batch_first else query.transpose(0, 1)
        batch, length, width = rows.shape
        parts = self.in_proj(rows).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width of a head)
        out = functional.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        out = self.out_proj(out.transpose(1, 2).reshape(batch, length, width))
        return (out if self.batch_first else out.transpose(0, 1)), None


BLOCKS = {PICTURES: "visual.transformer", TEXTS: "transformer"}  # where open_clip has those of either tower


def quick_tower(clip: ClipModel, read: str, maker: Maker) -> ClipModel | None:
    """A copy whose tower of what is `read`, PICTURES or TEXTS, has the maker's layers in its blocks, all else
    shared; None for a tower of another kind."""
    same = shared(clip)
    try:
        blocks = same.get_submodule(BLOCKS[read])
    except AttributeError:
        return None
    return same if replace_layers(blocks, partial(_replacement, maker)) else None


def _replacement(maker: Maker, name: str, layer: nn.Module) -> nn.Module | None:
    if type(layer) is nn.MultiheadAttention:
        wide = layer.in_proj_weight is not None and layer.embed_dim >= quick.NARROWEST
        return QuickAttention(maker, name, layer) if wide else None
    return quick_layer(maker, name, layer)
