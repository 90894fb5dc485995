"""A baseline whose encoder reads no text, in the service that asks every captioner for similarities."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import tiny_images, write_tiny_merge_rnn

from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost


def test_it_captions_without_similarities(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_folder / "tiny-clip", tmp_path / "tiny-clip")
    write_tiny_merge_rnn(tmp_path / "tiny-merge-rnn", "tiny-clip")
    service = CaptionService(StandaloneHost(models_dir=tmp_path, device="cpu"))
    scored = service.caption(tiny_images(1), "tiny-merge-rnn", score=True).captions[0]
    assert scored.candidates[0].similarity is not None
    monkeypatch.setattr(ClipEncoder, "reads_text", False)
    plain = service.caption(tiny_images(1), "tiny-merge-rnn", score=True).captions[0]
    assert plain.text == scored.text and plain.candidates[0].similarity is None
