"""What an artist does with a caption before she sends it: see which words the picture supports, drop one."""

from __future__ import annotations

from pathlib import Path

from driver import wait_for
from page import SLOW, Page

OWN = "a red dog in the snow"


def judged(page: Page, caption: str) -> list[str]:
    """The words of the caption in the box, once they are judged, each with what is left without it."""
    fresh = "document.querySelector('#clipcap_judged .clipcap_judged:not(.clipcap_outdated)')"
    of = f"return {fresh}?.dataset.clipcapOf"
    wait_for(lambda: page.browser.run(of) == caption, f"the judgement of {caption}", SLOW)
    words = "[...document.querySelectorAll('#clipcap_judged [data-clipcap-without]')]"
    return page.browser.run(f"return {words}.map((word) => word.dataset.clipcapWithout)")


def drop(page: Page, place: int) -> None:
    """Click a word of the judged caption."""
    page.browser.run(
        "document.querySelectorAll('#clipcap_judged [data-clipcap-without]')[arguments[0]].click()", place
    )


def test_the_words_of_any_caption_are_judged_and_dropped_by_a_click(page: Page, pictures: Path) -> None:
    page.open_fold("judged_fold", "check")
    page.press("check")  # neither picture nor caption: nothing to judge
    page.put("image", [pictures / "p0.png"])
    wait_for(lambda: "Ready" in page.text("status"), "the picture", SLOW)
    page.write("caption", OWN)
    assert judged(page, OWN) == ["a dog in the snow", "in the snow", "a red dog"]  # while the fold is open
    drop(page, 2)
    wait_for(lambda: page.value("caption") == "a red dog", "the snow to be gone")
    assert judged(page, "a red dog") == ["a dog"]  # nothing would be left without the dog
    page.press("undo")
    wait_for(lambda: page.value("caption") == OWN, "the snow to be back")
    assert "judged by tiny-clipcap" in page.text("judged")
    caption = page.caption()
    judged(page, caption)
    page.put("image", [pictures / "p1.png"])
    wait_for(lambda: "similarity" not in page.text("judged"), "another picture clears the judgement", SLOW)
