"""From a command's words to a finished run: configuration, output folder, task, trainer; the door parses the
words."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.files import write_whole
from clipcap_ext.train.config import TrainConfig, override, parse_assignments, read_overrides
from clipcap_ext.train.presets import Preset, find_preset

CONFIG_FILE = "config.json"
COMFORT = {"device", "workers", "log_every", "save_every"}  # options that change nothing in what is learnt


def resolve(preset: Preset, config_file: Path | None, assignments: Sequence[str]) -> TrainConfig:
    """The preset's configuration, changed by the file and then by the assignments."""
    config = preset.config
    if config_file is not None:
        config = override(config, read_overrides(config_file, config), f"--config {config_file}")
    return override(config, parse_assignments(config, assignments), "--set")


def train(
    preset_name: str, data: Path, out: Path, *, config_file: Path | None = None,
    assignments: Sequence[str] = (),
    resume: bool = False, cache: Path | None = None, say: Callable[[str], None] = lambda line: None,
) -> Path:  # fmt: skip
    """Train a preset on the data set `data` into `out`; returns the folder of the best weights.

    Features are cached in `cache` (default: out/features). Raises UsageError and CorpusError for wrong input,
    before anything is written.
    """
    preset = find_preset(preset_name)
    config = resolve(preset, config_file, assignments)
    if not data.exists():
        raise UsageError(f"--data {data}: no such file or folder.")
    accelerator = _accelerator(config)
    say = say if accelerator.is_main_process else lambda line: None
    _check_out(out, preset, config, resume)
    from clipcap_ext.train.building import build_task
    from clipcap_ext.train.loop.loop import BEST, Trainer, seed_everything

    seed_everything(config.seed)
    say(f"{preset.name}: {preset.summary}")
    say(config.to_json(preset.name).rstrip())
    with accelerator.main_process_first():  # the others find the features in the cache
        task = build_task(config, data, cache or out / "features", say)
    seed_everything(config.seed, accelerator.process_index)
    if accelerator.is_main_process:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / CONFIG_FILE, config.to_json(preset.name))
    with stop_signal(say) as asked:
        trainer = Trainer(
            task, out, accelerator, preset=preset.name, departures=_departures(preset, config), resume=resume,
            say=say, stop=asked,
        )  # fmt: skip
        trainer.run()
    return out / BEST


def _departures(preset: Preset, config: TrainConfig) -> tuple[str, ...]:
    """The preset's own, and every option that was changed and may change what is learnt."""
    from clipcap_ext.train.model_card import settings_of

    said, chosen = settings_of(preset.config), settings_of(config)
    changed = [name for name in chosen if chosen[name] != said[name] and name not in COMFORT]
    return (
        *preset.departures,
        *(f"{name} is {chosen[name]}, not {said[name]} as in the preset." for name in changed),
    )


def _check_out(out: Path, preset: Preset, config: TrainConfig, resume: bool) -> None:
    path = out / CONFIG_FILE
    if not resume:
        if out.is_file() or (out.is_dir() and any(out.iterdir())):
            raise UsageError(
                f"--out {out} is not empty: take another folder, or --resume to go on with the run in it."
            )
        return
    if not path.is_file():
        raise UsageError(f"--resume: there is no run in {out} ({CONFIG_FILE} not found).")
    if path.read_text(encoding="utf-8") != config.to_json(preset.name):
        raise UsageError(
            f"--resume: the run in {out} has other settings. Give the same preset, --config and --set, or "
            f"--config {path}; a run cannot change its settings half-way."
        )


def _accelerator(config: TrainConfig):  # type: ignore[no-untyped-def]
    try:
        from accelerate import Accelerator
        from accelerate.utils import DistributedDataParallelKwargs
    except ImportError as error:
        raise UsageError("Training needs more packages: pip install clipcap-ext[train].") from error
    frozen_first = bool(getattr(config, "freeze_image_epochs", 0))
    handlers = [DistributedDataParallelKwargs(find_unused_parameters=frozen_first)]
    return Accelerator(mixed_precision="no", cpu=config.device == "cpu", kwargs_handlers=handlers)


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
