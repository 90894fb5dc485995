"""Pictures of every kind: the colours, the rotation and the first frame come out right, and bad files say
why."""

from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageFile

from clipcap_ext.engine.images.reading import open_image, to_rgb
from clipcap_ext.errors import ImageError

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def saved(image: Image.Image, format: str, **options: object) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    stream.seek(0)
    return stream


def png(
    width: int, height: int, depth: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]
) -> io.BytesIO:
    """A PNG written by hand, for the kinds that Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = (
        b"".join(chunk(*pair) for pair in extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + header + body)


def near(pixel: tuple[int, ...], wanted: tuple[int, ...], within: int = 4) -> bool:
    return all(abs(one - other) <= within for one, other in zip(pixel, wanted, strict=True))


# The picture that EXIF tests turn: each corner has its own colour.
CORNERS = (
    np.array([[RED, GREEN, GREEN], [(0, 0, 255), WHITE, WHITE]], dtype=np.uint8).repeat(8, 0).repeat(8, 1)
)
STORED_AS = {  # the inverse of what each EXIF orientation asks a viewer to do
    1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2), 8: lambda a: np.rot90(a, -1),
}  # fmt: skip


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(orientation: int, format: str) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](CORNERS)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}.get(format, {})
    upright = np.asarray(open_image(saved(stored, format, exif=exif, **options)))
    assert upright.shape == CORNERS.shape
    assert np.abs(upright.astype(int) - CORNERS).max() <= 4


@pytest.mark.parametrize("exif", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\xff\xff"])
def test_broken_exif_costs_only_the_rotation(exif: bytes) -> None:
    assert open_image(saved(Image.new("RGB", (8, 6), RED), "JPEG", exif=exif)).size == (8, 6)


def test_transparency_is_laid_on_white() -> None:
    rgba = Image.new("RGBA", (2, 1), (*RED, 255))
    rgba.putpixel((1, 0), (0, 0, 0, 0))
    found = open_image(saved(rgba, "PNG"))
    assert found.mode == "RGB" and [found.getpixel((x, 0)) for x in (0, 1)] == [RED, WHITE]
    half = open_image(saved(Image.new("RGBA", (1, 1), (0, 0, 0, 128)), "PNG"))
    assert near(half.getpixel((0, 0)), (127, 127, 127), 1)
    grey = open_image(saved(Image.new("LA", (1, 1), (0, 0)), "PNG"))
    assert grey.getpixel((0, 0)) == WHITE


def test_palettes() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([*RED, *GREEN, 0, 0, 0])
    for x in range(3):
        image.putpixel((x, 0), x)
    plain = open_image(saved(image, "PNG"))
    assert [plain.getpixel((x, 0)) for x in range(3)] == [RED, GREEN, (0, 0, 0)]
    one = open_image(saved(image, "PNG", transparency=1))
    assert [one.getpixel((x, 0)) for x in range(3)] == [RED, WHITE, (0, 0, 0)]
    many = open_image(saved(image, "PNG", transparency=bytes([255, 0, 0])))
    assert [many.getpixel((x, 0)) for x in range(3)] == [RED, WHITE, WHITE]
    gif = open_image(saved(image, "GIF", transparency=2))
    assert [gif.getpixel((x, 0)) for x in range(3)] == [RED, GREEN, WHITE]


def test_one_colour_may_be_transparent_in_rgb_and_grey() -> None:
    rgb = png(2, 1, 8, 2, b"\0" + bytes([*RED, *GREEN]), (b"tRNS", struct.pack(">HHH", *GREEN)))
    found = open_image(rgb)
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [RED, WHITE]
    grey = png(2, 1, 8, 0, b"\0\x10\x40", (b"tRNS", struct.pack(">H", 0x10)))
    found = open_image(grey)
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [WHITE, (0x40,) * 3]


def test_16_bit_grey_is_scaled_and_not_clipped() -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=">u2")
    found = open_image(png(4, 1, 16, 0, b"\0" + values.tobytes()))
    assert [found.getpixel((x, 0))[0] for x in range(4)] == [0, 1, 128, 255]
    dark = open_image(png(2, 1, 16, 0, b"\0" + np.array([0, 200], dtype=">u2").tobytes()))
    assert dark.getpixel((1, 0)) == (1, 1, 1)  # a dark picture stays dark
    tiff = open_image(saved(Image.fromarray(np.array([[0, 65535]], dtype=np.uint16)), "TIFF"))
    assert [tiff.getpixel((x, 0))[0] for x in (0, 1)] == [0, 255]


def test_16_bit_colour() -> None:
    rows = b"\0" + np.array([65535, 0, 32896], dtype=">u2").tobytes()
    assert near(open_image(png(1, 1, 16, 2, rows)).getpixel((0, 0)), (255, 0, 128), 1)


@pytest.mark.parametrize(
    ("mode", "values", "wanted"),
    [
        ("I", [0, 100, 255], [0, 100, 255]),
        ("I", [0, 32896, 65535], [0, 128, 255]),
        ("I", [-100, 0, 100], [0, 128, 255]),
        ("I", [0, 1_000_000, 2_000_000], [0, 128, 255]),
        ("F", [0.0, 0.5, 1.0], [0, 128, 255]),
        ("F", [0.0, 100.0, 255.0], [0, 100, 255]),
        ("F", [-2.0, 0.0, 2.0], [0, 128, 255]),
        ("F", [float("nan"), float("inf"), 1.0], [0, 0, 255]),
    ],
)
def test_32_bit_kinds(mode: str, values: list[float], wanted: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.int32 if mode == "I" else np.float32))
    assert image.mode == mode
    for found in (to_rgb(image), open_image(saved(image, "TIFF"))):
        assert near([found.getpixel((x, 0))[0] for x in range(3)], wanted, 1)


def test_one_bit() -> None:
    image = Image.new("1", (2, 1), 1)
    image.putpixel((0, 0), 0)
    found = open_image(saved(image, "PNG"))
    assert [found.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), WHITE]


def test_cmyk_by_adobes_convention_and_by_the_plain_one() -> None:
    red_ink = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert near(open_image(saved(red_ink, "TIFF")).getpixel((8, 8)), RED)
    adobe = saved(red_ink, "JPEG", quality=100)
    assert near(open_image(adobe).getpixel((8, 8)), RED)
    data = saved(ImageChops.invert(red_ink), "JPEG", quality=100).getvalue()  # stored as plain red ink
    at = data.index(b"\xff\xee")  # Adobe's segment
    length = struct.unpack(">H", data[at + 2 : at + 4])[0]
    plain = data[:at] + data[at + 2 + length :]
    assert b"Adobe" not in plain
    assert near(open_image(io.BytesIO(plain)).getpixel((8, 8)), RED)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_first_frame(format: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    found = open_image(saved(frames[0], format, save_all=True, append_images=frames[1:]))
    assert near(found.getpixel((4, 4)), RED, 6)


MODES = [
    "1",
    "L",
    "LA",
    "La",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBX",
    "RGBa",
    "CMYK",
    "YCbCr",
    "HSV",
    "I",
    "F",
    "I;16",
]


@given(st.sampled_from(MODES), st.integers(1, 9), st.integers(1, 9))
def test_every_mode_becomes_rgb_of_the_same_size(mode: str, width: int, height: int) -> None:
    image = Image.new(mode, (width, height))
    found = to_rgb(image)
    assert (found.mode, found.size) == ("RGB", (width, height))
    assert to_rgb(found).tobytes() == found.tobytes()  # nothing more to do the second time
    assert found is not image


def test_a_huge_jpeg_is_decoded_small_and_a_small_one_whole() -> None:
    image = Image.new("RGB", (4200, 2100), RED)
    found = open_image(saved(image, "JPEG"))
    assert found.size == (2100, 1050) and near(found.getpixel((9, 9)), RED)
    assert open_image(saved(image.resize((1500, 1100)), "JPEG")).size == (1500, 1100)


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_bad_files_say_which_and_why(tmp_path: Path) -> None:
    whole = saved(Image.effect_noise((64, 64), 90), "PNG").getvalue()
    jpeg = saved(Image.effect_noise((64, 64), 90), "JPEG").getvalue()
    (tmp_path / "x.png").mkdir()
    cases = {
        write(tmp_path, "empty.jpg", b""): "empty",
        write(tmp_path, "text.jpg", b"this is no picture"): "not a picture",
        write(tmp_path, "phone.heic", b"this is no picture"): "not a picture",
        write(tmp_path, "cut.png", whole[: len(whole) // 2]): "damaged or cut short",
        write(tmp_path, "cut.jpg", jpeg[: len(jpeg) // 2]): "damaged or cut short",
        tmp_path / "x.png": "folder",
        tmp_path / "gone.jpg": "no such file",
    }
    assert not ImageFile.LOAD_TRUNCATED_IMAGES
    for path, reason in cases.items():
        with pytest.raises(ImageError, match=reason) as caught:
            open_image(path)
        assert str(caught.value).startswith(str(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ImageError, match="not a regular file"):
        open_image(tmp_path / "pipe.jpg")


def test_a_bomb_is_refused_by_name_and_pillows_limit_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = write(tmp_path, "bomb.png", png(20_000, 20_000, 1, 0, b"\0").getvalue())
    for limit in (Image.MAX_IMAGE_PIXELS, None):  # None: a host has switched Pillow's own check off
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ImageError, match=r"bomb\.png: too many pixels"):
            open_image(bomb)
        assert limit == Image.MAX_IMAGE_PIXELS
    with pytest.raises(ImageError, match="limit is 99"):
        open_image(saved(Image.new("RGB", (10, 10)), "PNG"), max_pixels=99)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_picture_or_an_image_error(data: bytes) -> None:
    try:
        assert open_image(io.BytesIO(data)).mode == "RGB"
    except ImageError:
        pass


@given(st.data())
def test_a_damaged_file_is_a_picture_or_an_image_error(data: st.DataObject) -> None:
    source = data.draw(st.sampled_from(FORMATS))
    whole = bytearray(saved(Image.linear_gradient("L").resize((16, 16)), source).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert open_image(io.BytesIO(bytes(whole)), max_pixels=10_000).mode == "RGB"
    except ImageError:
        pass


FORMATS = ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "TGA", "PPM"]
