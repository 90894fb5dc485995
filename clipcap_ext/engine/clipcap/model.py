"""ClipCap itself: a mapping network in front of a language model. Not its training, its decoding or its
files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from clipcap_ext.engine.clipcap.copying import CopyGate
from clipcap_ext.engine.clipcap.mappers import MapperConfig, build_mapper
from clipcap_ext.engine.concepts.evidence import EvidenceConfig
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL
from clipcap_ext.engine.language.kinds import LANGUAGES, LanguageKind
from clipcap_ext.errors import UsageError


@dataclass(frozen=True)
class ClipCapConfig(MapperConfig):
    """The architecture, all that is needed to rebuild the model before its weights are read.

    lm: the configuration of another language model than GPT-2, as transformers writes it; gpt2 counts where
    it is empty.
    """

    clip_dim: int = 768
    prefix_length: int = 10
    gpt2: Mapping[str, Any] = field(default_factory=lambda: dict(GPT2_SMALL))
    lm: Mapping[str, Any] = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)  # EvidenceConfig's words; empty: none is read

    def __post_init__(self) -> None:
        self.check_mapper()
        if self.clip_dim < 1 or self.prefix_length < 1:
            raise UsageError("clip_dim and prefix_length must be at least 1.")
        self.language_kind.check(self.language_config)
        if self.evidence_config is not None and self.lm:
            raise UsageError("Evidence is read by a GPT-2 alone.")

    @property
    def language_name(self) -> str:
        """The language model's name among LANGUAGES, and its part's in this configuration and the weights."""
        return "lm" if self.lm else "gpt2"

    @property
    def language_kind(self) -> LanguageKind:
        """How the language model is built and read."""
        return LANGUAGES[self.language_name]

    @property
    def language_config(self) -> Mapping[str, Any]:
        """The language model's own configuration, in its kind's words."""
        return self.lm or self.gpt2

    @property
    def evidence_config(self) -> EvidenceConfig | None:
        """How concepts are read behind the prefix; None where they are not."""
        try:
            return EvidenceConfig(**self.evidence) if self.evidence else None
        except TypeError as error:
            raise UsageError(f"evidence has unknown words: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The plain dictionary kept in a checkpoint's config.json."""
        plain = asdict(self) | {name: dict(getattr(self, name)) for name in (*LANGUAGES, "evidence")}
        left_out = [name for name in LANGUAGES if name != self.language_name]
        left_out += [] if self.evidence else ["evidence"]
        return {name: value for name, value in plain.items() if name not in left_out}


class ClipCapModel(nn.Module):
    """`mapper` (clip_dim -> prefix_length rows of n_embd) and `language`, whose weights are in `gpt2` or `lm`
    (any other causal model of transformers)."""

    def __init__(self, config: ClipCapConfig, *, filled: bool = False) -> None:
        """filled: the weights come from a checkpoint, so the language model is not initialised."""
        super().__init__()
        self.config = config
        kind = config.language_kind
        self.language = (kind.empty if filled else kind.build)(config.language_config)
        self.add_module(config.language_name, self.language.module)
        n_embd = self.language.n_embd
        evidence = config.evidence_config
        self.copy_gate = None if evidence is None else CopyGate(n_embd, evidence.gate_rank)
        self.mapper = build_mapper(config, config.clip_dim, config.prefix_length, n_embd)

    @property
    def copy_embeddings(self) -> Tensor:
        """The language model's token embeddings (V, n_embd), in which the copy gate knows words."""
        return self.language.embeddings

    def prefix_embeds(self, image_features: Tensor) -> Tensor:
        """(B, clip_dim), what stands behind it unread -> (B, prefix_length, n_embd), in the model's own dtype
        and on its device."""
        weight = self.language.embeddings
        seen = image_features[:, : self.config.clip_dim]
        return self.mapper(seen.to(device=weight.device, dtype=weight.dtype))
