"""From a command's words to a finished run: configuration, output folder, task, trainer; the door parses the
words."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.errors import CaptionError, UsageError
from clipcap_ext.files import write_whole
from clipcap_ext.train.beginning import COMFORT, CONFIG_FILE, FEATURES, Kept, goes_on, keep_places, read_kept
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.clipcap.own_language import with_language
from clipcap_ext.train.clipcap.starting import with_start
from clipcap_ext.train.config import TrainConfig, override, parse_assignments, read_overrides
from clipcap_ext.train.loop.alone import Alone, check_seen, started_together
from clipcap_ext.train.loop.places import BEST
from clipcap_ext.train.presets import Preset, find_preset

if TYPE_CHECKING:
    from accelerate import Accelerator


def resolve(preset: Preset, config_file: Path | None, assignments: Sequence[str]) -> TrainConfig:
    """The preset's configuration, changed by the file and then by the assignments; no file of a model is
    read."""
    config = preset.config
    if config_file is not None:
        config = override(config, read_overrides(config_file, config), f"--config {config_file}")
    return override(config, parse_assignments(config, assignments), "--set")


def resolve_start(preset: Preset, config_file: Path | None, assignments: Sequence[str]) -> TrainConfig:
    """The same; where a `start` or an `lm` is set, what nobody set is as the model there has it.

    ModelNotFound lists the models there are, UsageError says what contradicts the checkpoint.
    """
    given = read_overrides(config_file, preset.config) if config_file is not None else {}
    given |= parse_assignments(preset.config, assignments)
    if not isinstance(preset.config, CaptioningConfig):
        return resolve(preset, config_file, assignments)
    config, by_hand = with_language(preset.config, given)
    if start := by_hand.get("start") or config.start:
        config, by_hand = with_start(config, by_hand, start)
    elif not given.get("lm"):
        return resolve(preset, config_file, assignments)
    return override(config, by_hand, "--set")


def train(
    preset_name: str | None, data: Path | None, out: Path, *, config_file: Path | None = None,
    assignments: Sequence[str] = (),
    resume: bool = False, cache: Path | None = None, say: Callable[[str], None] = lambda line: None,
) -> Path:  # fmt: skip
    """Train a preset on the data set `data` into `out`; returns the folder of the best weights.

    Features are cached in `cache` (default: out/features). resume: go on with the run in `out`, or begin it
    anew where it was interrupted before it saved a state; the run knows its preset, settings and places, and
    what is given besides may be more epochs. Raises UsageError and CorpusError for wrong input, before
    anything is written.
    """
    kept = read_kept(out) if resume else None
    preset = _preset_of(preset_name, kept, out)
    base = replace(preset, config=override(preset.config, kept.settings, str(out))) if kept else preset
    resolved = resolve if kept else resolve_start  # a run knows what it took from its start
    config = resolved(base, config_file, assignments)
    if kept is not None:
        data, cache = data or kept.data, cache or kept.cache
    if data is None:
        raise UsageError(f"--resume: the run in {out} does not say where its data set is: give --data.")
    if not data.exists():
        raise UsageError(f"--data {data}: no such file or folder.")
    accelerator = _accelerator(config)
    say = say if accelerator.is_main_process else lambda line: None
    alone = Alone(out, CONFIG_FILE)
    with _disk_said(out), closing(alone):
        if kept is not None and accelerator.is_main_process:
            alone.take()
        goes_on_here = goes_on(out, config.to_json(preset.name), resume)
        _run(preset, config, accelerator, data, out, cache or out / FEATURES, goes_on_here, alone, say)
    return out / BEST


def _preset_of(name: str | None, kept: Kept | None, out: Path) -> Preset:
    """The preset that is named, or the run's own; UsageError where neither or another is."""
    if name is None and kept is None:
        raise UsageError(f"There is no run in {out} to go on with: give a preset and --data.")
    if name is not None and kept is not None and kept.preset not in ("", name):
        raise UsageError(f"--resume: the run in {out} is of the preset {kept.preset}, not {name}.")
    return find_preset(name or (kept.preset if kept else ""))


def _run(
    preset: Preset, config: TrainConfig, accelerator: Accelerator, data: Path, out: Path, cache: Path,
    resume: bool, alone: Alone, say: Callable[[str], None],
) -> None:  # fmt: skip
    from clipcap_ext.train.building import build_task
    from clipcap_ext.train.loop.loop import Trainer, seed_everything

    said = config.to_json(preset.name)
    seed_everything(config.seed)
    say(f"{preset.name}: {preset.summary}")
    say(said.rstrip())
    with accelerator.main_process_first():  # the others find the features in the cache
        task = build_task(config, data, cache, say)
    seed_everything(config.seed, accelerator.process_index)
    if accelerator.is_main_process:
        alone.take()
        write_whole(out / CONFIG_FILE, said)
        keep_places(out, data, cache)
    with stop_signal(say) as asked:
        trainer = Trainer(
            task, out, accelerator, preset=preset.name, departures=_departures(preset, config), resume=resume,
            say=say, stop=asked,
        )  # fmt: skip
        trainer.run()


@contextmanager
def _disk_said(out: Path) -> Iterator[None]:
    """A disk that is full or fails, in words, with what goes on from there."""
    try:
        yield
    except OSError as error:
        raise CaptionError(
            f"The run in {out} stopped: {error.strerror or error}. Put that right, then --resume goes on."
        ) from error


def _departures(preset: Preset, config: TrainConfig) -> tuple[str, ...]:
    """The preset's own, and every option that was changed and may change what is learnt."""
    from clipcap_ext.train.model_card import settings_of

    preset_settings, chosen = settings_of(preset.config), settings_of(config)
    changed = [name for name in chosen if chosen[name] != preset_settings[name] and name not in COMFORT]
    return (
        *preset.departures,
        *(f"{name} is {chosen[name]}, not {preset_settings[name]} as in the preset." for name in changed),
    )


def _accelerator(config: TrainConfig) -> Accelerator:
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs
    except ImportError as error:
        raise UsageError("Training needs the package accelerate: pip install accelerate.") from error
    frozen_first = bool(getattr(config, "freeze_image_epochs", 0))
    handlers = [DistributedDataParallelKwargs(find_unused_parameters=frozen_first)]
    started = started_together()
    # without cpu, accelerate joins processes by their graphics cards alone
    cpu = config.device == "cpu" or (started > 1 and not _has_accelerator())
    made = Accelerator(mixed_precision="no", cpu=cpu, kwargs_handlers=handlers)
    check_seen(made.num_processes, started)
    return made


def _has_accelerator() -> bool:
    import torch

    return torch.accelerator.is_available() if hasattr(torch, "accelerator") else torch.cuda.is_available()


@contextmanager
def stop_signal(say: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Gives a question that turns true once Ctrl-C or SIGTERM came; a second Ctrl-C interrupts as usual."""
    came: list[int] = []

    def note(number: int, frame: object) -> None:
        came.append(number)
        say("stopping after this step; Ctrl-C again stops at once")
        signal.signal(signal.SIGINT, signal.default_int_handler)

    in_main = threading.current_thread() is threading.main_thread()  # only there may signals be caught
    caught = (signal.SIGINT, signal.SIGTERM) if in_main else ()
    old = {number: signal.signal(number, note) for number in caught}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
