"""Saying what is evident: a gate that raises the next piece of a word of evidence, learnt with the model.

The gate looks at GPT-2's hidden state and at the word, so it learns where a noun is due and which one fits;
it knows no image. What has been said is not raised again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from clipcap_ext.engine.articles import article_for
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable
from clipcap_ext.engine.concepts.evidence import MARKS

ARTICLES = ("a", " a", "an", " an")  # behind nothing, and behind a word
GOES_ON = len(MARKS)  # the kind of an opening inside a word; before it the kinds are MARKS' places
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Slot:
    """One concept of an image's evidence in tokens: how it may be written, all that counts as having said it,
    and of each article which of the former may not stand behind it ("a dogs", "a owl", "an cat")."""

    mark: int
    written: tuple[Ids, ...]
    said_as: tuple[Ids, ...]
    barred: Mapping[int, frozenset[Ids]] = field(default_factory=dict)

    def beginnings(self, history: Sequence[int]) -> list[Ids]:
        """How the concept may be written behind `history`, which is inside none of its words."""
        barred = self.barred.get(history[-1], ()) if history else ()
        return [word for word in self.written if word not in barred]


@dataclass(frozen=True)
class Opening:
    """A token that may come next of a word of evidence: of which kind it is, and the whole word's tokens."""

    token: int
    kind: int
    word: Ids


@dataclass(frozen=True)
class Openings:
    """Openings of several rows: their rows, tokens and kinds (N,), and their words (N, P), filled up with
    -1."""

    places: Tensor
    tokens: Tensor
    kinds: Tensor
    words: Tensor

    def to(self, device: torch.device | str) -> Openings:
        """The same on another device."""
        return Openings(*(part.to(device) for part in (self.places, self.tokens, self.kinds, self.words)))


class CopyWords:
    """The words of a concept table in the tokens of a captioner."""

    def __init__(self, tokenizer: CaptionVocabulary, table: ConceptTable) -> None:
        articles = zip(ARTICLES, tokenizer.encode_batch(ARTICLES), strict=True)
        self._articles = {ids[0]: text for text, ids in articles if len(ids) == 1}
        self._slots = {concept.word: self._slot(concept, tokenizer) for concept in table.concepts}
        for general in table.general:  # who has said "dog" need not say "animal"
            of_kind = [table.concepts[number] for number in table.of_kind(general.kind)]
            also = [word for one in of_kind for word in (one.word, *one.plurals, *one.also)]
            self._slots[general.word] = self._slot(replace(general, also=(*general.also, *also)), tokenizer)

    def slots(self, marked: Sequence[tuple[str, str]]) -> tuple[Slot, ...]:
        """Marked words as slots."""
        return tuple(replace(self._slots[word], mark=MARKS.index(mark)) for word, mark in marked)

    def _slot(self, concept: Concept, tokenizer: CaptionVocabulary) -> Slot:
        several = [form for form in concept.plurals[:1] if form != concept.word]
        own = dict.fromkeys((concept.word, *several))
        others = dict.fromkeys((*concept.plurals, *concept.also))
        written = dict(zip(own, _ids(tokenizer, own), strict=True))
        barred = {
            token: frozenset(
                ids for word, ids in written.items() if word in several or article_for(word) != text.strip()
            )
            for token, text in self._articles.items()
        }
        return Slot(0, tuple(written.values()), _ids(tokenizer, own | others), barred)


def openings(history: Sequence[int], slots: Sequence[Slot]) -> list[Opening]:
    """What may come next of words that `history` has not said; inside a word only that word's next piece."""
    opened: list[Opening] = []
    for slot in slots:
        if any(_holds(history, word) for word in slot.said_as):
            continue
        inside = [opening for word in slot.written for opening in _going_on(history, word)]
        opened += inside or [Opening(word[0], slot.mark, word) for word in slot.beginnings(history)]
    return opened


def together(rows: Sequence[Sequence[Opening]]) -> Openings:
    """The openings of several rows, as the gate takes them."""
    flat = [(row, opening) for row, openings_of_row in enumerate(rows) for opening in openings_of_row]
    longest = max((len(opening.word) for _, opening in flat), default=1)
    words = [(*opening.word, *[-1] * (longest - len(opening.word))) for _, opening in flat]
    return Openings(
        torch.tensor([row for row, _ in flat], dtype=torch.long),
        torch.tensor([opening.token for _, opening in flat], dtype=torch.long),
        torch.tensor([opening.kind for _, opening in flat], dtype=torch.long),
        torch.tensor(words, dtype=torch.long).view(len(flat), longest),
    )


class CopyGate(nn.Module):
    """Hidden states and openings to what is added to the openings' logits; n_embd is GPT-2's, rank its own
    width."""

    def __init__(self, n_embd: int, rank: int) -> None:
        super().__init__()
        self.mark = nn.Linear(n_embd, len(MARKS) + 1)
        self.query = nn.Linear(n_embd, rank, bias=False)
        self.key = nn.Linear(n_embd, rank, bias=False)
        if self.mark.weight.is_meta:  # to be filled: drawing there makes torch import its compiler
            return
        nn.init.normal_(self.mark.weight, std=0.02)
        nn.init.normal_(self.query.weight, std=0.05)
        nn.init.normal_(self.key.weight, std=0.05)
        with torch.no_grad():
            self.mark.bias.copy_(torch.tensor([1.0, 0.5, 0.0, 4.0]))

    def raised(self, logits: Tensor, hidden: Tensor, openings: Openings, embeddings: Tensor) -> Tensor:
        """logits (L, V) with the openings of their rows raised; hidden (L, n_embd), embeddings (V,
        n_embd)."""
        if not len(openings.places):
            return logits
        there = (openings.words >= 0).unsqueeze(-1)  # (N, P, 1)
        meaning = (embeddings[openings.words.clamp_min(0)] * there).sum(1) / there.sum(1)  # (N, n_embd)
        alike = (self.query(hidden)[openings.places] * self.key(meaning)).sum(-1)
        fits = alike / self.query.out_features**0.5
        gate = self.mark(hidden)[openings.places].gather(1, openings.kinds[:, None])[:, 0]
        gate = gate + fits * (openings.kinds < GOES_ON)
        return logits.index_put((openings.places, openings.tokens), gate.to(logits.dtype), accumulate=True)


def _ids(tokenizer: CaptionVocabulary, words: dict[str, None]) -> tuple[Ids, ...]:
    return tuple(tuple(ids) for ids in tokenizer.encode_batch([f" {word}" for word in words]))


def _holds(history: Sequence[int], word: Ids) -> bool:
    if word[0] not in history:
        return False
    size = len(word)
    return any(tuple(history[at : at + size]) == word for at in range(len(history) - size + 1))


def _going_on(history: Sequence[int], word: Ids) -> list[Opening]:
    for size in range(min(len(word) - 1, len(history)), 0, -1):
        if tuple(history[-size:]) == word[:size]:
            return [Opening(word[size], GOES_ON, word)]
    return []
