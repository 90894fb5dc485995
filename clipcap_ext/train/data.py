"""From a data folder to training, validation and test images, as the configuration splits them; it reads no
pixels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from clipcap_ext.corpus import Corpus, Splits, read_corpus, split_corpus
from clipcap_ext.errors import CorpusError
from clipcap_ext.train.config import TrainConfig


def load_splits(config: TrainConfig, data: Path, say: Callable[[str], None]) -> Splits:
    """Read and split a data set; `holdout` and `limit` applied. CorpusError if a part that is needed is
    empty."""
    corpus = read_corpus(data, layout=config.layout, images=config.images or None)
    splits = split_corpus(corpus, config.split, validation=config.paper_validation, share=config.holdout)
    train, val = splits.train, splits.val
    if config.holdout and config.split != "random":
        train, val = _hold_out(train, config.held_out(len(train)), config.seed)
    if not val.examples:
        raise CorpusError(
            f"The {config.split} split of {corpus.name} has no validation images: set holdout to how many "
            "training images shall be set aside, or to their share."
        )
    if config.limit:
        train = _subset(train, config.limit, config.seed)
    if not train.examples:
        raise CorpusError(f"The {config.split} split of {corpus.name} has no training images.")
    for problem in corpus.problems:
        say(f"left out: {problem}")
    say(
        f"{corpus.name}: {len(train.examples)} training, {len(val.examples)} validation and "
        f"{len(splits.test.examples)} test images; {len(corpus.problems)} problems"
    )
    return Splits(train, val, splits.test)


def validation_subset(val: Corpus, count: int, seed: int) -> Corpus:
    """`count` images of `val`, always the same; 0 is all."""
    return _subset(val, count, seed) if count else val


def _hold_out(train: Corpus, count: int, seed: int) -> tuple[Corpus, Corpus]:
    if count >= len(train.examples):
        raise CorpusError(f"holdout is {count} but there are only {len(train.examples)} training images.")
    ids = [example.image_id for example in train.examples]
    order = np.random.default_rng((seed, 7)).permutation(len(ids))
    chosen = {ids[i] for i in order[:count]}
    return train.subset([i for i in ids if i not in chosen]), train.subset([i for i in ids if i in chosen])


def _subset(corpus: Corpus, count: int, seed: int) -> Corpus:
    order = np.random.default_rng((seed, 8)).permutation(len(corpus.examples))
    chosen = sorted(order[:count])
    return corpus.subset([corpus.examples[i].image_id for i in chosen])
