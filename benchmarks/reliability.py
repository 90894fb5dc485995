"""How far a model's captions may be relied on, by each measure of doubt, on photos that it never saw.

PYTHONPATH=. python benchmarks/reliability.py tiny-flickr8k --data flickr8k             a table
PYTHONPATH=. python benchmarks/reliability.py tiny-flickr8k --data flickr8k --write     and into config.json

A caption is right here if at least half of its words are said by any of the photo's people, little words left
out. Of the measures the one that tells right from wrong best (area under the curve) is taken, or --measure;
of its values the least from which on captions are right more often than not. --write sets "doubt" in the
model's config.json and draws reliability.svg beside its card.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import table
from clipcap_ext.caption import MEASURES
from clipcap_ext.engine.checkpoint.config import CONFIG_FILE, read_config
from clipcap_ext.engine.doubt import measured, named_evidence
from clipcap_ext.engine.judging.shortening import shortened
from clipcap_ext.files import write_whole
from clipcap_ext.reproduce.report.plots import svg_text

BINS = 8  # of as many captions each
SEEN = 0.5  # from here on what the classifier saw is there, as the encoder's card shows
LITTLE = {
    "a", "an", "the", "of", "in", "on", "at", "to", "with", "and", "or", "by", "for", "from", "into",
    "over", "under", "near", "next", "is", "are", "be", "being", "been", "was", "were", "it", "its",
    "his", "her", "their", "there", "that", "this", "two", "one", "some", "other", "while", "up", "down",
    "out", "off", "front",
}  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """One caption: its value by each measure, whether it is right, the probability of the surest thing it
    names that the encoder's classifier saw, and whether what is left of it where the model is not sure is."""

    values: dict[str, float]
    right: bool
    named: float = 0.0
    short_right: bool = False


@dataclass(frozen=True)
class Curve:
    """Of one measure: the bins' mean values and shares of right captions, the area under its curve (.5 is
    chance), and the least value from which on captions are right more often than not."""

    middles: tuple[float, ...]
    shares: tuple[float, ...]
    area: float
    least: float


def is_right(text: str, people: Sequence[str]) -> bool:
    """Whether at least half of the words of `text` that are not little are said by any of `people`."""
    said = {word for other in people for word in _words(other)}
    words = _words(text)
    return bool(words) and sum(word in said for word in words) * 2 >= len(words)


def _words(text: str) -> list[str]:
    return [word for word in re.findall(r"[a-z]+", text.lower()) if word not in LITTLE]


def curve(looked: Sequence[Looked], measure: str) -> Curve:
    """How `measure` goes with being right."""
    order = sorted(looked, key=lambda one: one.values[measure])
    values = np.array([one.values[measure] for one in order])
    right = np.array([one.right for one in order], dtype=float)
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable") + 1.0
    good = right.sum()
    area = (ranks[right == 1].sum() - good * (good + 1) / 2) / max(good * (len(right) - good), 1)
    parts = np.array_split(np.arange(len(order)), BINS)
    shares = [float(right[part].mean()) for part in parts]
    return Curve(
        tuple(float(values[part].mean()) for part in parts), tuple(shares), float(area), _least(values, right)
    )


def _least(values: np.ndarray, right: np.ndarray) -> float:
    """The value below which captions are wrong more often than right: where wrongs lead rights by most."""
    lead = np.cumsum(1 - 2 * right)
    place = int(lead.argmax())
    return float(values[min(place + 1, len(values) - 1)]) if lead[place] > 0 else float(values[0])


def look(model: str, data: Path, limit: int) -> list[Looked]:
    """Caption the development photos of a data set."""
    from clipcap_ext.corpus import read_corpus, split_corpus
    from clipcap_ext.engine.factory import load_captioner
    from clipcap_ext.engine.images.reading import open_image

    captioner: Any = load_captioner(model)
    encoder, looked = captioner.encoder, []
    can = {"similarity": encoder.reads_text, "evidence": bool(encoder.concept_words)}
    measures = [name for name in MEASURES if can.get(name, True)]
    for example in split_corpus(read_corpus(data), "karpathy").val.examples[: limit or None]:
        image = [open_image(example.path)]
        features = encoder.encode_image(image)
        captions = captioner.caption_features(features, captioner.keys_of(image, None))
        values = {name: measured(name, captions, features, encoder)[0] for name in measures}
        text = captions[0].text
        (named,) = named_evidence([text], features, encoder)
        right, short_right = (is_right(said, example.captions) for said in (text, shortened(text)))
        looked.append(Looked(values, right, named, short_right))
    return looked


def write(folder: Path, measure: str, found: Curve, looked: Sequence[Looked], data: str) -> None:
    """Into config.json, and the plot beside it."""
    least = round(found.least, 3)
    doubted = np.array([one.values[measure] < least and one.named < SEEN for one in looked])
    right = np.array([one.right for one in looked])
    parts = {"doubted": doubted, "others": ~doubted}
    shares = {name: round(float(right[part].mean()), 3) for name, part in parts.items() if part.any()}
    if doubted.any():
        short = np.array([one.short_right for one in looked])
        shares["doubted, shortened"] = round(float(short[doubted].mean()), 3)
    rule = {
        "measure": measure, "least": least, "seen": SEEN,
        "photos": f"{len(looked)} development photos of {data}",
        "doubted": round(float(doubted.mean()), 3), "right": shares,
    }  # fmt: skip
    write_whole(folder / CONFIG_FILE, replace(read_config(folder), doubt=rule).to_json())
    write_whole(folder / "reliability.svg", drawn(measure, found))


def drawn(measure: str, found: Curve) -> str:
    """The curve, and the threshold in it, as SVG."""

    def draw(axes: Any) -> None:
        axes.plot(found.middles, found.shares, marker="o", color="#1d4ed8")
        axes.axvline(found.least, color="#b45309", linestyle="--", label=f"not sure below {found.least:.2f}")
        axes.axhline(0.5, color="#9ca3af", linewidth=0.8)
        axes.set(xlabel=measure, ylabel="share of captions that are right", ylim=(0, 1))
        axes.legend(frameon=False)

    return svg_text(draw, (4.2, 2.8))


def main() -> None:
    """Print, and write if asked to."""
    from clipcap_ext.engine.catalog import find_model

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True, help="a data set with a development split")
    parser.add_argument("--limit", type=int, default=0, help="so many photos alone")
    parser.add_argument("--measure", choices=MEASURES, help="this one, not the one of the largest area")
    parser.add_argument("--write", action="store_true", help="into the model's config.json")
    args = parser.parse_args()
    looked = look(args.model, args.data, args.limit)
    curves = {measure: curve(looked, measure) for measure in looked[0].values}
    print(f"{len(looked)} photos, {np.mean([one.right for one in looked]):.3f} of their captions are right")
    rows = [["measure", "area", "least", *(f"{part}/{BINS}" for part in range(1, BINS + 1))]]
    rows += [[name, f"{of.area:.3f}", f"{of.least:.3f}", *(f"{share:.2f}" for share in of.shares)]
             for name, of in curves.items()]  # fmt: skip
    print(table(rows[0], rows[1:]))
    best = args.measure or max(curves, key=lambda name: curves[name].area)
    if args.write:
        write(find_model(args.model).folder, best, curves[best], looked, args.data.name)


if __name__ == "__main__":
    main()
