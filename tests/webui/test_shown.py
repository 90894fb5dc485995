"""A run is told when its picture is no longer the one in the box, in whatever order the events of a page
come."""

from __future__ import annotations

import pytest
from PIL import Image

from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.webui import shown as module
from clipcap_ext.webui.shown import Begun, Shown

RED, BLUE = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")


def test_another_picture_and_none_replace_the_one_a_run_began_with() -> None:
    shown = Shown()
    shown.put(RED, "ready")
    begun = Begun.now(shown, RED)
    assert not begun.replaced
    shown.put(BLUE, "ready")
    assert begun.replaced and shown.key
    shown.put(RED, "ready")
    assert not begun.replaced  # it is back
    shown.put(None, "no picture")
    assert begun.replaced and (shown.key, shown.status) == ("", "no picture")


def test_a_run_may_begin_before_its_picture_is_told_of() -> None:
    shown = Shown()
    shown.put(RED, "ready")
    begun = Begun.now(shown, BLUE)
    assert not begun.replaced
    shown.put(BLUE, "ready")
    assert not begun.replaced


def test_what_was_said_is_of_another_picture_only_once_there_is_another() -> None:
    shown = Shown()
    assert [shown.put(image, "") for image in (RED, None, RED, RED, BLUE, None, RED)] == [
        False, False, False, False, True, False, True,
    ]  # fmt: skip


def test_a_run_looks_at_its_picture_only_where_the_box_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    digested: list[Image.Image] = []
    monkeypatch.setattr(module, "pixel_key", lambda image: digested.append(image) or pixel_key(image))
    shown = Shown()
    shown.put(RED, "ready")
    begun = Begun.now(shown, RED)
    assert not begun.replaced and digested == [RED]
    shown.put(BLUE, "ready")
    assert begun.replaced and begun.replaced and digested == [RED, BLUE, RED]


def test_a_picture_that_was_never_told_of_is_captioned() -> None:
    assert not Begun.now(Shown(), RED).replaced


def test_pictures_of_other_shape_or_kind_are_others() -> None:
    black = [Image.new("RGB", (2, 3)), Image.new("RGB", (3, 2)), Image.new("L", (6, 3))]
    keys = set()
    for image in black:
        shown = Shown()
        shown.put(image, "")
        keys.add(shown.key)
    assert len(keys) == 3
