"""The page's plain words on what differs from the paper where parts stand in; it holds no score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clipcap_ext.reproduce.parts import LANGUAGE_MODEL
from clipcap_ext.reproduce.report.budget import budget_said, settings_of
from clipcap_ext.reproduce.states import listed

Row = Mapping[str, Any]


def what_differs(made: list[tuple[Row, Row]]) -> Iterator[str]:
    """A list of what stands in, nothing if nothing does."""
    standing_in = [(row, attempt) for row, attempt in made if attempt["stand_in"]]
    if standing_in:
        yield from ("What differs from the paper in the stand-in rows:", "")
        yield from (f"- {text}" for text in _said(standing_in))
        yield ""


def _said(made: list[tuple[Row, Row]]) -> Iterator[str]:
    attempts = {row["name"]: attempt for row, attempt in made}
    first = made[0][1]
    published = bool(settings_of(first)["encoder_weights"])
    yield _encoder(first["stands_in"].partition(" and ")[0], published)
    yield from _language_model(attempts)
    yield from _other_languages(attempts)
    yield from budget_said(made)
    if "frozen" in attempts:
        yield (
            "The frozen GPT-2 is that of the gradient-clipping row of the same seed. It has learnt these "
            "captions already, and the transformer mapper is trained on top of that budget; ClipCap froze "
            "GPT-2 as published."
        )
    if any(name.startswith("sbg-") for name in attempts):
        yield (
            "SBG's label bank is made of the training captions, and its GPT-2 learns the captions behind "
            "their prompt, an image an item, rather than blocks of 480 tokens. Sampling is the paper's: "
            "top-k 50, temperature 1."
        )


def _encoder(name: str, published: bool) -> str:
    split = "Training and test images are the Karpathy split's under both protocols"
    if published:
        return f"The encoder is {name}, not CLIP ViT-L/14. {split}, so that both score the same captions."
    return (
        f"The encoder is {name}, which the preset of its name trains, not CLIP ViT-L/14. {split}: among the "
        "test photos of the paper's own split are many that this encoder was trained on."
    )


def _language_model(attempts: Mapping[str, Row]) -> Iterator[str]:
    own = [attempt["language_model"] for attempt in attempts.values() if attempt["language_model"]]
    if not own:
        return
    yield (
        f"The language model is a GPT-2 of {own[0]['n_layer']} layers and width {own[0]['n_embd']} from "
        "random weights, not the pretrained GPT-2 small. All rows of a seed start from the same one."
    )
    if attempts.keys() & {"original", "gradient", "custom-tokenizer"}:
        yield (
            f"Its vocabulary is GPT-2's own BPE cut after {own[0]['vocab_size']} entries instead of 50257. "
            "The custom tokenizer has as many, learnt on the training captions; neither brings embeddings "
            "learnt elsewhere, which the paper's rows have to keep or to give up."
        )


def _other_languages(attempts: Mapping[str, Row]) -> Iterator[str]:
    """The rows whose language model is another, each with its file."""
    rows: dict[str, list[str]] = {}
    for name, attempt in attempts.items():
        for part in attempt.get("parts", []):
            if part["what"] == LANGUAGE_MODEL:
                rows.setdefault(f"{part['name']} (SHA-256 {part['sha256'][:12]}...)", []).append(f"`{name}`")
    for said, names in rows.items():
        yield (
            f"The language model of {listed(names)} is {said}, pretrained, with its own vocabulary: its "
            "losses are of other tokens than the other rows'."
        )
