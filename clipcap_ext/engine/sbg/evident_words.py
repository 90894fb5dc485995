"""Keywords that the encoder's classifier saw, made likelier at each token until the caption has said them: a
GPT-2 that met few of them in its captions seldom says them by itself. No keyword is chosen here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from clipcap_ext.caption import Keyword
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.clipcap.copy_stepper import SlotStepper
from clipcap_ext.engine.clipcap.copying import GOES_ON, CopyWords, Slot
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.concepts.evidence import MARKS
from clipcap_ext.engine.decoding.decode import StepperMaker
from clipcap_ext.engine.decoding.stepper import Reading
from clipcap_ext.engine.language.language_model import LanguageModel
from clipcap_ext.engine.sbg.selector import CONCEPT


class BoostedStepper(SlotStepper):
    """A SlotStepper that adds `boost` to the logit of a token with which a word of evidence may begin, and
    twice as much inside the word, so that what is begun is finished."""

    def __init__(
        self, lm: LanguageModel, reading: Reading, slots: Sequence[Sequence[Slot]], boost: float
    ) -> None:
        self._boost = boost
        super().__init__(lm, reading, slots)

    def _raised(self, logits: Tensor, hidden: Tensor) -> Tensor:
        opened = self._opened().to(logits.device)
        gains = self._boost * (1 + (opened.kinds == GOES_ON).to(logits.dtype))
        # several forms of a word that begin alike, or two words, are no reason to raise a token twice
        raised = logits[opened.places, opened.tokens] + gains
        return logits.index_put((opened.places, opened.tokens), raised)


@dataclass(frozen=True)
class EvidentWords:
    """The table's words in one captioner's tokens, and by how much they are raised (nats)."""

    words: CopyWords
    known: frozenset[str]
    boost: float

    @classmethod
    def build(cls, tokenizer: CaptionVocabulary, table: ConceptTable, boost: float) -> EvidentWords:
        """Of a captioner's vocabulary and its encoder's concepts."""
        return cls(CopyWords(tokenizer, table), frozenset(table.words), boost)

    def stepper(self, keywords: Sequence[Sequence[Keyword]]) -> StepperMaker:
        """What opens a stepper for images with these keywords; those of the classifier alone are raised."""
        slots = [self.words.slots([(word, MARKS[0]) for word in self._seen(row)]) for row in keywords]

        def open_stepper(lm: LanguageModel, reading: Reading) -> BoostedStepper:
            return BoostedStepper(lm, reading, slots, self.boost)

        return open_stepper

    def _seen(self, keywords: Sequence[Keyword]) -> list[str]:
        return [one.text for one in keywords if one.facet == CONCEPT and one.text in self.known]
