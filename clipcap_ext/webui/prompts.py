"""A caption on its way into a Stable Diffusion prompt, and the prompt a picture brought with it. No
interface."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from clipcap_ext.batch.wording import joined, plain_caption

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
    return _user_comment(comment) if isinstance(comment, bytes) else ""


def prompt_of(infotext: str) -> str:
    """The positive prompt of an infotext: the lines before `Negative prompt:` and the settings."""
    lines = []
    for line in infotext.splitlines():
        if line.startswith("Negative prompt:") or re.match(r"Steps: \d+, ", line):
            break
        lines.append(line)
    return "\n".join(lines).strip()


def _user_comment(data: bytes) -> str:
    """EXIF's own way: eight bytes name the code, then text; WebUIs write UNICODE as big-endian UTF-16."""
    code, body = data[:8], data[8:]
    if code == b"UNICODE\0":
        little = body[1:2] == b"\0"
        return body.decode("utf-16-le" if little else "utf-16-be", errors="ignore").strip("\0 \n")
    if code == b"ASCII\0\0\0":
        return body.decode("utf-8", errors="ignore").strip("\0 \n")
    return ""
