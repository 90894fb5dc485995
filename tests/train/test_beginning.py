"""Whatever an interrupted run left in its folder, there is one thing to do, and it works: no two messages
send a person to each other."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from clipcap_ext.errors import UsageError
from clipcap_ext.train.beginning import goes_on

CONFIG = '{"epochs": 1}\n'
Lay = Callable[[Path], None]


def laid(*names: str, config: str = CONFIG) -> Lay:
    """What makes a folder with these files, or folders with a file in them where a name ends in a slash."""

    def lay(out: Path) -> None:
        out.mkdir()
        for name in names:
            place = out / name
            if name.endswith("/"):
                place.mkdir()
                place = place / "file"
            place.write_text(config if name == "config.json" else "x")

    return lay


def nowhere(out: Path) -> None:
    """No folder at all."""


def said(out: Path, resume: bool) -> bool | str:
    """Whether the run goes on, or the message."""
    try:
        return goes_on(out, CONFIG, resume)
    except UsageError as error:
        return str(error)


@pytest.mark.parametrize(
    ("left", "resumed"),
    [
        (laid("features/"), False),  # killed while pictures were encoded
        (laid("features/", "config.json"), False),  # killed before its first saved state
        (laid("config.json", "log.jsonl", "log.csv", "tiny-clip/"), False),
        (laid("config.json", "state.pt"), True),
        (laid("config.json", "state.pt", "best/", "last/", "log.jsonl"), True),
    ],
)
def test_a_run_that_was_interrupted_is_sent_to_resume_and_that_works(
    tmp_path: Path, left: Lay, resumed: bool
) -> None:
    out = tmp_path / "out"
    left(out)
    assert "--resume to go on" in str(said(out, resume=False))
    assert said(out, resume=True) is resumed


@pytest.mark.parametrize("left", [nowhere, laid()])
def test_where_nothing_is_a_run_begins(tmp_path: Path, left: Lay) -> None:
    left(tmp_path / "out")
    assert said(tmp_path / "out", resume=False) is False


@pytest.mark.parametrize(
    ("left", "message"),
    [
        (laid("notes.txt"), "there is no run in .* take another folder"),
        (laid("config.json", "best/", "last/"), "best/ and last/ there would be overwritten"),
        (laid("state.pt", "best/"), "config.json is not in"),
    ],
)
def test_what_is_no_run_to_go_on_with_stays_and_resume_is_not_offered(
    tmp_path: Path, left: Lay, message: str
) -> None:
    out = tmp_path / "out"
    left(out)
    before = sorted(out.rglob("*"))
    plain = said(out, resume=False)
    assert "take another folder." in str(plain) or "state.pt" in {path.name for path in before}
    with pytest.raises(UsageError, match=message):
        goes_on(out, CONFIG, resume=True)
    assert sorted(out.rglob("*")) == before


def test_other_settings_are_refused_once_a_state_was_saved_with_them(tmp_path: Path) -> None:
    laid("config.json", "state.pt", config="{}")(tmp_path / "out")
    with pytest.raises(UsageError, match=r"has other settings \(lr=None, not 1\)"):
        goes_on(tmp_path / "out", '{"lr": 1}', resume=True)
    assert goes_on(tmp_path / "out", CONFIG, resume=True), "more epochs"
    laid("config.json", config="{}")(tmp_path / "new")
    assert goes_on(tmp_path / "new", CONFIG, resume=True) is False, "nothing was learnt with them"


@pytest.mark.skipif(os.name != "posix", reason="tells a dead process by its number")
def test_what_a_killed_process_left_unfinished_is_no_content(tmp_path: Path) -> None:
    from clipcap_ext import files

    out = tmp_path / "out"
    out.mkdir()
    dead = f".config.json.clipcap-{files._HOST}-{2**22 + 1}-abcdef-0.part"
    (out / dead).write_text('{"epo')
    assert said(out, resume=False) is False and not list(out.iterdir())


def test_weights_that_were_being_exchanged_come_back(tmp_path: Path) -> None:
    from clipcap_ext import files

    out = tmp_path / "out"
    laid("config.json", "state.pt")(out)
    (out / f".best.clipcap-{files._HOST}-{2**22 + 1}-abcdef-0.old").mkdir()
    assert said(out, resume=True) is True and (out / "best").is_dir()
