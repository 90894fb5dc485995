"""The kinds of mapping network, a row each, and the configuration they share; the networks are in mapping.py,
and no torch is needed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from clipcap_ext.engine.clipcap import mapper_shapes as shapes
from clipcap_ext.errors import UsageError
from clipcap_ext.options import option

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Mapper:
    """A kind of mapping network.

    build: (clip_dim=, n_embd=, prefix_length=, and its own fields) -> a module that turns (B, clip_dim) into
    (B, prefix_length, n_embd). sizes: its fields of MapperConfig that must be above 0 and shape
    its weights. extras: its further fields. published: how it is told in published files, if there are any.
    """

    build: Callable[..., nn.Module]
    sizes: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    published: shapes.PublishedMapper | None = None


def _mlp(**sizes: Any) -> nn.Module:
    from clipcap_ext.engine.clipcap.mapping import MlpMapper

    return MlpMapper(**sizes)


def _transformer(**sizes: Any) -> nn.Module:
    from clipcap_ext.engine.clipcap.mapping import TransformerMapper

    return TransformerMapper(**sizes)


MAPPERS: dict[str, Mapper] = {
    "mlp": Mapper(_mlp, extras=("mapper_dropout",), published=shapes.MLP),
    "transformer": Mapper(
        _transformer, sizes=("clip_length", "mapper_layers", "mapper_heads"), published=shapes.TRANSFORMER
    ),
}


@dataclass(frozen=True, kw_only=True)
class MapperConfig:
    """Which mapper, and every kind's own fields; a ClipCap's configuration, its training's and a published
    layout begin with these."""

    mapper: str = option("mlp", "Mapping network.", choices=MAPPERS)
    clip_length: int = option(0, "Rows the features are projected to (transformer mapper only).", low=0)
    mapper_layers: int = option(0, "Layers of the transformer mapper.", low=0)
    mapper_heads: int = option(0, "Heads of the transformer mapper.", low=0)
    mapper_dropout: float = option(0.0, "Dropout inside the MLP mapper.", low=0, high=0.9)

    def check_mapper(self) -> None:
        """UsageError for an unknown mapper, a size that it lacks, or one that belongs to another."""
        if self.mapper not in MAPPERS:
            raise UsageError(f"mapper must be one of {', '.join(MAPPERS)}, not {self.mapper!r}.")
        kind = MAPPERS[self.mapper]
        lacking = [name for name in kind.sizes if getattr(self, name) <= 0]
        if lacking:
            raise UsageError(f"mapper={self.mapper} needs {', '.join(kind.sizes)}, each above 0.")
        for spec in fields(MapperConfig):
            mine = spec.name in ("mapper", *kind.sizes, *kind.extras)
            if not mine and getattr(self, spec.name) != spec.default:
                owners = [
                    name for name, mapper in MAPPERS.items() if spec.name in mapper.sizes + mapper.extras
                ]
                whose = f"it belongs to {' and '.join(owners)}"
                raise UsageError(
                    f"{spec.name} does nothing with mapper={self.mapper} ({whose}): leave it {spec.default}."
                )

    @property
    def mapper_shape(self) -> dict[str, Any]:
        """The mapper and every kind's sizes: what decides the shapes of its weights."""
        names = dict.fromkeys(name for kind in MAPPERS.values() for name in kind.sizes)
        return {name: getattr(self, name) for name in ("mapper", *names)}

    @property
    def mapper_fields(self) -> dict[str, Any]:
        """All of these fields."""
        return {spec.name: getattr(self, spec.name) for spec in fields(MapperConfig)}


def build_mapper(config: MapperConfig, clip_dim: int, prefix_length: int, n_embd: int) -> nn.Module:
    """The network itself, with new weights: (B, clip_dim) -> (B, prefix_length, n_embd)."""
    kind = MAPPERS[config.mapper]
    own = {name: getattr(config, name) for name in kind.sizes + kind.extras}
    return kind.build(clip_dim=clip_dim, n_embd=n_embd, prefix_length=prefix_length, **own)
