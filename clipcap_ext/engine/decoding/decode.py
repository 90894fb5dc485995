"""The one decode path: a language model's embeds (or a stepper) in, candidates out, cached and batched;
it knows no image.

Greedy decoding and sampling are in rows.py, drafted or not (drafting.py), beam search in beams.py, the cache
in stepper.py, what no caption may say in restrictions.py. Where a row stops and how its text is cleaned up is
the vocabulary's: for GPT-2 the first token with a full stop in it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from clipcap_ext.caption import Candidate, DecodingOptions
from clipcap_ext.engine.checkpoint.caption_vocabulary import CaptionVocabulary
from clipcap_ext.engine.decoding.beams import beam_search
from clipcap_ext.engine.decoding.drafting import Draft, Drafting
from clipcap_ext.engine.decoding.restrictions import RestrictedStepper, restrictions_of
from clipcap_ext.engine.decoding.rows import decode_rows, draws_of
from clipcap_ext.engine.decoding.stepper import Decoded, Reading, Stepper, TokenStepper
from clipcap_ext.engine.language.language_model import LanguageModel
from clipcap_ext.errors import UsageError


class StepperMaker(Protocol):
    """What opens a stepper over what is to be read, by a language model that may be another than
    the captioner's own."""

    def __call__(self, lm: LanguageModel, reading: Reading) -> TokenStepper:
        """reading.images tells whose evidence, say, a row has."""
        ...


def decode(
    lm: LanguageModel,
    inputs_embeds: Tensor,
    tokenizer: CaptionVocabulary,
    options: DecodingOptions,
    *,
    keys: Sequence[str],
    attention_mask: Tensor | None = None,
    stepper: StepperMaker = Stepper,
    draft: Draft | None = None,
) -> list[list[Candidate]]:
    """Decode captions after `inputs_embeds`.

    Args: inputs_embeds (B, P, n_embd); keys, one name an image, which seeds its
    sampling; attention_mask (B, P), 0 on the left where an image's prompt is shorter; stepper, what makes one
    of what is to be read; draft, a quicker one of the same vocabulary, which changes no word (no beams use
    it).
    Returns B lists of num_candidates Candidates, best first. UsageError if the model's positions run out.
    """
    groups = decode_ids(
        lm,
        inputs_embeds,
        tokenizer.stop_ids,
        options,
        keys=keys,
        attention_mask=attention_mask,
        stepper=stepper,
        draft=draft,
    )
    return [[_candidate(tokenizer, decoded) for decoded in group] for group in groups]


def decode_ids(
    lm: LanguageModel,
    inputs_embeds: Tensor,
    stop_ids: Collection[int],
    options: DecodingOptions,
    *,
    keys: Sequence[str],
    attention_mask: Tensor | None = None,
    stepper: StepperMaker = Stepper,
    draft: Draft | None = None,
) -> list[list[Decoded]]:
    """`decode` before the words: token ids and summed log-probabilities. `stop_ids` end a row."""
    if len(keys) != len(inputs_embeds):
        raise UsageError(f"{len(inputs_embeds)} images need as many keys, not {len(keys)}.")
    if not len(keys):
        return []
    room = lm.n_positions - inputs_embeds.shape[1]
    if room < 1:
        raise UsageError(
            f"A prompt of {inputs_embeds.shape[1]} tokens leaves no room in {lm.n_positions} positions."
        )
    steps = min(options.max_new_tokens, room)
    if draft is not None and options.num_beams == 1:
        return _drafted(lm, draft, inputs_embeds, attention_mask, stepper, stop_ids, options, steps, keys)
    whole = Reading(inputs_embeds, attention_mask, range(len(keys)))
    return search(lambda: stepper(lm, whole), stop_ids, options, steps, keys)


@torch.inference_mode()
def search(
    start: Callable[[], TokenStepper],
    stop_ids: Collection[int],
    options: DecodingOptions,
    steps: int,
    keys: Sequence[str],
) -> list[list[Decoded]]:
    """Greedy decoding, sampling or beams, as `options` say, over the stepper that `start` makes: `steps` at
    most."""
    stops = torch.tensor(sorted(stop_ids), dtype=torch.long)
    stepper = RestrictedStepper(start(), restrictions_of(options, stops))
    if options.num_beams > 1:
        return beam_search(stepper, stops, options, steps)
    count = options.num_candidates
    rows = torch.arange(len(keys)).repeat_interleave(count)  # a prompt was read once for all of them
    logits = stepper.first_logits.index_select(0, rows)
    if count > 1:
        stepper.select(rows)
    draws = draws_of(options, steps, keys)
    return _ranked(decode_rows(stepper, logits, stops, options, steps, draws), count)


@torch.inference_mode()
def _drafted(
    lm: LanguageModel, draft: Draft, embeds: Tensor, mask: Tensor | None, stepper: StepperMaker,
    stop_ids: Collection[int], options: DecodingOptions, steps: int, keys: Sequence[str],
) -> list[list[Decoded]]:  # fmt: skip
    stops = torch.tensor(sorted(stop_ids), dtype=torch.long)
    drafting = Drafting(partial(stepper, lm), partial(stepper, draft.lm), embeds, mask, stops, options, steps)
    decoded = drafting.decode(draws_of(options, steps, keys))
    draft.note(drafting)
    return _ranked(decoded, options.num_candidates)


def _ranked(decoded: Sequence[Decoded], count: int) -> list[list[Decoded]]:
    """The candidates of each image, likeliest first."""
    groups = [decoded[start : start + count] for start in range(0, len(decoded), count)]
    return [sorted(group, key=_average, reverse=True) for group in groups]


def _average(decoded: Decoded) -> float:
    return decoded.sum_logprob / len(decoded.ids)


def _candidate(tokenizer: CaptionVocabulary, decoded: Decoded) -> Candidate:
    return Candidate(tokenizer.caption(decoded.ids), _average(decoded))
