"""Figures and lines of the page's tables as text; it knows no result."""

from __future__ import annotations

from collections.abc import Sequence


def line(cells: Sequence[str]) -> str:
    """A line of a Markdown table."""
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in cells)}|"


def number(value: float | None) -> str:
    """Three digits without the leading zero, as in the papers; nothing for None."""
    if value is None:
        return ""
    text = f"{abs(value):.3f}"
    return ("−" if round(value, 3) < 0 else "") + (text[1:] if text.startswith("0") else text)


def signed(value: float) -> str:
    """The same with its sign."""
    return ("+" if round(value, 3) > 0 else "") + number(value)
