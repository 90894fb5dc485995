"""A run is told when its picture is no longer the one in the box, in whatever order the events of a page
come."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.webui import shown as module
from clipcap_ext.webui.shown import MOST, Begun, Beside, Shown

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


def test_what_was_said_of_a_picture_is_wrong_beside_another_and_beside_none() -> None:
    shown = Shown()
    assert [shown.put(image, "") for image in (None, RED, RED, None, RED, BLUE, None)] == [
        False, False, False, True, False, True, True,
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


@pytest.mark.parametrize(
    ("picture", "captioned", "stale"),
    [("a", "a", False), ("a", "b", True), ("", "b", True), ("a", "", False), ("", "", False)],
)
def test_a_caption_is_stale_beside_another_picture_or_none(picture: str, captioned: str, stale: bool) -> None:
    told = Beside.told(json.dumps({"picture": picture, "captioned": captioned}))
    assert (told, told.stale) == (Beside(picture, captioned), stale)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.none()
    | st.text()
    | values.map(json.dumps)
    | st.fixed_dictionaries({"picture": values}).map(json.dumps)
)
def test_anything_else_tells_of_no_picture_or_of_one_by_its_text(text: str | None) -> None:
    told = Beside.told(text)
    assert isinstance(told.picture, str) and isinstance(told.captioned, str)


def test_a_mark_is_no_place_to_put_a_book() -> None:
    assert Beside.told(json.dumps({"picture": "x" * (MOST + 1), "captioned": "y" * MOST})) == Beside(
        "", "y" * MOST
    )
