"""The leaderboard's page from a file in a real Chromium, offline: columns sort, and it fits a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver import Browser, browser_paths
from tiny_tasks import captions_of, write_flickr

from clipcap_ext.evaluate.__main__ import main

SYSTEMS = {"b-right": 0, "a-short": 2, "c-other": 4}
NAMES = "return [...document.querySelectorAll('table.board tbody th')].map(one => one.innerText)"
CLICK = "document.querySelectorAll('table.board thead button')[arguments[0]].click()"
SORTED = "return [...document.querySelectorAll('table.board thead th')].map(one => one.ariaSort)"
VALUES = (
    "return [...document.querySelectorAll('table.board tbody tr')].map(row => row.cells[5].dataset.value)"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("board")
    (folder / "flickr8k").mkdir()
    write_flickr(folder / "flickr8k")
    words = ["--data", str(folder / "flickr8k"), "--split", "train", "--protocol", "words"]
    for name, which in SYSTEMS.items():
        said = {f"{i:03}.jpg": captions_of(i)[which] for i in range(8)}
        (folder / f"{name}.txt").write_text(json.dumps(said))
        asked = ["--hypotheses", str(folder / f"{name}.txt"), *words, "--metrics", "BLEU,CIDEr-D"]
        assert main([*asked, "--resamples", "20", "--out", str(folder / f"{name}.json")]) == 0
    files = [str(folder / f"{name}.json") for name in SYSTEMS]
    photos = ["--images", str(folder / "flickr8k" / "Images")]
    assert main(["leaderboard", *files, *photos, "--out", str(folder / "page.html")]) == 0
    return folder / "page.html"


@pytest.fixture(scope="module")
def browser(page: Path) -> Iterator[Browser]:
    if browser_paths() is None:
        pytest.skip("no Chromium with chromedriver (Debian: chromium, chromium-driver)")
    made = Browser(page.parent)
    made.devtools("Network.enable")
    made.devtools("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0,
                  uploadThroughput=0)  # fmt: skip
    made.open(page.as_uri())
    yield made
    made.close()


def test_columns_sort_both_ways(browser: Browser) -> None:
    assert browser.run(NAMES) == list(SYSTEMS)
    browser.run(CLICK, 0)
    assert browser.run(NAMES) == ["a-short", "b-right", "c-other"]
    browser.run(CLICK, 0)
    assert browser.run(NAMES) == ["c-other", "b-right", "a-short"]
    browser.run(CLICK, 5)
    values = [float(value) for value in browser.run(VALUES)]
    assert values == sorted(values, reverse=True) and len(set(values)) == 3
    assert browser.run(SORTED) == [None] * 5 + ["descending"]
    browser.run(CLICK, 5)
    assert [float(value) for value in browser.run(VALUES)] == sorted(values)
    assert browser.errors() == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(width: int, scheme: str, browser: Browser) -> None:
    browser.devtools("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
                     mobile=width < 500)  # fmt: skip
    browser.devtools(
        "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
    )
    wide, first = browser.run(
        "return [document.documentElement.scrollWidth, document.querySelector('tbody th').offsetWidth]"
    )
    assert wide <= width and first >= 100
    paper, ink = browser.run("const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]")
    assert (sum(map(int, paper[4:-1].split(","))) < 300) is (scheme == "dark") and paper != ink
    shown = browser.run("return [...document.images].every(one => one.complete && one.naturalWidth > 0)")
    assert shown is True or browser.run("return document.images[0].naturalWidth") > 0
