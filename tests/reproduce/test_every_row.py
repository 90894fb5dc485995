"""Every command that docs/results.md prints for a row of the tables, from miniatures in the real layouts to
the page; a smoke run's settings are typed behind it, for the full sizes are not here."""

from __future__ import annotations

import json
import os
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from miniature_sets import write_coco, write_conceptual, write_nocaps
from tiny_language import write_language_model
from tiny_tasks import captions_of, write_flickr

from clipcap_ext.corpus import splits
from clipcap_ext.reproduce.__main__ import main
from clipcap_ext.reproduce.commands import SMOLLM2_FETCHED
from clipcap_ext.reproduce.paper import read_tables
from clipcap_ext.reproduce.places import RESULTS
from clipcap_ext.reproduce.recipes import SMOLLM2
from clipcap_ext.reproduce.stand_in import stand_in_labels, write_gpt2
from clipcap_ext.reproduce.states import SMOKE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "results.md"
DOOR = "python -m clipcap_ext.reproduce "
OTHERS = (  # of other tests, and of the Hub's own command
    "python -m clipcap_ext download ",
    "python -m clipcap_ext.labels build ",
    SMOLLM2_FETCHED,
)
CLIPCAPS_OWN = ("coco", "nocaps", "conceptual")
BEFORE = {"nocaps": "coco"}  # whose weights its rows take
COMMON = (
    "encoder=tiny-clip-flickr8k", "encoder_weights=", "normalize=true", "epochs=1", "batch_size=4",
    "validate_images=2", "precision=fp32", "warmup_steps=1",
)  # fmt: skip
GPT2 = ("gpt2=gpt2", "max_tokens=24")
MLP = (*COMMON, *GPT2, "prefix_length=2", "holdout=2")
OTHER = (*COMMON, "max_tokens=24", "prefix_length=2", "holdout=2")
TRANSFORMER = (*MLP, "mapper_layers=1", "mapper_heads=2", "clip_length=2")
SETTINGS = {
    "custom-tokenizer": (*MLP, "vocab_size=265"),
    "transformer": TRANSFORMER, "frozen": TRANSFORMER, "sbg": (*COMMON, *GPT2, "block=0"),
    "merge-rnn": COMMON, "smollm2-frozen": OTHER, "smollm2-tuned": OTHER,
}  # fmt: skip


def printed(table: str) -> list[list[str]]:
    """The words of each command of a table's rows, in the page's order."""
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith(("python -m ", SMOLLM2_FETCHED))]
    commands = [one.strip() for line in lines for one in line.split("&&")]
    assert all(one.startswith((DOOR, *OTHERS)) for one in commands)
    asked = [shlex.split(one.removeprefix(DOOR)) for one in commands if one.startswith(DOOR)]
    return [words for words in asked if f"--table {table} " in " ".join(words)]


def behind(words: Sequence[str], bpe: Path) -> list[str]:
    """What is typed behind a printed command."""
    if "--stand-in" in words:
        return ["--device", "cpu", "--gpt2-bpe", str(bpe)]
    row = words[words.index("--row") + 1]
    settings = SETTINGS.get("sbg" if row.startswith("sbg-") else row, MLP)
    return ["--device", "cpu", *(word for setting in settings for word in ("--set", setting))]


def type_all(commands: Sequence[list[str]], bpe: Path) -> None:
    """Run commands as somebody types them, one after another."""
    for words in commands:
        assert main([*words, *behind(words, bpe)]) == 0, " ".join(words)


def made(place: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table in the results that commands left; none before the first."""
    results = place / "reproduced" / RESULTS
    tables = json.loads(results.read_text(encoding="utf-8"))["tables"] if results.exists() else {}
    rows = tables.get(table, {}).get("rows", [])
    return rows if any(row["attempts"] for row in rows) else []


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, bpe: Path, small: None) -> Iterator[Path]:
    """A folder with the five data sets by their printed names, a small GPT-2, and what a label bank's build
    would leave."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("flickr8k", "flickr30k"):
        (folder / name).mkdir()
        write_flickr(folder / name)
    write_coco(folder / "coco")
    write_nocaps(folder / "nocaps")
    write_conceptual(folder / "conceptual")
    write_gpt2(folder / "gpt2", bpe, 0)
    write_language_model(folder / SMOLLM2, "llama", captions_of(0))
    (folder / "reproduced").mkdir()
    for name in ("flickr8k", "flickr30k"):
        bank = folder / "reproduced" / f"labels-{name}.json"
        shutil.copy(stand_in_labels() / "labels.json", bank)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(splits, "HELD_OUT", 2)  # of fourteen photos, not of eight thousand
        yield folder


@pytest.mark.java
@pytest.mark.parametrize("table", list(read_tables()))
def test_each_row_from_files_to_the_page(
    table: str, place: Path, bpe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if table not in CLIPCAPS_OWN and os.environ.get("CLIPCAP_DOORS") != "all":
        pytest.skip("CLIPCAP_DOORS=all runs the commands of every table")
    monkeypatch.chdir(place)
    if table in BEFORE and not made(place, BEFORE[table]):
        type_all(printed(BEFORE[table]), bpe)
    commands = printed(table)
    type_all(commands, bpe)
    rows = made(place, table)
    page = (place / "reproduced" / "results.md").read_text(encoding="utf-8")
    for row in rows:
        asked = [words for words in commands if words[words.index("--row") + 1] == row["name"]]
        smoke = [one for one in row["attempts"] if one["state"] == SMOKE]
        assert len(smoke) == any("--stand-in" not in words for words in asked), row["name"]
        assert all(one["protocols"]["standard"]["values"] for one in smoke)
        stood_in = [one for one in row["attempts"] if one["stand_in"]]
        assert len(stood_in) == any("--stand-in" in words for words in asked)
        assert row["label"] in page
    assert {words[words.index("--row") + 1] for words in commands} >= {row["name"] for row in rows}
