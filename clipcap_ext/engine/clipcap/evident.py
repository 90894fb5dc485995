"""Decoding with evidence: what was seen is told to GPT-2 and raised by the copy gate; the search is
decoding/'s."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor, nn

from clipcap_ext.caption import Candidate, DecodingOptions
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer
from clipcap_ext.engine.clipcap.copy_stepper import CopyStepper
from clipcap_ext.engine.clipcap.copying import CopyWords
from clipcap_ext.engine.clipcap.model import ClipCapModel
from clipcap_ext.engine.clipcap.prompting import Marked, marked_words, prompt_embeds
from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.concepts.evidence import EvidenceConfig, strongest
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.errors import UsageError


@dataclass(frozen=True, eq=False)
class EvidenceReader:
    """What decodes features (B, clip_dim + concepts) by a model that reads evidence."""

    model: ClipCapModel
    tokenizer: BpeTokenizer
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
        seen = strongest(features[:, start:], self.table.words, self.config)
        return [marked_words(evidence, self.tokenizer, self.config) for evidence in seen]

    def decode(
        self, features: Tensor, options: DecodingOptions, *, keys: Sequence[str],
        evidence: Sequence[Marked] | None = None,
    ) -> list[list[Candidate]]:  # fmt: skip
        """decoding/'s `decode`, from the features' own evidence or from what is given."""
        if not len(keys):
            return []
        told = self.marked(features) if evidence is None else evidence
        embeds, mask = prompt_embeds(self.model, features, self.tokenizer, told)
        slots = [self.words.slots(marked) for marked in told]

        def stepper(lm: nn.Module, embeds: Tensor, mask: Tensor | None) -> CopyStepper:
            return CopyStepper(self.model, embeds, mask, slots)

        return decode(
            self.model.gpt2, embeds, self.tokenizer, options, keys=keys, attention_mask=mask, stepper=stepper
        )
