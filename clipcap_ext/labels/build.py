"""The whole way from a data set to a label bank with its provenance; only training captions are ever read
here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from clipcap_ext.corpus import read_corpus, split_corpus
from clipcap_ext.engine.sbg.labels import LabelBank
from clipcap_ext.errors import CorpusError
from clipcap_ext.labels.lemmas import count_words, make_labels
from clipcap_ext.labels.tagging import Tagger
from clipcap_ext.labels.taxonomy import make_taxonomy
from clipcap_ext.labels.wordnet import WordNet

MIN_FREQUENCY = 3  # rarer words are mostly slips of the pen


def build_from_data(
    data: Path, split: str, tagger: Tagger, wordnet: WordNet, *, layout: str = "auto",
    min_frequency: int = MIN_FREQUENCY, say: Callable[[str], None] = lambda line: None,
) -> LabelBank:  # fmt: skip
    """The bank of the training captions of a data set, as `split` (paper or karpathy) says which they are."""
    corpus = read_corpus(data, layout=layout)
    train = split_corpus(corpus, split, validation=True).train
    captions = [caption for example in train.examples for caption in example.captions]
    if not captions:
        raise CorpusError(f"The {split} split of {corpus.name} has no training captions.")
    say(f"{corpus.name}: {len(captions)} captions of {len(train.examples)} training images")
    source = {"corpus": corpus.name, "split": split, "part": "train", "images": len(train.examples)}
    return build_bank(captions, tagger, wordnet, source=source, min_frequency=min_frequency)


def build_bank(
    captions: Sequence[str], tagger: Tagger, wordnet: WordNet, *, source: dict[str, object],
    min_frequency: int = MIN_FREQUENCY,
) -> LabelBank:  # fmt: skip
    """The bank of `captions`; the same captions and tools give the same bank, whatever order the captions
    come in."""
    lowered = [" ".join(caption.lower().split()) for caption in captions]
    labels = make_labels(count_words(tagger.tag(lowered), wordnet), wordnet, min_frequency)
    provenance = {
        **source,
        "captions": len(lowered),
        "captions_sha256": hashlib.sha256("\n".join(sorted(lowered)).encode()).hexdigest(),
        "tagger": tagger.name,
        "wordnet": wordnet.version,
        "min_frequency": min_frequency,
        "method": (
            "lemmas in lower case, checked by WordNet's morphology; words that WordNet lacks only if "
            "frequent; words sharing more than half of their meanings merged; taxonomy by the nearest anchor "
            "among hypernyms"
        ),
    }
    return LabelBank(labels, make_taxonomy(labels, wordnet), provenance)
