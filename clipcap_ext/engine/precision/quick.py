"""What `fast` reckons in on this machine, and copies of modules with their wide layers so; not when to use
them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from clipcap_ext.engine.precision import bf16, int8
from clipcap_ext.engine.precision.bf16 import Bf16Linear, rounded_bf16
from clipcap_ext.engine.precision.int8 import can_int8, int8_linear, rounded_int8
from clipcap_ext.engine.precision.processor import quick_in_bf16

NARROWEST = 512  # inputs of a layer: below, it takes longer than it saves
Module = TypeVar("Module", bound=nn.Module)
Rounded = Mapping[str, Tensor]


@dataclass(frozen=True)
class Quick:
    """An arithmetic that is quicker than float32 and less exact. kept: the dtype of each tensor that a
    rounded weight consists of."""

    name: str
    rounded: Callable[[Tensor], Rounded]
    layer: Callable[[Rounded, Tensor | None], nn.Module]
    kept: Mapping[str, torch.dtype]


IN_INT8 = Quick("int8", rounded_int8, int8_linear, int8.KEPT)
IN_BF16 = Quick("bf16", rounded_bf16, Bf16Linear, bf16.KEPT)


def quick_here() -> Quick | None:
    """8 bits, where torch has none for this processor bfloat16, and where that is no faster nothing."""
    if can_int8():
        return IN_INT8
    return IN_BF16 if quick_in_bf16() else None


class Maker(Protocol):
    """What makes quick layers of trained ones."""

    def linear(self, name: str, weight: Tensor, bias: Tensor | None) -> nn.Module:
        """Of the layer of that name, weight (out, in), bias (out,)."""
        ...


@dataclass(frozen=True)
class MadeAnew:
    """The Maker that rounds each weight."""

    quick: Quick

    def linear(self, name: str, weight: Tensor, bias: Tensor | None) -> nn.Module:
        """See Maker."""
        return self.quick.layer(self.quick.rounded(weight), bias)


def quick_layer(maker: Maker, name: str, layer: Any) -> nn.Module | None:
    """A linear layer, or the transposed one of transformers' GPT-2, as `maker` makes it; None for any other,
    and for one that is too narrow."""
    if type(layer) is nn.Linear and layer.in_features >= NARROWEST:
        return maker.linear(name, layer.weight, layer.bias)
    if type(layer).__name__ == "Conv1D" and len(layer.weight) >= NARROWEST:
        return maker.linear(name, layer.weight.T, layer.bias)
    return None


def shared(module: Module) -> Module:
    """A copy of the structure around the same tensors, in evaluation mode."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors}).eval()


def replace_layers(
    module: nn.Module, replacement: Callable[[str, nn.Module], nn.Module | None], within: str = ""
) -> int:
    """Put `replacement(name, layer)` in the place of every layer of `module` for which it gives one; how
    many."""
    replaced = 0
    for own, child in list(module.named_children()):
        name = f"{within}{own}"
        new = replacement(name, child)
        if new is None:
            replaced += replace_layers(child, replacement, f"{name}.")
        else:
            setattr(module, own, new)
            replaced += 1
    return replaced
