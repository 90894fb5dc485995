"""Tagged words to labels: lemmas checked against WordNet, counted, synonyms merged; no taxonomy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from clipcap_ext.engine.sbg.labels import PARTS_OF_SPEECH, Label
from clipcap_ext.labels.tagging import Word
from clipcap_ext.labels.wordnet import LETTERS, WordNet

KNOWN_BY_USE = 10  # a word that WordNet lacks (skatepark, bmx) is no slip of the pen if it is this frequent
SHARED_MEANINGS = 0.5  # words are synonyms if they share more than this part of their meanings


def count_words(captions: Iterable[Sequence[Word]], wordnet: WordNet) -> dict[str, Counter[str]]:
    """lemma -> how often it occurs as each part of speech of a label; marks, signs and figures are left
    out."""
    spoken: Counter[Word] = Counter()
    for words in captions:
        spoken.update(Word(word.text.lower(), word.lemma.lower(), word.pos) for word in words)
    counts: dict[str, Counter[str]] = {}
    for word, count in spoken.items():
        if word.pos in PARTS_OF_SPEECH and is_word(word.lemma):
            counts.setdefault(lemma_of(word, wordnet), Counter())[word.pos] += count
    return counts


def is_word(text: str) -> bool:
    """Letters of any script, with hyphens and apostrophes inside."""
    return all(part.isalpha() for part in text.replace("'", "-").split("-"))


def lemma_of(word: Word, wordnet: WordNet) -> str:
    """The tagger's lemma, unless WordNet's morphology knows a commoner base form: ride, not rid, for riding.

    A lemma that WordNet lacks gives way to the word itself if WordNet has that: wooded, not woode.
    """
    letter = LETTERS.get(word.pos)
    if letter is None:
        return word.lemma
    forms = dict.fromkeys([word.lemma, *wordnet.base_forms(word.text, letter)])
    known = [form for form in forms if wordnet.senses(form, letter)]
    if known:
        return max(
            known, key=lambda form: wordnet.weight(form, letter)
        )  # the first, the tagger's, wins a tie
    return word.text if wordnet.knows(word.text) and not wordnet.knows(word.lemma) else word.lemma


def make_labels(counts: dict[str, Counter[str]], wordnet: WordNet, min_frequency: int) -> tuple[Label, ...]:
    """Labels by falling frequency, then by name; each is the part of speech it most often has, synonyms
    merged in."""
    labels = []
    for text, by_pos in counts.items():
        frequency = sum(by_pos.values())
        if frequency >= min_frequency and (wordnet.knows(text) or frequency >= KNOWN_BY_USE):
            pos = max(PARTS_OF_SPEECH, key=lambda pos: by_pos[pos])
            labels.append(Label(text, pos, frequency))
    return _merged(sorted(labels, key=_place), wordnet)


def _merged(labels: Sequence[Label], wordnet: WordNet) -> tuple[Label, ...]:
    """Each label that is a synonym of a more frequent one of its part of speech is counted with that one."""
    kept: dict[str, Label] = {}
    holders: dict[str, list[str]] = {}  # synset -> labels kept that have it
    for label in labels:
        letter = LETTERS.get(label.pos)
        senses = wordnet.senses(label.text, letter) if letter else ()
        near = dict.fromkeys(holder for sense in senses for holder in holders.get(sense, ()))
        elder = next((holder for holder in near if _synonyms(wordnet, letter, holder, senses)), None)
        if elder is not None:
            old = kept[elder]
            kept[elder] = Label(elder, old.pos, old.frequency + label.frequency, (*old.merged, label.text))
            continue
        kept[label.text] = label
        for sense in senses:
            holders.setdefault(sense, []).append(label.text)
    return tuple(sorted(kept.values(), key=_place))


def _synonyms(wordnet: WordNet, letter: str | None, other: str, senses: Sequence[str]) -> bool:
    theirs = set(wordnet.senses(other, letter or "n"))
    return len(theirs & set(senses)) > SHARED_MEANINGS * len(theirs | set(senses))


def _place(label: Label) -> tuple[int, str]:
    return (-label.frequency, label.text)
