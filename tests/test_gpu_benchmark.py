"""The benchmark for graphics cards, tried on the CPU: every part runs, and a wrong check is told."""

from __future__ import annotations

import sys

import pytest

from benchmarks import gpu


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    return gpu.main()


def test_every_part_passes_in_a_dry_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--dry") == 0
    said = capsys.readouterr().out
    for part in (
        "captions as on the CPU: 6 of 6", "images, least cosine", "memory mode ram", "out of memory: told",
        "two streams", "ViT-L/14 alone", "files to captions", "tokens a second", "training step",
    ):  # fmt: skip
        assert part in said
    assert "WRONG" not in said


def test_what_is_wrong_ends_with_code_1_and_what_is_late_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "PARTS", (lambda card: iter([["words", gpu.same(["a"], ["b"])]]),))
    assert run(monkeypatch, "--dry") == 1
    assert "0 of 1 WRONG" in capsys.readouterr().out
    monkeypatch.setattr(gpu, "PARTS", (gpu.check_words,))
    assert run(monkeypatch, "--dry", "--minutes", "-1") == 0
    assert "left out" in capsys.readouterr().out
