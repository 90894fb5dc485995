"""A model of pictures or texts built around trained weights: no random ones made first, and no second copy.
For language models see checkpoint/folder.py's `fill`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from clipcap_ext.errors import CheckpointError

Model = TypeVar("Model", bound=nn.Module)


def empty_embedding(entries: int, width: int) -> nn.Embedding:
    """An embedding to be filled: torch would draw normal numbers for it, and where there is no memory for
    them yet that alone makes torch import its compiler."""
    return nn.Embedding.from_pretrained(torch.empty(entries, width), freeze=False)


def fill_tower(build: Callable[[], Model], state: Mapping[str, Tensor], where: str, advice: str) -> Model:
    """What `build` builds, in evaluation mode, holding the tensors of `state` themselves.

    Every float that the model saves must be given, and nothing that it lacks; of whole numbers it only counts
    with in training, so these may be left out. CheckpointError, which ends with `advice`, says what is
    missing, extra, of another shape or not finite; float16, which are spread later, were looked at as they
    were read.
    """
    model = _empty(build)
    _check(model, state, where, advice)
    model.load_state_dict(state, strict=False, assign=True)
    _rebuild_buffers(model)
    if any(tensor.is_meta for tensor in [*model.parameters(), *model.buffers()]):
        model = build()  # it computes constants of its own as it is built
        model.load_state_dict(state, strict=False)
    return model.eval()


def _empty(build: Callable[[], Model]) -> Model:
    try:
        with torch.device("meta"):
            return build()
    except Exception:  # some libraries look at numbers while they build: then with weights after all
        return build()


def _check(model: nn.Module, state: Mapping[str, Tensor], where: str, advice: str) -> None:
    wanted = model.state_dict()
    lacks = sorted(
        name for name, tensor in wanted.items() if tensor.is_floating_point() and name not in state
    )
    extra = sorted(set(state) - set(wanted))
    other = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if lacks or extra or other:
        raise CheckpointError(
            f"{where} does not fit: missing {lacks}, not wanted {extra}, of another shape {other}. {advice}"
        )
    broken = next((name for name, tensor in state.items() if not _is_sound(tensor)), "")
    if broken:
        raise CheckpointError(f"{where} holds values that are not finite ({broken}). {advice}")


def _is_sound(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.dtype == torch.float16 or not tensor.numel():
        return True
    low, high = tensor.aminmax()
    return bool(low.isfinite() and high.isfinite())


def _rebuild_buffers(model: nn.Module) -> None:
    """Give what is not saved its value again: a mask of what comes later, and how many batches were seen."""
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if buffer.is_meta and name == "attn_mask":
                later = torch.full(buffer.shape, float("-inf")).triu_(1)
                module.register_buffer(name, later, persistent=False)
            elif buffer.is_meta and name == "num_batches_tracked":
                module.register_buffer(name, torch.tensor(0))
