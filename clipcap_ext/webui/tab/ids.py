"""The element ids that the style sheet, the script and the tests share; one prefix for all. No layout."""

from __future__ import annotations

PREFIX = "clipcap"
HIDDEN = f"{PREFIX}_hidden"  # a class: in the page for the script, not for the eye (see style.css)


def elem_id(name: str) -> str:
    """`caption` -> `clipcap_caption`."""
    return f"{PREFIX}_{name}"
