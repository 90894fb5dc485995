"""Images and captions on disk to examples and cached features; importing it loads no torch."""

from __future__ import annotations

from clipcap_ext.corpus.examples import Corpus, Example, Problem, Splits
from clipcap_ext.corpus.features import FeatureTable, encode_corpus
from clipcap_ext.corpus.layouts import LAYOUTS
from clipcap_ext.corpus.reading import read_corpus
from clipcap_ext.corpus.splits import split_corpus

__all__ = [
    "LAYOUTS", "Corpus", "Example", "FeatureTable", "Problem", "Splits", "encode_corpus", "read_corpus",
    "split_corpus",
]  # fmt: skip
