"""The words on screen in the reader's language, from the same files that the WebUI reads (localizations/).
The English texts stand where they are shown: at their widgets in tab/, in the table of decoding options.
A WebUI translates its own page by our files, too, wherever a whole text of it is a key. So a text that it has
as well (Batch, Seed) stands there behind OWN, where it finds none of its own."""

from __future__ import annotations

import json
from pathlib import Path

from clipcap_ext.webui.asset import asset

FOLDER = asset("localizations")
OWN = "ClipCap: "


class Words:
    """Translates whole English texts; one without a translation stays English. Callable:
    `words("Caption")`."""

    def __init__(self, language: str = "", folder: Path = FOLDER) -> None:
        self.language = language
        self._table: dict[str, str] = {}
        path = folder / f"{language}.json"
        if language and path.is_file():
            self._table = json.loads(path.read_text(encoding="utf-8"))

    def __call__(self, text: str, **values: object) -> str:
        """`text` translated, its {named} places filled."""
        translated = self._table.get(f"{OWN}{text}") or self._table.get(text) or text
        return translated.format(**values) if values else translated


def languages(folder: Path = FOLDER) -> list[str]:
    """The languages there are, by file name."""
    return sorted(path.stem for path in folder.glob("*.json"))
