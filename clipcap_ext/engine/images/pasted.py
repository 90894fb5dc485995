"""Paths as people give them: quotes, invisible marks, file:// addresses, wildcards that the shell left; it
opens no file."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes
from urllib.request import url2pathname

# What file managers, chats and editors put around a path, and marks of reading direction that nobody sees.
_INVISIBLE = (
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)
_QUOTES = "\"'`“”„‟‘’‚‛«»‹›"
_BLANKS = " \t\r\n\u00a0\u3000"
_ADDRESS = re.compile(r"file://(?:localhost)?(?=/)", re.IGNORECASE)


def strip_wrapping(text: str) -> str:
    """`text` without the quotes, blanks and invisible marks around it."""
    return text.strip(_INVISIBLE + _QUOTES + _BLANKS)


def pasted_path(text: str | os.PathLike[str]) -> Path:
    """The path that was meant: what is there by just this name, else `text` without what pasting puts around
    it, `~` expanded."""
    name = os.fspath(text)
    if not os.path.lexists(name):
        name = strip_wrapping(name) or name
        if _ADDRESS.match(name):
            name = _path_of_address(name)
        if not os.path.lexists(name):
            name = name.translate(dict.fromkeys(map(ord, _INVISIBLE))) or name
    return Path(os.path.expanduser(name))


def expand_wildcards(path: Path) -> list[Path]:
    """What a path with wildcards (* ? [ab]) stands for where nothing is called just so; else the path
    itself."""
    if os.path.lexists(path) or not glob.has_magic(str(path)):
        return [path]
    return [Path(match) for match in glob.glob(str(path))] or [path]


def _path_of_address(address: str) -> str:
    """`file:///home/a%20b` -> `/home/a b`, on Windows `file:///C:/a` -> `C:\\a`."""
    path = _ADDRESS.sub("", address)
    return url2pathname(path) if os.name == "nt" else os.fsdecode(unquote_to_bytes(path))
