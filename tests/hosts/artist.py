"""An artist's evening with our tab in a host: doubt, other models, a word dropped, sentence and tags sent."""

from __future__ import annotations

from pathlib import Path

from driver import wait_for
from kinds import Target
from outcomes import NotThere
from PIL import Image
from steps import KEPT, PHOTO, Step
from webui_page import HostPage

from clipcap_ext.engine.judging.tags import BOTH, FORMS, in_form
from clipcap_ext.engine.sbg.edit import split_keywords

MODELS = ("tiny-flickr8k", "tiny-sbg-flickr8k")
SHORT = 120  # seconds: judging the words of a caption
APPEND = 1  # place among the ways to send


def doubt(page: HostPage) -> str:
    """A black picture, dropped, gets a caption of which the tab says that it is not sure."""
    page.open_ours()
    page.ours.choose_model(MODELS[0])
    page.ours.drop("image", black(page.log.with_name("black.jpg")))
    caption = page.ours.caption()
    unsure = "return document.querySelector('#clipcap_status .clipcap_unsure')?.innerText || ''"
    return f"{caption}: {wait_for(lambda: page.browser.run(unsure), 'a word of doubt', 30)}"


def black(path: Path) -> Path:
    """A picture of nothing at `path`."""
    Image.new("RGB", (320, 240)).save(path)
    return path


def two_models(page: HostPage) -> str:
    """A photo, dropped, and two models asked: candidates of both, the nearest to the picture first."""
    page.open_ours()
    page.ours.choose_model(MODELS[1])
    page.ours.drop("image", PHOTO)
    page.ours.ask_too(MODELS[0])
    page.ours.caption()
    named = [f"· {name}" for name in MODELS]
    wait_for(lambda: all(name in " ".join(page.ours.candidates()) for name in named), "both models", 60)
    numbers = [float(one.split()[0]) for one in page.ours.candidates()]
    assert numbers == sorted(numbers, reverse=True), page.ours.candidates()
    return f"{len(numbers)} candidates"


def dropped_word(page: HostPage) -> str:
    """The words of the caption are judged by the picture, and a click on one drops it."""
    page.open_ours()
    caption = page.ours.value("caption")
    page.ours.open_fold("judged_fold", "check")
    left = page.ours.judged(caption, SHORT)
    page.ours.drop_word(len(left) - 1)
    wait_for(lambda: page.ours.value("caption") == left[-1], "the word to be gone", 30)
    return f"{caption} -> {left[-1]}"


def send_mixed(target: Target) -> Step:
    """Sentence and tags are appended to a prompt, and Undo gives that prompt back."""

    def step(page: HostPage) -> str:
        page.write(target.prompt, KEPT)
        page.open_ours()
        keywords = split_keywords(page.ours.value("keywords"))
        if not keywords:
            raise NotThere("the model saw no keywords")
        page.ours.choose("send_mode", APPEND)
        page.ours.choose("send_form", FORMS.index(BOTH))
        sent = f"{KEPT}, {in_form(page.ours.value('caption'), keywords, BOTH)}"
        page.ours.press(f"send_{target.name}")
        wait_for(lambda: page.value(target.prompt) == sent, f"{sent} in {target.prompt}", 30)
        page.open_ours()
        page.ours.press("unsend")
        wait_for(lambda: page.value(target.prompt) == KEPT, "the prompt from before", 30)
        return sent

    return step
