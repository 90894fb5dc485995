"""The forms of caption files beside pictures, a row each; batch/ writes them, the layout sidecar learns from
them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class SidecarFormat:
    """One form: the caption of `dog.png` is in `dog` + `suffix`.

    decode: a file's bytes -> its text to the letter, line ends and marks included; ValueError where they are
    not of this form. encode: a text -> the bytes of its file. what: what such a file holds, in words.
    """

    suffix: str
    decode: Callable[[bytes], str] = bytes.decode
    encode: Callable[[str], bytes] = str.encode
    what: str = "UTF-8 text"

    @property
    def is_plain(self) -> bool:
        """Whether the text is the file, in UTF-8, so that it can be read line by line."""
        return self.decode is bytes.decode


# In the order in which they are looked for; the first is what is written where nobody says.
_ALL = (
    SidecarFormat(".txt"),
    SidecarFormat(".caption"),
)  # fmt: skip
FORMATS: dict[str, SidecarFormat] = {form.suffix: form for form in _ALL}
DEFAULT = _ALL[0].suffix
