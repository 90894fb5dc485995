"""The page under each gradio, in a browser; skipped, with the reason, where either is missing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

sys.path.insert(0, str(Path(__file__).resolve().parent))

from driver import Browser, browser_paths, free_port, wait_for
from page import ROOT, SLOW, Page, answers, served

INFOTEXT = "a (dog:1.2) in the snow\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a, Seed: 1"
STEP = "0.12"  # seconds that each picture of a batch takes


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """p0.png to p5.png, generated.png with a prompt in it, broken.png that is none."""
    from tiny import tiny_images

    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(tiny_images()):
        image.save(folder / f"p{number}.png")
    said = PngImagePlugin.PngInfo()
    said.add_text("parameters", INFOTEXT)
    Image.new("RGB", (64, 48), (200, 30, 30)).save(folder / "generated.png", pnginfo=said)
    (folder / "broken.png").write_bytes(b"this is no picture")
    return folder


@pytest.fixture(scope="session", params=["gradio3", "gradio4", "gradio6"])
def gradio_python(request: pytest.FixtureRequest) -> Path:
    """The interpreter that has this gradio."""
    if browser_paths() is None:
        pytest.skip("no Chromium with chromedriver (Debian: chromium, chromium-driver)")
    python = ROOT / f".venv-{request.param}" / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment .venv-{request.param}: make test builds it, and says so where it cannot")
    return python


@pytest.fixture(scope="session")
def models(tiny_folder: Path, tiny_sbg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with every tiny captioner."""
    folder = tmp_path_factory.mktemp("all")
    for model in (
        tiny_folder / "tiny-clip",
        tiny_folder / "tiny-clipcap",
        tiny_folder / "tiny-transformer",
        tiny_sbg,
    ):
        (folder / model.name).symlink_to(model, target_is_directory=True)
    return folder


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser puts what it downloads."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def hold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """While this file exists, a batch stands still after its first pictures."""
    return tmp_path_factory.mktemp("hold") / "hold"


@pytest.fixture(scope="session")
def pages(
    gradio_python: Path, models: Path, downloads: Path, hold: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Page, Page]]:
    """One server and one browser a gradio: the standalone page, and the one that stands for a WebUI's."""
    log, host_port = tmp_path_factory.mktemp("server") / "server.log", free_port()
    options = (
        "--model",
        "tiny-clipcap",
        "--seconds",
        STEP,
        "--hold",
        str(hold),
        "--host-port",
        str(host_port),
    )
    with served(gradio_python, models, log, *options) as address:
        browser = Browser(downloads)
        try:
            yield Page(browser, address), Page(browser, f"http://127.0.0.1:{host_port}/")
        finally:
            browser.close()


@pytest.fixture
def page(pages: tuple[Page, Page]) -> Iterator[Page]:
    """The standalone page, fresh."""
    yield from quiet(pages[0])


@pytest.fixture
def host_page(pages: tuple[Page, Page]) -> Iterator[Page]:
    """The tab in a page of somebody else's, fresh."""
    wait_for(lambda: answers(pages[1].address), "the host's page", SLOW)
    yield from quiet(pages[1])


def quiet(page: Page) -> Iterator[Page]:
    """Open a page; afterwards its console must hold no error of ours and it must have asked nobody else."""
    page.browser.errors()
    page.open()
    yield page
    # gradio's own pages name a script on a CDN; our policy keeps the browser from asking for it, which it
    # reports. Gradio 4 reports what it broke off itself.
    gradios = ("iframe-resizer", "AbortError")
    ours = [line for line in page.browser.errors() if not any(word in line for word in gradios)]
    assert ours == []
    asked = page.browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    outside = [name for name in asked if not name.startswith((page.address, "data:", "blob:"))]
    assert [name for name in outside if "iframe-resizer" not in name] == []
