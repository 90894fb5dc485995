"""The service's judge: the model's own CLIP, the bundled one where it has none that reads text, one look a
picture."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny import tiny_images, write_tiny_merge_rnn

from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.errors import Cancelled
from clipcap_ext.service.judging import BUNDLED_JUDGE
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.side_by_side import side_by_side
from clipcap_ext.service.standalone import StandaloneHost

TEXTS = ["a dog in the snow", "two men"]


def service_in(folder: Path) -> CaptionService:
    return CaptionService(StandaloneHost(models_dir=folder, device="cpu"))


def test_it_judges_by_the_models_own_clip_and_sees_a_picture_once(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    look = ClipEncoder.encode_image
    monkeypatch.setattr(
        ClipEncoder, "encode_image", lambda self, images: looks.append(len(images)) or look(self, images)
    )
    service, image = service_in(tiny_folder), tiny_images(1)[0].convert("RGBA")
    with service.work("judge", 1, "tiny-clipcap") as work:
        first = work.judge(image, TEXTS)
        again = work.judge(image, TEXTS[:1], words=False)
        assert service.loaded() == ""  # no captioner for it
        assert looks == [1]
        own = work.caption([image], score=True).captions[0]
        same = work.judge(image, [own.candidates[0].text])
    assert first.judge == "tiny-clipcap" and [one.text for one in first.judgements] == TEXTS
    assert again.judgements[0].similarity == pytest.approx(first.judgements[0].similarity, abs=1e-6)
    assert again.judgements[0].words == ()
    assert same.judgements[0].similarity == pytest.approx(own.candidates[0].similarity, abs=1e-6)
    with service.work("judge", 1, "tiny-clipcap") as work:
        work.stop.set()
        with pytest.raises(Cancelled):
            work.judge(image, TEXTS)


def test_an_encoder_without_a_text_tower_gives_way_to_the_bundled_clip(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny_folder / "tiny-clip", tmp_path / "tiny-clip")
    write_tiny_merge_rnn(tmp_path / "tiny-merge-rnn", "tiny-clip")
    service = service_in(tmp_path)
    monkeypatch.setattr("clipcap_ext.service.judging.WITHOUT_TEXT", "")  # as if its tag said so
    with service.work("judge", 1, "tiny-merge-rnn") as work:
        assert work.judge(tiny_images(1)[0], TEXTS).judge == BUNDLED_JUDGE


def test_a_model_without_a_clip_is_judged_by_the_bundled_one(image_to_text_folder: Path) -> None:
    service = service_in(image_to_text_folder)
    image = tiny_images(1)[0]
    seen = side_by_side(service, image, ["my-git"], "my-git", texts=TEXTS, words=False)
    assert seen.judge == BUNDLED_JUDGE and "my-git" in seen.results
    assert {one.text for one in seen.contenders} >= set(TEXTS)
