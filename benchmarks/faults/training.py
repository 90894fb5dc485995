"""The doors of a training and of its --resume, hurt between any two states; they train a few steps of a tiny
model.

A person types the command; where it says --resume, that. After that the run must be what it would have been
undisturbed: weights and state bit for bit, each line of the log once.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.faults.doors import Door, strays
from benchmarks.faults.injector import Fault, run_with
from clipcap_ext.errors import CaptionError

CLOCK = {"seconds", "loss"}  # the running loss of a line begins anew with the run
SETTINGS = {"batch_size": 40, "views": 1, "epochs": 2, "save_every": 1, "mapper_dropout": 0.0}
HALF_WAY = 30  # the change of the disk at which the run that is resumed was killed


class Training(Door):
    """A run from its beginning; killed before its first state it begins anew."""

    name = "training"

    def __init__(self, data: Path, encoder: Path, whole: Path) -> None:
        """whole: an empty folder for the undisturbed run."""
        self.data, self.encoder, self.whole = data, encoder, whole
        self.act(whole)
        self.state = state_of(whole / "out")

    def prepare(self, root: Path) -> None:
        pass

    def act(self, root: Path) -> None:
        code, said = self.type(root)
        if code and "--resume" in said:
            code, said = self.type(root, "--resume")
        if code:
            raise CaptionError(said)

    def type(self, root: Path, *more: str) -> tuple[int, str]:
        """The exit code and what the command said; a traceback is a foreign error, a disk's too."""
        from tiny_tasks import CAPTIONING

        from clipcap_ext.train.__main__ import main

        settings = {**CAPTIONING, **SETTINGS, "encoder": self.encoder}
        words = ["tiny-flickr8k", "--data", str(self.data), "--out", str(root / "out"), *more]
        words += [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        said = io.StringIO()
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            try:
                return main(words), said.getvalue()
            except OSError as error:
                raise RuntimeError(f"a traceback: {error!r}") from error

    def wrong_after_fault(self, root: Path) -> Iterator[str]:
        out = root / "out"
        settings = [place / "config.json" for place in (out, self.whole / "out")]
        if settings[0].exists() and settings[0].read_bytes() != settings[1].read_bytes():
            yield "lost: config.json"
        yield from wrong_weights(out, ("best", "last"), whole=False)
        if not (out / "state.pt").exists():
            return
        try:
            step = state_of(out)["progress"]["step"]
        except CaptionError as error:
            yield f"lost: {error}"
            return
        missing = set(range(1, step + 1)) - {row["step"] for row in log_of(out) if row["kind"] == "step"}
        if missing:
            yield f"lost: log.jsonl has no steps {sorted(missing)}"

    def wrong_after_next(self, root: Path) -> Iterator[str]:
        from tiny_tasks import same

        out = root / "out"
        yield from wrong_weights(out, ("best", "last"), whole=True)
        try:
            if not same(state_of(out), self.state):
                yield "lost: the state is another than that of the undisturbed run"
        except CaptionError as error:
            yield f"lost: {error}"
        said, expected = ([{key: row[key] for key in row.keys() - CLOCK} for row in log_of(place)]
                          for place in (out, self.whole / "out"))  # fmt: skip
        if said != expected:
            yield f"{'doubled' if len(said) > len(expected) else 'lost'}: log.jsonl {said}"
        for name in ("best", "last"):
            weights = [place / name / "model.safetensors" for place in (out, self.whole / "out")]
            if weights[0].exists() and weights[0].read_bytes() != weights[1].read_bytes():
                yield f"lost: {name}/ holds other weights"
        yield from strays(root)


class Resuming(Training):
    """A run that was killed half-way, hurt again while it goes on."""

    name = "training, --resume"

    def prepare(self, root: Path) -> None:
        run_with(Fault("kill", HALF_WAY), root, lambda: self.act(root))


def state_of(out: Path) -> dict[str, Any]:
    """The saved state without the clock; CheckpointError if it cannot be read."""
    from clipcap_ext.train.loop.state import load_state

    progress, tensors, randoms = load_state(out)
    progress.seconds = 0.0
    return {"progress": vars(progress), "tensors": tensors, "randoms": randoms}


def log_of(out: Path) -> list[dict[str, Any]]:
    """The whole lines of log.jsonl."""
    rows = []
    if (out / "log.jsonl").exists():
        for line in (out / "log.jsonl").read_text().splitlines():
            with contextlib.suppress(ValueError):
                rows.append(json.loads(line))
    return rows


def wrong_weights(out: Path, names: tuple[str, ...], whole: bool) -> Iterator[str]:
    """Weights that do not load; those that are not there, too, where the run is `whole`."""
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.files import recover_folder

    for name in names:
        recover_folder(out / name)
        if not (out / name).exists() and not whole:
            continue
        try:
            load_captioner(out / name)
        except CaptionError as error:
            yield f"lost: {error}"
