"""The decode path against naive re-computation without a cache, and its laws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_decoding import (
    BEAMS,
    GREEDY,
    SAMPLES,
    STOPS,
    embeds,
    naive_beams,
    naive_greedy,
    naive_logprobs,
    small_lm,
)

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.checkpoint.tokenizer import train_bpe
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.decoding.decode import decode, decode_ids, search
from clipcap_ext.engine.decoding.likeliest import highest
from clipcap_ext.engine.language.gpt2 import GPT2_SMALL
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.errors import UsageError


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("seed", range(3))
def test_cached_greedy_is_naive_greedy(batch: int, seed: int) -> None:
    lm = small_lm(seed)
    prefix = embeds(lm, batch, seed=seed)
    found = decode_ids(Gpt2Language(lm), prefix, STOPS, GREEDY, keys=["x"] * batch)
    for image, (one,) in enumerate(found):
        ids, total = naive_greedy(lm, prefix[image], GREEDY.max_new_tokens)
        assert one.ids == ids
        assert one.sum_logprob == pytest.approx(total, abs=1e-3)


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_cached_beams_are_naive_beams(batch: int, penalty: float) -> None:
    lm = small_lm(3)
    prefix = embeds(lm, batch)
    options = BEAMS.with_changes(length_penalty=penalty)
    found = decode_ids(Gpt2Language(lm), prefix, STOPS, options, keys=["x"] * batch)
    for image, group in enumerate(found):
        assert [one.ids for one in group] == naive_beams(lm, prefix[image], options)


@pytest.mark.parametrize("seed", [1, 2])
def test_asking_for_fewer_candidates_gives_the_best_of_the_same_ones(seed: int) -> None:
    """Here some beams stop and some run out of steps, which must compete whatever is asked for."""
    lm = small_lm(seed, vocab_size=18, scale=2.0)
    prefix = embeds(lm, 4)
    wide = DecodingOptions(max_new_tokens=4, num_beams=6, num_candidates=6)
    every = decode_ids(Gpt2Language(lm), prefix, STOPS, wide, keys=list("abcd"))
    for count in (1, 3):
        found = decode_ids(
            Gpt2Language(lm), prefix, STOPS, wide.with_changes(num_candidates=count), keys=list("abcd")
        )
        assert found == [group[:count] for group in every]


def test_full_size_model_decodes_as_without_a_cache() -> None:
    """GPT-2 small, prefix of 10, 768-d features: the published architecture, random weights."""
    batch = 8
    torch.manual_seed(0)
    model = ClipCapModel(ClipCapConfig(clip_dim=768, prefix_length=10, gpt2=GPT2_SMALL)).eval()
    features = torch.nn.functional.normalize(torch.randn(batch, 768), dim=-1)
    with torch.inference_mode():
        prefix = model.prefix_embeds(features)
    short, beams = DecodingOptions(max_new_tokens=10), DecodingOptions(max_new_tokens=5, num_beams=3)
    greedy = decode_ids(model.language, prefix, STOPS, short, keys=["x"] * batch)
    found = decode_ids(model.language, prefix, STOPS, beams, keys=["x"] * batch)
    for image in (0, batch // 2, batch - 1):  # a naive decode of each takes seconds
        assert greedy[image][0].ids == naive_greedy(model.gpt2, prefix[image], 10)[0]
        assert found[image][0].ids == naive_beams(model.gpt2, prefix[image], beams)[0]
    for options, together in ((short, greedy), (beams, found)):
        alone = decode_ids(model.language, prefix[:1], STOPS, options, keys=["x"])
        assert alone[0][0].ids == together[0][0].ids


@pytest.mark.parametrize("options", [GREEDY, BEAMS, SAMPLES], ids=["greedy", "beams", "samples"])
def test_batch_size_and_order_change_nothing(options: DecodingOptions) -> None:
    lm = small_lm()
    prefix = embeds(lm, 6)
    keys = [f"image {i}" for i in range(6)]
    together = decode_ids(Gpt2Language(lm), prefix, STOPS, options, keys=keys)
    order = [4, 1, 5, 0, 3, 2]
    shuffled = decode_ids(Gpt2Language(lm), prefix[order], STOPS, options, keys=[keys[i] for i in order])
    alone = [
        decode_ids(Gpt2Language(lm), prefix[i : i + 1], STOPS, options, keys=keys[i : i + 1])[0]
        for i in range(6)
    ]
    ids = [[one.ids for one in group] for group in together]
    assert [ids[i] for i in order] == [[one.ids for one in group] for group in shuffled]
    assert ids == [[one.ids for one in group] for group in alone]


@pytest.mark.parametrize("options", [GREEDY, BEAMS, SAMPLES], ids=["greedy", "beams", "samples"])
def test_padding_on_the_left_changes_nothing(options: DecodingOptions) -> None:
    lm = small_lm()
    short, long = embeds(lm, 1, length=3, seed=7), embeds(lm, 1, length=6, seed=8)
    padded = torch.cat((torch.cat((torch.full((1, 3, 32), 9.0), short), dim=1), long))
    mask = torch.tensor([[0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    together = decode_ids(Gpt2Language(lm), padded, STOPS, options, keys=["s", "l"], attention_mask=mask)
    alone = [
        decode_ids(Gpt2Language(lm), one, STOPS, options, keys=[key])[0]
        for one, key in ((short, "s"), (long, "l"))
    ]
    assert [[one.ids for one in group] for group in together] == [
        [one.ids for one in group] for group in alone
    ]


def test_a_row_stops_at_its_first_stop_token_and_never_begins_with_one() -> None:
    lm = small_lm()
    found = decode_ids(Gpt2Language(lm), embeds(lm, 40), STOPS, SAMPLES, keys=[str(i) for i in range(40)])
    rows = [one.ids for group in found for one in group]
    stopped = [ids for ids in rows if ids[-1] in STOPS]
    assert stopped and all(ids[0] not in STOPS for ids in rows)
    assert all(token not in STOPS for ids in rows for token in ids[:-1])
    assert all(len(ids) == SAMPLES.max_new_tokens for ids in rows if ids[-1] not in STOPS)


def test_sampling_follows_the_models_own_distribution() -> None:
    lm = small_lm(scale=6.0)
    prefix = embeds(lm, 1)
    wanted = naive_logprobs(lm, prefix[0], ()).exp()
    options = DecodingOptions(max_new_tokens=1, temperature=1.0, seed=0)
    draws = decode_ids(
        Gpt2Language(lm), prefix.expand(4000, -1, -1), STOPS, options, keys=[str(i) for i in range(4000)]
    )
    counts = torch.bincount(torch.tensor([group[0].ids[0] for group in draws]), minlength=40) / 4000
    assert (counts - wanted).abs().max() < 0.03


@pytest.mark.parametrize("change", [{"top_k": 2}, {"top_p": 0.3}], ids=["top_k", "top_p"])
def test_filters_keep_only_the_likeliest(change: dict) -> None:
    lm = small_lm(scale=6.0)
    prefix = embeds(lm, 1)
    probabilities, order = naive_logprobs(lm, prefix[0], ()).exp().sort(descending=True)
    before = probabilities.cumsum(0) - probabilities
    allowed = set(order[:2].tolist()) if "top_k" in change else set(order[before < 0.3].tolist())
    options = DecodingOptions(max_new_tokens=1, temperature=1.0, seed=0, **change)
    draws = decode_ids(
        Gpt2Language(lm), prefix.expand(500, -1, -1), STOPS, options, keys=[str(i) for i in range(500)]
    )
    assert {group[0].ids[0] for group in draws} == allowed


@settings(max_examples=200)
@given(
    st.lists(
        st.lists(st.sampled_from([-torch.inf, -1.5, 0.0, 0.25, 3.0]), min_size=9, max_size=9),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 11),
)
def test_the_highest_are_those_of_a_stable_sort_however_many_are_equal(
    rows: list[list[float]], top_k: int
) -> None:
    logits = torch.tensor(rows)
    values, ids = logits.sort(dim=-1, descending=True, stable=True)
    cut = top_k or logits.shape[-1]
    ordered, order = highest(logits, top_k)
    assert torch.equal(ordered, values[:, :cut]) and torch.equal(order, ids[:, :cut])


class Undecided:
    """A stepper to which every token is as likely as any other."""

    def __init__(self, rows: int, vocabulary: int) -> None:
        self.rows, self._vocabulary = rows, vocabulary
        self.first_logits = self._logits()

    def select(self, rows: torch.Tensor) -> None:
        self.rows = len(rows)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        return self._logits()

    def _logits(self) -> torch.Tensor:
        return torch.zeros(self.rows, self._vocabulary)


@pytest.mark.parametrize("vocabulary", [7, 300, 5000])
def test_of_equal_beams_the_earlier_and_the_lower_id_come_first(vocabulary: int) -> None:
    options = DecodingOptions(max_new_tokens=3, num_beams=4, num_candidates=4)
    (found,) = search(lambda: Undecided(1, vocabulary), [vocabulary - 1], options, 3, ["k"])
    assert [one.ids for one in found] == [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)]


def test_seed_and_key_decide_the_sample() -> None:
    lm = small_lm()
    prefix = embeds(lm, 1)

    def sample(seed: int, key: str) -> list[tuple[int, ...]]:
        options = SAMPLES.with_changes(seed=seed)
        return [one.ids for one in decode_ids(Gpt2Language(lm), prefix, STOPS, options, keys=[key])[0]]

    assert sample(1, "a") == sample(1, "a")
    assert sample(1, "a") != sample(2, "a")
    assert sample(1, "a") != sample(1, "b")
    assert len(set(sample(1, "a"))) > 1  # candidates of one image are independent


def test_candidates_come_best_first() -> None:
    lm = small_lm()
    for options in (BEAMS, SAMPLES):
        for group in decode_ids(Gpt2Language(lm), embeds(lm, 5), STOPS, options, keys=list("abcde")):
            scores = [one.sum_logprob / len(one.ids) for one in group]
            assert len(group) == 3 and scores == sorted(scores, reverse=True)


@given(st.text())
def test_cleaned_captions_hold_one_full_stop_at_the_end(text: str) -> None:
    cleaned = clean_caption(text)
    assert cleaned.endswith(" .") and cleaned.count(".") == 1
    assert clean_caption(cleaned) == cleaned


def test_golden_clean_up() -> None:
    assert clean_caption("two dogs  play\nin the snow . a man") == "two dogs play in the snow ."


def test_words_come_out_of_the_tokenizer() -> None:
    tokenizer = train_bpe(["two dogs play in the snow ."] * 4, 300)
    lm = small_lm(vocab_size=tokenizer.vocab_size)
    (group,) = decode(Gpt2Language(lm), embeds(lm, 1), tokenizer, GREEDY, keys=["a"])
    (ids,) = [
        one.ids
        for one in decode_ids(Gpt2Language(lm), embeds(lm, 1), tokenizer.stop_ids, GREEDY, keys=["a"])[0]
    ]
    assert group[0].text == clean_caption(tokenizer.decode(ids))


def test_no_image_gives_no_caption_and_wrong_sizes_are_refused() -> None:
    lm = small_lm()
    assert decode_ids(Gpt2Language(lm), embeds(lm, 0), STOPS, GREEDY, keys=[]) == []
    with pytest.raises(UsageError, match="as many keys"):
        decode_ids(Gpt2Language(lm), embeds(lm, 2), STOPS, GREEDY, keys=["a"])
    with pytest.raises(UsageError, match="48 positions"):
        decode_ids(Gpt2Language(lm), embeds(lm, 1, length=48), STOPS, GREEDY, keys=["a"])
    (group,) = decode_ids(Gpt2Language(lm), embeds(lm, 1, length=46), STOPS, GREEDY, keys=["a"])
    assert len(group[0].ids) <= 2
