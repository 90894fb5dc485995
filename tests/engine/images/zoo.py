"""A zoo of picture files, each made here with what must come of reading it: a colour, or a reason in words.

Run as a script it writes them into a folder, to be tried by hand:  python tests/engine/images/zoo.py FOLDER
"""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

RED, WHITE, BLACK, GREY = (255, 0, 0), (255, 255, 255), (0, 0, 0), (128, 128, 128)
SIZE = (48, 32)


@dataclass(frozen=True)
class Animal:
    """A file: its name, its bytes, and the colour in the middle of what is read, or a pattern of the
    refusal."""

    name: str
    make: Callable[[], bytes]
    colour: tuple[int, int, int] = RED
    refusal: str = ""
    size: tuple[int, int] = SIZE


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def plain(mode: str = "RGB", colour: object = RED, size: tuple[int, int] = SIZE) -> Image.Image:
    return Image.new(mode, size, colour)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_with(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with further chunks behind its header."""
    data = saved(image or plain(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def with_text(kind: str, length: int) -> bytes:
    info = PngImagePlugin.PngInfo()
    text = "workflow " * (length // 9)
    {"tEXt": info.add_text, "zTXt": lambda k, v: info.add_text(k, v, zip=True), "iTXt": info.add_itxt}[kind](
        "workflow", text
    )
    return saved(plain(), "PNG", pnginfo=info)


def cut(data: bytes, part: float = 0.5) -> bytes:
    return data[: int(len(data) * part)]


def noise(form: str, **options: object) -> bytes:
    rng = np.random.default_rng(0)
    return saved(Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)), form, **options)


def exif(orientation: int) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = orientation
    return made


def frames(form: str, **options: object) -> bytes:
    return saved(plain(), form, save_all=True, append_images=[plain(colour=(0, 0, 255))], **options)


def profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def psd() -> bytes:
    """A Photoshop file of one flat layer: its composite, red, three planes of raw bytes."""
    head = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, SIZE[1], SIZE[0], 8, 3) + struct.pack(">III", 0, 0, 0)
    plane = SIZE[0] * SIZE[1]
    return head + struct.pack(">H", 0) + b"\xff" * plane + b"\0" * (2 * plane)


def qoi() -> bytes:
    """A QOI of one colour: one RGB chunk, then runs of it."""
    data = b"qoif" + struct.pack(">IIBB", *SIZE, 3, 0) + b"\xfe" + bytes(RED)
    left = SIZE[0] * SIZE[1] - 1
    while left:
        run = min(left, 62)
        data += bytes([0xC0 | (run - 1)])
        left -= run
    return data + b"\0" * 7 + b"\1"


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 32\n1 0 0 setrgbcolor 0 0 48 32 rectfill\n%%EOF\n"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="48" height="32"/>'
WMF = (
    b"\xd7\xcd\xc6\x9a\0\0"
    + struct.pack("<hhhhHI", 0, 0, 48, 32, 72, 0)
    + b"\0\0"
    + b"\1\0\x09\0"
    + bytes(20)
)
RGBA_RED = (255, 0, 0, 255)

ZOO = [
    Animal("plain.jpg", lambda: saved(plain(), "JPEG", quality=95)),
    Animal("progressive.jpg", lambda: saved(plain(), "JPEG", progressive=True, quality=95)),
    Animal("grey.jpg", lambda: saved(plain("L", 128), "JPEG"), GREY),
    Animal("ink.jpg", lambda: saved(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=100)),
    Animal("upside_down.jpg", lambda: saved(plain(), "JPEG", exif=exif(3), quality=95)),
    Animal("turned.jpg", lambda: saved(plain(), "JPEG", exif=exif(6), quality=95), size=(32, 48)),
    Animal("odd_rotation.jpg", lambda: saved(plain(), "JPEG", exif=exif(42), quality=95)),
    Animal("icc.jpg", lambda: saved(plain(), "JPEG", icc_profile=profile(), quality=95)),
    Animal("comment.jpg", lambda: saved(plain(), "JPEG", comment=b"x" * 60_000, quality=95)),
    Animal("named_png.png", lambda: saved(plain(), "JPEG", quality=95)),
    Animal("huge.jpg", lambda: saved(plain(size=(4800, 3200)), "JPEG", quality=95), size=(2400, 1600)),
    Animal("cut.jpg", lambda: cut(noise("JPEG")), refusal="damaged or cut short"),
    Animal("head.jpg", lambda: noise("JPEG")[:20], refusal="not a picture|damaged"),
    Animal("two.mpo", lambda: frames("MPO", quality=95)),
    Animal("plain.png", lambda: saved(plain(), "PNG")),
    Animal("clear.png", lambda: saved(plain("RGBA", (0, 0, 0, 0)), "PNG"), WHITE),
    Animal("half_clear.png", lambda: saved(plain("RGBA", (0, 0, 0, 127)), "PNG"), GREY),
    Animal("grey_alpha.png", lambda: saved(plain("LA", (0, 0)), "PNG"), WHITE),
    Animal("palette.png", lambda: saved(plain().quantize(4), "PNG")),
    Animal("palette_clear.png", lambda: saved(plain("P", 0), "PNG", transparency=0), WHITE),
    Animal("one_bit.png", lambda: saved(plain("1", 1), "PNG"), WHITE),
    Animal("sixteen.png", lambda: saved(Image.fromarray(np.full((32, 48), 32896, np.uint16)), "PNG"), GREY),
    Animal("sixteen_dark.png", lambda: saved(Image.fromarray(np.full((32, 48), 9, np.uint16)), "PNG"), BLACK),
    Animal("text.png", lambda: with_text("tEXt", 2_000_000)),
    Animal("packed_text.png", lambda: with_text("zTXt", 2_000_000)),
    Animal("world_text.png", lambda: with_text("iTXt", 2_000_000)),
    Animal("huge_text.png", lambda: with_text("tEXt", 70_000_000)),
    Animal("broken_text.png", lambda: png_with(chunk(b"zTXt", b"a\0\0not packed"))),
    Animal("large_profile.png", lambda: png_with(chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(3_000_000))))),
    Animal("broken_profile.png", lambda: png_with(chunk(b"iCCP", b"p\0\0not packed"))),
    Animal("animated.png", lambda: frames("PNG")),
    Animal("turned.png", lambda: saved(plain(), "PNG", exif=exif(8)), size=(32, 48)),
    Animal("huge.png", lambda: saved(plain(size=(4800, 3200)), "PNG"), size=(1600, 1067)),
    Animal(
        "huge_clear.png", lambda: saved(plain("RGBA", (0, 0, 0, 0), (2600, 2600)), "PNG"), WHITE,
        size=(1300, 1300),
    ),
    Animal("huge_palette.png", lambda: saved(plain(size=(2600, 2600)).quantize(4), "PNG"), size=(1300, 1300)),
    Animal("cut.png", lambda: cut(noise("PNG")), refusal="damaged or cut short"),
    Animal("no_data.png", lambda: saved(plain(), "PNG")[:40], refusal="damaged or cut short|not a picture"),
    Animal(
        "bomb.png",
        lambda: b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b""),
        refusal="too many pixels",
    ),
    Animal("plain.webp", lambda: saved(plain(), "WEBP", lossless=True)),
    Animal("clear.webp", lambda: saved(plain("RGBA", (0,) * 4), "WEBP", lossless=True, exact=True), WHITE),
    Animal("animated.webp", lambda: frames("WEBP", lossless=True)),
    Animal("turned.webp", lambda: saved(plain(), "WEBP", lossless=True, exif=exif(6)), size=(32, 48)),
    Animal("cut.webp", lambda: cut(noise("WEBP")), refusal="damaged or cut short"),
    Animal("plain.gif", lambda: saved(plain(), "GIF")),
    Animal("animated.gif", lambda: frames("GIF")),
    Animal("clear.gif", lambda: saved(plain("P", 0), "GIF", transparency=0), WHITE),
    Animal("cut.gif", lambda: cut(noise("GIF")), refusal="damaged or cut short"),
    Animal("plain.bmp", lambda: saved(plain(), "BMP")),
    Animal("plain.dib", lambda: saved(plain(), "DIB")),
    Animal("cut.bmp", lambda: cut(noise("BMP")), refusal="damaged or cut short"),
    Animal("plain.tif", lambda: saved(plain(), "TIFF")),
    Animal("packed.tif", lambda: saved(plain(), "TIFF", compression="tiff_lzw")),
    Animal("jpeg_inside.tif", lambda: saved(plain(), "TIFF", compression="jpeg", quality=100)),
    Animal("ink.tif", lambda: saved(plain("CMYK", (0, 255, 255, 0)), "TIFF")),
    Animal("sixteen.tif", lambda: saved(Image.fromarray(np.full((32, 48), 65535, np.uint16)), "TIFF"), WHITE),
    Animal("float.tif", lambda: saved(Image.fromarray(np.full((32, 48), 0.5, np.float32)), "TIFF"), GREY),
    Animal("turned.tif", lambda: saved(plain(), "TIFF", exif=exif(6)), size=(32, 48)),
    Animal("pages.tif", lambda: frames("TIFF")),
    Animal("cut.tif", lambda: cut(noise("TIFF")), refusal="damaged or cut short|not a picture"),
    Animal("plain.ppm", lambda: saved(plain(), "PPM")),
    Animal("plain.pgm", lambda: saved(plain("L", 128), "PPM"), GREY),
    Animal("plain.pbm", lambda: saved(plain("1", 1), "PPM"), WHITE),
    Animal("letters.ppm", lambda: b"P3 48 32 255\n" + b"255 0 0\n" * (48 * 32)),
    Animal("plain.tga", lambda: saved(plain(), "TGA")),
    Animal("packed.tga", lambda: saved(plain(), "TGA", compression="tga_rle")),
    Animal("plain.jp2", lambda: saved(plain(), "JPEG2000", irreversible=False)),
    Animal("stream.j2k", lambda: saved(plain(), "JPEG2000", no_jp2=True)),
    Animal("plain.ico", lambda: saved(plain("RGBA", RGBA_RED), "ICO", sizes=[SIZE])),
    Animal("plain.icns", lambda: saved(plain("RGBA", RGBA_RED, (64, 64)), "ICNS"), size=(1024, 1024)),
    Animal("plain.pcx", lambda: saved(plain(), "PCX")),
    Animal("plain.dds", lambda: saved(plain(), "DDS")),
    Animal("plain.sgi", lambda: saved(plain(), "SGI")),
    Animal("plain.qoi", qoi),
    Animal("plain.psd", psd),
    Animal("plain.avif", lambda: saved(plain(), "AVIF", quality=95)),
    Animal("cut.avif", lambda: cut(noise("AVIF")), refusal="damaged or cut short|not a picture"),
    Animal("holiday.png", lambda: EPS, refusal="not a picture in a format known here"),
    Animal("drawing.jpg", lambda: SVG, refusal="not a picture in a format known here"),
    Animal("metafile.png", lambda: WMF, refusal="not a picture in a format known here"),
    Animal("page.jpg", lambda: b"<!DOCTYPE html><html>404</html>", refusal="not a picture"),
    Animal("paper.jpg", lambda: b"%PDF-1.7\n" + bytes(400), refusal="not a picture"),
    Animal("film.jpg", lambda: box(b"ftyp", b"isom\0\0\2\0isomiso2mp41") + bytes(99), refusal="not a pict"),
    Animal("archive.png", lambda: b"PK\3\4" + bytes(400), refusal="not a picture"),
    Animal("lfs.png", lambda: b"version https://git-lfs.github.com/spec/v1\n", refusal="not a picture"),
    Animal("words.png", lambda: "just words, 日本語".encode(), refusal="not a picture"),
    Animal("zeros.jpg", lambda: bytes(4096), refusal="not a picture"),
    Animal("empty.png", lambda: b"", refusal="empty"),
]  # fmt: skip


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for animal in ZOO:
        (folder / animal.name).write_bytes(animal.make())


if __name__ == "__main__":
    main()
