"""WordNet's own database files (index.noun, data.noun, noun.exc, ...), read only; it knows no captions."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from clipcap_ext.errors import UsageError

FILES = {"n": "noun", "v": "verb", "a": "adj", "r": "adv"}
LETTERS = {"NOUN": "n", "VERB": "v", "ADJ": "a", "ADV": "r"}  # part of speech -> WordNet's letter
# The detachment rules of WordNet's morphology (morphy(7WN)).
RULES = {
    "n": (
        ("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"), ("shes", "sh"),
        ("men", "man"), ("ies", "y"),
    ),
    "v": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing",
    "")), "a": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "r": (),
}  # fmt: skip
# Where distributions put the files: Debian's wordnet-base, WordNet's own installer, nltk's data.
PLACES = (
    "/usr/share/wordnet", "/usr/local/WordNet-3.0/dict", "/usr/share/nltk_data/corpora/wordnet",
    "~/nltk_data/corpora/wordnet",
)  # fmt: skip


@dataclass(frozen=True)
class Synset:
    """One meaning: its words (spaces as spaces, lower case), the lexicographer's file, and its direct
    hypernyms."""

    id: str  # letter and offset, n02084071
    words: tuple[str, ...]
    lexicographer: int
    hypernyms: tuple[str, ...]


class WordNet:
    """Look-ups over one folder of database files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        missing = [f"{kind}.{name}" for name in FILES.values() for kind in ("index", "data")]
        missing = [name for name in missing if not (folder / name).is_file()]
        if missing:
            raise UsageError(f"No WordNet in {folder}: {', '.join(missing)} not found there.")
        self._index = {letter: _read_index(folder / f"index.{name}") for letter, name in FILES.items()}
        self._exceptions = {
            letter: _read_exceptions(folder / f"{name}.exc") for letter, name in FILES.items()
        }
        self._data = {letter: (folder / f"data.{name}").read_bytes() for letter, name in FILES.items()}
        self.synset = lru_cache(maxsize=None)(self._synset)

    @property
    def version(self) -> str:
        """What the licence at the top of the files says: 3.0."""
        head = self._data["n"][:4000].decode("utf-8", "replace")
        return head.partition("WordNet ")[2].split()[0] if "WordNet " in head else "unknown"

    def senses(self, word: str, letter: str) -> tuple[str, ...]:
        """Ids of the word's synsets, the most frequent meaning first."""
        return self._index[letter].get(word, ((), 0))[0]

    def weight(self, word: str, letter: str) -> int:
        """How many of the word's meanings occur in WordNet's tagged texts: a rough measure of how common it
        is."""
        return self._index[letter].get(word, ((), -1))[1]

    def knows(self, word: str) -> bool:
        """Whether the word is there as any part of speech."""
        return any(word in index for index in self._index.values())

    def base_forms(self, word: str, letter: str) -> list[str]:
        """The words of that part of speech that `word` may be a form of, by WordNet's rules and
        exceptions."""
        bases = list(self._exceptions[letter].get(word, ()))
        bases += [
            word[: -len(old)] + new
            for old, new in RULES[letter]
            if word.endswith(old) and len(word) > len(old)
        ]
        return [form for form in dict.fromkeys([*bases, word]) if form in self._index[letter]]

    def upwards(self, synset: str) -> Iterator[tuple[int, str]]:
        """The synset itself and all above it, nearest first, with their distance."""
        seen, level, distance = {synset}, [synset], 0
        while level:
            above: list[str] = []
            for meaning in level:
                yield distance, meaning
                for parent in self.synset(meaning).hypernyms:
                    if parent not in seen:
                        seen.add(parent)
                        above.append(parent)
            level, distance = above, distance + 1

    def sense(self, name: str) -> str:
        """`dog.n.1` -> the id of the first meaning of the noun dog; UsageError where there is none."""
        word, letter, number = name.rsplit(".", 2)
        senses = self.senses(word.replace("_", " "), letter)
        if not 1 <= int(number) <= len(senses):
            raise UsageError(f"This WordNet ({self.folder}) has no meaning {name}.")
        return senses[int(number) - 1]

    def _synset(self, id: str) -> Synset:
        letter, offset = id[0], int(id[1:])
        data = self._data[letter]
        fields = data[offset : data.index(b"\n", offset)].decode("utf-8").split("|")[0].split()
        count = int(fields[3], 16)
        words = tuple(fields[4 + 2 * i].split("(")[0].replace("_", " ").lower() for i in range(count))
        rest = fields[4 + 2 * count :]
        pointers = [rest[1 + 4 * i : 5 + 4 * i] for i in range(int(rest[0]))]
        above = tuple(f"{kind}{target}" for symbol, target, kind, _ in pointers if symbol in ("@", "@i"))
        return Synset(id, words, int(fields[1]), above)


def find_wordnet(folder: Path | None = None) -> WordNet:
    """WordNet in `folder`, else where $WNSEARCHDIR says, else in one of PLACES; UsageError says how to get
    it."""
    if folder is not None:
        return WordNet(folder)
    places = [os.environ.get("WNSEARCHDIR", ""), *PLACES]
    for place in filter(None, places):
        path = Path(place).expanduser()
        if (path / "data.noun").is_file():
            return WordNet(path)
    raise UsageError(
        f"No WordNet found; looked in {', '.join(PLACES)}. Install Debian's wordnet-base, or nltk's wordnet "
        "data, or name the folder with --wordnet."
    )


def _read_index(path: Path) -> dict[str, tuple[tuple[str, ...], int]]:
    """word -> (synset ids, most frequent first; how many of them occur in tagged texts)."""
    index: dict[str, tuple[tuple[str, ...], int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("  ") or not line.strip():
            continue
        fields = line.split()
        count = int(fields[2])
        index[fields[0].replace("_", " ")] = (_ids(fields[1], fields[-count:]), int(fields[-count - 1]))
    return index


def _ids(letter: str, offsets: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{letter}{offset}" for offset in offsets)


def _read_exceptions(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    return {row[0]: tuple(row[1:]) for row in rows if len(row) > 1}
