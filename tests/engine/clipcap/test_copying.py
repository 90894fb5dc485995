"""Words of evidence in tokens: when they may begin, how they go on, and that the gate touches nothing
else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import GPT2_SIZES, randomise, write_tokenizer

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer, train_bpe
from clipcap_ext.engine.clipcap.copying import GOES_ON, CopyGate, CopyWords, Opening, Slot, openings, together
from clipcap_ext.engine.clipcap.evident import EvidenceReader
from clipcap_ext.engine.clipcap.model import ClipCapConfig, ClipCapModel
from clipcap_ext.engine.clipcap.prompting import fitting
from clipcap_ext.engine.concepts.concept_table import Concept, ConceptTable
from clipcap_ext.engine.concepts.evidence import MARKS, EvidenceConfig
from clipcap_ext.errors import UsageError

TABLE = ConceptTable(
    (Concept("dog", "animal", (0,), ("dogs",)), Concept("zebra", "animal", (1,), ("zebras",)))
)
CAT = Slot(0, ((7, 8), (7, 8, 9)), ((7, 8), (7, 8, 9), (5,)))
BALL = Slot(2, ((4,),), ((4,),))


def test_a_word_may_begin_until_it_was_said() -> None:
    assert openings([], [CAT, BALL]) == [
        Opening(7, 0, (7, 8)), Opening(7, 0, (7, 8, 9)), Opening(4, 2, (4,)),
    ]  # fmt: skip
    assert openings([1, 4], [BALL]) == [] and openings([1, 5, 2], [CAT]) == [], "another word for it counts"


def test_inside_a_word_only_its_next_piece_is_open() -> None:
    assert openings([1, 7], [CAT]) == [Opening(8, GOES_ON, (7, 8)), Opening(8, GOES_ON, (7, 8, 9))]
    assert openings([7, 8], [CAT]) == [], "the word is said; no piece of its plural is pressed on it"


def test_after_an_article_no_word_begins_that_it_does_not_fit() -> None:
    cat = Slot(0, CAT.written, CAT.said_as, {1: frozenset({(7, 8, 9)}), 2: frozenset(CAT.written)})
    assert openings([3, 2], [cat]) == []
    assert openings([3, 1], [cat]) == [Opening(7, 0, (7, 8))]
    assert len(openings([1, 3], [cat])) == 2, "with a word in between it may be of another noun"


@pytest.mark.parametrize(
    ("word", "plural", "behind_a", "behind_an"),
    [("dog", "dogs", ["dog"], []), ("owl", "owls", [], ["owl"]), ("fish", "fish", ["fish"], [])],
)
def test_an_article_fits_one_thing_and_its_sound(
    word: str, plural: str, behind_a: list[str], behind_an: list[str]
) -> None:
    tokenizer = train_bpe(["an owl and a dog", "a dog and an owl", "an an an a a a"] * 9, 300)
    table = ConceptTable((Concept(word, "animal", (0,), (plural,)),))
    (slot,) = CopyWords(tokenizer, table).slots([(word, MARKS[1])])
    for article, fit in ((" a", behind_a), (" an", behind_an)):
        (ids,) = tokenizer.encode_batch([article])
        assert len(ids) == 1, "the tokenizer of the test knows articles"
        assert [tokenizer.decode(list(one)) for one in slot.beginnings(ids)] == [f" {one}" for one in fit]
    assert len(slot.beginnings([])) == len({word, plural})


def test_who_has_said_a_dog_need_not_say_an_animal(reader: EvidenceReader) -> None:
    general = Concept("animal", "animal", (), ("animals",))
    words = CopyWords(reader.tokenizer, ConceptTable(TABLE.concepts, general=(general,)))
    animal, dog = words.slots([("animal", MARKS[0]), ("dog", MARKS[1])])
    assert set(dog.said_as) < set(animal.said_as)
    assert openings(dog.written[0], [animal]) == [] and openings(animal.written[0], [dog]) != []


@given(st.lists(st.integers(0, 9), max_size=12))
def test_no_opening_is_of_a_word_already_said(history: list[int]) -> None:
    held = " ".join(map(str, history))
    for one in openings(history, [CAT, BALL]):
        assert one.token in one.word and f" {' '.join(map(str, one.word))} " not in f" {held} "


def test_the_gate_raises_openings_alone() -> None:
    torch.manual_seed(0)
    gate, logits, hidden = CopyGate(8, 4), torch.randn(2, 12), torch.randn(2, 8)
    raised = gate.raised(logits, hidden, together([openings([], [BALL]), []]), torch.randn(12, 8))
    changed = (raised != logits).nonzero().tolist()
    assert changed == [[0, 4]]
    assert gate.raised(logits, hidden, together([[], []]), torch.randn(12, 8)) is logits


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> EvidenceReader:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    tokenizer = load_tokenizer(folder)
    config = ClipCapConfig(
        clip_dim=6,
        prefix_length=2,
        gpt2={**GPT2_SIZES, "vocab_size": tokenizer.vocab_size},
        evidence={"most": 2},
    )
    model = ClipCapModel(config).eval()
    randomise(model, scale=0.25)
    evidence = config.evidence_config
    assert evidence is not None
    with torch.no_grad():
        assert model.copy_gate is not None
        model.copy_gate.mark.bias.copy_(torch.tensor([40.0, -40.0, -40.0, 60.0]))
    return EvidenceReader(model, tokenizer, TABLE, evidence)


def test_what_is_sure_is_said_once(reader: EvidenceReader) -> None:
    features = torch.tensor([[1.0, 0, 0, 0, 0, 0, 0.1, 0.8], [0, 1.0, 0, 0, 0, 0, 0.0, 0.0]])
    for options in (DecodingOptions(max_new_tokens=14), DecodingOptions(max_new_tokens=14, num_beams=3)):
        said = [group[0].text for group in reader.decode(features, options, keys=["a", "b"])]
        assert said[0].count("zebra") == 1 and "zebra" not in said[1]


def test_neighbours_change_no_caption(reader: EvidenceReader) -> None:
    features = torch.rand(3, 8, generator=torch.Generator().manual_seed(4))
    options = DecodingOptions(max_new_tokens=10, num_beams=3)
    together_said = reader.decode(features, options, keys=["a", "b", "c"])
    alone = [reader.decode(features[i : i + 1], options, keys=[key])[0] for i, key in enumerate("abc")]
    assert [group[0].text for group in together_said] == [group[0].text for group in alone]


def test_features_of_another_length_are_refused(reader: EvidenceReader) -> None:
    with pytest.raises(UsageError, match="length 8"):
        reader.decode(torch.rand(1, 6), DecodingOptions(), keys=["a"])


def test_the_last_words_are_left_out_where_tokens_are_too_many(reader: EvidenceReader) -> None:
    marked = [("dog", "="), ("zebra", "-")]
    assert fitting(marked, reader.tokenizer, EvidenceConfig(tokens=40)) == tuple(marked)
    assert fitting(marked, reader.tokenizer, EvidenceConfig(tokens=6)) == (("dog", "="),)
    assert CopyWords(reader.tokenizer, TABLE).slots(marked)[1].mark == 2
