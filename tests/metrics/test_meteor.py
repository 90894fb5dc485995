"""METEOR by its real program: known values, awkward texts, and what happens when Java is missing, dies or
hangs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.java import find_java
from clipcap_ext.metrics.meteor import MeteorProcess
from clipcap_ext.metrics.scoring import score

REFERENCES = ["a brown dog runs through the deep snow", "a dog is playing in snow", "dog outside"]


@pytest.fixture(scope="module")
def meteor() -> Iterator[MeteorProcess]:
    with MeteorProcess() as process:
        yield process


@pytest.mark.java
def test_known_values(meteor: MeteorProcess) -> None:
    # By the program's formula: all words match (precision = recall = 1); in one whole chunk there is no
    # penalty, in two chunks of four words it is 0.6 * (2 / 4) ** 0.2.
    texts = ["a dog runs fast", "runs fast a dog", "unrelated text entirely here"]
    table = meteor.table(texts, [["a dog runs fast"]] * 3)["METEOR"]
    assert table.per_image == pytest.approx([1.0, 1 - 0.6 * 0.5**0.2, 0.0])


@pytest.mark.java
def test_stems_synonyms_and_paraphrases_count(meteor: MeteorProcess) -> None:
    texts, references = ["a dogs", "a automobile", "x before"], [["a dog"], ["a car"], ["x in front of"]]
    stem, synonym, paraphrase = meteor.table(texts, references)["METEOR"].per_image
    # A content word weighs 0.75 and a function word 0.25; a stem match counts 0.6, a synonym 0.8.
    assert (stem, synonym) == pytest.approx((0.25 + 0.75 * 0.6, 0.25 + 0.75 * 0.8))
    assert 0.6 < paraphrase < 1


@pytest.mark.java
def test_a_reference_itself_is_best_and_the_order_of_references_changes_nothing(
    meteor: MeteorProcess,
) -> None:
    texts = [
        *REFERENCES,
        "a brown cat runs through the snow",
        "dog",
        "snow deep the through runs dog brown a",
    ]
    forward = meteor.table(texts, [REFERENCES] * len(texts))["METEOR"]
    backward = meteor.table(texts, [REFERENCES[::-1]] * len(texts))["METEOR"]
    assert forward.per_image == pytest.approx(backward.per_image)
    assert forward.per_image[:3] == pytest.approx([1.0, 1.0, 1.0])
    assert all(0 <= value < 1 for value in forward.per_image[3:])


@pytest.mark.java
def test_statistics_sum_to_the_programs_corpus_value(meteor: MeteorProcess) -> None:
    texts = ["a dog runs in the snow", "a brown dog runs through the deep snow", "the hounds play", "", "cat"]
    table = meteor.table(texts, [REFERENCES] * len(texts))["METEOR"]
    assert table.corpus_value(table.rows) == pytest.approx(table.per_image)
    assert float(table.corpus_value(table.rows.sum(0))) == pytest.approx(table.value)
    assert table.value != pytest.approx(np.mean(table.per_image))


@pytest.mark.java
def test_awkward_texts_keep_their_place(meteor: MeteorProcess) -> None:
    texts = [
        "",
        "   ",
        "|||",
        "a dog ||| a cat",
        "two\nlines",
        "café 犬 \u2028 x",
        "50 %s \\n $1",
        "'",
        "a dog runs fast",
    ]
    table = meteor.table(texts, [["a dog runs fast"]] * len(texts))["METEOR"]
    assert table.per_image[:3] == pytest.approx([0.0, 0.0, 0.0])
    assert table.per_image[-1] == pytest.approx(1.0)
    assert 0 < table.per_image[3] < 1


@pytest.mark.java
def test_an_empty_hypothesis_counts_as_missed_words(meteor: MeteorProcess) -> None:
    full = meteor.table(["a dog runs fast"], [["a dog runs fast"]])["METEOR"].value
    half = meteor.table(["a dog runs fast", ""], [["a dog runs fast"]] * 2)["METEOR"].value
    assert half < full


def fake_java(folder: Path, script: str) -> None:
    """A `java` that answers -version and then does what `script` says."""
    java = folder / "java"
    java.write_text(f'#!/bin/sh\n[ "$1" = -version ] && exit 0\n{script}\n')
    java.chmod(java.stat().st_mode | stat.S_IEXEC)


needs_sh = pytest.mark.skipif(os.name != "posix", reason="the stand-in for java is a shell script")


@pytest.fixture
def java_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def test_no_java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    for protocol, metrics in (("standard", ["CIDEr-D"]), ("paper", ["METEOR"])):
        with pytest.raises(ScoringError, match=r"No Java found.*apt install default-jre-headless"):
            score({"a": "a dog"}, {"a": ["a dog"]}, protocol, metrics)
    assert score({"a": "a dog"}, {"a": ["a dog"]}, "words", ["ROUGE-L"]).values == {"ROUGE-L": 1.0}


@needs_sh
def test_a_java_that_does_not_start(java_folder: Path) -> None:
    (java_folder / "java").write_text(
        "#!/bin/sh\necho 'The operation could not find a Java Runtime.' >&2\nexit 1\n"
    )
    (java_folder / "java").chmod(0o755)
    with pytest.raises(ScoringError, match="could not find a Java Runtime"):
        find_java()


@needs_sh
def test_java_home_comes_first(java_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = java_folder / "jre"
    (home / "bin").mkdir(parents=True)
    fake_java(java_folder, "exit 0")
    fake_java(home / "bin", "exit 0")
    assert find_java() == str(java_folder / "java")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert find_java() == str(home / "bin" / "java")


@needs_sh
def test_a_program_that_dies_says_why(java_folder: Path) -> None:
    fake_java(java_folder, "echo 'Could not reserve enough space for object heap' >&2; exit 1")
    with MeteorProcess() as process, pytest.raises(ScoringError, match="Could not reserve enough space"):
        process.table(["a dog"] * 5000, [["a dog"]] * 5000)
    assert process._process.poll() is not None


@needs_sh
def test_a_program_that_hangs_is_ended(java_folder: Path) -> None:
    fake_java(java_folder, "exec sleep 60")
    with (
        MeteorProcess(timeout=0.3) as process,
        pytest.raises(ScoringError, match=r"did not finish in 0\.3 s"),
    ):
        process.table(["a dog"], [["a dog"]])
    assert process._process.poll() is not None


@needs_sh
def test_an_answer_that_is_no_number(java_folder: Path) -> None:
    fake_java(java_folder, "while read line; do echo 1,0 2,0; done")
    with MeteorProcess() as process, pytest.raises(ScoringError, match="is no alignment"):
        process.table(["a dog"], [["a dog"]])
