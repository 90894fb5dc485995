"""The Caption tab in a real browser, under the gradio of AUTOMATIC1111 and that of Forge."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
from driver import ESCAPE, wait_for
from page import ROOT, SLOW, Page

BEAMS, SAMPLING, GREEDY = 1, 2, 0
PHOTO = sorted((ROOT / "clipcap_ext" / "examples").glob("*.jpg"))[0]


def similarity(label: str) -> float:
    return float(label.split(maxsplit=1)[0])


def words_of(label: str) -> str:
    return label.split(maxsplit=1)[1]


def test_a_picture_becomes_a_caption_and_another_candidate_is_a_click_away(
    page: Page, pictures: Path
) -> None:
    assert "No picture yet" in page.text("status")
    assert not page.enabled("run") and not page.enabled("stop") and not page.enabled("copy")
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture")
    page.choose("strategy", BEAMS)
    wait_for(lambda: page.enabled("num_beams"), "beams")
    first = page.caption(keys=True)
    labels = page.candidates()
    assert len(labels) > 1
    assert words_of(labels[0]) == first
    for part in ("tiny-clipcap", "cpu", "fp32"):
        assert part in page.text("status")
    count = "return document.querySelector('#clipcap_tokens .clipcap_tokens').textContent"  # without a clock
    wait_for(lambda: re.fullmatch(r"[1-9]\d*/75 tokens", page.browser.run(count)), "a token count", SLOW)
    page.choose("candidates", 1)
    wait_for(lambda: page.value("caption") == words_of(labels[1]), "the second candidate")
    page.press("undo")
    wait_for(lambda: page.value("caption") == first, "the first candidate again")
    page.write("caption", "my own words")
    wait_for(lambda: page.text("tokens").startswith("3/"), "three tokens")
    page.press("copy")
    page.write("caption", "")
    wait_for(lambda: not page.enabled("copy"), "copy to be off while there is nothing to copy")


def test_a_dropped_photo_is_captioned_by_the_bundled_model(page: Page) -> None:
    page.choose_model("tiny-flickr8k")
    wait_for(lambda: "non-commercial research" in page.text("facts"), "the model's facts", SLOW)
    title = page.browser.run("return document.querySelector('#clipcap_facts .clipcap_terms').title")
    assert title.endswith(".") and len(title) > 60
    page.drop("image", PHOTO)
    wait_for(lambda: "Ready" in page.text("status"), "the photo", SLOW)
    beams = page.caption()
    assert len(beams.split()) > 3
    assert "tiny-flickr8k" in page.text("status")
    others = page.candidates()
    assert len(others) > 1 and words_of(others[0]) == beams
    page.set_number("max_new_tokens", 5)
    assert page.caption() != beams


def test_two_people_at_once_get_each_their_own_caption(page: Page, pictures: Path) -> None:
    browser, windows, alone = page.browser, [page.browser.window()], []
    for name in ("p0.png", "p2.png"):
        page.put("image", [pictures / name])
        wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
        alone.append(page.caption())
        page.open()
    assert alone[0] != alone[1]
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the first one's picture", SLOW)
    windows.append(browser.new_window())
    try:
        page.open()
        page.put("image", [pictures / "p2.png"])
        wait_for(lambda: "Ready" in page.text("status"), "the second one's picture", SLOW)
        for window in windows:
            browser.act_on(window)
            twice = "const run = document.getElementById('clipcap_run'); run.click(); run.click()"
            browser.run(twice)
        for window, text in zip(windows, alone, strict=True):
            browser.act_on(window)
            wait_for(lambda: " ms" in page.text("status"), "a caption", SLOW)
            wait_for(lambda: page.value("caption"), "its text in the box")
            assert page.value("caption") == text
    finally:
        browser.act_on(windows[1])
        browser.close_window()
        browser.act_on(windows[0])


def test_a_picture_that_cannot_be_read_is_told_in_words(page: Page, pictures: Path) -> None:
    page.put("image", [pictures / "broken.png"])
    wait_for(lambda: "no picture that can be read" in page.text("status"), "the reason")
    assert not page.enabled("run")
    page.browser.errors()  # gradio's own preview complains of the file


def test_the_prompt_in_a_picture_is_shown_and_can_be_used(page: Page, pictures: Path) -> None:
    page.put("image", [pictures / "generated.png"])
    fold = "return document.querySelector('#clipcap_found_fold button') !== null"
    wait_for(lambda: page.browser.run(fold), "the prompt")
    page.unfold("found_fold", "use_found")
    wait_for(lambda: page.value("found") == "a (dog:1.2) in the snow", "its words")
    page.press("use_found")
    wait_for(lambda: page.value("caption") == "a (dog:1.2) in the snow", "the caption")


def paste_picture(page: Page) -> None:
    """A black square from the clipboard."""
    page.browser.run(
        "const canvas = document.createElement('canvas'); canvas.width = canvas.height = 40;"
        "canvas.getContext('2d').fillRect(0, 0, 40, 40);"
        "canvas.toBlob((blob) => { const data = new DataTransfer();"
        "data.items.add(new File([blob], 'pasted.png', {type: 'image/png'}));"
        "document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: "
        "true})) })"
    )


def test_a_pasted_picture_lands_in_the_box(page: Page) -> None:
    paste_picture(page)
    wait_for(lambda: "Ready" in page.text("status"), "the pasted picture")


def test_what_is_said_of_a_picture_that_is_gone_is_dropped(page: Page, pictures: Path, hold: Path) -> None:
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
    of_the_first = page.caption()
    page.write("caption", "my own words")
    hold.write_text("0")  # it cannot end before the picture is another
    try:
        page.press("run")
        wait_for(lambda: page.enabled("stop"), "the run", SLOW)
        paste_picture(page)
        wait_for(
            lambda: "Ready" in page.text("status") and not page.enabled("stop"), "the pasted picture", SLOW
        )
        wait_for(lambda: page.enabled("run"), "the button")
    finally:
        hold.unlink()
    assert page.value("caption") == "" and page.candidates() == []
    of_the_second = page.caption()  # one at a time: the first run is over
    assert of_the_second != of_the_first
    page.press("undo")
    wait_for(lambda: page.value("caption") == "my own words", "what stood there before")


def test_every_decoding_control_acts_or_is_greyed_out(page: Page, pictures: Path) -> None:
    page.put("image", [pictures / "p1.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture")
    page.choose("strategy", GREEDY)
    wait_for(lambda: not page.enabled("num_candidates"), "greedy")
    off = ("num_beams", "length_penalty", "diversity", "temperature", "top_p", "top_k", "seed", "rank_by")
    assert not any(page.enabled(name) for name in off)
    greedy = page.caption()
    assert len(page.candidates()) == 1
    page.set_number("max_new_tokens", 5)
    short = page.caption()
    assert greedy.startswith(short) and len(short) < len(greedy)
    page.set_number("max_new_tokens", 12)
    page.set_number("no_repeat_ngram_size", 1)
    unrepeated = page.caption()
    assert len(set(unrepeated.split())) == len(unrepeated.split())
    page.set_number("max_new_tokens", 40)
    assert len(page.caption().split()) < 38, "the caption ends by itself"
    page.set_number("min_new_tokens", 38)
    assert len(page.caption()) > len(unrepeated)
    page.set_number("min_new_tokens", 1)
    page.set_number("max_new_tokens", 12)
    page.set_number("no_repeat_ngram_size", 0)
    page.set_number("repetition_penalty", 2)
    assert page.caption() != greedy
    page.set_number("repetition_penalty", 1)
    assert page.caption() == greedy

    page.choose("strategy", BEAMS)
    wait_for(lambda: page.enabled("num_beams") and not page.enabled("temperature"), "beams")
    page.set_number("num_beams", 8)
    page.set_number("num_candidates", 8)
    page.caption()
    varied = page.candidates()
    page.set_number("diversity", 0)
    page.caption()
    wide = page.candidates()
    assert words_of(wide[0]) in map(words_of, varied) and wide != varied
    assert len(wide) > 3
    page.set_number("num_candidates", 3)
    page.caption()
    assert page.candidates() == wide[:3]
    page.set_number("num_candidates", 8)
    page.set_number("num_beams", 2)
    page.caption()
    assert len(page.candidates()) <= 2
    page.set_number("num_beams", 8)
    page.set_number("length_penalty", 0)
    page.caption()
    assert page.candidates() != wide
    page.set_number("length_penalty", 1)
    page.choose("rank_by", 1)
    page.caption()
    ranked = [similarity(label) for label in page.candidates()]
    assert ranked == sorted(ranked, reverse=True)
    assert page.candidates() != wide
    page.choose("rank_by", 0)

    page.choose("strategy", SAMPLING)
    wait_for(lambda: page.enabled("temperature") and not page.enabled("num_beams"), "sampling")
    page.set_number("num_candidates", 4)
    page.set_number("temperature", 2)
    page.set_number("seed", 1)
    page.caption()
    seeded = page.candidates()
    assert "seed 1" in page.text("status")
    page.set_number("seed", 2)
    page.caption()
    other = page.candidates()
    assert other != seeded
    page.set_number("seed", 1)
    page.caption()
    assert page.candidates() == seeded
    page.set_number("temperature", 0.1)
    page.caption()
    assert page.candidates() != seeded
    page.set_number("temperature", 2)
    page.set_number("top_k", 1)
    assert page.caption() == greedy
    assert len(page.candidates()) == 1
    page.set_number("top_k", 0)
    page.set_number("top_p", 0.05)
    page.caption()
    assert page.candidates() != seeded
    page.press("reset")
    wait_for(
        lambda: not page.enabled("temperature") and page.value("max_new_tokens") == "12", "the model's own"
    )


def test_a_batch_names_what_failed_and_gives_back_what_was_typed(
    page: Page, pictures: Path, downloads: Path
) -> None:
    page.pane("batch")
    assert not page.enabled("batch_run") and not page.enabled("download_zip")
    page.put("files", [pictures / "p0.png", pictures / "broken.png", pictures / "p1.png"])
    wait_for(lambda: "3 pictures ready" in page.text("batch_status"), "three pictures", SLOW)
    page.press("batch_run")
    wait_for(lambda: "2 of 3 captioned" in page.text("batch_status"), "the batch", SLOW)
    assert "failed: broken.png" in page.text("batch_status")
    cards = page.browser.run(
        "return [...document.querySelectorAll('.clipcap_card')].map((one) => one.innerText)"
    )
    assert len(cards) == 3
    assert "broken.png" in cards[1]
    page.browser.run(
        "const box = document.querySelector('#clipcap_gallery textarea'); box.value = 'typed, \"é\"';"
        "box.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    kinds = {"csv": "captions.csv", "zip": "captions.zip", "jsonl": "metadata.jsonl"}
    contents = {}
    for kind, name in kinds.items():
        (downloads / name).unlink(missing_ok=True)
        page.press(f"download_{kind}")
        wait_for(lambda path=downloads / name: path.exists() and path.stat().st_size > 0, name)
        contents[kind] = (downloads / name).read_bytes()
    rows = list(csv.DictReader(io.StringIO(contents["csv"].decode("utf-8-sig"))))
    assert [row["file_name"] for row in rows] == ["p0.png", "broken.png", "p1.png"]
    assert rows[0]["text"] == 'typed, "é"' and rows[1]["problem"] and rows[2]["text"]
    archive = zipfile.ZipFile(io.BytesIO(contents["zip"]))
    assert archive.namelist() == ["p0.txt", "p1.txt"]
    assert archive.read("p0.txt").decode() == 'typed, "é"'
    assert json.loads(contents["jsonl"].decode().splitlines()[0])["text"] == 'typed, "é"'


def test_a_long_batch_stops_and_starts_again(page: Page, pictures: Path, hold: Path, tmp_path: Path) -> None:
    for number in range(48):
        shutil.copy(pictures / f"p{number % 6}.png", tmp_path / f"n{number:02}.png")
    room = "return document.getElementById('clipcap_batch_status').offsetHeight"
    page.pane("batch")
    page.put("files", sorted(tmp_path.glob("n*.png")))
    wait_for(lambda: "48 pictures ready" in page.text("batch_status"), "48 pictures", SLOW)
    kept = page.browser.run(room)
    hold.write_text("4")  # it cannot end before it is stopped, however slow the page is
    try:
        page.press("batch_run")
        held = re.compile(r"5 of 48.* left", re.DOTALL)  # four go through, the fifth is held
        wait_for(lambda: held.search(page.text("batch_status")), "an estimate", SLOW)
        assert page.browser.run(room) == kept, "the bar takes room that was kept for it"
        page.browser.keys(ESCAPE)
        wait_for(lambda: "Stopping" in page.text("batch_status"), "the stop to arrive", SLOW)
        hold.unlink()
        wait_for(lambda: "Stopped." in page.text("batch_status"), "the stop", SLOW)
        done = page.browser.run("return document.querySelectorAll('.clipcap_card').length")
        assert 0 < done < 48
        assert page.enabled("download_zip")
        hold.write_text("4")
        page.press("batch_run")
        wait_for(lambda: held.search(page.text("batch_status")), "another estimate", SLOW)
        page.press("batch_stop")
        wait_for(lambda: "Stopping" in page.text("batch_status"), "the second stop to arrive", SLOW)
    finally:
        hold.unlink(missing_ok=True)
    wait_for(lambda: "Stopped." in page.text("batch_status"), "the second stop", SLOW)


@pytest.fixture
def folder(pictures: Path, tmp_path: Path) -> Path:
    root = tmp_path / "my [dog] 犬"
    root.mkdir()
    for name in ("p0.png", "p1.png", "broken.png"):
        shutil.copy(pictures / name, root)
    (root / "p1.txt").write_text("mine", encoding="utf-8")
    return root


def test_a_folder_is_looked_at_written_and_undone(page: Page, folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    page.pane("folder")
    assert not page.enabled("write")
    page.write("folder", f'"{folder}"')
    page.write("trigger", "sks")
    page.choose("policy", 2)  # append
    page.press("look")
    wait_for(lambda: "3 to write, 0 to skip" in page.text("folder_status"), "the look", SLOW)
    assert "Cannot be read: broken.png" in page.text("folder_status")
    assert "mine, " in page.text("folder_table")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    page.press("write")
    wait_for(lambda: "2 written, 0 skipped, 1 failed" in page.text("folder_status"), "the writing", SLOW)
    assert "broken.png" in page.text("folder_table")
    assert (folder / "p0.txt").read_text(encoding="utf-8").startswith("sks, ")
    assert (folder / "p1.txt").read_text(encoding="utf-8").startswith("sks, mine, ")
    assert {name: (folder / name).read_bytes() for name in before if name.endswith("png")} == {
        name: content for name, content in before.items() if name.endswith("png")
    }
    page.press("folder_undo")
    wait_for(lambda: "2 caption files are as they were" in page.text("folder_status"), "the undo", SLOW)
    assert {
        path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".png", ".txt")
    } == before


def test_each_folder_setting_reaches_what_would_be_written(page: Page, folder: Path) -> None:
    (folder / "deep").mkdir()
    shutil.copy(folder / "p0.png", folder / "deep" / "q.png")
    page.pane("folder")
    page.write("folder", str(folder))
    page.write("prefix", "photo of {name}:")
    page.write("suffix", ", at dawn")
    page.press("look")
    wait_for(lambda: "2 to write, 1 to skip" in page.text("folder_status"), "the look", SLOW)
    assert "photo of p0: " in page.text("folder_table") and ", at dawn" in page.text("folder_table")
    page.browser.run("document.querySelector('#clipcap_recursive input').click()")
    page.choose("extension", 1)
    wait_for(lambda: not page.enabled("write"), "writing to be off after a change")
    page.press("look")
    wait_for(lambda: "4 to write, 0 to skip" in page.text("folder_status"), "the second look", SLOW)
    page.write("folder", str(folder / "none"))
    page.press("look")
    wait_for(lambda: "There is no folder" in page.text("folder_status"), "the reason")


def test_models_are_listed_chosen_and_unloaded(page: Page, pictures: Path) -> None:
    page.put("image", [pictures / "p2.png"])
    first = page.caption()
    page.pane("models")
    wait_for(lambda: "tiny-clipcap · cpu" in page.text("memory"), "the model in memory")
    for part in ("tiny-clipcap", "tiny-transformer", "A random ClipCap for tests", "MB"):
        assert part in page.text("models")
    assert "CIDEr" not in page.text("models"), "scores are folded"
    assert "a brown and white cat is licking its nose" in page.text("models"), (
        "what a bundled model said of a photo"
    )
    seen = "return document.querySelector('.clipcap_sample img').naturalWidth > 0"
    assert page.browser.run(seen)
    for width in (1280, 390):
        page.browser.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        cut = "[...document.querySelectorAll('.clipcap_model_card, .clipcap_model_card *')]"
        cut += ".filter((one) => one.getBoundingClientRect().right > window.innerWidth).length"
        assert page.browser.run(f"return {cut}") == 0, width
    page.browser.devtools("Emulation.clearDeviceMetricsOverride")
    page.press("unload")
    wait_for(lambda: "No model in memory" in page.text("memory"), "the unloading", SLOW)
    page.browser.run("document.querySelector('[data-clipcap-model=tiny-transformer]').click()")
    wait_for(lambda: page.value("model") == "tiny-transformer", "the model of that card")
    seen = "return document.getElementById('clipcap_pane_single').offsetParent !== null"
    wait_for(lambda: page.browser.run(seen), "the pane of one picture")
    assert page.caption() != first
    assert "tiny-transformer" in page.text("status")
    page.press("refresh")
    wait_for(lambda: "MB" in page.text("facts"), "the facts")


def test_the_list_of_models_tells_what_is_here_and_how_large_the_others_are(page: Page) -> None:
    page.choose_model("tiny-transformer")
    page.browser.run("document.querySelector('#clipcap_model input').blur()")
    opening = "const box = document.querySelector('#clipcap_model input'); box.focus();"
    page.browser.run(opening + "box.dispatchEvent(new Event('focus'))")
    said = (
        "return Object.fromEntries([...document.querySelectorAll('#clipcap_model li, ul.options li')].map("
        "(one) => [one.textContent.replace('✓', '').trim(), "
        "getComputedStyle(one, '::after').content.replaceAll('\"', '')]))"
    )
    states = wait_for(lambda: page.browser.run(said), "the list")
    wait_for(lambda: page.browser.run(said)["tiny-flickr8k"] == "here", "what it says of them")
    states = page.browser.run(said)
    assert states["tiny-clipcap"] == states["tiny-sbg"] == "here"
    assert re.fullmatch(r"[\d.]+ (MB|GB)", states["clipcap-flickr8k-gradient"])
    assert page.value("model") == "tiny-transformer", "the name alone is chosen"


def test_the_folder_of_a_model_is_told_where_it_cannot_be_opened(page: Page) -> None:
    page.pane("models")
    page.browser.run(
        "window.copied = ''; document.execCommand = () => {};"
        "navigator.clipboard.writeText = async (text) => { window.copied = text; }"
    )
    page.browser.run("document.querySelector('.clipcap_choose[data-clipcap-copy]').click()")
    assert Path(page.browser.run("return window.copied")).is_dir()


def test_keywords_are_shown_dropped_added_and_guessed_from(page: Page, pictures: Path) -> None:
    page.put("image", [pictures / "p3.png"])
    page.choose_model("tiny-sbg")
    page.caption()
    wait_for(
        lambda: page.browser.run("return document.querySelectorAll('.clipcap_chip').length") > 0, "keywords"
    )
    seen = page.value("keywords").split(", ")
    assert page.text("chips").split() == " ".join(seen).split()
    page.browser.run("document.querySelector('.clipcap_chip').click()")
    wait_for(lambda: page.value("keywords").split(", ") == seen[1:], "one keyword less")
    page.browser.run("document.querySelector('.clipcap_chip').click()")
    wait_for(lambda: sorted(page.value("keywords").split(", ")) == sorted(seen), "it is back")
    page.browser.run("document.querySelector('.clipcap_chip').click()")
    wait_for(lambda: page.value("keywords").split(", ") == seen[1:], "one keyword less again")
    page.press("again")
    wait_for(lambda: page.text("chips").split() == " ".join(seen[1:]).split(), "the guess without it", SLOW)
    assert page.value("caption")
    page.write("keywords", "snow, ball")
    page.press("again")
    wait_for(lambda: page.text("chips").split() == ["snow", "ball"], "the guess from other keywords", SLOW)
    page.choose_model("tiny-clipcap")
    page.caption()
    assert page.browser.run("return document.querySelector('.clipcap_chip') === null")


def test_the_last_choices_come_back(page: Page) -> None:
    page.choose("strategy", SAMPLING)
    wait_for(lambda: page.enabled("temperature"), "sampling")
    page.set_number("temperature", 1.5)
    page.pane("folder")
    page.choose("policy", 3)
    page.write("suffix", "at dusk")
    wait_for(lambda: "at dusk" in page.browser.run("return localStorage.clipcap || ''"), "the store")
    page.open(forget=False)
    wait_for(lambda: page.enabled("temperature") and page.value("temperature") == "1.5", "the temperature")
    page.pane("folder")
    wait_for(lambda: page.value("suffix") == "at dusk", "the suffix")
    chosen = "return [...document.querySelectorAll('#clipcap_policy input')].findIndex((one) => one.checked)"
    assert page.browser.run(chosen) == 3
