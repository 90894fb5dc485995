"""Training that starts from a captioner: all of it is taken over, and another shape than it has is
refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_tasks import captioning_task, same, trainer, weights

from clipcap_ext.errors import UsageError
from clipcap_ext.train.loop.loop import BEST, LAST


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a captioner that has learnt a little."""
    out = tmp_path_factory.mktemp("trained")
    trainer(captioning_task(epochs=30, seed=3), out).run()
    return out


def test_it_starts_from_the_checkpoint(trained: Path) -> None:
    task = captioning_task(start=str(trained / LAST), dropout=0.3, seed=5)
    finished = captioning_task(epochs=30, seed=3)
    run = trainer(finished, trained, resume=True)
    assert run.progress.finished
    assert same(weights(task), weights(finished))
    assert task.module.clipcap.gpt2.config.attn_pdrop == 0.3


def test_a_start_is_ahead_of_scratch(trained: Path, tmp_path: Path) -> None:
    """One gentle epoch from a start ends far below where one from scratch does."""
    found = []
    for name, start in (("scratch", ""), ("start", str(trained / BEST))):
        task = captioning_task(start=start, epochs=1, lr=1e-3)
        trainer(task, tmp_path / name).run()
        task.module.eval()
        found.append(task.validate()["val_loss"])
    assert found[1] < 0.5 * found[0]


def test_another_shape_than_the_start_has_is_refused(trained: Path) -> None:
    with pytest.raises(UsageError, match=r"has prefix_length 3, not 4, n_layer 2, not 1: set the options"):
        captioning_task(start=str(trained / BEST), prefix_length=4, n_layer=1)
