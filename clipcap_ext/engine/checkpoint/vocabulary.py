"""A vocabulary of whole words, as recurrent captioners have; how a text is cut into words is the caller's."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import read_json_file

WORDS_FILE = "words.json"
EDGE, UNKNOWN = 0, 1  # the ids of a caption's start and end, and of every word that is not in the vocabulary
FIRST = 2


class WordVocabulary:
    """Words to ids and back. Id 0 is the edge of a caption, id 1 an unknown word, then the words in their
    order."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._ids = {word: FIRST + i for i, word in enumerate(self.words)}

    def encode(self, words: Iterable[str]) -> list[int]:
        """Ids of words, without edges."""
        return [self._ids.get(word, UNKNOWN) for word in words]

    def decode(self, ids: Iterable[int]) -> str:
        """The words of ids, joined by spaces; edges and unknown words are left out."""
        return " ".join(self.words[i - FIRST] for i in ids if i >= FIRST)

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""
        return FIRST + len(self.words)

    def save(self, folder: Path) -> None:
        """Write words.json into `folder`."""
        text = json.dumps(list(self.words), ensure_ascii=False, indent=0)
        (folder / WORDS_FILE).write_text(text + "\n", encoding="utf-8")


def load_words(folder: Path) -> WordVocabulary:
    """Read words.json; CheckpointError if it is missing or malformed."""
    path = folder / WORDS_FILE
    try:
        words = read_json_file(path, CheckpointError)
    except CheckpointError as error:
        raise CheckpointError(f"No vocabulary in {folder}: {error} Copy or download it again.") from error
    if (
        not isinstance(words, list)
        or not all(isinstance(word, str) for word in words)
        or len(set(words)) < len(words)
    ):
        raise CheckpointError(f"{path} must hold a JSON list of different words.")
    return WordVocabulary(words)


def learn_words(captions: Iterable[Iterable[str]], min_count: int) -> WordVocabulary:
    """The words that occur at least `min_count` times, the most frequent first, equal ones by alphabet."""
    counts = Counter(word for caption in captions for word in caption)
    kept = [word for word, count in counts.items() if count >= min_count]
    return WordVocabulary(sorted(kept, key=lambda word: (-counts[word], word)))
