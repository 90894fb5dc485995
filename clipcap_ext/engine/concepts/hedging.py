"""Evidence that hedges: where it is clear that an image shows an animal and not which, it is an animal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.concepts.evidence import Evidence, EvidenceConfig, in_steps, strongest


def seen_in(scores: Tensor, table: ConceptTable, config: EvidenceConfig) -> list[tuple[Evidence, ...]]:
    """scores (B, concepts), probabilities -> each image's evidence, the most probable first; guesses of one
    kind, where config.general allows it, as the kind's general word with their summed probability
    (after Deng et al., Hedging Your Bets, 2012)."""
    if not config.guess or not table.general:
        return strongest(scores, table.words, config)
    every = strongest(scores, table.words, replace(config, most=len(table.words)))
    hedged = _hedged(in_steps(scores), table, config)
    return [_with_general(row, table, said, config.most) for row, said in zip(every, hedged, strict=True)]


def _hedged(scores: Tensor, table: ConceptTable, config: EvidenceConfig) -> list[dict[str, Evidence]]:
    """Of each image the kinds of which all is a guess, with what stands for them."""
    said: list[dict[str, Evidence]] = [{} for _ in scores]
    for general in table.general:
        of_kind = scores[:, table.of_kind(general.kind)]
        sums = of_kind.sum(1)
        clear = (sums >= config.general) & (of_kind.amax(1) < config.guess)
        for image in clear.nonzero()[:, 0].tolist():
            said[image][general.kind] = Evidence(general.word, float(sums[image]))
    return said


def _with_general(
    row: Sequence[Evidence], table: ConceptTable, said: dict[str, Evidence], most: int
) -> tuple[Evidence, ...]:
    kinds = {concept.word: concept.kind for concept in table.concepts} if said else {}
    kept = [one for one in row if kinds.get(one.word) not in said]
    return tuple(sorted([*kept, *said.values()], key=lambda one: -one.probability)[:most])
