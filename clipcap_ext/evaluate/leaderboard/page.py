"""Boards as one HTML page that asks nothing of any network; it computes no figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from clipcap_ext.evaluate.leaderboard.assets import POLICY, SCRIPT, STYLE
from clipcap_ext.evaluate.leaderboard.boards import Board, Run
from clipcap_ext.evaluate.leaderboard.pairs import Pair
from clipcap_ext.metrics.known import lower_keys

SURE = 0.05
SHOWN_SCORE = "CIDEr-D"  # beside a picture's captions
HEAD = (
    "Below each figure stands its 95% interval over resampled images. The best of a column is set in bold. "
    "Figures compare within one table only: the same images under the same protocol."
)
PAIRS = (
    "Row minus column, and below it how often systems that swap their captions by a coin's toss differ as "
    "much (approximate randomisation, two-sided, Holm's correction over all pairs of the table). Shaded: "
    f"below {SURE:.0%}."
)


@dataclass(frozen=True)
class BoardPage:
    """A board and what its part of the page shows besides. shown: images; addresses: their thumbnails, as far
    as there are some."""

    board: Board
    pairs: Mapping[str, Sequence[Pair]]
    shown: Sequence[str]
    addresses: Mapping[str, str]


def leaderboard_page(title: str, parts: Sequence[BoardPage]) -> str:
    """The whole page."""
    body = "\n".join(_board(part) for part in parts)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n"
        f'<h1>{escape(title)}</h1>\n<p class="soft">{HEAD}</p>\n{body}\n<script>\n{SCRIPT}\n</script>\n'
        "</body>\n</html>\n"
    )


def _board(part: BoardPage) -> str:
    board = part.board
    signatures = "".join(
        f"<li><strong>{escape(run.name)}</strong>, {escape(run.date)}: {escape(run.signature)}</li>"
        for run in board.runs
    )
    return "\n".join([
        f"<section>\n<h2>{escape(board.title)}</h2>", _table(board), _pairs(part),
        f'<details><summary>Signatures</summary><ul class="signatures">{signatures}</ul></details>',
        _pictures(part), "</section>",
    ])  # fmt: skip


def _table(board: Board) -> str:
    keys, lower = board.keys, lower_keys()
    best = {key: _best(board.runs, key, key in lower) for key in keys}
    heads = "".join(
        f'<th scope="col" data-first="{"ascending" if key in lower else "descending"}">'
        f'<button type="button">{escape(key)}</button></th>'
        for key in keys
    )
    rows = "".join(_row(run, keys, best) for run in board.runs)
    first = '<th scope="col" data-first="ascending"><button type="button">System</button></th>'
    return _scroll(
        f'<table class="board"><thead><tr>{first}{heads}</tr></thead><tbody>{rows}</tbody></table>',
        f"Figures, {board.title}",
    )


def _row(run: Run, keys: Sequence[str], best: Mapping[str, float]) -> str:
    cells = [f'<th scope="row" data-value="{escape(run.name)}">{escape(run.name)}</th>']
    for key in keys:
        figure = run.figures.get(key)
        if figure is None:
            cells.append('<td data-value=""><span class="soft">not scored</span></td>')
            continue
        mark = ' class="best"' if figure.value == best[key] else ""
        cells.append(
            f'<td data-value="{figure.value!r}"><span{mark}>{figure.value:.4f}</span>'
            f'<span class="interval">{figure.low:.4f} – {figure.high:.4f}</span></td>'
        )
    return f"<tr>{''.join(cells)}</tr>"


def _best(runs: Sequence[Run], key: str, lower: bool) -> float:
    values = [run.figures[key].value for run in runs if key in run.figures]
    return min(values) if lower else max(values)


def _pairs(part: BoardPage) -> str:
    if not part.pairs:
        return ""
    tables = [
        f"<details{' open' * (key == SHOWN_SCORE)}><summary>{escape(key)}</summary>"
        f"{_matrix(part.board, key, pairs)}</details>"
        for key, pairs in part.pairs.items()
    ]
    return f'<h3>Differences</h3>\n<p class="soft">{PAIRS}</p>\n' + "\n".join(tables)


def _matrix(board: Board, key: str, pairs: Sequence[Pair]) -> str:
    found = {(pair.second, pair.first): (pair.difference, pair.corrected) for pair in pairs}
    found |= {(pair.first, pair.second): (-pair.difference, pair.corrected) for pair in pairs}
    names = [run.name for run in board.runs]
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in names)
    rows = []
    for row in names:
        cells = "".join(_difference(found.get((row, column)), row == column) for column in names)
        rows.append(f'<tr><th scope="row">{escape(row)}</th>{cells}</tr>')
    corner = '<th scope="col">minus</th>'
    return _scroll(
        f"<table><thead><tr>{corner}{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>",
        f"Differences in {key}, {board.title}",
    )


def _difference(found: tuple[float, float] | None, same: bool) -> str:
    if found is None:
        return f'<td class="soft">{"" if same else "not scored"}</td>'
    gap, chance = found
    sure = ' class="sure"' if chance < SURE else ""
    return f'<td{sure}>{gap:+.4f}<span class="interval">p {chance:.3f}</span></td>'


def _pictures(part: BoardPage) -> str:
    if not part.shown:
        return ""
    figures = "\n".join(_figure(part, image_id) for image_id in part.shown)
    count = f"{len(part.shown)} of {len(part.board.image_ids)} images, evenly spaced by name."
    said = f"{count} In brackets the caption's own {SHOWN_SCORE}."
    return (
        f'<h3>What each system says</h3>\n<p class="soft">{said}</p>\n'
        f'<div class="pictures">\n{figures}\n</div>'
    )


def _figure(part: BoardPage, image_id: str) -> str:
    address = part.addresses.get(image_id)
    picture = f'<img src="{address}" alt="{escape(image_id)}" loading="lazy">' if address else ""
    said = "".join(_said(run, image_id) for run in part.board.runs)
    return (
        f"<figure>{picture}<figcaption><small>{escape(image_id)}</small><dl>{said}</dl></figcaption></figure>"
    )


def _said(run: Run, image_id: str) -> str:
    score = run.scores[image_id].get(SHOWN_SCORE)
    number = f" <small>({score:.2f})</small>" if score is not None else ""
    return f"<dt>{escape(run.name)}</dt><dd>{escape(run.captions[image_id])}{number}</dd>"


def _scroll(table: str, label: str) -> str:
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">{table}</div>'
