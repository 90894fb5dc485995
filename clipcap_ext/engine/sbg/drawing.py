"""An SBG explanation drawn for people: as lines of text with bars, and as an SVG picture; it computes nothing
new."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from clipcap_ext.engine.sbg.explain import Explanation
from clipcap_ext.engine.sbg.tree import Answer, Branch, KeywordTree

BAR = 12  # characters of a full bar
ROW, WIDTH, LEFT = 20, 860, 16  # SVG: points a row, of the picture, of its margin
TAKEN, LEFT_OUT, INK, QUIET = "#2a6f97", "#c3ccd3", "#1b262c", "#6b7780"


@dataclass(frozen=True)
class Line:
    """One row of the drawing. `bar` is 0..1, None where there is none; `level` indents."""

    level: int
    text: str
    note: str = ""
    bar: float | None = None
    strong: bool = True


def explanation_lines(explanation: Explanation) -> list[Line]:
    """The rows of a whole explanation: caption, candidates, keywords with their effects, then the tree."""
    lines = [
        Line(0, f"caption: {explanation.caption.text}"),
        Line(0, f"prompt: {explanation.prompt}", strong=False),
        Line(0, "candidates, with their similarity to the image"),
    ]
    candidates = enumerate(explanation.caption.candidates)
    lines += _bars([(guess.text, guess.similarity or 0.0, "", place == 0) for place, guess in candidates])
    lines.append(
        Line(
            0, "keywords, by similarity; support is what the caption loses without the keyword (nats a token)"
        )
    )
    rows = [
        (
            effect.keyword.text,
            effect.keyword.similarity,
            f"{effect.keyword.facet}; support {effect.support:+.3f}",
            effect.support > 0,
        )
        for effect in explanation.effects
    ]
    return lines + _bars(rows) + tree_lines(explanation.tree)


def tree_lines(tree: KeywordTree) -> list[Line]:
    """The rows of a keyword tree: the subject sentences, each branch with its reason, the bank's words."""
    lines = [Line(0, "what is in the picture?"), *_answers(tree.subjects, 1)]
    for branch in tree.branches:
        lines += _branch(branch)
    lines.append(Line(0, "words of the bank, until half of the probability is said"))
    return lines + _answers(tree.words, 1)


def draw_text(lines: Sequence[Line]) -> str:
    """Rows as plain text with bars."""
    return "\n".join(_as_text(lines)) + "\n"


def draw_svg(lines: Sequence[Line], title: str) -> str:
    """Rows as a self-contained SVG picture; the same rows, the same bytes."""
    height = ROW * (len(lines) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} '
        f'{height}" font-family="sans-serif" font-size="13" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for i, line in enumerate(lines):
        parts += _svg_row(line, ROW * (i + 1))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _branch(branch: Branch) -> list[Line]:
    state = "open" if branch.opened else "closed"
    lines = [Line(0, f"{branch.facet}: {state}", branch.reason, strong=branch.opened)]
    lines += _answers(branch.groups, 1)
    return lines + _answers(branch.labels, 2)


def _answers(answers: Sequence[Answer], level: int) -> list[Line]:
    rows = [
        (answer.text, answer.similarity, f"p {answer.probability:.2f}", answer.taken) for answer in answers
    ]
    return _bars(rows, level)


def _bars(rows: Sequence[tuple[str, float, str, bool]], level: int = 1) -> list[Line]:
    """Rows of (text, similarity, note, taken); within one question the bars run from its lowest to its
    highest."""
    if not rows:
        return []
    low, high = min(row[1] for row in rows), max(row[1] for row in rows)
    spread = (high - low) or 1.0
    return [
        Line(
            level,
            text,
            f"{similarity:.3f}" + (f"  {note}" if note else ""),
            0.15 + 0.85 * (similarity - low) / spread,
            taken,
        )
        for text, similarity, note, taken in rows
    ]


def _as_text(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        mark = "" if line.bar is None else ("* " if line.strong else "  ")
        head = "  " * line.level + mark + line.text
        if line.bar is None:
            yield head + (f" ({line.note})" if line.note else "")
        else:
            yield f"{head:<44} {'#' * max(1, round(BAR * line.bar)):<{BAR}} {line.note}"


def _svg_row(line: Line, y: int) -> list[str]:
    x = LEFT + 18 * line.level
    ink = INK if line.strong else QUIET
    weight = ' font-weight="bold"' if line.level == 0 and line.strong else ""
    row = [f'<text x="{x}" y="{y}" fill="{ink}"{weight}>{escape(line.text)}</text>']
    if line.bar is not None:
        colour = TAKEN if line.strong else LEFT_OUT
        row.append(
            f'<rect x="400" y="{y - 10}" width="{round(160 * line.bar)}" height="11" fill="{colour}"/>'
        )
        row.append(f'<text x="572" y="{y}" fill="{QUIET}">{escape(line.note)}</text>')
    elif line.note:
        row.append(f'<text x="{x + 190}" y="{y}" fill="{QUIET}">{escape(line.note)}</text>')
    return row
