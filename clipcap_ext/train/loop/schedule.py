"""The learning rate as a pure function of the step, and the averaged weights; not an optimizer."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from clipcap_ext.train.config import TrainConfig


def lr_factor(config: TrainConfig, step: int, total: int) -> float:
    """What the highest learning rates are multiplied by in optimizer step `step` (from 0) of `total`.

    Linear from 0 over warmup_steps, then down to lr_floor along the schedule; step 0 of a warm-up has rate 0,
    as in transformers' schedules.
    """
    if step < config.warmup_steps:
        return step / config.warmup_steps
    done = min(1.0, (step - config.warmup_steps) / max(1, total - config.warmup_steps))
    course = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[
        config.schedule
    ]
    return config.lr_floor + (1 - config.lr_floor) * course


class WeightAverage:
    """An exponential moving average of a module's weights and batch-norm statistics, kept beside it."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = {name: tensor.detach().clone() for name, tensor in _distinct(module).items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Take one step's weights in; young averages (step from 0) follow faster."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, tensor in _distinct(module).items():
            if tensor.is_floating_point():
                self.tensors[name].lerp_(tensor, 1 - decay)
            else:
                self.tensors[name].copy_(tensor)

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Exchange the module's weights with the averaged ones, in place; a second call exchanges them
        back."""
        for name, tensor in _distinct(module).items():
            held: Tensor = self.tensors[name].clone()
            self.tensors[name].copy_(tensor)
            tensor.copy_(held)


def _distinct(module: nn.Module) -> dict[str, Tensor]:
    """The module's state, with a tensor of two names (GPT-2's tied embeddings) once: swapped twice it is
    lost."""
    seen: dict[int, str] = {}
    state = module.state_dict()
    return {name: state[name] for name in state if seen.setdefault(state[name].data_ptr(), name) == name}
