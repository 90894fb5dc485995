"""The course of the learning rate at its corners, and averaged weights that come and go without a trace."""

from __future__ import annotations

import pytest
import torch
from tiny_tasks import CAPTIONING, captioning_task, same, trainer, weights

from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.loop.schedule import WeightAverage, lr_factor


@pytest.mark.parametrize(
    ("schedule", "floor", "expected"),
    [
        ("linear", 0.0, {0: 0, 5: 0.5, 10: 1, 60: 0.5, 110: 0, 200: 0}),
        ("cosine", 0.0, {0: 0, 10: 1, 35: 0.8536, 60: 0.5, 110: 0}),
        ("cosine", 0.2, {10: 1, 60: 0.6, 110: 0.2}),
        ("constant", 0.0, {0: 0, 10: 1, 110: 1}),
    ],
)
def test_course(schedule: str, floor: float, expected: dict[int, float]) -> None:
    config = CaptioningConfig(**{**CAPTIONING, "schedule": schedule, "warmup_steps": 10, "lr_floor": floor})
    for step, factor in expected.items():
        assert lr_factor(config, step, 110) == pytest.approx(factor, abs=1e-4)


def test_swapping_there_and_back_changes_nothing_tied_weights_too() -> None:
    module = captioning_task().module
    average = WeightAverage(module, 0.9)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))
    before, averaged = {n: t.clone() for n, t in module.state_dict().items()}, dict(average.tensors)
    averaged = {name: tensor.clone() for name, tensor in averaged.items()}
    average.swap(module)
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in averaged.items())
    assert torch.equal(module.clipcap.gpt2.lm_head.weight, averaged["clipcap.gpt2.transformer.wte.weight"])
    average.swap(module)
    assert same(dict(module.state_dict()), before) and same(average.tensors, averaged)


def test_the_average_by_hand() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    average, expected = WeightAverage(module, 0.5), float(module.weight.detach())
    for step, value in enumerate([1.0, -2.0, 3.0, 0.0, 5.0, 1.0, 2.0, 2.0, 9.0]):
        torch.nn.init.constant_(module.weight, value)
        average.update(module, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert float(average.tensors["weight"]) == pytest.approx(expected, rel=1e-5)


def test_averaging_leaves_the_training_alone(tmp_path) -> None:
    results = []
    for ema in (0.0, 0.9):
        task = captioning_task(ema=ema)
        trainer(task, tmp_path / str(ema)).run()
        results.append(weights(task))
    assert same(*results)
