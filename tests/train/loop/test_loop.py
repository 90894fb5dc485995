"""The loop: goes on bit for bit after an interruption, accumulates without a difference, keeps best and
last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_tasks import captioning_task, contrastive_task, same, stop_after, trainer, weights

from clipcap_ext.errors import CaptionError, CheckpointError, UsageError
from clipcap_ext.train.loop.run_log import Record
from clipcap_ext.train.loop.state import load_state

RICH = {
    "dropout": 0.2,
    "ema": 0.9,
    "views": 2,
    "feature_noise": 0.1,
    "label_smoothing": 0.1,
    "warmup_steps": 3,
}
EXACT = {"schedule": "cosine", "clip_norm": 1.0, **RICH}


def final_state(out: Path) -> dict[str, Any]:
    """The saved state without the clock."""
    progress, tensors, randoms = load_state(out)
    progress.seconds = 0.0
    return {"progress": vars(progress), "tensors": tensors, "randoms": randoms}


@pytest.mark.parametrize("stop", [1, 3, 5, 7])
def test_interrupted_captioning_goes_on_bit_for_bit(tmp_path: Path, stop: int) -> None:
    """Five batches an epoch: stops in the middle of an epoch, at its end and in the second one."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer(captioning_task(**EXACT), whole).run()
    progress = trainer(captioning_task(**EXACT), broken, stop=stop_after(stop)).run()
    assert progress.step == stop and not progress.finished
    torch.rand(7)  # what happens in between does not matter
    resumed = trainer(captioning_task(**EXACT), broken, resume=True)
    assert resumed.run().finished
    assert same(final_state(whole), final_state(broken))
    for part in ("best", "last"):
        assert (whole / part / "model.safetensors").read_bytes() == (
            broken / part / "model.safetensors"
        ).read_bytes()
    clock = {"seconds", "loss"}  # the running loss of log lines starts anew
    logs = [Record(out, 99, 99).rows for out in (whole, broken)]
    rows = [[{key: row[key] for key in row.keys() - clock} for row in log] for log in logs]
    assert rows[0] == rows[1]


def test_interrupted_contrastive_goes_on_bit_for_bit(tmp_path: Path, flickr_folder: Path) -> None:
    settings = {
        "ema": 0.9,
        "jitter": 0.2,
        "token_dropout": 0.2,
        "batch_norm": "train",
        "freeze_image_epochs": 1,
    }
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer(contrastive_task(flickr_folder, **settings), whole).run()
    trainer(contrastive_task(flickr_folder, **settings), broken, stop=stop_after(3)).run()
    trainer(contrastive_task(flickr_folder, **settings), broken, resume=True).run()
    assert same(final_state(whole), final_state(broken))


def test_a_killed_run_goes_on_from_its_last_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps after the last save are trained again, and their rows in the log do not come twice."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer(captioning_task(**EXACT), whole).run()
    task = captioning_task(save_every=2, **EXACT)
    collate, seen = task.collate, []

    def dies(items: Any, epoch: int) -> Any:
        seen.append(items)
        if len(seen) > 9:
            raise RuntimeError("power cut")
        return collate(items, epoch)

    monkeypatch.setattr(task, "collate", dies)
    with pytest.raises(RuntimeError, match="power cut"):
        trainer(task, broken).run()
    assert load_state(broken)[0].step == 8  # step 9 was made and lost
    trainer(captioning_task(save_every=2, **EXACT), broken, resume=True).run()
    assert same(final_state(whole), final_state(broken))
    steps = [row["step"] for row in Record(broken, 99, 99).rows if row["kind"] == "step"]
    assert steps == sorted(set(steps)) == list(range(1, 11))


def test_the_end_of_an_epoch_is_logged_once_though_its_state_was_not_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epoch's last step was saved, its end was written into the log, then the power went."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer(captioning_task(**EXACT), whole).run()
    going = trainer(captioning_task(save_every=5, **EXACT), broken)
    add = going._record.add

    def dies(kind: str, step: int, values: Any) -> None:
        add(kind, step, values)
        if kind == "epoch":
            raise RuntimeError("power cut")

    monkeypatch.setattr(going._record, "add", dies)
    with pytest.raises(RuntimeError, match="power cut"):
        going.run()
    assert (broken / "best").is_dir() and load_state(broken)[0].step == 5
    trainer(captioning_task(save_every=5, **EXACT), broken, resume=True).run()
    assert same(final_state(whole), final_state(broken))
    ends = [[row["step"] for row in Record(out, 99, 99).rows if row["kind"] == "epoch"]
            for out in (whole, broken)]  # fmt: skip
    assert ends == [[5, 10], [5, 10]]


