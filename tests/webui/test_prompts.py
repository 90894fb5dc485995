"""Captions on their way into prompts, and prompts found in pictures."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from clipcap_ext.webui.prompts import escape_prompt, infotext_of, merged_prompt, prompt_of

INFOTEXT = (
    "a (dog:1.2) in snow, été\nsecond line\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 1"
)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("two dogs play", "two dogs play"),
        ("a dog (brown)", r"a dog \(brown\)"),
        ("[a] \\ b", r"\[a\] \\ b"),
        ("<lora:dog:1> runs", "lora:dog:1 runs"),
        ("(a:1.3)", r"\(a:1.3\)"),
        ("cat AND dog BREAK BAND", "cat and dog break BAND"),
    ],
)
def test_nothing_in_a_caption_weighs_or_loads(text: str, escaped: str) -> None:
    assert escape_prompt(text) == escaped


@pytest.mark.parametrize(
    ("mode", "prompt", "merged"),
    [
        ("replace", "mine", "a dog"),
        ("append", "mine", "mine, a dog"),
        ("append", "mine,", "mine, a dog"),
        ("append", "masterpiece, (best quality:1.2)", "masterpiece, (best quality:1.2), a dog"),
        ("prepend", "mine", "a dog, mine"),
        ("append", "", "a dog"),
    ],
)
def test_modes(mode: str, prompt: str, merged: str) -> None:
    assert merged_prompt(prompt, "a dog .", mode) == merged


@pytest.mark.parametrize("mode", ["replace", "append", "prepend"])
def test_an_empty_caption_wipes_nothing(mode: str) -> None:
    assert merged_prompt("mine", "  . ", mode) == "mine"


def png() -> Image.Image:
    said = PngImagePlugin.PngInfo()
    said.add_itxt("parameters", INFOTEXT)
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "PNG", pnginfo=said)
    return Image.open(stream)


def with_comment(comment: bytes, kind: str = "JPEG") -> Image.Image:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, kind, exif=exif)
    return Image.open(stream)


def test_a_pngs_parameters_are_found_even_after_conversion() -> None:
    assert infotext_of(png()) == INFOTEXT
    assert infotext_of(png().convert("RGBA")) == INFOTEXT


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize(
    "comment", [b"UNICODE\0" + INFOTEXT.encode("utf-16-be"), b"UNICODE\0" + INFOTEXT.encode("utf-16-le")]
)
def test_an_exif_comment_is_found(comment: bytes, kind: str) -> None:
    assert infotext_of(with_comment(comment, kind)) == INFOTEXT


@pytest.mark.parametrize("comment", [b"", b"JIS\0\0\0\0\0abc", b"short"])
def test_a_comment_of_another_kind_is_no_prompt(comment: bytes) -> None:
    assert infotext_of(with_comment(comment)) == ""
    assert infotext_of(Image.new("RGB", (4, 4))) == ""


def test_the_prompt_is_what_stands_before_the_rest() -> None:
    assert prompt_of(INFOTEXT) == "a (dog:1.2) in snow, été\nsecond line"
    assert prompt_of("only words") == "only words"
    assert prompt_of("Steps: 20, Sampler: Euler") == ""


# Prompts whose first character has a low byte of zero, as in 一 (U+4E00), the ideographic space and Ā, and
# others.
WORLD = [
    "一只猫在雪地里",
    "\u3000雪の中の猫、一匹",
    "Āda un kaķis",
    "кот на снегу",
    "a cat, 一只猫\nSteps: 20, Sampler: Euler",
]


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("text", [*WORLD, INFOTEXT, "a cat", "一", "😀 a cat in the snow"])
def test_a_comment_in_any_script_is_read_in_its_blocks_byte_order(text: str, order: str) -> None:
    code = {"little": "utf-16-le", "big": "utf-16-be"}[order]
    assert infotext_of(picture_with(b"UNICODE\0" + text.encode(code), order)) == text


@pytest.mark.parametrize("text", [INFOTEXT, "a cat in the snow", "кот на снегу, кошка"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_a_comment_against_its_blocks_byte_order_is_read_all_the_same(text: str, order: str) -> None:
    code = {"little": "utf-16-be", "big": "utf-16-le"}[order]
    assert infotext_of(picture_with(b"UNICODE\0" + text.encode(code), order)) == text


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Cn", "Co"]), min_size=1, max_size=40
    )
)
def test_a_mark_of_byte_order_decides(text: str) -> None:
    assert infotext_of(picture_with(b"UNICODE\0" + text.encode("utf-16"), "big")) == text.strip("\0 \n")


def picture_with(comment: bytes, order: str) -> Image.Image:
    """A JPEG whose EXIF block is written in that byte order, read back as a WebUI does."""
    sign, mark = {"little": ("<", b"II*\0"), "big": (">", b"MM\0*")}[order]
    ifd = struct.pack(f"{sign}HHHIII", 1, 0x8769, 4, 1, 26, 0)
    sub = struct.pack(f"{sign}HHHIII", 1, 0x9286, 7, len(comment), 44, 0)
    block = b"Exif\0\0" + mark + struct.pack(f"{sign}I", 8) + ifd + sub + comment
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG", exif=block)
    stream.seek(0)
    return Image.open(stream)
