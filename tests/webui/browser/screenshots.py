"""Makes the README's pictures of the tab: bundled model, example photos, a real browser. Run: make
screenshots"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from driver import Browser, wait_for
from page import ROOT, SLOW, Page, served
from PIL import Image

COLOURS = 256
PHOTOS = ROOT / "clipcap_ext" / "examples"
SINGLE = "cat"  # of the photos, which are shown all in the batch
BEAMS = 1
COUNT = "return document.querySelector('#clipcap_tokens .clipcap_tokens').textContent"


def save(browser: Browser, path: Path) -> None:
    """A small PNG of what is on screen."""
    time.sleep(1)  # let transitions end
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.png"
        browser.screenshot(whole)
        Image.open(whole).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def dark(page: Page, on: bool) -> None:
    """Switch the theme."""
    page.browser.run("document.body.classList.toggle('dark', arguments[0])", on)


def take(page: Page, photos: list[Path], docs: Path) -> None:
    """All of them."""
    page.open()
    page.put("image", [next((photo for photo in photos if photo.stem == SINGLE), photos[0])])
    wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
    page.choose("strategy", BEAMS)
    wait_for(lambda: page.enabled("num_beams"), "beams", SLOW)
    page.caption()
    page.caption()  # the first one's time holds the warming up
    wait_for(lambda: not page.browser.run(COUNT).startswith("0/"), "the token count", SLOW)
    save(page.browser, docs / "tab.png")
    dark(page, True)
    save(page.browser, docs / "tab-dark.png")
    page.browser.devtools(
        "Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True
    )
    page.browser.run("document.getElementById('clipcap_run').scrollIntoView()")
    save(page.browser, docs / "tab-phone.png")
    page.browser.devtools("Emulation.clearDeviceMetricsOverride")
    dark(page, False)
    page.pane("batch")
    with tempfile.TemporaryDirectory() as folder:
        broken = Path(folder) / "cut-short.jpg"
        broken.write_bytes(photos[0].read_bytes()[:300])
        page.put("files", [*photos[:5], broken])
        wait_for(lambda: "6 pictures ready" in page.text("batch_status"), "six pictures", SLOW)
        page.press("batch_run")
        wait_for(lambda: "5 of 6 captioned" in page.text("batch_status"), "the batch", SLOW)
    save(page.browser, docs / "tab-batch.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument(
        "--models", type=Path, default=ROOT / "runs", help="where to look beside the bundled models"
    )
    parser.add_argument("--model", default="tiny-flickr8k")
    args = parser.parse_args()
    python = ROOT / ".venv-gradio4" / "bin" / "python"
    photos = sorted(path for path in args.photos.iterdir() if path.suffix in (".jpg", ".jpeg", ".png"))
    if not photos or not python.exists():
        sys.exit(f"photos in {args.photos} and the environment .venv-gradio4 are needed (make test makes it)")
    args.docs.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "server.log"
        with served(python, args.models, log, "--model", args.model) as address:
            browser = Browser(Path(folder), 1180, 900)
            try:
                take(Page(browser, address), photos, args.docs)
            finally:
                browser.close()


if __name__ == "__main__":
    main()
