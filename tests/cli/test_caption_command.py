"""The caption command: what is written where, the exit codes, one broken file among others, stopping and
going on."""

from __future__ import annotations

import json
import os
import shlex
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clipcap_ext.captioning import Prepared
from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner

ROOT = Path(__file__).resolve().parents[2]
ORDER = ["1.jpg", "2.png", "3.jpg", "10.jpg", "[sub] é/写真.png"]

Terminal = Callable[..., "object"]


def rows(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_one_line_a_picture_in_natural_order(terminal: Terminal, photos: Path, no_network: list[str]) -> None:
    ran = terminal("caption", photos)
    assert ran.code == 1
    lines = [line.split("\t") for line in ran.out.splitlines()]
    assert [line[0] for line in lines] == [str(photos / name) for name in ORDER if name != "3.jpg"]
    assert all(len(line) == 2 and line[1].endswith(" .") for line in lines)
    assert f"error: {photos / '3.jpg'}: not a picture" in ran.err and "1 of 5" in ran.err
    assert "tiny-clipcap" in ran.err and "cpu" in ran.err


def test_all_well_is_code_zero(terminal: Terminal, photos: Path) -> None:
    ran = terminal("caption", photos / "1.jpg", photos / "2.png")
    assert ran.code == 0 and len(ran.out.splitlines()) == 2


def test_json_has_a_record_for_every_picture(terminal: Terminal, photos: Path) -> None:
    ran = terminal("caption", photos, "--json", "--num-candidates", 2)
    found = rows(ran.out)
    assert [row["path"] for row in found] == [str(photos / name) for name in ORDER]
    for row in found:
        if row["path"].endswith("3.jpg"):
            assert set(row) == {"path", "error"} and "not a picture" in row["error"]
        else:
            assert set(row) == {"path", "caption", "model", "candidates"}
            assert row["model"] == "tiny-clipcap"
            texts = [candidate["text"] for candidate in row["candidates"]]
            assert row["caption"] == texts[0] and 1 <= len(texts) <= 2
            assert all(candidate["avg_logprob"] < 0 for candidate in row["candidates"])
    assert ran.code == 1


def test_candidates_are_lines_of_their_own_and_explained(terminal: Terminal, photos: Path) -> None:
    words = ("caption", photos / "1.jpg", "--num-candidates", 3, "--rank-by", "similarity")
    plain, explained = terminal(*words), terminal(*words, "--explain")
    texts = [[line.split("\t")[1] for line in ran.out.splitlines()] for ran in (plain, explained)]
    assert texts[0] == texts[1]
    similarities = [float(line.rpartition(" ")[2]) for line in explained.out.splitlines()]
    assert len(similarities) >= 2 and similarities == sorted(similarities, reverse=True)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_batch_size_and_order_change_nothing(terminal: Terminal, photos: Path, batch_size: int) -> None:
    words = ("--temperature", 1, "--seed", 7, "--num-candidates", 2, "--json")
    usual = {row["path"]: row for row in rows(terminal("caption", photos, *words).out)}
    reverse = [photos / name for name in reversed(ORDER)]
    other = rows(terminal("caption", *reverse, *words, "--batch-size", batch_size).out)
    assert [row["path"] for row in other] == [str(path) for path in reverse]
    for row in other:
        assert row.get("caption") == usual[row["path"]].get("caption")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("gone.jpg",), 1, "gone.jpg: no such file"),
        (("{empty}",), 1, "holds no pictures"),
        (("{empty}", "--json"), 1, ""),
        (("{photo}", "--seed", "1"), 2, "seed does nothing without sampling"),
        (("{photo}", "--temperature", "1", "--num-beams", "2"), 2, "exclude each other"),
        (("{photo}", "--device", "nonsense"), 2, "nonsense"),
        (("{photo}", "--after", "else.jpg"), 2, "none of the 1 pictures"),
    ],
)
def test_bad_input_is_said_clearly(
    terminal: Terminal, photos: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "empty").mkdir()
    ran = terminal(
        "caption", *(word.format(photo=photos / "1.jpg", empty=tmp_path / "empty") for word in words)
    )
    assert ran.code == code and said in ran.err
    assert "Traceback" not in ran.err


