"""The loss at labelled positions equals the textbook one over padded batches with all logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_tasks import captioning_task, trainer
from torch.nn import functional


def textbook_loss(task, items: np.ndarray) -> torch.Tensor:
    """Logits at every position of batches padded to the corpus maximum, with a mask, as the published code
    has it."""
    config, clipcap = task.config, task.module.clipcap
    longest, count = max(task.lengths), len(items)
    batch = task.collate(items, 0)
    ids = torch.zeros(count, longest, dtype=torch.long)
    ids[:, : batch["input_ids"].shape[1]] = batch["input_ids"]
    mask = torch.arange(longest) < batch["lengths"][:, None]
    prefix = clipcap.prefix_embeds(batch["image_features"])
    embeds = torch.cat((prefix, clipcap.gpt2.transformer.wte(ids)), dim=1)
    whole = torch.cat((torch.ones(count, config.prefix_length, dtype=torch.long), mask.long()), dim=1)
    logits = clipcap.gpt2(inputs_embeds=embeds, attention_mask=whole).logits
    logits = logits[:, config.prefix_length - 1 : -1]
    labels = ids.masked_fill(~mask, -100)
    if config.ignore_token_zero:
        labels = labels.masked_fill(ids == 0, -100)
    return functional.cross_entropy(
        logits.flatten(0, 1), labels.flatten(), ignore_index=-100, label_smoothing=config.label_smoothing
    )


@pytest.mark.parametrize("changes", [{}, {"label_smoothing": 0.2}, {"ignore_token_zero": True}])
@pytest.mark.parametrize("mapper", ["mlp", "transformer"])
def test_loss_and_gradients_are_the_textbook_ones(changes: dict, mapper: str) -> None:
    shape = {"clip_length": 2, "mapper_layers": 1, "mapper_heads": 2} if mapper == "transformer" else {}
    task = captioning_task(dropout=0.0, mapper=mapper, **shape, **changes)
    if "ignore_token_zero" in changes:
        task.items.ids[3][1] = 0  # a zero in the middle of a caption
        task.items._weights[3] -= 1
    items = np.array([3, 17, 4, 30, 9])
    assert len({task.lengths[i] for i in items}) > 2
    task.module.train()
    ours = task.module(**task.collate(items, 0)) / task.weight(items)
    ours.backward()
    gradients = [p.grad.clone() for p in task.module.parameters()]
    task.module.zero_grad()
    theirs = textbook_loss(task, items)
    theirs.backward()
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    for mine, parameter in zip(gradients, task.module.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-3, atol=1e-6)


def test_validation_loss_is_plain() -> None:
    """Smoothing and dropout are for training; the validation figure is the negative log-likelihood a
    token."""
    task, smoothed = captioning_task(), captioning_task(label_smoothing=0.3, dropout=0.4)
    for one in (task, smoothed):
        one.module.eval()
    assert task.validate() == smoothed.validate()


def test_logits_are_made_only_where_there_is_a_label() -> None:
    task = captioning_task()
    rows = []
    task.module.clipcap.gpt2.lm_head.register_forward_hook(lambda *call: rows.append(call[2].shape))
    items = np.array([0, 2, 4])
    task.module(**task.collate(items, 0))
    assert rows == [(sum(task.lengths[i] for i in items), task.tokenizer.vocab_size)]


def test_training_lowers_the_validation_loss_whole_and_mapper_only(tmp_path) -> None:
    task = captioning_task(epochs=12)
    task.module.eval()
    before = task.validate()["val_loss"]
    trainer(task, tmp_path / "whole").run()
    task.module.eval()
    whole = task.validate()["val_loss"]
    assert whole < 0.5 * before
