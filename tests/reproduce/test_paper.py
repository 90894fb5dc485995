"""The papers' figures in paper.json against the same figures typed here, and against FACTS.md where it is at
hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from clipcap_ext.errors import UsageError
from clipcap_ext.reproduce.paper import find_table, read_tables

ORDER = ("original", "gradient", "custom-tokenizer", "sbg-1", "sbg-2", "sbg-5", "merge-rnn")
METRICS = ("BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "METEOR", "ROUGE-L")
FLICKR8K = """
.698 .508 .363 .259 .257 .565
.700 .513 .372 .262 .257 .569
.682 .497 .351 .246 .249 .557
.499 .276 .153 .087 .167 .410
.520 .293 .161 .089 .179 .420
.546 .319 .186 .108 .192 .444
.601 .411 .272 .179 .191 .439
"""
FLICKR30K = """
.715 .506 .351 .243 .232 .529
.715 .503 .349 .235 .233 .528
.733 .525 .366 .254 .232 .536
.495 .261 .139 .076 .154 .378
.510 .279 .150 .082 .164 .391
.543 .304 .170 .095 .175 .411
.596 .404 .270 .181 .175 .416
"""
# ClipCap's own paper, times 100: the transformer mapper's figure, then the MLP's
CLIPCAP = {
    ("coco", "BLEU-4"): (33.53, 32.15),
    ("coco", "METEOR"): (27.45, 27.1),
    ("coco", "CIDEr-D"): (113.08, 108.35),
    ("coco", "SPICE"): (21.05, 20.12),
    ("conceptual", "CIDEr-D"): (71.82, 87.26),
    ("nocaps", "CIDEr-D"): (65.83, 65.7),
    ("nocaps", "CIDEr-D in-domain"): (84.85, 79.73),
    ("nocaps", "CIDEr-D near-domain"): (66.82, 67.69),
    ("nocaps", "CIDEr-D out-domain"): (49.14, 49.35),
}


@pytest.mark.parametrize(("table", "typed"), [("flickr8k", FLICKR8K), ("flickr30k", FLICKR30K)])
def test_the_papers_own_tables(table: str, typed: str) -> None:
    lines = [line.split() for line in typed.split("\n") if line]
    rows = find_table(table).rows
    assert tuple(row.name for row in rows) == ORDER
    for row, line in zip(rows, lines, strict=True):
        assert [row.values[metric] for metric in METRICS] == [float(word) for word in line], row.name
        assert set(row.values) == set(METRICS)
        assert row.protocol == ("standard" if row.name == "merge-rnn" else "paper")


@pytest.mark.parametrize(("where", "typed"), CLIPCAP.items())
def test_clipcaps_own_figures(where: tuple[str, str], typed: tuple[float, float]) -> None:
    table, metric = where
    rows = {row.name: row.values for row in find_table(table).rows}
    assert (rows["transformer"][metric] * 100, rows["mlp"][metric] * 100) == pytest.approx(typed)


def test_the_typed_figures_are_those_of_the_facts(shared_data: Path) -> None:
    facts = shared_data.parent / "FACTS.md"
    if not facts.is_file():
        pytest.skip(f"no {facts.name} beside the data sets")
    numbers = re.sub(r"\([^)]*\)|[|]", " ", facts.read_text(encoding="utf-8"))
    numbers = " ".join(numbers.split())
    for line in [*FLICKR8K.split("\n"), *FLICKR30K.split("\n")]:
        assert " ".join(line.split()) in numbers, line
    for pair in CLIPCAP.values():
        for figure in pair:
            assert re.search(rf"(?<![\d.]){re.escape(f'{figure:g}')}(?!\d)", numbers), figure


def test_every_table_says_where_it_stands() -> None:
    assert list(read_tables()) == ["flickr8k", "flickr30k", "coco", "nocaps", "conceptual"]
    assert all(table.source and table.title for table in read_tables().values())
    with pytest.raises(UsageError, match="flickr30k"):
        find_table("flickr9k")
