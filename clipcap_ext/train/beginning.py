"""What lies in the output folder decides whether a run begins there or goes on; it trains nothing.

There is always one thing to do: a run that was interrupted before it saved a state begins anew, and a folder
that is not a run's is never written into.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.errors import UsageError
from clipcap_ext.files import read_json, recover_folder, tidy, write_json
from clipcap_ext.train.loop.alone import LOCK_FILE
from clipcap_ext.train.loop.places import BEST, LAST, STATE_FILE

CONFIG_FILE = "config.json"
PLACES_FILE = "places.json"  # where a run's data set and features are: on this machine, so in no export
# Options that change nothing in what is learnt.
COMFORT = {"images", "device", "workers", "log_every", "save_every"}
MORE = {"epochs", "patience"}  # of which a run that goes on may have more
FEATURES = "features"  # where a run that is given no --cache keeps them: written before its config.json


@dataclass(frozen=True)
class Kept:
    """What a run's folder says of it: its preset, its settings, its data set and its features."""

    preset: str
    settings: dict[str, Any]
    data: Path | None = None
    cache: Path | None = None


def read_kept(out: Path) -> Kept | None:
    """The run in `out`; None where none has written down its settings. UsageError for a file of another
    kind."""
    if not (out / CONFIG_FILE).is_file():
        return None
    settings = read_json(out / CONFIG_FILE)
    if not isinstance(settings, dict):
        raise UsageError(f"{out / CONFIG_FILE} is no run's: it must hold one JSON object of options.")
    settings.pop("task", None)
    places = read_json(out / PLACES_FILE) if (out / PLACES_FILE).is_file() else {}
    paths = {name: Path(places[name]) for name in ("data", "cache") if isinstance(places.get(name), str)}
    return Kept(str(settings.pop("preset", "")), settings, **paths)


def keep_places(out: Path, data: Path, cache: Path) -> None:
    """Write down where the data set and the features are, for --resume."""
    write_json(out / PLACES_FILE, {"data": str(data.absolute()), "cache": str(cache.absolute())})


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
    held, asked = read_json(path), json.loads(config)
    differing = [
        f"{name}={held.get(name)}, not {asked.get(name)}"
        for name in dict.fromkeys([*held, *asked])
        if held.get(name) != asked.get(name) and name not in COMFORT | MORE
    ]
    if differing:
        raise UsageError(
            f"--resume: the run in {out} has other settings ({', '.join(differing)}). A run cannot change "
            f"them half-way; leave them out, for it knows its own. {' and '.join(sorted(MORE))} may change."
        )


def _is_begun(out: Path) -> bool:
    """Whether a run began here: its settings are there, or nothing yet but the features it made first."""
    return (out / CONFIG_FILE).is_file() or (out.is_dir() and _names(out) <= {FEATURES})


def _exported(out: Path) -> str:
    """The weights that lie here, for a message; empty if there are none."""
    return " and ".join(f"{name}/" for name in (BEST, LAST) if (out / name).exists())


def _names(out: Path) -> set[str]:
    return {path.name for path in out.iterdir()} - {LOCK_FILE} if out.is_dir() else set()


def _elsewhere(out: Path) -> str:
    return ", and take another folder" if _names(out) else ""
