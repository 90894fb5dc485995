"""What an artist does with a caption before she sends it: see doubt, ask another model, drop a word, send."""

from __future__ import annotations

from pathlib import Path

from driver import wait_for
from page import SLOW, Page

from clipcap_ext.engine.judging.tags import BOTH, FORMS, in_form
from clipcap_ext.engine.sbg.edit import split_keywords

OWN = "a red dog in the snow"


def test_the_words_of_any_caption_are_judged_and_dropped_by_a_click(page: Page, pictures: Path) -> None:
    page.open_fold("judged_fold", "check")
    page.press("check")  # neither picture nor caption: nothing to judge
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
    page.write("caption", OWN)
    assert page.judged(OWN) == ["a dog in the snow", "in the snow", "a red dog"]  # while the fold is open
    page.drop_word(2)
    wait_for(lambda: page.value("caption") == "a red dog", "the snow to be gone")
    assert page.judged("a red dog") == ["a dog"]  # nothing would be left without the dog
    page.press("undo")
    wait_for(lambda: page.value("caption") == OWN, "the snow to be back")
    assert "judged by tiny-clipcap" in page.text("judged")
    caption = page.caption()
    page.judged(caption)
    page.put("image", [pictures / "p1.png"])
    wait_for(lambda: "similarity" not in page.text("judged"), "another picture clears the judgement", SLOW)


def test_an_artists_walk_with_the_bundled_models(host_page: Page, pictures: Path) -> None:
    page = host_page
    page.choose_model("tiny-flickr8k")
    page.drop("image", pictures / "p0.png")
    page.caption()
    doubt = "return document.querySelector('#clipcap_status .clipcap_unsure') !== null"
    assert page.browser.run(doubt), "a few coloured squares are nothing to be sure of"
    bars = "[...document.querySelectorAll('#clipcap_candidates label')].map((one) => "
    bars = f"return {bars}parseFloat(getComputedStyle(one).backgroundSize))"
    wait_for(lambda: max(page.browser.run(bars), default=0) > 0, "the bars")
    assert max(page.browser.run(bars)) < 40, "no bar is full of what the model is not sure of"
    page.choose_model("tiny-sbg-flickr8k")
    page.ask_too("tiny-flickr8k")
    caption = page.caption()
    both = ("tiny-flickr8k", "tiny-sbg-flickr8k")
    named = [f"· {name}" for name in both]
    wait_for(lambda: all(name in " ".join(page.candidates()) for name in named), "candidates of both", 30)
    said = page.candidates()
    assert caption in said[0]
    numbers = [float(one.split()[0]) for one in said]
    assert numbers == sorted(numbers, reverse=True)
    page.open_fold("judged_fold", "check")
    left = page.judged(caption)
    page.drop_word(len(left) - 1)
    wait_for(lambda: page.value("caption") == left[-1], "a word to be gone")
    keywords = split_keywords(page.value("keywords"))
    assert keywords
    page.write("txt2img_prompt", "masterpiece")
    page.choose("send_mode", 1)
    page.choose("send_form", FORMS.index(BOTH))
    page.press("send_txt2img")
    sent = f"masterpiece, {in_form(left[-1], keywords, BOTH)}"
    wait_for(lambda: page.value("txt2img_prompt") == sent, f"the prompt to be {sent}")
    page.press("unsend")
    wait_for(lambda: page.value("txt2img_prompt") == "masterpiece", "the prompt to be back")
