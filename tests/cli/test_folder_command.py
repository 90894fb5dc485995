"""The folder command as it is typed: what a dry run says is what is written, exit codes, stopping, going on,
undo."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from folder_runs import contents, picture

from clipcap_ext.batch import captioning
from clipcap_ext.batch.journal import JOURNAL_FILE
from clipcap_ext.cli.streams import one_line
from clipcap_ext.engine.clipcap.captioner import ClipCapCaptioner

ROOT = Path(__file__).resolve().parents[2]
Terminal = Callable[..., "object"]


@pytest.fixture
def quick(command: Callable[..., object], tiny_folder: Path) -> Callable[..., object]:
    """`folder PART` with the tiny model where one is needed."""
    model = ("--models-dir", tiny_folder, "--model", "tiny-clipcap")
    return lambda part, *words: command("folder", part, *words, *(model if part == "caption" else ()))


def rows(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def told(out: str) -> dict[str, str]:
    """What the lines of a run say of each caption file."""
    return dict(line.split("\t") for line in out.splitlines())


@pytest.mark.parametrize("policy", ["skip", "overwrite", "append", "prepend", "only-empty"])
def test_a_dry_run_says_to_the_letter_what_is_written(quick: Terminal, photos: Path, policy: str) -> None:
    (photos / "1.txt").write_text("mine", encoding="utf-8")
    (photos / "2.txt").write_text("", encoding="utf-8")
    before = contents(photos)
    words = ["caption", f'"{photos}" ', "--policy", policy, "--trigger", "sks", "--prefix", "in {folder},"]
    words += ["--suffix", "at {name}", "--recursive", "--temperature", "1", "--seed", "5"]
    dry = quick(*words, "--dry-run")
    assert contents(photos) == before and not (photos / JOURNAL_FILE).exists()
    ran = quick(*words)
    assert dry.out == ran.out and dry.code == ran.code == 1
    written = {str(photos / name): one_line(text.decode()) for name, text in contents(photos).items()}
    assert written == {**{str(photos / "1.txt"): "mine"}, **told(ran.out)}
    assert written[str(photos / "2.txt")].startswith("sks, in my photos, ")
    assert f"error: {photos / '3.jpg'}: " in dry.err and "not a picture" in dry.err
    count = len(told(ran.out))
    assert f"{count} would be written, {4 - count} skipped, 1 failed." in dry.err
    assert (
        f"{count} written, {4 - count} skipped, 1 failed. To take it back: python -m clipcap_ext folder"
        in ran.err
    )
    assert ("skipped: " in dry.err) == (count < 4)


def test_what_sbg_saw_is_written_as_tags(
    command: Callable[..., object], tiny_sbg: Path, photos: Path
) -> None:
    seen = json.loads(command("caption", photos / "1.jpg", "--json", "--model", tiny_sbg).out)["keywords"]
    words = ["caption", photos, "--model", tiny_sbg, "--policy", "overwrite", "--json"]
    tags = rows(command("folder", *words, "--form", "tags").out)
    text = next(row["text"] for row in tags if row["picture"] == str(photos / "1.jpg"))
    assert text.split(", ")[0] == seen[0]["text"] and set(text.split(", ")) <= {one["text"] for one in seen}
    both = rows(command("folder", *words, "--form", "sentence+tags", "--dry-run").out)
    sentence = rows(command("folder", *words, "--dry-run").out)
    pairs = [(row["text"], other["text"]) for row, other in zip(both, sentence, strict=True) if "text" in row]
    assert len(pairs) == 3 and all(mixed.startswith(plain) for mixed, plain in pairs)
    assert any(len(mixed) > len(plain) for mixed, plain in pairs)


def test_a_seed_left_to_chance_is_told_so_that_a_dry_run_can_be_repeated(
    quick: Terminal, photos: Path
) -> None:
    words = ("caption", photos, "--temperature", "1.5", "--dry-run")
    first = quick(*words)
    seed = next(line for line in first.err.splitlines() if "--seed" in line).rpartition(" ")[2]
    assert quick(*words, "--seed", seed).out == first.out


def test_json_says_everything_of_every_picture(quick: Terminal, photos: Path) -> None:
    (photos / "1.txt").write_text("mine", encoding="utf-8")
    for words, state in (["--dry-run"], "would be written"), ([], "written"):
        found = rows(quick("caption", photos, "--json", "--extension", "txt", *words).out)
        assert {row["state"] for row in found} == {state, "skipped", "failed"}
        by_name = {Path(row["picture"]).name: row for row in found}
        assert by_name["1.jpg"]["reason"] == "1.txt is there"
        assert "not a picture" in by_name["3.jpg"]["reason"]
        assert set(by_name["2.png"]) == {"picture", "caption_file", "state", "text"}
    assert contents(photos)["2.txt"].decode() == by_name["2.png"]["text"]


def test_all_well_is_code_zero_and_nothing_to_write_loads_no_model(quick: Terminal, photos: Path) -> None:
    (photos / "3.jpg").unlink()
    first = quick("caption", photos)
    assert first.code == 0 and "loaded in" in first.err
    again = quick("caption", photos)
    assert again.code == 0 and again.out == "" and "loaded in" not in again.err
    assert "0 written, 3 skipped, 0 failed." in again.err


def test_another_folder_takes_the_captions(quick: Terminal, photos: Path, tmp_path: Path) -> None:
    words = ("--recursive", "--output", tmp_path / "out", "--extension", ".caption")
    ran = quick("caption", photos, *words)
    assert sorted(contents(tmp_path / "out")) == [
        "1.caption",
        "10.caption",
        "2.caption",
        "[sub] é/写真.caption",
    ]
    assert contents(photos) == {} and str(tmp_path / "out") in ran.err
    assert quick("undo", tmp_path / "out").code == 0
    assert contents(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("caption", "{gone}"), 2, "There is no folder"), (("caption", "  "), 2, "No folder was named"),
        (("caption", "{empty}"), 1, "holds no pictures"), (("undo", "{photos}"), 1, "no run to undo"),
        (("caption", "{photos}", "--seed", "1"), 2, "seed does nothing"),
        (("caption", "{photos}", "--output", "{file}"), 2, "is no folder"),
        (("undo", "{gone}"), 2, "There is no folder"), (("status", "{gone}"), 2, "There is no folder"),
        (("status", "{empty}"), 0, ""),
    ],
)  # fmt: skip
def test_exit_codes(quick: Terminal, photos: Path, words: tuple[str, ...], code: int, said: str) -> None:
    (photos / "empty").mkdir()
    places = {"photos": photos, "empty": photos / "empty", "gone": photos / "gone", "file": photos / "1.jpg"}
    ran = quick(*(word.format(**places) for word in words))
    assert ran.code == code and said in ran.err and "Traceback" not in ran.err


@pytest.mark.parametrize(
    "words", [["folder"], ["folder", "caption"], ["folder", "caption", "x", "--policy", "replace"],
              ["folder", "caption", "x", "--extension", "exe"],
              ["folder", "caption", "x", "--batch-size", "0"]],
)  # fmt: skip
def test_wrong_usage_is_code_two(words: list[str]) -> None:
    from clipcap_ext.__main__ import main

    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2


def test_status_tells_of_pictures_runs_and_damage(quick: Terminal, photos: Path) -> None:
    (photos / "1.txt").write_text("mine", encoding="utf-8")
    (photos / "2.txt").write_text(" ", encoding="utf-8")
    assert quick("status", photos).out == "4 pictures: 1 captioned, 1 with an empty .txt, 2 without one\n"
    quick("caption", photos, "--trigger", "sks")
    with open(photos / JOURNAL_FILE, "ab") as journal:
        journal.write(b'{"write": "1.t')
    ran = quick("status", photos, "--recursive")
    lines = ran.out.splitlines()
    assert lines[0] == "5 pictures: 3 captioned, 0 with an empty .txt, 2 without one"
    assert lines[1].startswith("run 1: 20") and "2 caption files: skip, tiny-clipcap" in lines[1]
    assert "trigger 'sks'" in lines[1]
    assert "is passed over: it is cut short" in ran.err and "folder undo" in ran.err
    record = json.loads(quick("status", photos, "--json").out)
    assert (record["pictures"], record["captioned"], record["missing"], record["busy"]) == (4, 3, 1, False)
    assert record["runs"][0]["settings"]["trigger"] == "sks" and record["runs"][0]["caption_files"] == 2


def test_undo_goes_back_run_by_run_or_to_the_first_and_names_what_was_edited(
    quick: Terminal, photos: Path
) -> None:
    (photos / "1.txt").write_text("mine", encoding="utf-8")
    before = contents(photos)
    for trigger in ("one", "two", "three"):
        quick("caption", photos, "--policy", "overwrite", "--trigger", trigger)
    ran = quick("undo", photos)
    assert ran.code == 0 and "As they were: 3. Runs that can still be undone: 2." in ran.err
    assert contents(photos)["1.txt"].startswith(b"two, ")
    (photos / "10.txt").write_text("edited", encoding="utf-8")
    ran = quick("undo", photos, "--all", "--json")
    assert {Path(row["caption_file"]).name: row["state"] for row in rows(ran.out)} == {
        "1.txt": "restored", "2.txt": "restored", "10.txt": "kept",
    }  # fmt: skip
    assert "changed since, so left alone: 1" in ran.err and ran.code == 0
    assert contents(photos) == {**before, "10.txt": b"edited"}


def test_ctrl_c_before_the_first_picture(
    quick: Terminal, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ClipCapCaptioner, "caption", interrupt)
    ran = quick("caption", photos)
    assert ran.code == 130 and "the same command goes on with the rest" in ran.err and contents(photos) == {}


def start(tiny_folder: Path, folder: Path, *words: str, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "clipcap_ext", "folder", "caption", str(folder), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "ascii"}
    # a test run started in the background ignores SIGINT and hands that down
    heed = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name != "nt" else {}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    model = ["--models-dir", str(tiny_folder), "--model", "tiny-clipcap"]
    return subprocess.Popen([*command, *model], env=environment, **{**pipes, **heed, **options})


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals for another process")
def test_ctrl_c_and_a_kill_leave_whole_files_and_the_same_command_goes_on(
    tiny_folder: Path, tmp_path: Path, quick: Terminal
) -> None:
    folder = tmp_path / "many pictures"
    for number in range(240):
        picture(folder / f"é {number}.png", number)
        (folder / f"é {number}.txt").write_text("mine", encoding="utf-8")
    before = contents(folder)
    words = ("--batch-size", "1", "--policy", "append", "--suffix", "at dawn")
    seen = 0
    for end, code in ((signal.SIGKILL, -9), (signal.SIGINT, 130)):
        process = start(tiny_folder, folder, *words)
        process.stdout.readline()
        process.send_signal(end)
        err = process.communicate(timeout=120)[1]
        assert process.returncode == code and b"Traceback" not in err
        done = sum(text != b"mine" for text in contents(folder).values())
        assert seen < done < 240
        seen = done
    assert b"Stopped after" in err and b"the same command goes on with the rest" in err
    last = quick("caption", folder, *words)
    assert last.code == 0 and f"{240 - seen} written, {seen} skipped" in last.err
    texts = contents(folder).values()
    assert all(text.startswith(b"mine, ") and text.count(b"at dawn") == 1 for text in texts)
    assert not [name for name in os.listdir(folder) if name.endswith(".part")]
    assert quick("undo", folder).code == 0 and contents(folder) == before


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_not_utf8_make_json_that_is(tiny_folder: Path, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png", 3).rename(tmp_path / "in" / os.fsdecode(b"caf\xe9.png"))
    out = start(tiny_folder, tmp_path / "in", "--json", "--prefix", "{name}").communicate(timeout=120)[0]
    record = json.loads(out.decode("utf-8"))
    assert record["picture"] == str(tmp_path / "in" / os.fsdecode(b"caf\xe9.png"))
    assert record["text"].startswith("caf\ufffd ")
    assert (tmp_path / "in" / os.fsdecode(b"caf\xe9.txt")).read_text(encoding="utf-8") == record["text"]


def typed(line: str) -> subprocess.CompletedProcess[str]:
    """What the shell makes of a line that begins with "python"."""
    line = line.replace("python", shlex.quote(sys.executable), 1)
    usual = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["sh", "-c", line], cwd=ROOT, env=usual, capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
@pytest.mark.parametrize("words", ["folder status {photos}", "--help"])
def test_a_full_disk_for_the_results_is_one_line(photos: Path, words: str) -> None:
    ran = typed(f"python -m clipcap_ext {words.format(photos=shlex.quote(str(photos)))} > /dev/full")
    assert ran.returncode == 1
    assert ran.stderr == "error: The results cannot be written: No space left on device.\n"


@pytest.mark.skipif(os.name == "nt", reason="no head there")
def test_a_reader_that_goes_away_ends_a_run_without_a_word(tiny_folder: Path, photos: Path) -> None:
    (photos / "3.jpg").unlink()
    places = (shlex.quote(str(place)) for place in (photos, tiny_folder))
    words = "--recursive --batch-size 1 --model tiny-clipcap --models-dir"
    ran = typed(
        "python -m clipcap_ext folder caption {} {} {} | head -n 1".format(next(places), words, *places)
    )
    assert len(ran.stdout.splitlines()) == 1
    assert [one for one in ran.stderr.splitlines() if "loaded in" not in one and "written" not in one] == []


def test_a_run_that_was_interrupted_is_told_before_another_one_begins(
    quick: Terminal, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (photos / "3.jpg").unlink()
    look = ClipCapCaptioner.look
    monkeypatch.setattr(captioning, "WIDER", 1)  # each caption is written before the next picture

    def stops(self: object, *asked: object, **named: object) -> object:
        if list(photos.glob("*.txt")):
            raise KeyboardInterrupt
        return look(self, *asked, **named)

    monkeypatch.setattr(ClipCapCaptioner, "look", stops)
    words = ["caption", photos, "--policy", "append", "--batch-size", "1"]
    assert quick(*words).code == 130
    monkeypatch.undo()
    told = "is not finished (append, tiny-clipcap"
    other = quick(*words, "--trigger", "sks", "--dry-run")
    assert told in other.err and "with the same settings it goes on" in other.err
    same = quick(*words)
    assert "is not finished" not in same.err and "2 written, 1 skipped" in same.err
    assert "is not finished" not in quick(*words, "--trigger", "sks").err
