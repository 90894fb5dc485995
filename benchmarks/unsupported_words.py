"""How often a wrong word is the one marked: one noun of a true caption is swapped for another noun.

    python benchmarks/unsupported_words.py DATA [--model NAME] [--split val] [--photos 300] [--least -0.1]

The other noun is drawn as often as captions say it, from those that nobody says of the photo. A true word is
any word of meaning in the caption as it was. Prints one JSON object: shares of the swapped words and of the
true ones that are marked at each threshold, and of the true captions with any mark.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clipcap_ext.captioning import Encoder
    from clipcap_ext.corpus.examples import Example
    from clipcap_ext.engine.judging.judgement import Judgement

NOUNS_OF = "tiny-sbg-flickr8k"  # whose bank says which words are nouns, and how frequent
THRESHOLDS = (0.0, -0.05, -0.1, -0.15, -0.2)


@dataclass(frozen=True)
class Swap:
    """A true caption, the same with another noun in it, and where that begins."""

    true: str
    false: str
    start: int


@dataclass(frozen=True)
class Shares:
    """The shares (see WordEvidence) of each swapped word, and of the words of each true caption."""

    swapped: list[float]
    true: list[list[float]]
    lowest: list[bool]


def swap_noun(captions: Sequence[str], nouns: dict[str, int], chance: random.Random) -> Swap | None:
    """One of the captions with one of its nouns swapped; None where it has no noun of the list."""
    text = chance.choice([caption.lower() for caption in captions])
    places = [match for match in re.finditer(r"\w+", text) if match[0] in nouns]
    if not places:
        return None
    said = set(re.findall(r"\w+", " ".join(captions).lower()))
    others = [noun for noun in nouns if noun.isalpha() and not {noun, f"{noun}s"} & said]
    other = chance.choices(others, [nouns[noun] for noun in others])[0]
    place = chance.choice(places)
    return Swap(text, text[: place.start()] + other + text[place.end() :], place.start())


def judged(
    encoder: Encoder, examples: Sequence[Example], nouns: dict[str, int]
) -> Iterator[tuple[Swap, Judgement, Judgement]]:
    """Each photo's swap, its true caption judged, and its false one."""
    from clipcap_ext.engine.images.reading import open_image
    from clipcap_ext.engine.judging.judge import judge

    chance = random.Random(0)
    for example in examples:
        swap = swap_noun(example.captions, nouns, chance)
        if swap is not None:
            features = encoder.encode_image([open_image(example.path)])
            true, false = judge(encoder, features, [swap.true, swap.false])
            yield swap, true, false


def shares_of(rows: Iterator[tuple[Swap, Judgement, Judgement]]) -> Shares:
    """What is counted of them."""
    shares = Shares([], [], [])
    for swap, true, false in rows:
        own = [word.share for word in false.words if word.start == swap.start]
        if own:
            shares.swapped.append(own[0])
            shares.lowest.append(own[0] == min(word.share for word in false.words))
            shares.true.append([word.share for word in true.words])
    return shares


def figures(shares: Shares, thresholds: Sequence[float]) -> dict[str, Any]:
    """The report."""
    words = [share for caption in shares.true for share in caption]
    rows = {
        f"{least:g}": {
            "swapped words marked": round(
                sum(one < least for one in shares.swapped) / len(shares.swapped), 3
            ),
            "true words marked": round(sum(one < least for one in words) / len(words), 3),
            "true captions with a mark": round(
                sum(min(one, default=0.0) < least for one in shares.true) / len(shares.true), 3
            ),
        }
        for least in thresholds
    }
    lowest = round(sum(shares.lowest) / len(shares.lowest), 3)
    counts = {"photos": len(shares.swapped), "true words": len(words), "swapped word is the lowest": lowest}
    return {**counts, "least": rows}


def main() -> None:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package of this checkout
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="a data set the package reads")
    parser.add_argument("--split", default="val")
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--model", default="tiny-flickr8k", help="whose encoder judges")
    parser.add_argument("--least", type=float, nargs="*", default=THRESHOLDS)
    args = parser.parse_args()
    from clipcap_ext.corpus.reading import read_corpus
    from clipcap_ext.engine.catalog import find_model
    from clipcap_ext.engine.encoder_names import load_named_encoder
    from clipcap_ext.engine.sbg.label_files import read_bank

    labels = read_bank(find_model(NOUNS_OF).folder).labels
    nouns = {label.text: label.frequency for label in labels if label.pos == "NOUN"}
    examples = [one for one in read_corpus(args.data).examples if one.split == args.split]
    random.Random(0).shuffle(examples)
    encoder, _ = load_named_encoder(args.model, "cpu")
    rows = judged(encoder, examples[: args.photos], nouns)
    print(json.dumps(figures(shares_of(rows), args.least), indent=1))


if __name__ == "__main__":
    main()