def test_weights_are_never_laid_where_nothing_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first state comes before the first weights, however seldom one is saved."""
    task = captioning_task(**EXACT)

    def dies(folder: Path, facts: Any) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(task, "export", dies)
    with pytest.raises(RuntimeError, match="power cut"):
        trainer(task, tmp_path / "broken").run()
    assert load_state(tmp_path / "broken")[0].step == 5
    trainer(captioning_task(**EXACT), tmp_path / "broken", resume=True).run()
    trainer(captioning_task(**EXACT), tmp_path / "whole").run()
    assert same(final_state(tmp_path / "whole"), final_state(tmp_path / "broken"))


def test_accumulation_changes_memory_only(tmp_path: Path) -> None:
    results = []
    for parts in (1, 2, 4):
        task = captioning_task(dropout=0.0, lr=1e-3, accumulate=parts, views=2, feature_noise=0.1)
        trainer(task, tmp_path / str(parts)).run()
        results.append(weights(task))
    for other in results[1:]:
        for name, tensor in results[0].items():
            torch.testing.assert_close(other[name], tensor, rtol=1e-4, atol=1e-5, msg=name)


def test_best_follows_the_monitored_figure_and_patience_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = captioning_task(epochs=9, patience=2)
    figures = iter([3.0, 2.0, 2.5, 2.0, 1.0])
    monkeypatch.setattr(task, "validate", lambda: {"val_loss": next(figures), "cider": 0.0})
    kept = []
    monkeypatch.setattr(task, "export", lambda folder, facts: kept.append((folder.name, facts.epoch)))
    progress = trainer(task, tmp_path / "out").run()
    assert (progress.best, progress.best_epoch, progress.epoch) == (2.0, 1, 4)
    assert kept == [("last", 0), ("best", 0), ("last", 1), ("best", 1), ("last", 2), ("last", 3)]


def test_a_higher_cider_is_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = captioning_task(epochs=3, monitor="cider")
    figures = iter([0.1, 0.3, 0.2])
    monkeypatch.setattr(task, "validate", lambda: {"val_loss": 1.0, "cider": next(figures)})
    assert trainer(task, tmp_path / "out").run().best_epoch == 1


def test_logs_and_plot_are_left(tmp_path: Path) -> None:
    trainer(captioning_task(log_every=2), tmp_path / "out").run()
    out = tmp_path / "out"
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "step"] == [2, 4, 6, 8, 10]
    header, *lines = (out / "log.csv").read_text().splitlines()
    assert header.split(",") == ["step", "epoch", "lr", "train_loss", "val_loss", "cider", "seconds"]
    assert [line.split(",")[0] for line in lines] == ["5", "10"]
    assert (out / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.glob("*.part"))


def test_wrong_resumes_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(CheckpointError, match="Nothing to resume"):
        trainer(captioning_task(), out, resume=True)
    trainer(captioning_task(), out, stop=stop_after(1)).run()
    with pytest.raises(CheckpointError, match="of another model"):
        trainer(captioning_task(n_embd=16), out, resume=True)
    whole = (out / "state.pt").read_bytes()
    (out / "state.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="cannot be read"):
        trainer(captioning_task(), out, resume=True)


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    task = captioning_task()
    with torch.no_grad():
        task.module.clipcap.gpt2.transformer.wte.weight.fill_(torch.inf)
    with pytest.raises(CaptionError, match="Lower lr or set clip_norm"):
        trainer(task, tmp_path / "out").run()


def test_what_cannot_be_shared_or_computed_is_refused(tmp_path: Path) -> None:
    for changes, words in (
        ({"precision": "fp16"}, "needs a GPU"),
        ({"batch_size": 9, "accumulate": 2}, "take a multiple of 2"),
    ):
        with pytest.raises(UsageError, match=words):
            trainer(captioning_task(**changes), tmp_path / "out")


def test_too_few_items_for_a_batch_are_refused(tmp_path: Path, flickr_folder: Path) -> None:
    with pytest.raises(UsageError, match="do not fill one batch of 64"):
        trainer(contrastive_task(flickr_folder, batch_size=64), tmp_path / "out")


def test_a_run_that_is_given_more_epochs_is_the_longer_run(tmp_path: Path) -> None:
    """Where the learning rate does not look ahead; finished by its epochs or by its patience."""
    settings = {**RICH, "schedule": "constant"}
    whole, grown = tmp_path / "whole", tmp_path / "grown"
    trainer(captioning_task(epochs=2, **settings), whole).run()
    assert trainer(captioning_task(epochs=1, **settings), grown).run().finished
    assert trainer(captioning_task(epochs=2, **settings), grown, resume=True).run().epoch == 2
    assert same(final_state(whole), final_state(grown))
    assert trainer(captioning_task(epochs=2, **settings), grown, resume=True).run().step == 10
