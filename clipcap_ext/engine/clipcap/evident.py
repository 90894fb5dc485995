"""Decoding with evidence: what was seen is told to GPT-2 and raised by the copy gate; the search is
decoding/'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from clipcap_ext.caption import Candidate, DecodingOptions
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.clipcap.copy_stepper import CopyStepper
from clipcap_ext.engine.clipcap.copying import CopyWords
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.clipcap.prompting import Marked, marked_words, prompt_embeds
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.concepts.evidence import EvidenceConfig
from clipcap_ext.engine.concepts.hedging import seen_in
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.engine.decoding.drafting import Draft
from clipcap_ext.engine.decoding.stepper import Reading
from clipcap_ext.engine.language.language_model import LanguageModel
from clipcap_ext.errors import UsageError

Pair = tuple[LanguageModel, Draft | None]  # what decodes, and what drafts


@dataclass(frozen=True, eq=False)
class EvidenceReader:
    """What decodes features (B, clip_dim + concepts) by a model that reads evidence."""

    model: ClipCapModel
    tokenizer: CaptionVocabulary
    table: ConceptTable
    config: EvidenceConfig

    @cached_property
    def words(self) -> CopyWords:
        """The table's words in this model's tokens."""
        return CopyWords(self.tokenizer, self.table)

    def marked(self, features: Tensor) -> list[Marked]:
        """Each image's evidence, as it is told to the model."""
        start = self.model.config.clip_dim
        if features.shape[-1] != start + len(self.table.concepts):
            raise UsageError(
                f"Evidence is read from features of length {start + len(self.table.concepts)}, these have "
                f"{features.shape[-1]}: make them anew with this model's encoder."
            )
        seen = seen_in(features[:, start:], self.table, self.config)
        return [marked_words(evidence, self.tokenizer, self.config) for evidence in seen]

    def decode(
        self, features: Tensor, options: DecodingOptions, *, keys: Sequence[str],
        evidence: Sequence[Marked] | None = None, models: Pair | None = None,
    ) -> list[list[Candidate]]:  # fmt: skip
        """decoding/'s `decode`, from the features' own evidence or from what is given; models: what
        stands in for the model's GPT-2, and what drafts."""
        if not len(keys):
            return []
        told = self.marked(features) if evidence is None else evidence
        embeds, mask = prompt_embeds(self.model, features, self.tokenizer, told)
        slots = [self.words.slots(marked) for marked in told]

        def stepper(lm: LanguageModel, reading: Reading) -> CopyStepper:
            return CopyStepper(self.model, lm, reading, slots)

        lm, draft = (self.model.language, None) if models is None else models
        return decode(
            lm, embeds, self.tokenizer, options, keys=keys, attention_mask=mask, stepper=stepper, draft=draft
        )
