"""GPT-2 through the general path says what its own path says, and a language model of any kind decodes with
its cache as it does computed afresh."""

from __future__ import annotations

import pytest
import torch
from naive_decoding import BEAMS, GREEDY, SAMPLES, STOPS, embeds, small_lm
from tiny_language import SIZES

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.decoding.decode import decode_ids
from clipcap_ext.engine.language.causal_config import build_causal, check_causal_config, kept_config
from clipcap_ext.engine.language.causal_language import CausalLanguage
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.errors import CheckpointError, UsageError

OTHERS = [kind for kind in SIZES if kind != "gpt2"]
KEYS = list("abcdef")


def random_language(kind: str) -> CausalLanguage:
    """Logits far enough apart that rounding never decides."""
    torch.manual_seed(3)
    module = build_causal({"model_type": kind, **SIZES[kind], "vocab_size": 40, "eos_token_id": 39})
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=1.0 if "embed" in name else 0.2)
    return CausalLanguage(module)


@pytest.mark.parametrize("options", [GREEDY, BEAMS, SAMPLES], ids=["greedy", "beams", "samples"])
@pytest.mark.parametrize("batch", [1, 6])
def test_gpt2_says_the_same_on_both_paths(options: DecodingOptions, batch: int) -> None:
    lm = small_lm(4)
    prefix, keys = embeds(lm, batch), KEYS[:batch]
    own = decode_ids(Gpt2Language(lm), prefix, STOPS, options, keys=keys)
    general = decode_ids(CausalLanguage(lm), prefix, STOPS, options, keys=keys)
    assert [[one.ids for one in group] for group in general] == [[one.ids for one in group] for group in own]
    for ours, theirs in zip(general, own, strict=True):
        sums = [[one.sum_logprob for one in group] for group in (ours, theirs)]
        assert sums[0] == pytest.approx(sums[1], abs=1e-4)


def test_gpt2_says_the_same_on_both_paths_behind_prompts_of_two_lengths() -> None:
    lm = small_lm(2)
    short, long = embeds(lm, 1, 3), embeds(lm, 1, 6, seed=9)
    padded = torch.cat((torch.cat((torch.full((1, 3, 32), 9.0), short), dim=1), long))
    mask = torch.tensor([[0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    found = [
        decode_ids(one, padded, STOPS, BEAMS, keys=["s", "l"], attention_mask=mask)
        for one in (Gpt2Language(lm), CausalLanguage(lm))
    ]
    assert [[one.ids for one in group] for group in found[0]] == [
        [one.ids for one in group] for group in found[1]
    ]


def test_both_paths_give_training_the_same_logits() -> None:
    lm = small_lm(1)
    rows, labelled = embeds(lm, 3, length=9), torch.rand(3, 5) < 0.7
    own, general = (one(lm).label_logits(rows, labelled) for one in (Gpt2Language, CausalLanguage))
    assert own.logits.shape == (int(labelled.sum()), 40)
    torch.testing.assert_close(general.logits, own.logits)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("options", [GREEDY, BEAMS], ids=["greedy", "beams"])
def test_a_batch_says_what_each_picture_alone_says(kind: str, options: DecodingOptions) -> None:
    language = random_language(kind)
    prefix = torch.randn(6, 4, 32, generator=torch.Generator().manual_seed(2))
    together = decode_ids(language, prefix, STOPS, options, keys=KEYS)
    for i, group in enumerate(together):
        (alone,) = decode_ids(language, prefix[i : i + 1], STOPS, options, keys=KEYS[:1])
        assert [one.ids for one in alone] == [one.ids for one in group]


@pytest.mark.parametrize("kind", OTHERS)
@torch.inference_mode()
def test_the_cache_changes_nothing(kind: str) -> None:
    language = random_language(kind)
    prefix = torch.randn(1, 4, 32, generator=torch.Generator().manual_seed(5))
    ((found,),) = decode_ids(language, prefix, STOPS, GREEDY, keys=["a"])
    ids: list[int] = []
    for _ in found.ids:
        rows = torch.cat((prefix, language.embed(torch.tensor([ids], dtype=torch.long))), dim=1)
        logits = language.module(inputs_embeds=rows, use_cache=False).logits[0, -1]
        if not ids:
            logits[list(STOPS)] = -torch.inf
        ids.append(int(logits.argmax()))
    assert tuple(ids) == found.ids


def test_a_kept_configuration_builds_the_same_model() -> None:
    kept = {"model_type": "llama", **SIZES["llama"], "vocab_size": 40, "eos_token_id": 39, "rope_theta": 5e4}
    first = build_causal(kept)
    second = build_causal(kept_config(first.config))
    second.load_state_dict(first.state_dict())
    inputs = torch.arange(12).view(2, 6)
    torch.testing.assert_close(second(inputs).logits, first(inputs).logits)


def test_an_architecture_that_is_not_here_is_named_with_what_to_do() -> None:
    kept = {"model_type": "tomorrow9", "eos_token_id": 1, "transformers_version": "99.1"}
    check_causal_config(kept)
    with pytest.raises(CheckpointError, match=r"'tomorrow9'.*written by transformers 99.1.*Update"):
        build_causal(kept)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": 3}, "names no language model"), ({"vocab_size": 10**9}, "vocab_size is a whole"),
        ({"num_hidden_layers": "many"}, "num_hidden_layers"), ({"eos_token_id": None}, "ends a text"),
        ({"eos_token_id": []}, "ends a text"), ({"quantization_config": {"bits": 4}}, "quantised"),
    ],
)  # fmt: skip
def test_a_configuration_that_no_model_has_is_refused(changes: dict[str, object], said: str) -> None:
    kept = {"model_type": "llama", **SIZES["llama"], "vocab_size": 40, "eos_token_id": 39}
    check_causal_config(kept)
    with pytest.raises(UsageError, match=said):
        check_causal_config({**kept, **changes})


def test_a_model_without_a_cache_of_rows_is_refused() -> None:
    with pytest.raises(CheckpointError, match="Linear cannot caption: it takes no input_ids"):
        CausalLanguage(torch.nn.Linear(2, 2))
