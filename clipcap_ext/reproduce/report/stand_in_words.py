"""The page's plain words on what differs from the paper where parts stand in; it holds no score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]


def what_differs(made: list[tuple[Row, Row]]) -> Iterator[str]:
    """A list of what stands in, nothing if nothing does."""
    attempts = {row["name"]: attempt for row, attempt in made if attempt["stand_in"]}
    if attempts:
        yield from ("What differs from the paper in the stand-in rows:", "")
        yield from (f"- {text}" for text in _said(attempts))
        yield ""


def _said(attempts: Mapping[str, Row]) -> Iterator[str]:
    first = next(iter(attempts.values()))
    settings = dict(text.split("=", 1) for text in first["assignments"])
    yield _encoder(first["stands_in"].partition(" and ")[0], bool(settings["encoder_weights"]))
    yield from _language_model(attempts)
    yield (
        f"The budget is small and the same for every row: {_passes(settings['epochs'])} over the training "
        f"captions, about {settings['batch_size']} captions a step, the learning rate falling to zero; "
        "scored is the epoch of the best validation loss."
    )
    if "frozen" in attempts:
        yield (
            "The frozen GPT-2 is that of our gradient-clipping row of the same seed. It has learnt these "
            "captions already, and the transformer mapper is trained on top of that budget; ClipCap froze "
            "GPT-2 as published."
        )
    if any(name.startswith("sbg-") for name in attempts):
        yield (
            "SBG's label bank is made of the training captions, and its GPT-2 learns the captions behind "
            "their prompt, an image an item, rather than blocks of 480 tokens. Sampling is the paper's: "
            "top-k 50, temperature 1."
        )


def _passes(epochs: str) -> str:
    return "one pass" if epochs == "1" else f"{epochs} passes"


def _encoder(name: str, published: bool) -> str:
    split = "Training and test images are the Karpathy split's under both protocols"
    if published:
        return f"The encoder is {name}, not CLIP ViT-L/14. {split}, so that both score the same captions."
    return (
        f"The encoder is {name}, not CLIP ViT-L/14. {split}: among the test photos of the paper's own split "
        "are many that this encoder was trained on."
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
