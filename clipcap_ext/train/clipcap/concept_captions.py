"""Plain captions made of concepts alone: what may be said where nothing is known of a photo but its
evidence."""

from __future__ import annotations

import numpy as np

from clipcap_ext.engine.concepts.evidence import MARKS
from clipcap_ext.train.clipcap.concept_words import ConceptWords, plural, with_articles

ANY = (
    "a close up of a {0} .", "there is a {0} in the picture .", "a {0} seen from up close .",
    "a picture of a {0} .", "a {0} in front of a dark background .", "a view of a {0} .",
    "the {0} is in the middle of the picture .",
)  # fmt: skip
BY_KIND = {
    "animal": (
        "a {0} is standing still .", "a {0} is looking around .", "a {0} sits and looks to the side .",
        "two {0s} are standing next to each other .", "a group of {0s} standing together .",
        "a {0} is resting on the ground .", "a close up of the face of a {0} .", "a small {0} looks up .",
        "a {0} is walking along .",
    ),
    "vehicle": (
        "a {0} is parked outside .", "a {0} drives by .", "a {0} is standing outside .",
        "a row of {0s} outside .", "a large {0} seen from the side .",
    ),
    "boat": ("a {0} is floating on the water .", "a {0} on calm water .", "several {0s} on the water ."),
    "aircraft": (
        "a {0} is flying in the sky .", "a {0} is standing on the ground .", "a {0} high up in the air .",
    ),
    "food": (
        "a {0} that is ready to be eaten .", "some {0s} seen from above .", "a {0} on a plate .",
        "a close up of some {0} .", "a meal with {0} .", "several {0s} next to each other .",
    ),
    "drink": ("a glass of {0} .", "some {0} is ready to drink ."),
    "furniture": (
        "a room with a {0} .", "a {0} stands in a room .", "the {0} of a small room .",
        "a {0} next to a wall .",
    ),
    "device": (
        "a {0} is turned on .", "a {0} stands in a room .", "a black {0} seen from the front .",
        "an old {0} .",
    ),
    "building": ("a large {0} seen from outside .", "an old {0} .", "a {0} under the open sky ."),
    "scene": ("a view of the {0} .", "a {0} on a bright day .", "the {0} seen from far away ."),
    "instrument": ("somebody is playing the {0} .", "a {0} is lying there ."),
    "thing": ("a {0} is lying there .", "a {0} outside .", "several {0s} next to each other ."),
    "container": ("a {0} is standing there .", "several {0s} next to each other ."),
    "tool": ("a {0} is lying there .",),
    "ball": ("a {0} lies on the ground .", "a game with a {0} ."),
    "bag": ("a {0} is standing on the floor .", "a {0} with many things in it ."),
    "toy": ("a {0} is lying there .", "a colorful {0} ."),
    "plant": ("a close up of some {0s} .", "colorful {0s} ."),
}  # fmt: skip
TWO = (
    "a {0} and a {1} .", "a {0} next to a {1} .", "a {0} with a {1} beside it .", "a {1} behind a {0} .",
    "there is a {0} and a {1} in the picture .", "a {0} in front of a {1} .",
    "a close up of a {0} and a {1} .",
)  # fmt: skip
THREE = (
    "a {0} , a {1} and a {2} .", "a {0} next to a {1} and a {2} .", "a {0} with a {1} and a {2} beside it .",
    "a {0} in front of a {1} and a {2} .",
)  # fmt: skip
HOW_MANY = (0.45, 0.35, 0.2)  # one, two, three concepts
FIRST, FURTHER = (
    (0.4, 0.35, 0.25),
    (0.05, 0.4, 0.55),
)  # how often MARKS stand at the first and at further ones

Marked = list[tuple[int, str]]  # concepts with their marks, the surest first


def concept_caption(words: ConceptWords, rng: np.random.Generator) -> tuple[str, Marked]:
    """A caption of one to three concepts drawn from all, and the evidence it says."""
    count = 1 + int(rng.choice(3, p=HOW_MANY))
    chosen = [int(rng.integers(len(words.concepts)))]
    while len(chosen) < count:
        near = rng.random() < 0.5
        other = words.rival(chosen[0], rng) if near else int(rng.integers(len(words.concepts)))
        if other not in chosen:
            chosen.append(other)
    marks = [MARKS[rng.choice(3, p=FURTHER if place else FIRST)] for place in range(count)]
    return _filled(words, chosen, rng), list(zip(chosen, sorted(marks, key=MARKS.index), strict=True))


def _filled(words: ConceptWords, chosen: list[int], rng: np.random.Generator) -> str:
    own = BY_KIND.get(words.concepts[chosen[0]].kind, ())
    sentences = {1: ANY + 2 * own, 2: TWO, 3: THREE}[len(chosen)]
    text = sentences[rng.integers(len(sentences))]
    for place, number in enumerate(chosen):
        concept = words.concepts[number]
        text = text.replace(f"{{{place}}}", concept.word).replace(f"{{{place}s}}", plural(concept))
    return with_articles(text)
