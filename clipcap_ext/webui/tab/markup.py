"""The pieces of HTML that the panes show; every text from outside is escaped here. No component."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from clipcap_ext.service.runs import Run
from clipcap_ext.service.tokens import CHUNK
from clipcap_ext.webui.words import Words

if TYPE_CHECKING:
    from PIL import Image

THUMBNAIL = 256  # pixels
STAGES = {
    "waiting": "Waiting for the work before this", "loading": "Loading the model", "captioning": "Captioning",
    "stopping": "Stopping", "reading": "Reading the pictures", "judging": "Judging",
}  # fmt: skip


def state(kind: str, text: str, details: str = "") -> str:
    """One line for what is going on. kind: idle, busy, done, unsure, partly, stopped or failed; details are
    folded away."""
    folded = f"<details><summary>?</summary><pre>{escape(details)}</pre></details>" if details else ""
    role = "alert" if kind == "failed" else "status"
    return f'<div class="clipcap_state clipcap_{kind}" role="{role}">{escape(text)}{folded}</div>'


def failure(words: Words, error: BaseException) -> str:
    """An error as a person reads it: its first sentence, the rest folded."""
    text = str(error) or type(error).__name__
    first, stop, rest = text.partition(". ")
    return state("failed", words("Failed:") + " " + first + stop.rstrip(), rest)


def progress(words: Words, run: Run, counted: bool = True) -> str:
    """A moving bar with what is being done, how far it is and how long it will take."""
    parts = [words(STAGES[run.stage])]
    width = ""
    if counted:
        parts.append(words("{done} of {total}", done=run.done, total=run.total))
        width = f' style="width:{100 * run.done / max(run.total, 1):.1f}%"'
    left = run.seconds_left() if counted else None
    if left is not None:
        parts.append(words("{time} left", time=duration(left)))
    elif run.seconds() >= 1:
        parts.append(duration(run.seconds()))
    kind = "clipcap_bar" if width else "clipcap_bar clipcap_moving"
    bar = f'<div class="{kind}"><span{width}></span></div>'
    return f'<div class="clipcap_state clipcap_busy" role="status">{escape(" · ".join(parts))}{bar}</div>'


def duration(seconds: float) -> str:
    """`75` -> `1 min 15 s`."""
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def token_count(words: Words, count: int | None) -> str:
    """`12/75 tokens`, marked once it is beyond what one chunk holds; nothing where nobody could count."""
    if count is None:
        return ""
    over = " clipcap_over" if count > CHUNK else ""
    return f'<span class="clipcap_tokens{over}">{count}/{CHUNK} {escape(words("tokens"))}</span>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A plain table that scrolls by itself."""
    header = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    inner = f"<table>{title}<thead><tr>{header}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="clipcap_table" tabindex="0">{inner}</div>'


def card(words: Words, place: int, name: str, text: str, problem: str, thumbnail: str) -> str:
    """One picture of the gallery: its caption can be edited in place, a failed one says why."""
    title = f'<div class="clipcap_name" title="{escape(name)}">{escape(name)}</div>'
    if problem:
        return (
            f'<figure class="clipcap_card clipcap_bad">{title}<p role="alert">{escape(problem)}</p></figure>'
        )
    label = escape(words("Caption of {name}", name=name))
    box = f'<textarea data-clipcap-row="{place}" rows="3" aria-label="{label}">{escape(text)}</textarea>'
    return f'<figure class="clipcap_card"><img src="{thumbnail}" alt="">{title}{box}</figure>'


def gallery(cards: Sequence[str]) -> str:
    """The cards, side by side."""
    return f'<div class="clipcap_cards">{"".join(cards)}</div>'


def thumbnail_of(image: Image.Image, most: int = THUMBNAIL) -> str:
    """A small JPEG, `most` pixels wide or high, as a data: address."""
    small = image.convert("RGB")
    small.thumbnail((most, most))
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def size_text(size: int) -> str:
    """Bytes as people say them."""
    return f"{size / 1e6:.0f} MB" if size < 1e9 else f"{size / 1e9:.2f} GB"
