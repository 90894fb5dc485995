"""The picture zoo: every kind is read or refused as expected, in one process, with no other program
started."""

from __future__ import annotations

import importlib.util
import io
import subprocess
import sys
import types
from pathlib import Path

import pytest
from PIL import Image

from clipcap_ext.engine.images import formats
from clipcap_ext.engine.images.finding import IMAGE_SUFFIXES, find_images
from clipcap_ext.engine.images.formats import readable_formats
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import ImageError

sys.path.insert(0, str(Path(__file__).parent))
from zoo import RED, ZOO, Animal, box, plain, saved


def test_the_zoo_is_large_and_every_name_in_it_is_found_in_a_folder(tmp_path: Path) -> None:
    assert len(ZOO) >= 60 and len({animal.name for animal in ZOO}) == len(ZOO)
    for animal in ZOO:
        (tmp_path / animal.name).touch()
    assert {path.name for path in find_images([tmp_path])} == {animal.name for animal in ZOO}


@pytest.mark.parametrize("animal", ZOO, ids=lambda animal: animal.name)
def test_it_is_read_or_refused_as_expected(
    animal: Animal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if animal.name.endswith(".avif") and "AVIF" not in Image.OPEN:
        pytest.skip("this Pillow reads no AVIF")

    def start(*_: object, **__: object) -> None:
        raise AssertionError("a program was started to read a picture")

    monkeypatch.setattr(subprocess, "Popen", start)
    path = tmp_path / animal.name
    path.write_bytes(animal.make())
    for source in (path, io.BytesIO(animal.make())):
        if animal.refusal and not (animal.name == "empty.png" and source is not path):
            with pytest.raises(ImageError, match=animal.refusal):
                open_image(source)
        elif not animal.refusal:
            found = open_image(source)
            assert (found.mode, found.size) == ("RGB", animal.size)
            middle = found.getpixel((found.width // 2, found.height // 2))
            assert all(abs(one - other) <= 6 for one, other in zip(middle, animal.colour, strict=True)), (
                middle
            )


@pytest.mark.parametrize(
    ("head", "package"),
    [
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), "pillow-heif"),
        (box(b"ftyp", b"mif1\0\0\0\0mif1heic"), "pillow-heif"),
        (b"\xff\x0a" + bytes(30), "pillow-jxl-plugin"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(20), "pillow-jxl-plugin"),
        (box(b"ftyp", b"avif\0\0\0\0mif1avif"), "pillow-avif-plugin"),
    ],
)
def test_a_missing_plugin_is_named_and_a_present_one_is_registered(
    head: bytes, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugin = next(one for one in formats.PLUGINS if one.package == package)
    Image.init()
    monkeypatch.delitem(Image.OPEN, plugin.format, raising=False)
    monkeypatch.setitem(sys.modules, plugin.module, None)
    path = tmp_path / "phone.picture"
    path.write_bytes(head)
    with pytest.raises(
        ImageError, match=f"phone.picture: .* needs the package {package}: pip install {package}"
    ):
        open_image(path)
    idle = types.ModuleType(plugin.module)
    idle.register_heif_opener = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, plugin.module, idle)
    with pytest.raises(ImageError, match=f"which the installed {package} cannot read"):
        open_image(path)


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="no pillow-heif here")
def test_a_phones_picture_with_the_real_plugin(tmp_path: Path) -> None:
    import pillow_heif

    path = tmp_path / "phone.heic"
    pillow_heif.from_pillow(plain()).save(path, quality=95)
    found = open_image(path)
    assert all(abs(one - other) <= 8 for one, other in zip(found.getpixel((9, 9)), RED, strict=True))


@pytest.mark.skipif(importlib.util.find_spec("pillow_jxl") is None, reason="no pillow-jxl-plugin here")
def test_a_jpeg_xl_with_the_real_plugin(tmp_path: Path) -> None:
    import pillow_jxl  # noqa: F401

    path = tmp_path / "new.jxl"
    path.write_bytes(saved(plain(), "JXL", lossless=True))
    assert open_image(path).getpixel((9, 9)) == RED


def test_no_format_starts_a_program_or_is_missing_from_the_suffixes() -> None:
    known = set(readable_formats(b""))
    assert not known & {"EPS", "WMF", "FPX", "MIC", "MPEG", "PDF", "GBR", "FITS", "HDF5", "BUFR", "GRIB"}
    extensions = {suffix for suffix, form in Image.registered_extensions().items() if form in known}
    odd = {
        ".bw",
        ".rgb",
        ".rgba",
        ".icb",
        ".vda",
        ".vst",
        ".wbm",
        ".wbmp",
    }  # taken for other things, or unknown
    assert extensions - IMAGE_SUFFIXES - odd <= {
        ".apng",
        ".avifs",
        ".heics",
        ".heifs",
        ".j2c",
        ".jpe",
        ".jph",
    }


def test_memory_holds_one_full_picture_at_a_time(tmp_path: Path) -> None:
    """Twelve PNGs of 24 megapixels through the batch reader: peak memory, told by the system, of one
    process."""
    data = saved(plain(size=(6000, 4000)), "PNG")
    paths = [tmp_path / f"{number}.png" for number in range(12)]
    for path in paths:
        path.write_bytes(data)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom clipcap_ext.batch.captioning import "
        "caption_files\nfrom clipcap_ext.caption import Candidate, Caption\n"
        "from clipcap_ext.captioning import Captioning\n"
        "from clipcap_ext.engine.images.reading import open_image\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "say = lambda images: [Caption('a', 'm', (Candidate('a', 0.0),)) for _ in images]\n"
        "done = list(caption_files([Path(one) for one in sys.argv[1:]], Captioning(list, say)))\n"
        "assert all(one.caption for one in done), done[0].problem\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)\n"
    )
    root = Path(__file__).resolve().parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)], cwd=root, capture_output=True, text=True, check=True
    )
    assert int(ran.stdout) < 2 * 6000 * 4000 * 4 // 2**20 + 60, f"{ran.stdout} MB for pictures of 92 MB each"