def test_a_missing_file_stops_no_other(terminal: Terminal, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran = terminal("caption", tmp_path / "gone.jpg", photos / "1.jpg", tmp_path / "empty", "--json")
    assert ran.code == 1
    outcomes = sorted("caption" if "caption" in row else "error" for row in rows(ran.out))
    assert outcomes == ["caption", "error", "error"]


def test_unknown_and_broken_models(
    terminal: Terminal, photos: Path, tiny_clipcap: Path, tmp_path: Path
) -> None:
    ran = terminal("caption", photos, model="tiny-clipcop")
    assert ran.code == 2 and "Did you mean tiny-clipcap" in ran.err and ran.out == ""
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in tiny_clipcap.iterdir():
        data = path.read_bytes()
        (broken / path.name).write_bytes(data[: len(data) // 2] if path.suffix == ".safetensors" else data)
    ran = terminal("caption", photos / "1.jpg", model=str(broken))
    assert ran.code == 1 and "model.safetensors" in ran.err and ran.out == "" and "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words", [["caption"], [], ["caption", "a.jpg", "--batch-size", "0"], ["paint", "a.jpg"]]
)
def test_wrong_usage_is_code_two(words: list[str]) -> None:
    from clipcap_ext.__main__ import main

    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2


@pytest.mark.parametrize("command", ["caption", "models", "demo"])
def test_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from clipcap_ext.__main__ import main

    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    assert left.value.code == 0
    assert f"\n  python -m clipcap_ext {command}" in capsys.readouterr().out


def test_a_picture_the_model_fails_on_stops_no_other(
    terminal: Terminal, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, look = ClipCapCaptioner.prepare, ClipCapCaptioner.look

    def marks_narrow(self: ClipCapCaptioner, image: Image.Image, *rest: Any) -> Prepared:
        made = prepare(self, image, *rest)
        return replace(made, key="narrow") if image.height == 41 else made

    def fails_on_narrow(self: ClipCapCaptioner, images: list[Prepared], *rest: Any, **named: Any) -> object:
        if any(image.key == "narrow" for image in images):
            raise ZeroDivisionError("narrow")
        return look(self, images, *rest, **named)

    monkeypatch.setattr(ClipCapCaptioner, "prepare", marks_narrow)
    monkeypatch.setattr(ClipCapCaptioner, "look", fails_on_narrow)
    found = rows(terminal("caption", photos, "--json").out)
    assert ["error" in row for row in found] == [False, True, True, False, False]
    assert "narrow" in found[1]["error"]


def test_a_line_break_in_a_name_breaks_no_line(terminal: Terminal, photos: Path) -> None:
    odd = photos / "two\nlines.jpg"
    (photos / "1.jpg").rename(odd)
    assert len(terminal("caption", odd).out.splitlines()) == 1
    assert rows(terminal("caption", odd, "--json").out)[0]["path"] == str(odd)


def start(tiny_folder: Path, photos: Path, *words: str, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "clipcap_ext", "caption", str(photos), "--models-dir", str(tiny_folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    # a test run started in the background ignores SIGINT and hands that down
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name != "nt" else {}
    return subprocess.Popen(
        [*command, "--model", "tiny-clipcap", *words], env=environment, **{**pipes, **heed, **options}
    )


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT for another process")
def test_ctrl_c_leaves_whole_lines_and_says_how_to_go_on(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many pictures"
    folder.mkdir()
    for number in range(400):
        Image.new("RGB", (64, 64), (number % 256, 90, 30)).save(folder / f"é {number}.png", compress_level=0)
    process = start(tiny_folder, folder, "--batch-size", "1", "--json")
    first = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    # communicate() would lose the lines that readline() has already taken out of the pipe
    out, err = first + process.stdout.read(), process.stderr.read()
    assert process.wait(120) == 130
    found = rows(out)
    assert out.endswith("\n") and 1 <= len(found) < 400
    assert f"Stopped after {len(found)} of 400" in err and "Traceback" not in err
    words = shlex.split(err.splitlines()[-1])
    assert (
        words[:4] == ["python", "-m", "clipcap_ext", "caption"]
        and words[-1] == f"--after={found[-1]['path']}"
    )


def test_going_on_begins_after_the_last_picture(terminal: Terminal, photos: Path) -> None:
    whole = terminal("caption", photos, "--json")
    rest = terminal("caption", photos, "--json", f"--after={photos / ORDER[2]}")
    assert rest.code == 0 and rest.out.splitlines() == whole.out.splitlines()[3:]


def test_interrupted_before_the_first_picture(
    terminal: Terminal, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ClipCapCaptioner, "caption", interrupt)
    ran = terminal("caption", photos, f"--after={photos / ORDER[0]}")
    assert ran.code == 130 and "Stopped after 0 of 4" in ran.err and ran.out == ""


@pytest.mark.skipif(os.name == "nt", reason="pipes close otherwise on Windows")
def test_a_reader_that_goes_away_and_names_that_are_not_utf8(tiny_folder: Path, photos: Path) -> None:
    os.rename(os.fsencode(photos / "1.jpg"), os.fsencode(photos) + b"/0 \xff.jpg")
    process = start(tiny_folder, photos, "--batch-size", "1", encoding="utf-8", errors="surrogateescape")
    assert process.stdout.readline().startswith(os.fsdecode(os.fsencode(photos) + b"/0 \xff.jpg"))
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait(120) in (0, 1) and "Traceback" not in err and "BrokenPipe" not in err


def test_nothing_but_results_on_a_terminal_either(tiny_folder: Path, photos: Path) -> None:
    pty = pytest.importorskip("pty")
    fcntl, termios = pytest.importorskip("fcntl"), pytest.importorskip("termios")
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
    process = start(tiny_folder, photos, "--json", stderr=follower)
    os.close(follower)
    out = process.stdout.read()
    shown = b""
    try:
        while chunk := os.read(leader, 4096):
            shown += chunk
    except OSError:  # Linux says so when the other end is closed
        pass
    os.close(leader)
    process.wait(120)
    assert len(rows(out)) == len(ORDER)
    assert b"picture" in shown and b"%|" in shown  # the bar
