"""Words that the classifier saw: raised until they are said, no others, and the same among neighbours."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import GPT2_SIZES, randomise, write_tokenizer

from clipcap_ext.caption import DecodingOptions, Keyword
from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer, load_tokenizer
from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable
from clipcap_ext.engine.decoding.decode import decode
from clipcap_ext.engine.decoding.stepper import Reading
from clipcap_ext.engine.language.gpt2 import build_gpt2
from clipcap_ext.engine.language.gpt2_language import Gpt2Language
from clipcap_ext.engine.sbg.evident_words import EvidentWords
from clipcap_ext.engine.sbg.selector import CONCEPT

TABLE = ConceptTable(
    (Concept("dog", "animal", (0,), ("dogs",)), Concept("zebra", "animal", (1,), ("zebras",)))
)
ZEBRA, DOG = (Keyword(word, CONCEPT, 0.1) for word in ("zebra", "dog"))
WAYS = (
    DecodingOptions(max_new_tokens=14),
    DecodingOptions(max_new_tokens=14, num_beams=3),
    DecodingOptions(max_new_tokens=14, temperature=0.5, seed=1),
)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> BpeTokenizer:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return load_tokenizer(folder)


@pytest.fixture(scope="module")
def lm(tokenizer: BpeTokenizer) -> Gpt2Language:
    gpt2 = build_gpt2({**GPT2_SIZES, "vocab_size": tokenizer.vocab_size}).eval()
    randomise(gpt2, scale=0.25)
    return Gpt2Language(gpt2)


def texts(
    lm: Gpt2Language, tokenizer: BpeTokenizer, keywords: list[list[Keyword]], embeds: torch.Tensor,
    options: DecodingOptions, boost: float = 40.0,
) -> list[str]:  # fmt: skip
    stepper = EvidentWords.build(tokenizer, TABLE, boost).stepper(keywords)
    keys = [str(float(row.sum())) for row in embeds]
    groups = decode(lm, embeds, tokenizer, options, keys=keys, stepper=stepper)
    return [group[0].text for group in groups]


@pytest.mark.parametrize("options", WAYS)
def test_what_was_seen_is_said_once_and_nothing_else_is_pressed(
    lm: Gpt2Language, tokenizer: BpeTokenizer, options: DecodingOptions
) -> None:
    embeds = torch.randn(4, 3, GPT2_SIZES["n_embd"], generator=torch.Generator().manual_seed(3))
    by_hand, strange = Keyword("zebra", "by hand", 0.1), Keyword("quark", CONCEPT, 0.1)
    keywords = [[ZEBRA], [by_hand, strange], [DOG, ZEBRA], []]
    said = texts(lm, tokenizer, keywords, embeds, options)
    plain = texts(lm, tokenizer, [[]] * 4, embeds, options)
    assert said[0].count("zebra") == 1 and said[2].count("zebra") == said[2].count("dog") == 1
    assert [said[1], said[3]] == [plain[1], plain[3]] and "zebra" not in plain[0]


def test_a_token_is_raised_once_and_the_rest_of_a_word_twice_as_much(
    lm: Gpt2Language, tokenizer: BpeTokenizer
) -> None:
    embeds = torch.randn(1, 3, GPT2_SIZES["n_embd"], generator=torch.Generator().manual_seed(4))
    reading = Reading(embeds, None, [0])
    ids = tokenizer.encode(" zebra")  # its plural begins with the same token
    made = {
        boost: EvidentWords.build(tokenizer, TABLE, boost).stepper([[ZEBRA]])(lm, reading)
        for boost in (0.0, 3.0)
    }
    gains = [(made[3.0].first_logits - made[0.0].first_logits)[0].detach()]
    gains += [
        (made[3.0].step(torch.tensor([token])) - made[0.0].step(torch.tensor([token])))[0] for token in ids
    ]
    assert gains[0].nonzero().flatten().tolist() == [ids[0]] and float(gains[0][ids[0]]) == pytest.approx(3.0)
    assert len(ids) > 1 and float(gains[1][ids[1]]) == pytest.approx(6.0)
    assert not gains[-1].any(), "it is said: nothing is raised any more"


def test_neighbours_change_no_caption(lm: Gpt2Language, tokenizer: BpeTokenizer) -> None:
    embeds = torch.randn(3, 3, GPT2_SIZES["n_embd"], generator=torch.Generator().manual_seed(5))
    keywords = [[ZEBRA], [DOG], []]
    together = texts(lm, tokenizer, keywords, embeds, WAYS[1], boost=3.0)
    alone = [texts(lm, tokenizer, [keywords[i]], embeds[i : i + 1], WAYS[1], 3.0)[0] for i in range(3)]
    assert together == alone
