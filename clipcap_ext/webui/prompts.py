"""A caption on its way into a Stable Diffusion prompt, and the prompt a picture brought with it. No
interface."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from clipcap_ext.batch.wording import joined
from clipcap_ext.caption_text import plain_caption

if TYPE_CHECKING:
    from PIL import Image

MODES = ("replace", "append", "prepend")
USER_COMMENT, EXIF_FOLDER = 0x9286, 0x8769


def escape_prompt(text: str) -> str:
    r"""Text that a WebUI's prompt takes as plain words.

    `( ) [ ] \` get a backslash, `<lora:name:1>` loses its angle brackets, AND and BREAK, which cut prompts,
    become lower case.
    """
    text = re.sub(r"[<>]", " ", text)
    text = re.sub(r"([\\()\[\]])", r"\\\1", text)
    text = re.sub(r"\b(AND|BREAK)\b", lambda match: match.group().lower(), text)
    return " ".join(text.split())


def merged_prompt(prompt: str, caption: str, mode: str) -> str:
    """The prompt after a caption was sent to it by one of MODES; an empty caption leaves it as it is."""
    words = escape_prompt(plain_caption(caption))
    if not words:
        return prompt
    if mode == "append":
        return joined(prompt, words)
    if mode == "prepend":
        return joined(words, prompt)
    return words


def infotext_of(image: Image.Image) -> str:
    """The generation parameters that a picture carries (PNG `parameters`, else EXIF UserComment), empty if
    none."""
    text = image.info.get("parameters")
    if isinstance(text, str) and text.strip():
        return text.strip()
    try:
        comment = image.getexif().get_ifd(EXIF_FOLDER).get(USER_COMMENT)
    except Exception:  # malformed EXIF raises whatever its bytes lead to; a picture is no worse for it
        return ""
    if isinstance(comment, str):
        return comment.strip("\0 \n")
    return _user_comment(comment, _byte_order(image)) if isinstance(comment, bytes) else ""


def prompt_of(infotext: str) -> str:
    """The positive prompt of an infotext: the lines before `Negative prompt:` and the settings."""
    lines = []
    for line in infotext.splitlines():
        if line.startswith("Negative prompt:") or re.match(r"Steps: \d+, ", line):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def _byte_order(image: Image.Image) -> str:
    """`>` or `<`, as the EXIF block itself is written."""
    return "<" if image.info.get("exif", b"").removeprefix(b"Exif\0\0")[:2] == b"II" else ">"


def _user_comment(data: bytes, order: str) -> str:
    """EXIF's own way: eight bytes name the code, then text. UNICODE is UTF-16 in the block's byte order."""
    code, body = data[:8], data[8:]
    if code == b"UNICODE\0":
        return _utf16(body, order).strip("\0 \n")
    if code == b"ASCII\0\0\0":
        return body.decode("utf-8", errors="ignore").strip("\0 \n")
    return ""


def _utf16(data: bytes, order: str) -> str:
    """UTF-16 by its mark, else in `order`, unless that makes no text of it and the other order does.

    Letters in the wrong order are mostly CJK ideographs, so what has words is believed against `order`, too.
    """
    if data[:2] in (b"\xfe\xff", b"\xff\xfe"):
        return data.decode("utf-16", errors="ignore")
    names = ("utf-16-le", "utf-16-be") if order == "<" else ("utf-16-be", "utf-16-le")
    stated, other = (data.decode(name, errors="replace").rstrip("\0") for name in names)
    if _strangeness(stated) == _strangeness(other):
        return other if _reads_as_words(other) and not _reads_as_words(stated) else stated
    return min(stated, other, key=_strangeness)


def _strangeness(text: str) -> int:
    """How many characters no writer puts into a prompt: unassigned, private, control, broken."""
    odd = sum(
        unicodedata.category(character) in ("Cn", "Co", "Cs", "Cc") and character not in "\n\r\t"
        for character in text
    )
    return odd + text.count("\ufffd")


def _reads_as_words(text: str) -> bool:
    """Whether there are ASCII spaces or commas in it, or nearly nothing but ASCII."""
    ascii_part = sum(character.isascii() for character in text)
    return any(character in " ,\n" for character in text) or (
        len(set(text)) > 3 and ascii_part >= 0.9 * len(text)
    )
