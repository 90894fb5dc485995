"""The service's way to an explanation: SBG explains itself, other models say that they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from tiny import tiny_images

from clipcap_ext.engine.sbg.edit import KeywordEdit
from clipcap_ext.errors import Cancelled, UsageError
from clipcap_ext.service.service import CaptionService
from clipcap_ext.service.standalone import StandaloneHost


def test_the_service_explains_and_edits(tiny_sbg: Path) -> None:
    service = CaptionService(StandaloneHost(models_dir=tiny_sbg.parent, device="cpu"))
    image: Image.Image = tiny_images(1)[0].convert("RGBA")
    with service.work("explain", 1, "tiny-sbg") as work:
        said = work.explain(image)
        assert said.caption == work.caption([image]).captions[0]
        first = said.caption.keywords[0].text
        edit = KeywordEdit(without=(first,))
        edited = work.explain(image, None, edit)
        assert edited.caption.keywords == said.caption.keywords[1:]
        guessed = work.guess(image, None, edit)
        assert guessed.captions == (edited.caption,)
        assert (guessed.model, guessed.device, guessed.dtype) == ("tiny-sbg", "cpu", "fp32")
        work.stop.set()
        with pytest.raises(Cancelled):
            work.explain(image)


def test_a_model_without_keywords_says_so(tiny_folder: Path) -> None:
    service = CaptionService(StandaloneHost(models_dir=tiny_folder, device="cpu"))
    with service.work("explain", 1, "tiny-clipcap") as work, pytest.raises(UsageError, match="sbg"):
        work.explain(tiny_images(1)[0])
    with service.work("guess", 1, "tiny-clipcap") as work, pytest.raises(UsageError, match="sbg"):
        work.guess(tiny_images(1)[0], None, KeywordEdit(exactly=("dog",)))
