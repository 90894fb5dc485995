"""SBG's keyword selection once more, image by image and text by text in plain Python, to hold the fast one
against.

Written from the description of the published procedure, sharing no code with the package: sentences are built
as whole texts, each is compared with the image alone, and lists are sorted by Python.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

Vector = list[float]


def slow_keywords(
    image: Vector, encode: Callable[[str], Vector], labels: list[list], taxonomy: dict
) -> tuple[list[str], str]:
    """The keywords in order and the prompt, for one image vector."""

    def shares(sentences: list[str]) -> list[tuple[str, float]]:
        logits = [100.0 * cosine(image, encode(sentence)) for sentence in sentences]
        top = max(logits)
        total = math.fsum(math.exp(logit - top) for logit in logits)
        pairs = [
            (s, math.exp(logit - top) / total, logit) for s, logit in zip(sentences, logits, strict=True)
        ]
        pairs.sort(key=lambda pair: -pair[2])
        return [(s, share) for s, share, _ in pairs]

    def best(prefix: str, words: list[str], count: int) -> list[str]:
        ranked = shares([f"{prefix} {word}." for word in words])
        return [sentence[len(prefix) + 1 : -1] for sentence, _ in ranked[:count]]

    kinds = ["landscape", "people", "animal", "plant", "some object"]
    sentences = [f"picture of {a}." for a in kinds]
    sentences += [f"picture of {a} and {b}." for a, b in itertools.combinations(kinds, 2)]
    sentences += [f"picture of {a} and {b} and {c}." for a, b, c in itertools.combinations(kinds, 3)]
    subject = shares(sentences)[0][0] + " landscape some object"
    places = {"landscape": "scenery", "animal": "animal", "plant": "plant", "some object": "object"}
    found: list[str] = []
    for kind in kinds:
        if kind not in subject:
            continue
        if kind == "people":
            found += best("picture of", people(), 1)
            found += best("picture of", taxonomy["human"], 1)
            found += best("wearing", clothes(), 1)
            continue
        groups = [group for group in taxonomy[places[kind]] if group != "clothing and fashion"]
        group = best("picture of", groups, 1)[0]
        found.append(group)
        members = taxonomy[places[kind]][group][:100]
        if members:
            found += best("picture of", members, 1 if kind == "animal" else 3)
    found += best("picture during", list(taxonomy["time"]), 1)
    if "indoor" not in found:
        found += best("picture during", list(taxonomy["weather"]), 1)
    if "people" in subject or "animal" in subject:
        group = best("activity is", list(taxonomy["activity"]), 1)[0]
        members = taxonomy["activity"][group][:100]
        if members:
            found += best("activity is", members, 1)
    words = [text for text, pos, _ in labels if pos in ("NOUN", "ADV", "ADJ")][:1000]
    passed = 0.0
    for word, share in shares(words):
        found.append(word)
        passed += share
        if passed > 0.5:
            break
    unique = [word for i, word in enumerate(found) if word not in found[:i]]
    ordered = [word for word, _ in shares(unique)]
    return ordered, ", ".join(ordered) + " ###"


def people() -> list[str]:
    """Who may be in the picture."""
    phrases = ["a man", "a woman", "a boy", "a girl", "an old man", "an old woman"]
    for count in ("two", "three", "four"):
        for kind in ("men", "women", "boys", "girls", "old men", "old women"):
            phrases.append(f"{count} {kind}")
    return [*phrases, "two people", "three people", "four people", "a crowd of people"]


def clothes() -> list[str]:
    """What they may wear."""
    colours = ["red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black"]
    return [f"{colour} {garment}" for garment in ("shirt", "suit", "cloth", "jacket") for colour in colours]


def cosine(a: Vector, b: Vector) -> float:
    """Of two vectors of any norm."""
    dot = math.fsum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(math.fsum(x * x for x in a)) / math.sqrt(math.fsum(y * y for y in b))
