"""A large photo is made smaller on the page before it is uploaded, upright and as it looks; what brings a
prompt, is small, or cannot be read by the browser goes as it is."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from driver import wait_for
from page import SLOW, Page
from PIL import Image, PngImagePlugin

MOST = 2048
INFOTEXT = "a (dog:1.2) in the snow\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 1"
RED, BLUE = (200, 30, 30), (30, 30, 200)
CAUGHT = """
window.caught = [];
document.addEventListener("change", (event) => {
    if (event.target.closest?.("#clipcap_image")) window.caught.push(event.target.files[0]);
});
"""
FOLD = "return document.querySelector('#clipcap_found_fold button') !== null"
LAST = "return window.caught.length ? window.caught.at(-1).size : 0"
HELD = """
const shrunk = clipcap_shrunk;
window.held = true;
window.clipcap_shrunk = async (file) => {
    const made = await shrunk(file);
    while (window.held) await new Promise((go) => setTimeout(go, 20));
    window.looked = true;
    return made;
};
"""
PASTE = """
const bytes = Uint8Array.from(atob(arguments[0]), (letter) => letter.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], arguments[1], {type: arguments[2]}));
document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
"""


def photo() -> Image.Image:
    """12 megapixels, red above and blue below, with enough in it to make a file of some megabytes."""
    texture = Image.effect_noise((1050, 700), 60).resize((4200, 2800))
    whole = Image.new("RGB", (4200, 2800), RED)
    whole.paste(BLUE, (0, 1400, 4200, 2800))
    return Image.blend(whole, Image.merge("RGB", [texture] * 3), 0.2)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photo as a camera saves it: upright.jpg, turned.jpg (held upright, EXIF says so), made.jpg and
    made.png with a prompt in them, clear.png with a transparent part, odd.jpg that is none."""
    folder, whole = tmp_path_factory.mktemp("large"), photo()
    whole.save(folder / "upright.jpg", quality=92)
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by a quarter to the right
    whole.rotate(90, expand=True).save(folder / "turned.jpg", quality=92, exif=exif)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + INFOTEXT.encode("utf-16-be")
    part = whole.resize((2400, 1600))
    part.save(folder / "made.jpg", quality=92, exif=exif)
    said = PngImagePlugin.PngInfo()
    said.add_text("parameters", INFOTEXT)
    part.save(folder / "made.png", pnginfo=said, compress_level=1)
    clear = part.convert("RGBA")
    clear.paste((0, 0, 0, 0), (0, 0, 800, 1600))
    clear.save(folder / "clear.png", compress_level=1)
    (folder / "odd.jpg").write_bytes(b"\xff\xd8" + bytes(900_000))
    return folder


def picker(page: Page, file: Path) -> None:
    page.put("image", [file])


def drop(page: Page, file: Path) -> None:
    page.drop("image", file)


def paste(page: Page, file: Path) -> None:
    kind = "image/png" if file.suffix == ".png" else "image/jpeg"
    page.browser.run(PASTE, base64.b64encode(file.read_bytes()).decode(), file.name, kind)


def shown(page: Page) -> Image.Image:
    """The picture in the box, as the server has it."""
    script = (
        "const picture = document.querySelector('#clipcap_image img');"
        "if (!picture?.complete || !picture.naturalWidth) return '';"
        "const canvas = document.createElement('canvas');"
        "[canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];"
        "canvas.getContext('2d').drawImage(picture, 0, 0); return canvas.toDataURL()"
    )
    wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
    address = wait_for(lambda: page.browser.run(script), "the picture in the box", SLOW)
    return Image.open(io.BytesIO(base64.b64decode(address.split(",")[1])))


def near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(one - two) < 60 for one, two in zip(colour[:3], other[:3], strict=True))


@pytest.mark.parametrize("give", [picker, drop, paste])
def test_a_large_photo_arrives_small_and_upright(
    page: Page, large: Path, give: Callable[[Page, Path], None]
) -> None:
    page.browser.run(CAUGHT)
    for name in ("upright.jpg", "turned.jpg"):
        give(page, large / name)
        wait_for(lambda: page.browser.run(LAST) > 0, "the file to be handed over", SLOW)
        assert page.browser.run(LAST) < (large / name).stat().st_size / 2
        picture = shown(page)
        assert picture.size == (MOST, round(MOST * 2 / 3))
        above, below = picture.getpixel((1000, 300)), picture.getpixel((1000, 1100))
        assert near(above, RED) and near(below, BLUE), (name, above, below)
        page.open()
        page.browser.run(CAUGHT)


def test_what_brings_a_prompt_or_cannot_be_read_goes_as_it_is(page: Page, large: Path) -> None:
    for name in ("made.jpg", "made.png"):
        picker(page, large / name)
        assert shown(page).size == (2400, 1600), name
        wait_for(lambda: page.browser.run(FOLD), "the prompt")
        page.open()
    picker(page, large / "odd.jpg")
    wait_for(lambda: "no picture that can be read" in page.text("status"), "the reason", SLOW)
    page.browser.errors()  # gradio's own preview complains of the file


def test_what_is_clear_stays_clear(page: Page, large: Path) -> None:
    paste(page, large / "clear.png")
    picture = shown(page)
    assert picture.size[0] == MOST
    assert picture.getpixel((100, 600))[3] == 0 and picture.getpixel((1500, 600))[3] == 255
    assert page.caption()


def test_a_picture_given_meanwhile_is_the_one_that_stays(page: Page, large: Path, pictures: Path) -> None:
    page.browser.run(HELD)
    picker(page, large / "upright.jpg")
    picker(page, pictures / "p0.png")
    assert shown(page).size == Image.open(pictures / "p0.png").size
    page.browser.run("window.held = false")
    wait_for(lambda: page.browser.run("return window.looked === true"), "the look at the large one")
    assert shown(page).size == Image.open(pictures / "p0.png").size
