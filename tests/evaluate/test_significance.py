"""Two systems compared: p-values that mean what they say, the command on two results.json, what it
refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clipcap_ext.errors import ScoringError, UsageError
from clipcap_ext.evaluate.__main__ import main
from clipcap_ext.evaluate.report.compare import compare
from clipcap_ext.evaluate.statistics.bootstrap import Bootstrap
from clipcap_ext.evaluate.statistics.significance import differences
from clipcap_ext.metrics import score
from clipcap_ext.metrics.metric_table import MetricTable, mean_table
from clipcap_ext.metrics.stored import restored, stored

QUICK = Bootstrap(samples=300, seed=1)


def means(values: np.ndarray) -> dict[str, MetricTable]:
    return {"X": mean_table(np.asarray(values, dtype=float))}


@given(st.integers(0, 99))
@settings(max_examples=15)
def test_a_system_does_not_differ_from_itself(seed: int) -> None:
    table = means(np.random.default_rng(seed).random(30))
    (found,) = differences(table, table, QUICK)
    assert (found.difference, found.interval) == (0.0, (0.0, 0.0))
    assert found.p_bootstrap == found.p_randomisation == 1.0


def test_exchanging_the_systems_changes_the_sign_alone() -> None:
    draw = np.random.default_rng(0)
    one, other = means(draw.random(60)), means(draw.random(60) + 0.1)
    (there,), (back,) = differences(one, other, QUICK), differences(other, one, QUICK)
    assert there.difference == pytest.approx(-back.difference) and there.interval[0] == pytest.approx(
        -back.interval[1]
    )
    assert there.p_bootstrap == pytest.approx(back.p_bootstrap)
    assert there.p_randomisation == pytest.approx(back.p_randomisation)


def test_p_values_are_right_by_chance_alone() -> None:
    """Where nothing differs, p is below 0.2 in about a fifth of the trials."""
    low = {"p_bootstrap": 0, "p_randomisation": 0}
    for trial in range(150):
        draw = np.random.default_rng(trial)
        (found,) = differences(
            means(draw.random(50)), means(draw.random(50)), Bootstrap(samples=200, seed=trial)
        )
        for name in low:
            low[name] += getattr(found, name) < 0.2
    assert all(15 <= count <= 48 for count in low.values()), low  # 30 in the mean, deviation 4.9


def test_a_steady_difference_is_seen_and_a_small_one_is_not() -> None:
    base = np.random.default_rng(3).random(200)
    noise = np.random.default_rng(4).normal(0, 0.1, 200)
    (steady,) = differences(means(base), means(base + 0.05 + noise), QUICK)
    (small,) = differences(means(base), means(base + 0.001 + noise - noise.mean()), QUICK)
    assert steady.p_bootstrap < 0.01 and steady.p_randomisation < 0.01 and steady.interval[0] > 0
    assert (
        small.p_bootstrap > 0.5 and small.p_randomisation > 0.5 and small.interval[0] < 0 < small.interval[1]
    )


def test_pairing_sees_what_two_intervals_do_not() -> None:
    draw = np.random.default_rng(5)
    easy = draw.random(100)  # how easy an image is differs far more than the systems do
    one, other = means(easy), means(easy + 0.02 + draw.normal(0, 0.02, 100))
    (found,) = differences(one, other, QUICK)
    low, high = QUICK.intervals(one)["X"]
    assert low < found.second < high and found.p_bootstrap < 0.01


def test_pooled_metrics_are_recomputed_not_averaged() -> None:
    references = {f"{i}": ["a dog runs in the snow", "the dog plays"] for i in range(12)}
    one = score({key: "a dog runs" for key in references}, references, "words", ["BLEU"])
    other = score({key: "a dog runs in the snow" for key in references}, references, "words", ["BLEU"])
    found = {row.metric: row for row in differences(one.tables, other.tables, QUICK)}
    assert found["BLEU-4"].first == one.values["BLEU-4"] and found["BLEU-4"].second == other.values["BLEU-4"]
    assert found["BLEU-4"].interval == pytest.approx(
        (found["BLEU-4"].difference,) * 2
    )  # all images are alike


def test_nothing_in_common() -> None:
    with pytest.raises(ScoringError, match="No common metric: one has X, the other Y"):
        differences(means(np.ones(3)), {"Y": mean_table(np.ones(3))}, QUICK)
    with pytest.raises(ScoringError, match="3 images against 4"):
        differences(means(np.ones(3)), means(np.ones(4)), QUICK)


def results_of(path: Path, captions: dict[str, str], **changes: str) -> Path:
    """A results.json as the command writes it, of three images."""
    references = {"a.jpg": ["a dog runs", "one dog"], "b.jpg": ["two men play"], "c.jpg": ["a red ball"]}
    scored = score(captions, references, "words", ["BLEU", "CIDEr-D"])
    said = {
        "format": "clipcap-ext-results-1", "kind": "captions", "date": "today", "signature": scored.signature,
        "data": {"name": "toy", "split": "test", "protocol": "words", **changes},
        "images": dict.fromkeys(references),
        "image_statistics": stored(scored.tables), "hypotheses": {"fingerprint": "0"},
    }  # fmt: skip
    path.write_text(json.dumps(said))
    return path


GOOD = {"a.jpg": "a dog runs", "b.jpg": "two men play", "c.jpg": "a red ball"}
BAD = {"a.jpg": "a cat", "b.jpg": "two women play", "c.jpg": "a red car"}


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = results_of(tmp_path / "bad.json", BAD), results_of(tmp_path / "good.json", GOOD)
    out = tmp_path / "compared.json"
    assert main(["compare", str(first), str(second), "--resamples", "50", "--out", str(out)]) == 0
    said, written = capsys.readouterr().out, json.loads(out.read_text())
    assert "BLEU-4" in said and "p randomisation" in said and "second: good.json, cap|data:" in said
    row = written["differences"]["CIDEr-D"]
    assert row["second"] > row["first"] and row["difference"] == pytest.approx(row["second"] - row["first"])
    assert written["bootstrap"]["samples"] == 50 and [one["file"] for one in written["systems"]] == [
        "bad.json", "good.json",
    ]  # fmt: skip


def test_files_that_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = results_of(tmp_path / "first.json", GOOD)
    with pytest.raises(UsageError, match=r"is of split 'test' and .* of 'val'"):
        compare(first, results_of(tmp_path / "val.json", BAD, split="val"), QUICK)
    other = json.loads(first.read_text())
    del other["images"]["c.jpg"]
    (tmp_path / "fewer.json").write_text(json.dumps(other))
    with pytest.raises(UsageError, match=r"1 images are in one of .* such as c\.jpg"):
        compare(first, tmp_path / "fewer.json", QUICK)
    del other["image_statistics"]
    (tmp_path / "old.json").write_text(json.dumps(other))
    with pytest.raises(UsageError, match="score the captions again"):
        compare(first, tmp_path / "old.json", QUICK)
    (tmp_path / "other.json").write_text("[]")
    for name, message in (
        ("other.json", "is no results.json"),
        ("none.json", "cannot be read"),
        (".", "cannot be"),
    ):
        assert main(["compare", str(first), str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err
    assert main(["compare", str(first), str(first), "--resamples", "0"]) == 2


def test_statistics_come_back_from_a_file(tmp_path: Path) -> None:
    said = json.loads(results_of(tmp_path / "r.json", BAD).read_text())
    references = {"a.jpg": ["a dog runs", "one dog"], "b.jpg": ["two men play"], "c.jpg": ["a red ball"]}
    for name, table in score(BAD, references, "words", ["BLEU", "CIDEr-D"]).tables.items():
        assert restored(said["image_statistics"])[name].value == pytest.approx(table.value, abs=1e-6)
