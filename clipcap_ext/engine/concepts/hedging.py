"""Evidence that hedges: where it is clear that an image shows an animal and not which, it is an animal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from clipcap_ext.engine.concepts.concept_table import ConceptTable
from clipcap_ext.engine.concepts.evidence import STEPS, Evidence, EvidenceConfig, strongest


def seen_in(scores: Tensor, table: ConceptTable, config: EvidenceConfig) -> list[tuple[Evidence, ...]]:
    """scores (B, concepts), probabilities -> each image's evidence, the most probable first; guesses of one
    kind, where config.general allows it, as the kind's general word with their summed probability
    (after Deng et al., Hedging Your Bets, 2012)."""
    if not config.guess or not table.general:
        return strongest(scores, table.words, config)
    every = strongest(scores, table.words, replace(config, most=len(table.words)))
    sums, best = _by_kind(scores, table)
    hedged = (sums >= config.general) & (best < config.guess)
    return [
        _with_general(row, table, said, config.most)
        for row, said in zip(every, _said(table, hedged, sums), strict=True)
    ]


def _by_kind(scores: Tensor, table: ConceptTable) -> tuple[Tensor, Tensor]:
    """Of each general word's kind the summed and the highest probability, (B, general) each."""
    rows = [
        (scores[:, table.of_kind(one.kind)].double().cpu() * STEPS).round() / STEPS for one in table.general
    ]
    return torch.stack([row.sum(1) for row in rows], 1), torch.stack([row.amax(1) for row in rows], 1)


def _said(table: ConceptTable, hedged: Tensor, sums: Tensor) -> list[dict[str, Evidence]]:
    """Of each image the kinds that are hedged, with what stands for them."""
    return [
        {
            one.kind: Evidence(one.word, float(sums[image, place]))
            for place, one in enumerate(table.general) if hedged[image, place]
        }
        for image in range(len(sums))
    ]  # fmt: skip


def _with_general(
    row: Sequence[Evidence], table: ConceptTable, said: dict[str, Evidence], most: int
) -> tuple[Evidence, ...]:
    kinds = {concept.word: concept.kind for concept in table.concepts} if said else {}
    kept = [one for one in row if kinds.get(one.word) not in said]
    return tuple(sorted([*kept, *said.values()], key=lambda one: -one.probability)[:most])
