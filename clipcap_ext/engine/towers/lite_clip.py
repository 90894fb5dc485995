"""A CLIP of an EfficientNet-Lite and a small text transformer as open_clip names and computes it, without
open_clip; for reading trained weights. Other CLIPs are open_clip's."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from clipcap_ext.engine.towers.clip_model import ClipModel
from clipcap_ext.engine.towers.efficientnet_lite import FEATURES, STAGES, EfficientNetLite
from clipcap_ext.engine.towers.filling import empty_embedding

IMAGES = {  # what an encoder of this kind says of its image tower, in open_clip's words
    "timm_model_pretrained": False, "timm_pool": "avg", "timm_proj": "linear",
}  # fmt: skip
NAME_WORD = "timm_model_name"  # where it says which of STAGES that is
IMAGE_WORDS = {NAME_WORD, *IMAGES, "timm_drop", "timm_drop_path", "image_size"}  # the last three are not read
TEXT_WORDS = {"context_length", "vocab_size", "width", "heads", "layers"}


def is_lite_clip(model_cfg: Mapping[str, Any]) -> bool:
    """Whether an encoder folder's configuration, in open_clip's words, is of this kind and no other."""
    images, texts = model_cfg.get("vision_cfg"), model_cfg.get("text_cfg")
    if set(model_cfg) != {"embed_dim", "vision_cfg", "text_cfg"}:
        return False
    if not isinstance(images, dict) or not isinstance(texts, dict):
        return False
    sizes = [model_cfg["embed_dim"], *texts.values()]
    whole = all(type(size) is int and size > 0 for size in sizes) and set(texts) == TEXT_WORDS
    plain = set(images) <= IMAGE_WORDS and all(images.get(word) == held for word, held in IMAGES.items())
    named = images.get(NAME_WORD) in tuple(STAGES)  # a foreign file may say a list
    return whole and plain and named and texts["width"] % texts["heads"] == 0


class LiteClip(ClipModel):
    """Under open_clip's names."""

    text_pool_type = "argmax"

    def __init__(self, embed_dim: int, vision_cfg: Mapping[str, Any], text_cfg: Mapping[str, int]) -> None:
        """The words of `is_lite_clip`."""
        super().__init__()
        width, length = text_cfg["width"], text_cfg["context_length"]
        self.visual = ImageTower(vision_cfg[NAME_WORD], embed_dim)
        self.transformer = Transformer(width, text_cfg["layers"], text_cfg["heads"])
        self.token_embedding = empty_embedding(text_cfg["vocab_size"], width)
        self.positional_embedding = nn.Parameter(torch.empty(length, width))
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, embed_dim))
        unseen = torch.full((length, length), float("-inf"), device="cpu").triu_(1)  # never without values
        self.register_buffer("attn_mask", unseen, persistent=False)
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.attn_mask: Tensor

    def encode_image(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) preprocessed -> (B, embed_dim), not normalised."""
        return self.visual(images)

    def encode_text(self, tokens: Tensor) -> Tensor:
        """Ids (B, context_length) -> (B, embed_dim), not normalised."""
        dtype = self.transformer.dtype
        embeds = self.token_embedding(tokens).to(dtype) + self.positional_embedding.to(dtype)
        hidden = self.ln_final(self.transformer(embeds, self.attn_mask.to(dtype)))
        last = hidden[torch.arange(len(tokens), device=tokens.device), tokens.argmax(dim=-1)]
        return last @ self.text_projection


class ImageTower(nn.Module):
    """An EfficientNet-Lite and a projection, as open_clip puts them together."""

    def __init__(self, name: str, embed_dim: int) -> None:
        """name: timm's, one of STAGES."""
        super().__init__()
        self.trunk = EfficientNetLite(name)
        self.head = nn.Sequential(OrderedDict(proj=nn.Linear(FEATURES, embed_dim, bias=False)))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, embed_dim)."""
        return self.head(self.trunk(images))


class Transformer(nn.Module):
    """Pre-norm blocks with GELU, batch first."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(Block(width, heads) for _ in range(layers))

    @property
    def dtype(self) -> torch.dtype:
        """What it reckons in."""
        return next(self.parameters()).dtype

    def forward(self, embeds: Tensor, mask: Tensor) -> Tensor:
        """(B, T, width), what is added to the attention (T, T) -> (B, T, width)."""
        for block in self.resblocks:
            embeds = block(embeds, mask)
        return embeds


class Block(nn.Module):
    """Attention and four times as wide a layer, each behind its norm and beside its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            OrderedDict(c_fc=nn.Linear(width, 4 * width), gelu=nn.GELU(), c_proj=nn.Linear(4 * width, width))
        )

    def forward(self, embeds: Tensor, mask: Tensor) -> Tensor:
        """As Transformer.forward."""
        normed = self.ln_1(embeds)
        embeds = embeds + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        return embeds + self.mlp(self.ln_2(embeds))
