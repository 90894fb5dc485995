"""From what was asked for to rows, results.json, results.md and plots; each finished row is kept and not made
again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.errors import CaptionError, CheckpointError, CorpusError, UsageError
from clipcap_ext.evaluate.report.results import write_results
from clipcap_ext.files import write_whole
from clipcap_ext.reproduce.commands import completing
from clipcap_ext.reproduce.places import PAGE, PLOTS, RESULTS, Places
from clipcap_ext.reproduce.recipes import Recipe, recipes
from clipcap_ext.reproduce.report.page import results_page
from clipcap_ext.reproduce.report.plots import table_plots
from clipcap_ext.reproduce.results import FORMAT, NEEDS, assemble
from clipcap_ext.reproduce.stand_in import stand_in
from clipcap_ext.reproduce.weights import Workshop, is_finished, published_here

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to reproduce. cache: encoded photos; gpt2_bpe: the folder of GPT-2's vocab.json and merges.txt."""

    table: str
    data: Path
    out: Path
    row: str | None = None
    stand_in: bool = False
    seeds: tuple[int, ...] = (0,)
    cache: Path | None = None
    gpt2_bpe: Path | None = None

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise UsageError(
                "--seeds takes different whole numbers from 0, separated by commas, such as 0,1,2."
            )

    @property
    def recipes(self) -> list[Recipe]:
        """The rows, as they will be made."""
        chosen = recipes(self.table, self.row)
        return [stand_in(recipe) for recipe in chosen] if self.stand_in else chosen

    @property
    def places(self) -> Places:
        """Where everything goes."""
        return Places(self.out, self.stand_in)


def plan(request: Request) -> Iterator[str]:
    """What `reproduce` would do, a line a row and seed; nothing is read but what is on the disk already."""
    for seed in request.seeds:
        for recipe in request.recipes:
            name = f"{recipe.table.name}, {recipe.row.name}, seed {seed}:"
            if request.places.scores(recipe, seed).is_file():
                yield f"{name} is there already"
            elif recipe.published and published_here(recipe.published):
                yield f"{name} scores the published weights {recipe.published}"
            elif is_finished(request.places.run(recipe, seed)):
                yield f"{name} scores the finished training {recipe.run}"
            else:
                yield f"{name} trains {recipe.preset} with {recipe.needs}, then scores it"


def reproduce(request: Request, say: Say = lambda line: None) -> list[str]:
    """Make the rows, one seed after the other, and write the page after each; returns a line for each open
    row.

    A row whose weights are not here stays open and the others are made. CorpusError if the data set cannot be
    read.
    """
    rows = request.recipes
    if not request.data.exists():
        raise CorpusError(f"--data {request.data}: no such file or folder.")
    request.out.mkdir(parents=True, exist_ok=True)
    shop = Workshop(request.data, request.places, request.cache, request.gpt2_bpe, say)
    left_open: dict[str, str] = {}
    for seed in request.seeds:
        for recipe in rows:
            path = request.places.scores(recipe, seed)
            try:
                if not path.is_file():
                    _make(shop, recipe, seed, path)
                    publish(request.out)
            except CheckpointError as error:
                say(f"{recipe.table.name}, {recipe.row.name}, seed {seed}: {NEEDS}. {error}")
                left_open[recipe.row.name] = f"{recipe.row.name}: {NEEDS}; {completing(recipe)}"
    publish(request.out)
    return list(left_open.values())


def _make(shop: Workshop, recipe: Recipe, seed: int, path: Path) -> None:
    from clipcap_ext.metrics.known import DEFAULT_METRICS, needs_of
    from clipcap_ext.reproduce.scores import PROTOCOLS, score_run, write_scores

    for need in {need: None for protocol in PROTOCOLS for need in needs_of(protocol, DEFAULT_METRICS)}:
        need()
    weights = shop.weights(recipe, seed)
    write_scores(path, score_run(recipe, seed, weights, shop.data, shop.say))


def publish(out: Path) -> None:
    """Write results.json from the scored runs below `out`, then the page and the plots from it."""
    write_results(out / RESULTS, assemble(out))
    render(out)


def render(out: Path) -> None:
    """Write results.md and its plots from the results.json in `out`; UsageError if there is none."""
    results = read_results(out / RESULTS)
    drawn = table_plots(results)
    (out / PLOTS).mkdir(exist_ok=True)
    for name, svg in drawn.items():
        write_whole(out / PLOTS / name, svg)
    for stale in set(os.listdir(out / PLOTS)) - drawn.keys():
        if stale.endswith(".svg"):
            (out / PLOTS / stale).unlink()
    write_whole(out / PAGE, page_of(results, drawn))


def page_of(results: dict[str, Any], drawn: dict[str, str]) -> str:
    """The page with the plots `drawn`, which lie in the folder PLOTS beside it."""
    files = {
        name: [f"{PLOTS}/{file}" for file in drawn if file.startswith(f"{name}-")]
        for name in results["tables"]
    }
    return results_page(results, files)


def read_results(path: Path) -> dict[str, Any]:
    """Read results.json; UsageError if it is not there, CaptionError if it is another file."""
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"There is no {RESULTS} in {path.parent}: make a row first.") from error
    except ValueError as error:
        raise CaptionError(f"{path} is not JSON: {error}.") from error
    if not isinstance(results, dict) or results.get("format") != FORMAT:
        raise CaptionError(f"{path} was not written by this version of reproduce.")
    return results
