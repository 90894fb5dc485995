"""An image tower of transformer blocks in 8 bits, attention included; patches, norms and texts stay
float32."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from clipcap_ext.engine.precision import int8
from clipcap_ext.engine.precision.int8 import Int8Linear, int8_layer, replace_layers, shared
from clipcap_ext.engine.towers.clip_model import ClipModel


class Int8Attention(nn.Module):
    """nn.MultiheadAttention over itself in 8 bits, with the face that open_clip's blocks use."""

    def __init__(self, attention: nn.MultiheadAttention) -> None:
        super().__init__()
        assert attention.in_proj_weight is not None
        self.heads, self.batch_first = attention.num_heads, bool(attention.batch_first)
        self.in_proj = Int8Linear(attention.in_proj_weight, attention.in_proj_bias)
        self.out_proj = Int8Linear(attention.out_proj.weight, attention.out_proj.bias)

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


def tower_in_int8(clip: ClipModel) -> ClipModel | None:
    """A copy with its image tower's blocks in 8 bits, all else shared; None for a tower of another kind."""
    if not isinstance(getattr(clip.visual, "transformer", None), nn.Module):
        return None
    same = shared(clip)
    blocks = same.visual.get_submodule("transformer")
    return same if replace_layers(blocks, _int8) else None


def _int8(layer: nn.Module) -> nn.Module | None:
    if type(layer) is nn.MultiheadAttention:
        wide = layer.in_proj_weight is not None and layer.embed_dim >= int8.NARROWEST
        return Int8Attention(layer) if wide else None
    return int8_layer(layer)
