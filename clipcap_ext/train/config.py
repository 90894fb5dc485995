"""Training configuration: the options every task shares, typed overrides and the resolved file; no presets
here."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from clipcap_ext.corpus.splits import SCHEMES
from clipcap_ext.errors import UsageError
from clipcap_ext.files import read_json
from clipcap_ext.options import KIND_WORDS, check_fields, kind_of, option, option_of

Config = TypeVar("Config", bound="TrainConfig")
WORDS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Options of the loop and of the data, for every task. A wrong value is a UsageError."""

    task: ClassVar[str] = ""
    monitors: ClassVar[Mapping[str, bool]] = {"val_loss": False}  # name -> whether higher is better
    paper_validation: ClassVar[bool] = False  # whether the paper's split sets validation images aside

    seed: int = option(0, "Seed of weights, order, dropout and augmentation.", low=0)
    split: str = option("karpathy", "Which images train, validate and test.", choices=SCHEMES)
    layout: str = option(
        "auto", "Form of the data set (auto, kaggle, flickr-token, karpathy, coco, sidecar, ...)."
    )
    images: str = option("", "Folder of the photos, if they do not lie with the captions.")
    limit: int = option(0, "Train on this many images only; 0 is all.", low=0)
    holdout: float = option(
        0, "Images set aside for validation, or their share (0.1); split=random tests on as many more.", low=0
    )
    epochs: int = option(10, "Times each training item is seen.", low=1)
    batch_size: int = option(
        128, "Items an optimizer step sees, over all processes and accumulation parts.", low=1
    )
    accumulate: int = option(1, "Parts a batch is cut into to save memory.", low=1)
    lr: float = option(1e-3, "Highest learning rate.", low=0)
    schedule: str = option("cosine", "Course after the warm-up.", choices=("cosine", "linear", "constant"))
    warmup_steps: int = option(0, "Steps from zero to the highest learning rate.", low=0)
    lr_floor: float = option(
        0.0, "Where the schedule ends, as a part of the highest learning rate.", low=0, high=1
    )
    weight_decay: float = option(0.01, "AdamW's decay of matrices; biases and norms have none.", low=0)
    beta1: float = option(0.9, "AdamW's first moment.", low=0, high=0.9999)
    beta2: float = option(0.999, "AdamW's second moment.", low=0, high=0.999999)
    eps: float = option(1e-8, "AdamW's epsilon.", low=0)
    clip_norm: float = option(0.0, "Largest global norm of the gradient; 0 is off.", low=0)
    ema: float = option(0.0, "Decay of averaged weights, the ones then saved; 0 is off.", low=0, high=0.99999)
    precision: str = option(
        "fp32", "Arithmetic of a step; fp32 stands for bf16 where that is no faster.",
        choices=("fp32", "bf16", "fp16"),
    )  # fmt: skip
    device: str = option("auto", "auto takes an accelerator if there is one.", choices=("auto", "cpu"))
    workers: int = option(1, "Threads that prepare batches while the model steps.", low=1, high=64)
    validate_images: int = option(0, "Validation images looked at after each epoch; 0 is all.", low=0)
    monitor: str = option("val_loss", "Figure that chooses the best epoch.")
    patience: int = option(
        0, "Stop after this many epochs without a better monitored figure; 0 is never.", low=0
    )
    save_every: int = option(0, "Also save the state every so many steps; 0 is after each epoch only.", low=0)
    log_every: int = option(50, "Steps between two lines of the log.", low=1)
    save_dtype: str = option("fp32", "Numbers in the exported weights.", choices=("fp32", "fp16"))

    def __post_init__(self) -> None:
        check_fields(self)
        self._check_holdout()
        if self.monitor not in self.monitors:
            raise UsageError(f"monitor must be one of {', '.join(self.monitors)}, not {self.monitor!r}.")
        if self.batch_size < self.accumulate:
            raise UsageError(f"A batch of {self.batch_size} cannot be cut into {self.accumulate} parts.")

    def _check_holdout(self) -> None:
        """A number of images is a whole one; a share leaves something to train on."""
        if self.holdout >= 1 or self.holdout == 0:
            if self.holdout != int(self.holdout):
                raise UsageError(
                    f"holdout is a whole number of images, or a share below 1, not {self.holdout}."
                )
            object.__setattr__(self, "holdout", int(self.holdout))
        if self.split == "random" and not 0 < self.holdout < 0.5:
            raise UsageError("split=random needs a share below 0.5 set aside, such as holdout=0.1.")

    def held_out(self, images: int) -> int:
        """How many of so many images `holdout` sets aside."""
        return int(self.holdout) if self.holdout >= 1 else math.ceil(self.holdout * images)

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher monitored figure is a better one."""
        return self.monitors[self.monitor]

    def to_json(self, preset: str) -> str:
        """The resolved configuration, a file that --config reads back."""
        return json.dumps({"preset": preset, "task": self.task, **asdict(self)}, indent=2) + "\n"


def override(config: Config, changes: Mapping[str, Any], source: str) -> Config:
    """A copy of `config` with `changes`; an unknown key or a wrong value is a UsageError that names
    `source`."""
    known = {spec.name for spec in fields(config)}
    for key in changes:
        if key not in known:
            near = difflib.get_close_matches(key, sorted(known), n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known))}."
            raise UsageError(f"{source}: {config.task} has no option {key!r}; {hint}")
    try:
        return replace(config, **changes)
    except UsageError as error:
        raise UsageError(f"{source}: {error}") from error


def parse_assignments(config: TrainConfig, assignments: Sequence[str]) -> dict[str, Any]:
    """`key=value` words of a command line, each value read as its option's type (unknown keys are left to
    override)."""
    kinds = {spec.name: kind_of(spec) for spec in fields(config)}
    changes: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(f"--set takes key=value, not {assignment!r}.")
        changes[key] = _parse(key, text.strip(), kinds.get(key, str))
    return changes


def _parse(key: str, text: str, kind: type) -> Any:
    try:
        if kind is bool:
            return WORDS[text.lower()]
        return kind(text)
    except (ValueError, KeyError) as error:
        raise UsageError(f"--set {key}: {text!r} is not {KIND_WORDS[kind]}.") from error


def read_overrides(path: Path, config: TrainConfig) -> dict[str, Any]:
    """The changes in a JSON file, either a few keys or the config.json of an earlier run of the same task."""
    changes = read_json(path, "--config")
    if not isinstance(changes, dict):
        kind = type(changes).__name__
        raise UsageError(f"--config {path} must hold one JSON object of options, not {kind}.")
    changes.pop("preset", None)
    task = changes.pop("task", config.task)
    if task != config.task:
        raise UsageError(f"--config {path} is of task {task!r}; the preset's task is {config.task!r}.")
    return changes


def options_text(config: TrainConfig) -> str:
    """Every option with its value here and its help, one a line."""
    rows = [(f"{spec.name}={getattr(config, spec.name)}", option_of(spec)) for spec in fields(config)]
    return "\n".join(
        f"  {word:36} {spec.help}{' [' + ', '.join(spec.choices) + ']' if spec.choices else ''}"
        for word, spec in rows
    )
