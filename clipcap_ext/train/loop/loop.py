"""The one training loop: any Task, one process or several, resumable at any step; it knows no model and no
data."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
import torch
from torch import Tensor

from clipcap_ext.ahead import prepare_ahead
from clipcap_ext.errors import CaptionError, CheckpointError, UsageError
from clipcap_ext.train.loop.arithmetic import slower_than_float32, step_type
from clipcap_ext.train.loop.batches import share
from clipcap_ext.train.loop.places import BEST, LAST
from clipcap_ext.train.loop.run_log import Record, clock
from clipcap_ext.train.loop.schedule import WeightAverage, lr_factor
from clipcap_ext.train.loop.state import Progress, load_state, random_state, restore_random_state, save_state
from clipcap_ext.train.task import Batch, RunFacts, Task

if TYPE_CHECKING:
    from accelerate import Accelerator


class Trainer(Generic[Batch]):
    """Trains `task` into the folder `out`, whose best/ and last/ the engine can load."""

    def __init__(
        self, task: Task[Batch], out: Path, accelerator: Accelerator, *, preset: str = "",
        departures: tuple[str, ...] = (), resume: bool = False,
        say: Callable[[str], None] = lambda line: None, stop: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        """`stop` is asked after every step; once true the state is saved and the run ends early."""
        self.task, self.config, self._out, self._accelerator = task, task.config, out, accelerator
        self._preset, self._departures, self._say, self._stop = preset, departures, say, stop
        self._dtype = step_type(self.config.precision, accelerator.device)
        if instead := slower_than_float32(self.config.precision, accelerator.device):
            say(instead)
        self._parts = self.config.accumulate * accelerator.num_processes
        if self.config.batch_size % self._parts:
            raise UsageError(
                f"batch_size {self.config.batch_size} cannot be shared by {accelerator.num_processes} "
                f"processes in {self.config.accumulate} parts: take a multiple of {self._parts}."
            )
        self.module = task.module.to(accelerator.device)
        self.model = accelerator.prepare_model(self.module)
        self.optimizer = torch.optim.AdamW(
            task.parameter_groups(), betas=(self.config.beta1, self.config.beta2), eps=self.config.eps
        )
        self._highest = [group["lr"] for group in self.optimizer.param_groups]
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._dtype is torch.float16)
        self.average = WeightAverage(self.module, self.config.ema) if self.config.ema else None
        self.progress = Progress()
        self._saved = resume  # whether there is a state to go on from
        if resume:
            self._resume()
        self._total = sum(task.steps(epoch, self._parts) for epoch in range(self.config.epochs))
        if not self._total:
            raise UsageError(f"The training items do not fill one batch of {self.config.batch_size}.")
        main, where = accelerator.is_main_process, self.progress
        self._record = Record(out, where.step, where.epoch) if main else None

    def run(self) -> Progress:
        """Train until the epochs or the patience are over, or `stop` says so; returns where it stands."""
        try:
            while not self.progress.finished:
                if not self._train_epoch():
                    self._save()
                    self._say(f"stopped at step {self.progress.step}; --resume goes on")
                    break
                self._end_epoch()
        finally:
            if self._record is not None:
                self._record.close()
        return self.progress

    def _train_epoch(self) -> bool:
        """The rest of the current epoch; False if it was stopped before its end."""
        progress, config = self.progress, self.config
        self.model.train()
        self.task.start_epoch(progress.epoch)
        batches = self.task.batches(progress.epoch, progress.batch, self._parts)
        ready = self._prepared(batches, progress.epoch)
        recent_loss = recent_weight = 0.0
        before = time.monotonic()
        for weight, parts in ready:
            loss, stop = self._step(parts, weight)
            progress.batch, progress.step = progress.batch + 1, progress.step + 1
            progress.loss_sum, progress.loss_weight = progress.loss_sum + loss, progress.loss_weight + weight
            recent_loss, recent_weight = recent_loss + loss, recent_weight + weight
            progress.seconds += time.monotonic() - before
            if progress.step % config.log_every == 0:
                self._log_step(recent_loss / recent_weight)
                recent_loss = recent_weight = 0.0
            if stop:
                ready.close()
                return False
            if config.save_every and progress.step % config.save_every == 0:
                self._save()
            before = time.monotonic()
        return True

    def _prepared(
        self, batches: Iterator[Batch], epoch: int
    ) -> Generator[tuple[int, list[dict[str, Tensor]]], None, None]:
        """Each batch's weight and this process's share of every part of it, made ready ahead."""
        processes, rank = self._accelerator.num_processes, self._accelerator.process_index

        def prepare(batch: Batch) -> tuple[int, list[dict[str, Tensor]]]:
            shares = (
                share(batch, part * processes + rank, self._parts) for part in range(self.config.accumulate)
            )
            return self.task.weight(batch), [self.task.collate(part, epoch) for part in shares]

        return prepare_ahead(batches, prepare, self.config.workers)

    def _step(self, parts: list[dict[str, Tensor]], weight: int) -> tuple[float, bool]:
        """One optimizer step over one global batch; its summed loss and whether any process was asked to
        stop."""
        device = self._accelerator.device
        factor = lr_factor(self.config, self.progress.step, self._total)
        for group, highest in zip(self.optimizer.param_groups, self._highest, strict=True):
            group["lr"] = highest * factor
        told = torch.zeros(2, device=device)  # summed loss, processes that were asked to stop
        for i, batch in enumerate(parts):
            with nullcontext() if i == len(parts) - 1 else self._accelerator.no_sync(self.model):
                with torch.autocast(
                    device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None
                ):
                    loss = self.model(**{name: tensor.to(device) for name, tensor in batch.items()})
                # gradients are averaged over processes, so the mean over the global batch needs their number
                self._scaler.scale(loss * (self._accelerator.num_processes / weight)).backward()
            told[0] += loss.detach()
        told[1] = float(self._stop())
        self._update()
        loss_sum, stops = self._accelerator.reduce(told, reduction="sum").tolist()
        if not math.isfinite(loss_sum) and not self._scaler.is_enabled():
            raise CaptionError(
                f"The loss is {loss_sum} in step {self.progress.step}. Lower lr or set clip_norm; --resume "
                "goes on from the last saved state."
            )
        return loss_sum, stops > 0

    def _update(self) -> None:
        self._scaler.unscale_(self.optimizer)
        if self.config.clip_norm:
            torch.nn.utils.clip_grad_norm_(self.module.parameters(), self.config.clip_norm)
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update(self.module, self.progress.step)

    def _end_epoch(self) -> None:
        progress, config = self.progress, self.config
        if not self._saved:
            self._save()  # weights are never laid in a folder that nothing can go on in
        train_loss = progress.loss_sum / progress.loss_weight
        metrics = self._validated()
        value = metrics[config.monitor]
        sign = 1 if config.higher_is_better else -1
        better = progress.best is None or sign * value > sign * progress.best
        facts = RunFacts(self._preset, self._departures, progress.epoch, progress.step, metrics)
        if better:
            progress.best, progress.best_epoch, progress.stale = value, progress.epoch, 0
        else:
            progress.stale += 1
        if self._record is not None:
            self._export(facts, better)
            measured = {
                "epoch": progress.epoch,
                "lr": self.optimizer.param_groups[-1]["lr"],
                "train_loss": train_loss,
            }
            self._record.add(
                "epoch", progress.step, {**measured, **metrics, "seconds": round(progress.seconds, 1)}
            )
            figures = ", ".join(f"{name} {number:.4f}" for name, number in metrics.items())
            self._say(
                f"epoch {progress.epoch + 1}/{config.epochs}: loss {train_loss:.4f}, "
                f"{figures}{' *' if better else ''}"
            )
        progress.epoch, progress.batch = progress.epoch + 1, 0
        progress.loss_sum = progress.loss_weight = 0.0
        progress.finished = self._is_over()
        self._save()

    def _is_over(self) -> bool:
        """Whether the epochs or the patience are spent."""
        patience = self.config.patience
        impatient = bool(patience) and self.progress.stale >= patience
        return self.progress.epoch >= self.config.epochs or impatient

    def _validated(self) -> dict[str, float]:
        """The task's figures, with the averaged weights where there are some; made by one process, known to
        all."""
        figures: list[Any] = [None]
        if self._accelerator.is_main_process:
            with self._averaged():
                self.module.eval()
                before = random_state()  # validation leaves no trace in the training's randomness
                figures = [self.task.validate()]
                restore_random_state(before)
        if self._accelerator.num_processes > 1:
            from accelerate.utils import broadcast_object_list

            broadcast_object_list(figures)
        return figures[0]

    def _export(self, facts: RunFacts, better: bool) -> None:
        with self._averaged():
            self.module.eval()
            self.task.export(self._out / LAST, facts)
            if better:
                self.task.export(self._out / BEST, facts)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        if self.average is not None:
            self.average.swap(self.module)
        try:
            yield
        finally:
            if self.average is not None:
                self.average.swap(self.module)

    def _log_step(self, loss: float) -> None:
        if self._record is None:
            return
        progress, lr = self.progress, self.optimizer.param_groups[-1]["lr"]
        left = (self._total - progress.step) * progress.seconds / progress.step
        self._record.add("step", progress.step, {"epoch": progress.epoch, "lr": lr, "loss": loss})
        self._say(
            f"epoch {progress.epoch + 1}/{self.config.epochs} step {progress.step}/{self._total} loss "
            f"{loss:.4f} lr {lr:.2e} {progress.seconds / progress.step:.2f} s/step, {clock(left)} of "
            "training left"
        )

    def _save(self) -> None:
        self._saved = True
        randoms = [random_state()]
        if self._accelerator.num_processes > 1:
            from accelerate.utils import gather_object

            randoms = gather_object(randoms)
        if not self._accelerator.is_main_process:
            return
        tensors = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": self.average.tensors if self.average is not None else {},
        }
        save_state(self._out, self.progress, tensors, randoms)

    def _resume(self) -> None:
        self.progress, tensors, randoms = load_state(self._out)
        if len(randoms) != self._accelerator.num_processes:
            raise CheckpointError(
                f"The run in {self._out} had {len(randoms)} processes, now there are "
                f"{self._accelerator.num_processes}."
            )
        try:
            self.module.load_state_dict(tensors["module"])
            self.optimizer.load_state_dict(tensors["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(f"The run in {self._out} was of another model: {error}") from error
        self._scaler.load_state_dict(tensors["scaler"])
        if self.average is not None:
            self.average.tensors = {
                name: t.to(self._accelerator.device) for name, t in tensors["average"].items()
            }
        restore_random_state(randoms[self._accelerator.process_index])
        self.progress.finished = self._is_over()  # unless it has been given more epochs


def seed_everything(seed: int, process: int = 0) -> None:
    """Seed the global generators that initial weights and dropout draw from."""
    random.seed(seed * 1000 + process)
    np.random.seed((seed * 1000 + process) % 2**32)
    torch.manual_seed(seed * 1000 + process)
