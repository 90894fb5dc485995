"""ClipCap itself: a mapping network in front of GPT-2. Not its training, its decoding or its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from clipcap_ext.engine.clipcap.copying import CopyGate
from clipcap_ext.engine.clipcap.mappers import MapperConfig, build_mapper
from clipcap_ext.engine.concepts.evidence import EvidenceConfig
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL, build_gpt2, check_gpt2_sizes
from clipcap_ext.errors import UsageError


@dataclass(frozen=True)
class ClipCapConfig(MapperConfig):
    """The architecture, all that is needed to rebuild the model before its weights are read."""

    clip_dim: int = 768
    prefix_length: int = 10
    gpt2: Mapping[str, Any] = field(default_factory=lambda: dict(GPT2_SMALL))
    evidence: Mapping[str, Any] = field(default_factory=dict)  # EvidenceConfig's words; empty: none is read

    def __post_init__(self) -> None:
        self.check_mapper()
        if self.clip_dim < 1 or self.prefix_length < 1:
            raise UsageError("clip_dim and prefix_length must be at least 1.")
        check_gpt2_sizes(self.gpt2)
        _ = self.evidence_config

    @property
    def evidence_config(self) -> EvidenceConfig | None:
        """How concepts are read behind the prefix; None where they are not."""
        try:
            return EvidenceConfig(**self.evidence) if self.evidence else None
        except TypeError as error:
            raise UsageError(f"evidence has unknown words: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary kept in a checkpoint's config.json."""
        plain = {**asdict(self), "gpt2": dict(self.gpt2), "evidence": dict(self.evidence)}
        if not self.evidence:
            del plain["evidence"]
        return plain


class ClipCapModel(nn.Module):
    """`mapper` (clip_dim -> prefix_length rows of n_embd) and `gpt2`, a transformers GPT2LMHeadModel."""

    def __init__(self, config: ClipCapConfig) -> None:
        super().__init__()
        self.config = config
        self.gpt2 = build_gpt2(config.gpt2)
        n_embd = config.gpt2["n_embd"]
        evidence = config.evidence_config
        self.copy_gate = None if evidence is None else CopyGate(n_embd, evidence.gate_rank)
        self.mapper = build_mapper(config, config.clip_dim, config.prefix_length, n_embd)

    @property
    def copy_embeddings(self) -> Tensor:
        """GPT-2's token embeddings (V, n_embd), in which the copy gate knows words."""
        return self.gpt2.transformer.wte.weight

    def prefix_embeds(self, image_features: Tensor) -> Tensor:
        """(B, clip_dim), what stands behind it unread -> (B, prefix_length, n_embd), in the model's own dtype
        and on its device."""
        weight = self.gpt2.transformer.wte.weight
        seen = image_features[:, : self.config.clip_dim]
        return self.mapper(seen.to(device=weight.device, dtype=weight.dtype))
