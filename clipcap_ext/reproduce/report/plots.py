"""The pictures of results.json as SVG, the same bytes for the same numbers; it computes no score."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

from clipcap_ext.metrics.known import main_keys

Row = Mapping[str, Any]
COLOURS = (
    "#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#a463f2", "#9c6b4e", "#97bbf5", "#9498a0",
    "#ff8ab7", "#8a8b1f", "#12344d",
)  # fmt: skip
SETTINGS: dict[RcKeyType, Any] = {
    "svg.hashsalt": "clipcap-ext", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.prop_cycle": None,
}  # fmt: skip
SIZE = (8.0, 3.6)
_SBG = re.compile(r"sbg-\d+")


def table_plots(results: Row) -> dict[str, str]:
    """File name -> SVG, for every table with a scored row."""
    drawn: dict[str, str] = {}
    for name, table in results["tables"].items():
        made = [
            (row, attempt) for row in table["rows"] for attempt in row["attempts"] if "protocols" in attempt
        ]
        drawings = {"metrics": _metrics, "loss": _loss, "length": _lengths, "candidates": _candidates}
        for kind, draw in drawings.items():
            chosen = _chosen(kind, made)
            if chosen:
                drawn[f"{name}-{kind}.svg"] = _svg(draw, chosen, table["title"])
    return drawn


def _chosen(kind: str, made: list[tuple[Row, Row]]) -> list[tuple[Row, Row]]:
    if kind == "candidates":
        return [(row, attempt) for row, attempt in made if _SBG.fullmatch(row["name"])]
    if kind == "loss":
        once = {str(attempt["curve"]): (row, attempt) for row, attempt in reversed(made)}  # a training, once
        return [pair for pair in reversed(list(once.values())) if pair[1]["curve"]]
    return made


def _svg(draw: Callable[[Any, list[tuple[Row, Row]]], None], made: list[tuple[Row, Row]], title: str) -> str:
    def draw_titled(axes: Any) -> None:
        draw(axes, made)
        stand_ins = any(attempt["stand_in"] for _, attempt in made)
        axes.set_title(f"{title}{', stand-in encoder and language model' if stand_ins else ''}", loc="left")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)

    return svg_text(draw_titled)


def svg_text(draw: Callable[[Any], None], size: tuple[float, float] = SIZE) -> str:
    """What `draw` draws on matplotlib's axes, as SVG; size: inches."""
    import matplotlib
    from cycler import cycler
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**SETTINGS, "axes.prop_cycle": cycler(color=COLOURS)}):
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        canvas = FigureCanvasSVG(figure)
        draw(figure.subplots())
        stream = io.StringIO()
        canvas.print_svg(stream, metadata={"Date": None, "Creator": None})
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def _label(row: Row, attempt: Row, made: list[tuple[Row, Row]]) -> str:
    """The row's, and which of its attempts this is where there are two."""
    twice = sum(row is other for other, _ in made) > 1
    return f"{row['label']}, stand-in" if twice and attempt["stand_in"] else row["label"]


def _metrics(axes: Any, made: list[tuple[Row, Row]]) -> None:
    """Bars with intervals, a group a metric; the paper's figure as a short line."""
    metrics = [name for name in main_keys() if all(name in _values(row, attempt) for row, attempt in made)]
    width = 0.8 / len(made)
    for place, (row, attempt) in enumerate(made):
        values = _values(row, attempt)
        at = [k - 0.4 + width * (place + 0.5) for k in range(len(metrics))]
        heights = [values[name]["value"] for name in metrics]
        ends = [values[name]["interval"] for name in metrics]
        spread = [[h - low for h, (low, _) in zip(heights, ends, strict=True)],
                  [high - h for h, (_, high) in zip(heights, ends, strict=True)]]  # fmt: skip
        label = _label(row, attempt, made)
        axes.bar(at, heights, width * 0.92, yerr=spread, label=label, error_kw={"elinewidth": 0.8})
        paper = row["paper"]
        marks = [(x, paper[name]) for x, name in zip(at, metrics, strict=True) if name in paper]
        lefts, rights = ([x + sign * width / 2 for x, _ in marks] for sign in (-1, 1))
        axes.hlines([y for _, y in marks], lefts, rights,
                    colors="black", linewidth=1.4,
                    label="the paper" if place == len(made) - 1 else None)  # fmt: skip
    axes.set_xticks(range(len(metrics)), metrics)
    axes.set_ylabel("score, each row in its paper's protocol")


def _values(row: Row, attempt: Row) -> Row:
    return attempt["protocols"][row["protocol"]]["values"]


def _loss(axes: Any, made: list[tuple[Row, Row]]) -> None:
    for row, attempt in made:
        ends = [entry for entry in attempt["curve"] if "val_loss" in entry]
        steps = [entry for entry in attempt["curve"] if "loss" in entry]
        epoch = ends[0]["step"] / (ends[0]["epoch"] + 1)  # steps of one
        label = "SBG" if _SBG.fullmatch(row["name"]) else _label(row, attempt, made)
        at = [entry["step"] / epoch for entry in ends]
        (line,) = axes.plot(
            at, [entry["val_loss"] for entry in ends], marker="o", ms=4, lw=0.8, ls="--", label=label
        )
        axes.plot(
            [entry["step"] / epoch for entry in steps],
            [entry["loss"] for entry in steps],
            color=line.get_color(),
        )
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("epoch")
    axes.set_ylabel("nats a token of its vocabulary; validation dashed")


def _lengths(axes: Any, made: list[tuple[Row, Row]]) -> None:
    order = list(dict.fromkeys(group["words"] for _, attempt in made for group in attempt["lengths"]))
    order.sort(key=lambda text: (text.startswith("over"), _numbers(text)))
    for row, attempt in made:
        cider = {group["words"]: group["CIDEr-D"] for group in attempt["lengths"]}
        present = [length for length in order if length in cider]
        heights = [cider[length] for length in present]
        at = [order.index(length) for length in present]
        axes.plot(at, heights, marker="o", ms=3, label=_label(row, attempt, made))
    axes.set_xticks(range(len(order)), order)
    axes.set_xlabel("words of the caption")
    axes.set_ylabel("CIDEr-D, standard protocol")


def _numbers(text: str) -> list[int]:
    return [int(digits) for digits in re.findall(r"\d+", text)]


def _candidates(axes: Any, made: list[tuple[Row, Row]]) -> None:
    """Ours and the paper's figures over N, both in the paper's protocol."""
    numbers = [_numbers(row["name"])[0] for row, _ in made]
    for place, metric in enumerate(("BLEU-1", "BLEU-4", "METEOR", "ROUGE-L")):
        figures = [
            figure for _, attempt in made if (figure := attempt["protocols"]["paper"]["values"].get(metric))
        ]
        if len(figures) < len(made):
            continue
        axes.plot(
            numbers,
            [figure["value"] for figure in figures],
            marker="o",
            ms=3,
            color=COLOURS[place],
            label=metric,
        )
        axes.fill_between(numbers, [figure["interval"][0] for figure in figures],
        [figure["interval"][1] for figure in figures],
                          color=COLOURS[place], alpha=0.15, linewidth=0)  # fmt: skip
        published = [row["paper"].get(metric) for row, _ in made]
        axes.plot(numbers, published, ls="--", color=COLOURS[place], label=f"{metric}, the paper")
    axes.set_xticks(numbers)
    axes.set_xlabel("captions sampled (N), the nearest to the image kept")
    axes.set_ylabel("score, the paper's protocol")
