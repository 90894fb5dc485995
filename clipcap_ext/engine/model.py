"""ClipCap itself: a mapping network in front of GPT-2. Not its training, its decoding or its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from clipcap_ext.engine.mapping import MlpMapper, TransformerMapper
from clipcap_ext.errors import UsageError

MAPPERS = ("mlp", "transformer")
GPT2_KEYS = ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "embd_pdrop", "attn_pdrop", "resid_pdrop")
GPT2_SMALL = {"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12}


@dataclass(frozen=True)
class ClipCapConfig:
    """The architecture, all that is needed to rebuild the model before its weights are read."""

    clip_dim: int = 768
    prefix_length: int = 10
    mapper: str = "mlp"
    clip_length: int = 0  # transformer mapper only
    mapper_layers: int = 0  # transformer mapper only
    mapper_heads: int = 0  # transformer mapper only
    mapper_dropout: float = 0.0  # MLP mapper only
    gpt2: Mapping[str, Any] = field(default_factory=lambda: dict(GPT2_SMALL))

    def __post_init__(self) -> None:
        if self.mapper not in MAPPERS:
            raise UsageError(f"mapper must be one of {', '.join(MAPPERS)}, not {self.mapper!r}.")
        sizes = (self.clip_length, self.mapper_layers, self.mapper_heads)
        if self.mapper == "transformer" and not all(size > 0 for size in sizes):
            raise UsageError("A transformer mapper needs clip_length, mapper_layers and mapper_heads, each above 0.")
        if self.mapper == "mlp" and any(sizes):
            raise UsageError("clip_length, mapper_layers and mapper_heads are the transformer mapper's: leave them 0.")
        if self.mapper == "transformer" and self.mapper_dropout:
            raise UsageError("mapper_dropout belongs to the MLP mapper: leave it 0.")
        if self.clip_dim < 1 or self.prefix_length < 1:
            raise UsageError("clip_dim and prefix_length must be at least 1.")
        check_gpt2_sizes(self.gpt2)

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary kept in a checkpoint's config.json."""
        return {**asdict(self), "gpt2": dict(self.gpt2)}


class ClipCapModel(nn.Module):
    """`mapper` (clip_dim -> prefix_length rows of n_embd) and `gpt2`, a transformers GPT2LMHeadModel."""

    def __init__(self, config: ClipCapConfig) -> None:
        super().__init__()
        self.config = config
        self.gpt2 = build_gpt2(config.gpt2)
        n_embd = config.gpt2["n_embd"]
        self.mapper: nn.Module
        if config.mapper == "mlp":
            self.mapper = MlpMapper(config.clip_dim, n_embd, config.prefix_length, config.mapper_dropout)
        else:
            self.mapper = TransformerMapper(
                config.clip_dim,
                n_embd,
                config.prefix_length,
                config.clip_length,
                config.mapper_layers,
                config.mapper_heads,
            )

    def prefix_embeds(self, image_features: Tensor) -> Tensor:
        """(B, clip_dim) -> (B, prefix_length, n_embd), in the model's own dtype and on its device."""
        weight = self.gpt2.transformer.wte.weight
        return self.mapper(image_features.to(device=weight.device, dtype=weight.dtype))


def check_gpt2_sizes(sizes: Mapping[str, Any]) -> None:
    """UsageError for keys that GPT-2 lacks or that are missing."""
    unknown = sorted(set(sizes) - set(GPT2_KEYS))
    if unknown:
        raise UsageError(f"Unknown GPT-2 keys {', '.join(unknown)}; known: {', '.join(GPT2_KEYS)}.")
    missing = sorted(set(GPT2_SMALL) - set(sizes))
    if missing:
        raise UsageError(f"The GPT-2 part lacks {', '.join(missing)}.")


def build_gpt2(sizes: Mapping[str, Any]) -> nn.Module:
    """A GPT2LMHeadModel with random weights; `sizes` holds GPT2Config's own names (see GPT2_KEYS)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    last = sizes["vocab_size"] - 1  # GPT-2's <|endoftext|>; only named so that a small vocabulary stays in range
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=last, eos_token_id=last))
