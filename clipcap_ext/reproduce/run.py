"""From what was asked for to rows, results.json, results.md and plots; each finished row is kept and not made
again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.engine.clip.hub_cache import is_offline
from clipcap_ext.errors import CaptionError, CheckpointError, CorpusError, UsageError
from clipcap_ext.evaluate.report.results import write_results
from clipcap_ext.files import write_whole
from clipcap_ext.reproduce.commands import completing
from clipcap_ext.reproduce.parts import missing_language
from clipcap_ext.reproduce.places import PAGE, PLOTS, RESULTS, Places
from clipcap_ext.reproduce.recipes import GPT2, SMOLLM2, Recipe, recipes
from clipcap_ext.reproduce.report.page import results_page
from clipcap_ext.reproduce.report.plots import table_plots
from clipcap_ext.reproduce.results import FORMAT, assemble, missing_for
from clipcap_ext.reproduce.stand_in import missing_encoder, stand_in
from clipcap_ext.reproduce.states import NEEDS, listed
from clipcap_ext.reproduce.weights import Workshop, is_finished, published_here

Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What to reproduce. cache: encoded photos; gpt2_bpe: the folder of GPT-2's vocab.json and merges.txt;
    lm: the folder of the language model of the rows that take another than GPT-2."""

    table: str
    data: Path
    out: Path
    row: str | None = None
    stand_in: bool = False
    seeds: tuple[int, ...] = (0,)
    cache: Path | None = None
    gpt2_bpe: Path | None = None
    images: Path | None = None
    device: str = "auto"
    limit: int | None = None
    settings: tuple[str, ...] = ()
    lm: Path = Path(SMOLLM2)

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
        """Where everything goes; a smoke run, on fewer images or with other settings, by itself."""
        asked = [str(self.limit), *self.settings] if self.limit or self.settings else []
        smoke = f"smoke-{hashlib.sha256(repr(asked).encode()).hexdigest()[:6]}" if asked else ""
        return Places(self.out, self.stand_in, smoke)

    def check(self) -> None:
        """Raise, before any work, what the data set or a missing scorer would raise in the midst of it."""
        from clipcap_ext.evaluate.dataset import load_split
        from clipcap_ext.metrics.known import DEFAULT_METRICS, needs_of
        from clipcap_ext.reproduce.scores import PROTOCOLS

        if not self.data.exists():
            raise CorpusError(f"--data {self.data}: no such file or folder.")
        if self.limit is not None and self.limit < 2:
            raise UsageError("--limit takes 2 images or more, for CIDEr-D needs them.")
        for need in {need: None for protocol in PROTOCOLS for need in needs_of(protocol, DEFAULT_METRICS)}:
            need()
        for split, scheme in sorted({(recipe.split, recipe.scheme) for recipe in self.recipes}):
            load_split(self.data, split, scheme, images=self.images)


@dataclass(frozen=True)
class Step:
    """What becomes of one row and seed: in words, and whether it stays open."""

    said: str
    stays_open: bool = False


def plan(request: Request) -> Iterator[Step]:
    """What `reproduce` would do, a step a row and seed; it reads the data set's captions and no photo. Raises
    what `reproduce` would raise before any work."""
    request.check()
    trained: set[Path] = set()
    for seed in request.seeds:
        for recipe in request.recipes:
            step = _step(request, recipe, seed, trained)
            name = f"{recipe.table.name}, {recipe.row.name}, seed {seed}:"
            yield Step(f"{name} {step.said}", step.stays_open)


def _step(request: Request, recipe: Recipe, seed: int, trained: set[Path]) -> Step:
    folder = request.places.run(recipe, seed)
    lacking = _lacking(request, recipe)
    if request.places.scores(recipe, seed).is_file():
        return Step("is there already")
    fetched = [part for part in lacking if part == GPT2 and not is_offline()]
    if lacking != fetched and not is_finished(folder):
        return Step(f"stays open; {NEEDS} {listed(lacking)}", True)
    if recipe.published and published_here(recipe.published):
        return Step(f"scores the published weights {recipe.published}")
    if is_finished(folder) or folder in trained:
        return Step(f"scores the finished training {recipe.run}")
    trained.add(folder)
    begun = "goes on with the training" if folder.is_dir() else "trains"
    parts = f" with {recipe.substitute}" if recipe.substitute else ""
    parts += "".join(f", once the Hub has given {part}" for part in fetched)
    return Step(f"{begun} {recipe.preset}{parts}, then scores it")


def _lacking(request: Request, recipe: Recipe) -> list[str]:
    """What is missing for a row, but for what the settings of a smoke run put in its place; for a stand-in
    only its encoder and another language model can be."""
    changed = {setting.partition("=")[0] for setting in request.settings}
    if request.stand_in:
        encoder = [] if "encoder" in changed else missing_encoder(recipe)
        return encoder + ([] if recipe.language == GPT2 else missing_language(recipe, request.lm))
    own = [prefix for name, prefix in (("encoder", "CLIP "), ("gpt2", GPT2)) if name in changed]
    lacking = missing_for(recipe, request.places, request.lm)
    return [part for part in lacking if not part.startswith(tuple(own))]


def reproduce(request: Request, say: Say = lambda line: None) -> list[str]:
    """Make the rows, one seed after the other, and write the page after each; returns a line for each open
    row.

    A row whose weights are not here stays open and the others are made. CorpusError if the data set cannot be
    read.
    """
    rows = request.recipes
    request.check()
    request.out.mkdir(parents=True, exist_ok=True)
    shop = Workshop(
        request.data, request.places, request.cache, request.gpt2_bpe, say, request.images, request.device,
        request.limit, request.settings, request.lm,
    )  # fmt: skip
    left_open: dict[str, str] = {}
    at = {request.table: request.data}
    for seed in request.seeds:
        for recipe in rows:
            path = request.places.scores(recipe, seed)
            try:
                if not path.is_file():
                    _make(shop, recipe, seed, path)
                    publish(request.out, at)
            except CheckpointError as error:
                lacking = listed(_lacking(request, recipe))
                then = completing(recipe, request.stand_in)
                needs = f"{NEEDS} {lacking}" if lacking else ""
                say(f"{recipe.table.name}, {recipe.row.name}, seed {seed}: {needs or 'left open'}. {error}")
                left_open[recipe.row.name] = f"{recipe.row.name}: {needs or error}; {then}"
    publish(request.out, at)
    return list(left_open.values())


def _make(shop: Workshop, recipe: Recipe, seed: int, path: Path) -> None:
    from clipcap_ext.reproduce.scores import score_run, write_scores

    write_scores(path, score_run(recipe, seed, shop.weights(recipe, seed), shop))


def publish(out: Path, data: Mapping[str, Path] | None = None) -> None:
    """Write results.json from the scored runs below `out`, then the page and the plots from it. data: where
    tables' data sets are."""
    write_results(out / RESULTS, assemble(out, data))
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
