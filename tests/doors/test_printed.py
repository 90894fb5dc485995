"""Every command that a page prints is run as printed, by the package from its wheel; what cannot be, is read.

One person goes through all pages, with one home and the Hub in reach; each page has a folder of its own,
where what its commands name lies, small. `make test` goes through QUICK, CLIPCAP_DOORS=all through all.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from left_out import LEFT_OUT, left_out
from miniatures import LAID
from package import ROOT, extras, libraries
from person import Person, Ran
from printed import NAME, Printed, code_of, commands_of, flags_of, pages, spans, text_of

BUNDLED = ROOT / "clipcap_ext" / "bundled" / "tiny-clip-flickr8k"
READING = Path(__file__).with_name("reading.py")
CARDS = tuple(page for page in pages() if page.startswith("clipcap_ext/"))
QUICK = {"README.md", "CONTRIBUTING.md", *CARDS}
SCORED = {"docs/scoring.md"}  # with METEOR and the toolkit's tokenizer
EVERY = [printed for page in pages() for printed in commands_of(page)]
ANSWERS = {"--remove": "y"}
SERVES = "python -m clipcap_ext ui"
PORT = 7861
FLAGS_ELSEWHERE = {
    "--listen", "--cors-allow-origins", "--hide-ui-dir-config",  # the WebUI's own
    "--clipcap-models-dir", "--clipcap-device",  # the WebUI's, by preload.py
    "--write", "--measure", "--dry",  # benchmarks/reliability.py's two, gpu.py's
    "--only", "--before",  # benchmarks/loading.py's
    "--max-uses",  # the recipe's: tests/test_decoding_option_recipe.py follows it
}  # fmt: skip
PYTHON_ELSEWHERE = {"docs/extending.md"}  # parts of files, which tests/test_decoding_option_recipe.py follows


def typed(printed: Printed) -> str:
    """What is typed of a line: all of it, or what makes it short behind it; nothing if it is left out."""
    found = [one for one in map(left_out, map(" ".join, printed.commands)) if one is not None]
    if not found:
        return printed.text
    return shlex.join([*printed.commands[0], *found[0].short.split()]) if found[0].short else ""


RUN = [page for page in pages() if any(map(typed, commands_of(page)))]


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.java] * (page in SCORED)) for page in RUN]
)
def test_the_commands_of_a_page_do_what_they_say(
    page: str, reader: Person, starter: Person, tmp_path: Path
) -> None:
    if page not in QUICK and os.environ.get("CLIPCAP_DOORS") != "all":
        pytest.skip("CLIPCAP_DOORS=all runs the commands of every page")
    for lay in LAID.get(page, ()):
        lay(tmp_path)
    for printed in commands_of(page):
        line = typed(printed)
        before(printed, reader, tmp_path)
        if not line:
            continue
        if line.startswith(SERVES):
            serve(printed, starter, tmp_path)
            continue
        answer = next((said for flag, said in ANSWERS.items() if flag in line), "")
        ran = reader.types(line, tmp_path, answer)
        assert ran.code == 0 and "Traceback" not in ran.out + ran.err, f"{printed.page}:{printed.line}: {ran}"


def before(printed: Printed, person: Person, place: Path) -> None:
    """What the reader has done in between: kept results under other names, captioned anew, trained for an
    hour."""
    words = printed.commands[0]
    if "evaluate compare" in printed.text:
        for name in words[-2:]:
            shutil.copy(place / "results.json", place / name)
    elif "folder undo photos/ --all" in printed.text:
        assert person.types("python -m clipcap_ext folder caption photos/", place).code == 0
    elif "clipcap_ext.train tiny-clip-" in printed.text and not typed(printed):
        shutil.copytree(BUNDLED, place / words[words.index("--out") + 1] / "best")


def serve(printed: Printed, person: Person, place: Path) -> None:
    """The page comes; where something else has its port, that is said."""
    if libraries("gradio6") is None:
        pytest.skip("no environment .venv-gradio6: make test builds it, and says so where it cannot")
    with socket.socket() as listener:
        taken = listener.connect_ex(("127.0.0.1", PORT)) == 0
    if taken:
        ran = person.types(printed.text, place)
        assert ran.code == 1 and "is taken" in ran.err, ran
        return
    with person.serves(printed.text, place) as address:
        assert f":{PORT}/" in address


def test_an_entry_of_what_is_left_out_is_printed_somewhere() -> None:
    commands = [" ".join(command) for printed in EVERY for command in printed.commands]
    idle = [one.pattern for one in LEFT_OUT if not any(map(one.holds, commands))]
    assert not idle and set(LAID) <= set(RUN)


def test_the_doors_take_every_word(reader: Person, tmp_path: Path) -> None:
    asked = [(printed, *words_for_a_door(command)) for printed in EVERY for command in printed.commands
             if words_for_a_door(command)]  # fmt: skip
    asked += [(span, span.text.split()[-1], ["--help"]) for page in pages()
              for span in spans(page, text_of(page)) if NAME.fullmatch(span.text)
              and span.text.startswith("python")]  # fmt: skip
    assert len(asked) > 80
    assert_taken([(str(printed), module, words) for printed, module, words in asked], reader, tmp_path)


def test_the_doors_take_the_examples_of_their_own_help(reader: Person, tmp_path: Path) -> None:
    lines = [Printed("--help", 0, line) for line in reading([], reader, tmp_path)["examples"]]
    asked = [(line.text, *words_for_a_door(line.commands[0])) for line in lines]
    assert len(asked) > 15
    assert_taken(asked, reader, tmp_path)


def test_the_flags_that_sentences_name_are_there(reader: Person, tmp_path: Path) -> None:
    ours = set(reading([], reader, tmp_path)["flags"])
    named = [one for page in pages() for one in flags_of(page)]
    assert {one.text for one in named} >= FLAGS_ELSEWHERE
    unknown = [str(one) for one in named if one.text not in ours | FLAGS_ELSEWHERE]
    assert not unknown, "\n".join(unknown)


def assert_taken(asked: list[tuple[str, str, list[str]]], person: Person, folder: Path) -> None:
    """Each: where it is printed, the module that it runs, what that is told."""
    faults = reading([[module, words] for _, module, words in asked], person, folder)["faults"]
    wrong = [f"{one[0]}\n  {fault}" for one, fault in zip(asked, faults, strict=True) if fault]
    assert not wrong, "\n".join(wrong)


def words_for_a_door(command: tuple[str, ...]) -> tuple[str, list[str]] | tuple[()]:
    """The module that a command runs, however many of it, and what it is told; empty for other programs."""
    for place, word in enumerate(command):
        if word.split(".")[0] == "clipcap_ext" and command[place - 1] == "-m":
            told = command[place + 1 :]
            return word, list(told[: told.index(">")] if ">" in told else told)
    return ()


def reading(asked: list[list[object]], person: Person, folder: Path) -> dict[str, list[str]]:
    """What the doors' own parsers say."""
    (folder / "asked.json").write_text(json.dumps(asked))
    ran = person.types(f"python {READING} < asked.json", folder)
    assert ran.code == 0, ran
    said: dict[str, list[str]] = json.loads(ran.out)
    return said


