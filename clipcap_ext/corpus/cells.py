"""Cells of a CSV file that a spreadsheet would take for formulas: marked when written, unmarked when read.

A spreadsheet runs a cell that begins with = + - or @; a leading apostrophe tells it that the cell is text.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")


def guard_cell(text: str) -> str:
    """`text` as a cell that no spreadsheet runs; `plain_text` gives it back."""
    return f"'{text}" if _FORMULA.match(text) else text


def plain_text(cell: str) -> str:
    """The text of a cell that `guard_cell` made; any other cell as it is."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
