"""SPICE around its Java program: what is asked of it, what its answers mean, what is said when it cannot
run."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics import score, spice

HYPOTHESES, REFERENCES = {"b": "A dog.", "a": "two men"}, {"a": ["men", "two men"], "b": ["dogs"]}


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """A `java` that runs `body` over `asked`, with its words in `sys.argv`; CoreNLP is taken to be there."""
    monkeypatch.setattr(spice, "MODELS", ())

    def make(body: str) -> None:
        program = tmp_path / "java"
        lines = [
            "import json, os, sys",
            "asked = json.load(open(sys.argv[-5]))",
            "made = open(sys.argv[-3], 'w')",
            body,
        ]
        program.write_text(f"#!{sys.executable}\n" + "\n".join(lines) + "\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(spice, "find_java", lambda: str(program))

    return make


def test_answers_in_any_order_belong_to_their_images(pretend) -> None:  # type: ignore[no-untyped-def]
    pretend(
        "score = lambda row: {'All': {'f': None if row['test'] == 'a dog' else len(row['refs']) / 4}}\n"
        "json.dump([{'image_id': row['image_id'], 'scores': score(row)} for row in reversed(asked)], made)"
    )
    found = score(HYPOTHESES, REFERENCES, "words", ["SPICE", "BLEU"])
    assert list(found.values)[-1] == "SPICE" and found.values["SPICE"] == 0.25
    assert found.per_image["a"]["SPICE"] == 0.5 and found.per_image["b"]["SPICE"] == 0.0  # no tuple at all
    assert "|bleu:closest|spice:1.0|" in found.signature


def test_it_is_asked_as_the_toolkit_asks(pretend, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    note = tmp_path / "note.json"
    pretend(
        "json.dump([asked, sys.argv[1:-5], os.environ['JDK_JAVA_OPTIONS'], os.getcwd()], "
        f"open({str(note)!r}, 'w'))\n"
        "json.dump([{'image_id': 0, 'scores': {'All': {'f': 1}}}], made)"
    )
    assert spice.spice(["two men"], [["men", "two men"]])["SPICE"].value == 1.0
    asked, words, opened, folder = json.loads(note.read_text())
    assert asked == [{"image_id": 0, "test": "two men", "refs": ["men", "two men"]}]
    assert words[0] == "-Xmx8G" and words[-2] == "-jar" and words[-1].endswith("spice-1.0.jar")
    assert "--add-opens=java.base/java.lang=ALL-UNNAMED" in opened and folder.endswith("spice")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("sys.exit('no memory')", r"exit code 1\): no memory"),
        ("json.dump([], made)", "answered for 0 of 1 images"),
        ("made.write('{')", "cannot be read"),
        ("json.dump([{'image_id': 0, 'scores': {}}], made)", "KeyError"),
    ],
)
def test_a_failure_is_told(pretend, body: str, message: str) -> None:  # type: ignore[no-untyped-def]
    pretend(body)
    with pytest.raises(ScoringError, match=message):
        spice.spice(["a"], [["b"]])


def test_without_its_models_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spice, "MODELS", ("spice/lib/one.jar", "spice/spice-1.0.jar"))
    with pytest.raises(ScoringError, match=r"put one\.jar into .*lib\..* get_stanford_models"):
        score(HYPOTHESES, REFERENCES, "words", ["SPICE"])


@pytest.mark.slow
@pytest.mark.java
def test_the_real_one() -> None:
    try:
        spice.check_models()
    except ScoringError as error:
        pytest.skip(str(error))
    found = score({"a": "a brown dog runs"}, {"a": ["a brown dog runs in the snow"]}, "words", ["SPICE"])
    assert 0 < found.values["SPICE"] <= 1