def test_the_checkout_has_what_is_asked_of_it() -> None:
    commands = [command for one in EVERY for command in one.commands]
    wanted = {command[1] for command in commands if command[0] == "make"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert wanted and all(re.search(rf"^{name}:", makefile, re.M) for name in wanted), wanted
    brackets = [names for one in EVERY for names in re.findall(r"\.\[([\w,]+)\]", one.text)]
    named = {name for names in brackets for name in names.split(",")}
    assert named and named <= extras()
    assert subprocess.run(["bash", "-n", ".ci/run"], cwd=ROOT).returncode == 0


@pytest.mark.parametrize("page", [page for page in pages() if code_of(page, "python")])
def test_python_on_a_page_runs(page: str, reader: Person, tmp_path: Path) -> None:
    if page in PYTHON_ELSEWHERE:
        pytest.skip("parts of files, which tests/test_decoding_option_recipe.py puts where they belong")
    for lay in LAID.get(page, ()):
        lay(tmp_path)
    for number, block in enumerate(code_of(page, "python")):
        (tmp_path / f"block{number}.py").write_text(block.text, encoding="utf-8")
        ran = reader.types(f"python block{number}.py", tmp_path)
        assert ran.code == 0 and ran.out.strip(), f"{block}\n{ran}"


def test_the_printed_list_of_models_is_read(reader: Person, tmp_path: Path) -> None:
    (block,) = code_of("docs/models.md", "json")
    (tmp_path / "models.json").write_text(block.text, encoding="utf-8")
    ran = listed(reader, tmp_path)
    assert ran.code == 0 and "models.json" not in ran.out, ran
    names = {json.loads(line)["name"] for line in ran.out.splitlines()}
    assert set(json.loads(block.text)["models"]) <= names


def listed(person: Person, folder: Path) -> Ran:
    """The models of a folder."""
    return person.types(f"python -m clipcap_ext models --json --models-dir {folder}", folder)
