"""What lies in the output folder decides whether a run begins there or goes on; it trains nothing.

There is always one thing to do: a run that was interrupted before it saved a state begins anew, and a folder
that is not a run's is never written into.
"""

from __future__ import annotations

from pathlib import Path

from clipcap_ext.errors import UsageError
from clipcap_ext.files import recover_folder, tidy
from clipcap_ext.train.loop.places import BEST, LAST, STATE_FILE

CONFIG_FILE = "config.json"
FEATURES = "features"  # where a run that is given no --cache keeps them: written before its config.json


def goes_on(out: Path, config: str, resume: bool) -> bool:
    """Whether the run in `out` goes on from its saved state; False where one is to begin there.

    config: what config.json will hold. UsageError where neither can be, with what to do.
    """
    if out.is_file():
        raise UsageError(f"--out {out} is a file: take another name.")
    for exported in (BEST, LAST):
        recover_folder(out / exported)
    tidy(out)
    if not resume:
        _check_new(out)
        return False
    if (out / STATE_FILE).is_file():
        _check_same(out, config)
        return True
    if exported := _exported(out):
        raise UsageError(
            f"--resume: {STATE_FILE} is not in {out}, so there is nothing to go on from, and {exported} "
            "there would be overwritten. Take another folder for --out, without --resume."
        )
    if not _is_begun(out):
        raise UsageError(f"--resume: there is no run in {out}. Leave --resume out{_elsewhere(out)}.")
    return False


def _check_new(out: Path) -> None:
    if not _names(out):
        return
    go_on = (out / STATE_FILE).is_file() or (_is_begun(out) and not _exported(out))
    advice = ", or --resume to go on with the run in it" if go_on else ""
    raise UsageError(f"--out {out} is not empty: take another folder{advice}.")


def _check_same(out: Path, config: str) -> None:
    path = out / CONFIG_FILE
    if not path.is_file():
        raise UsageError(
            f"--resume: {CONFIG_FILE} is not in {out}, so nobody knows what the run there learns. Take "
            "another folder for --out, without --resume."
        )
    if path.read_text(encoding="utf-8") != config:
        raise UsageError(
            f"--resume: the run in {out} has other settings. Give the same preset, --config and --set, or "
            f"--config {path}; a run cannot change its settings half-way."
        )


def _is_begun(out: Path) -> bool:
    """Whether a run began here: its settings are there, or nothing yet but the features it made first."""
    return (out / CONFIG_FILE).is_file() or (out.is_dir() and _names(out) <= {FEATURES})


def _exported(out: Path) -> str:
    """The weights that lie here, for a message; empty if there are none."""
    return " and ".join(f"{name}/" for name in (BEST, LAST) if (out / name).exists())


def _names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} if out.is_dir() else set()


def _elsewhere(out: Path) -> str:
    return ", and take another folder" if _names(out) else ""
