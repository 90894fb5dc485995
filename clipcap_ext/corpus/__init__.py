"""Images and captions on disk to examples and cached features; importing it loads no torch and no numpy."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clipcap_ext.corpus.examples import Corpus, Example, Problem, Splits
from clipcap_ext.corpus.layouts import LAYOUTS
from clipcap_ext.corpus.reading import read_corpus
from clipcap_ext.corpus.splits import split_corpus

if TYPE_CHECKING:
    from clipcap_ext.corpus.features import FeatureTable, encode_corpus

__all__ = [
    "LAYOUTS", "Corpus", "Example", "FeatureTable", "Problem", "Splits", "encode_corpus", "read_corpus",
    "split_corpus",
]  # fmt: skip

LAZY = ("FeatureTable", "encode_corpus")  # need numpy, which the commands of the terminal can wait for


def __getattr__(name: str) -> Any:
    """What features.py has, imported when it is asked for."""
    if name not in LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("clipcap_ext.corpus.features"), name)
