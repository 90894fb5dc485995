"""Self-critical training: its gradient is the REINFORCE one, it raises CIDEr-D, and it starts from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import CAPTIONING, captioning_task, random_features, same, trainer, weights

from clipcap_ext.errors import UsageError
from clipcap_ext.metrics.overlap import cider_d
from clipcap_ext.train.loop import BEST, seed_everything
from clipcap_ext.train.self_critical import SelfCriticalConfig
from clipcap_ext.train.tasks_self_critical import SelfCriticalTask


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A captioner that has learnt a little, as a checkpoint."""
    out = tmp_path_factory.mktemp("trained")
    trainer(captioning_task(epochs=30, end_stop=True), out).run()
    return out / BEST


def task_from(start: Path | str, **changes: Any) -> SelfCriticalTask:
    """A self-critical task on the same drawn photos."""
    config = SelfCriticalConfig(**{**CAPTIONING, "end_stop": True, "start": str(start), "dropout": 0.0, **changes})
    train, train_features = random_features(0, 8, config.views)
    val, val_features = random_features(8, 4)
    seed_everything(config.seed)
    return SelfCriticalTask(config, train, train_features, val, val_features)


def test_it_starts_from_the_checkpoint(trained: Path) -> None:
    task, fresh = task_from(trained), captioning_task(end_stop=True)
    fresh.module.clipcap.load_state_dict(task.module.clipcap.state_dict())
    task.module.eval(), fresh.module.eval()
    assert task.validate() == fresh.validate()
    assert task.tokenizer.vocab_size == fresh.tokenizer.vocab_size


def test_a_start_serves_training_on_captions_too(trained: Path, tmp_path: Path) -> None:
    """One gentle epoch from a start ends far below where one from scratch does."""
    found = []
    for name, start in (("scratch", ""), ("start", str(trained))):
        task = captioning_task(start=start, end_stop=True, epochs=1, lr=1e-3)
        trainer(task, tmp_path / name).run()
        task.module.eval()
        found.append(task.validate()["val_loss"])
    assert found[1] < 0.5 * found[0]


def test_gradient_is_that_of_the_drawn_captions(trained: Path) -> None:
    """Minus the sum of (reward - mean of the others) times log-likelihood, worked out caption by caption."""
    task = task_from(trained, samples=3)
    module, clipcap = task.module, task.module.clipcap
    module.train()
    batch = task.collate(np.array([1, 4]), 0)
    torch.manual_seed(5)
    loss = module(**batch)
    loss.backward()
    ours = [p.grad.clone() for p in module.parameters()]
    module.zero_grad()
    torch.manual_seed(5)
    drawn = module._draw(batch["image_features"], [1, 4])
    references = [[f"{text.lower().rstrip(' .!')} ." for text in group] for group in _texts()]
    expected = torch.zeros(())
    for photo, group in enumerate((drawn[:3], drawn[3:])):
        rewards = [_reward(module._words(ids), references, (1, 4)[photo]) for ids in group]
        for i, ids in enumerate(group):
            advantage = rewards[i] - sum(rewards[:i] + rewards[i + 1 :]) / 2
            prefix = clipcap.prefix_embeds(batch["image_features"][photo : photo + 1])
            words = clipcap.gpt2.transformer.wte(torch.tensor([ids[:-1]], dtype=torch.long))
            logits = clipcap.gpt2(inputs_embeds=torch.cat((prefix, words), 1)).logits[0, prefix.shape[1] - 1 :]
            logprob = logits.log_softmax(-1)[range(len(ids)), list(ids)].sum()
            expected = expected - advantage * logprob
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-4)
    assert any(gradient.abs().max() > 1e-3 for gradient in ours)
    for mine, parameter in zip(ours, module.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-3, atol=1e-4)


def _texts() -> list[tuple[str, ...]]:
    return [example.captions for example in random_features(0, 8)[0].examples]


def _reward(words: str, references: list[list[str]], photo: int) -> float:
    """CIDEr-D by the toolkit, over all training photos, of one caption."""
    hypotheses = [words if i == photo else "" for i in range(len(references))]
    return float(cider_d(hypotheses, references)["CIDEr-D"].per_image[photo])


def test_training_raises_the_cider_of_the_training_photos(trained: Path, tmp_path: Path) -> None:
    task = task_from(trained, epochs=12, batch_size=8, lr=3e-3)
    before = _mean_reward(task)
    trainer(task, tmp_path / "run").run()
    assert _mean_reward(task) > before + 0.5


def _mean_reward(task: SelfCriticalTask) -> float:
    """Mean reward of many captions drawn of every training photo."""
    torch.manual_seed(1)
    photos, drawn = list(range(8)), []
    for _ in range(10):
        drawn.append(task.module._draw(task.look_at(np.arange(8), np.arange(8), 0), photos))
    rewards = [
        task.module._reward(i // task.config.samples, task.module._words(ids))
        for group in drawn
        for i, ids in enumerate(group)
    ]
    return sum(rewards) / len(rewards)


def test_the_same_seed_learns_the_same(trained: Path, tmp_path: Path) -> None:
    found = []
    for name in ("first", "second"):
        task = task_from(trained)
        trainer(task, tmp_path / name).run()
        found.append(weights(task))
    assert same(*found)
    other = task_from(trained, seed=1)
    trainer(other, tmp_path / "other").run()
    assert not same(found[0], weights(other))


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"end_stop": False}, "end_stop"), ({"label_smoothing": 0.1}, "label_smoothing"), ({"samples": 1}, "samples")],
)
def test_options_that_do_nothing_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        SelfCriticalConfig(**{**CAPTIONING, "end_stop": True, **changes})


def test_another_shape_than_the_start_has_is_refused(trained: Path) -> None:
    with pytest.raises(UsageError, match=r"has prefix_length 3, not 4, n_layer 2, not 1: set the options"):
        task_from(trained, prefix_length=4, n_layer=1)


def test_a_start_is_needed(tmp_path: Path) -> None:
    config = SelfCriticalConfig(**{**CAPTIONING, "end_stop": True})
    with pytest.raises(UsageError, match="start=CHECKPOINT"):
        SelfCriticalTask.build(config, tmp_path, tmp_path, print)
