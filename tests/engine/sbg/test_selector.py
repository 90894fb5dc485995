"""The keyword selection against an independent slow one, and its edges: empty groups, duplicates, closed
branches."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from slow_selection import slow_keywords
from tiny import tiny_bank, tiny_images
from torch import Tensor

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.sbg.constants import SelectionConstants
from clipcap_ext.engine.sbg.label_files import read_bank
from clipcap_ext.engine.sbg.labels import Label, LabelBank
from clipcap_ext.engine.sbg.prompt import format_prompt
from clipcap_ext.engine.sbg.selector import KeywordSelector
from clipcap_ext.errors import UsageError


class Remembering:
    """An encoder whose every text has one feature vector, whatever batch it is asked in."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder
        self.fingerprint, self.dtype, self.clip_dim = encoder.fingerprint, encoder.dtype, encoder.clip_dim
        self.known: dict[str, Tensor] = {}

    def encode_text(self, texts: list[str]) -> Tensor:
        new = [text for text in dict.fromkeys(texts) if text not in self.known]
        for start in range(0, len(new), 256):
            part = new[start : start + 256]
            self.known.update(zip(part, self._encoder.encode_text(part), strict=True))
        return torch.stack([self.known[text] for text in texts])


@pytest.fixture(scope="module")
def encoder(tiny_sbg: Path) -> ClipEncoder:
    return load_encoder(EncoderConfig("tiny-clip", "", True), folder=tiny_sbg.parent / "tiny-clip")


def compare(
    remembering: Remembering, selector: KeywordSelector, features: Tensor, labels: list, taxonomy: dict
) -> None:
    texts = {text: vector.double().tolist() for text, vector in remembering.known.items()}
    for row, keywords in zip(features.double().tolist(), selector.select(features), strict=True):
        wanted, prompt = slow_keywords(row, texts.__getitem__, labels, taxonomy)
        assert [keyword.text for keyword in keywords] == wanted
        assert format_prompt(keywords) == prompt


def pointed(remembering: Remembering, count: int) -> Tensor:
    """Feature vectors near a few known sentences each, so that every branch opens and closes somewhere."""
    generator = torch.Generator().manual_seed(4)
    known = torch.stack(list(remembering.known.values()))
    mean = known.mean(0)
    picks = torch.randint(len(known), (count, 2), generator=generator)
    return (known[picks] - mean).sum(1) * 3 + mean + 0.02 * torch.randn(count, len(mean), generator=generator)


def test_published_bank_on_50_photos_and_50_vectors(encoder: ClipEncoder, shared_data: Path) -> None:
    folder = shared_data / "sbg_reference"
    remembering = Remembering(encoder)
    selector = KeywordSelector.build(remembering, read_bank(folder))
    labels = json.loads((folder / "labels.json").read_text())
    taxonomy = json.loads((folder / "taxonomy.json").read_text())
    from clipcap_ext.engine.images.reading import open_image

    photos = sorted((shared_data / "flickr8k" / "Images").iterdir())[:2000:40]
    assert len(photos) == 50
    compare(remembering, selector, encoder.encode_image([open_image(p) for p in photos]), labels, taxonomy)
    vectors = pointed(remembering, 50)
    compare(remembering, selector, vectors, labels, taxonomy)
    states = {(branch.facet, branch.opened) for tree in selector.trees(vectors) for branch in tree.branches}
    for facet in ("people", "animal", "plant", "weather", "activity"):
        assert {(facet, True), (facet, False)} <= states, facet


def test_small_bank_needs_no_shared_data(encoder: ClipEncoder) -> None:
    bank, remembering = tiny_bank(), Remembering(encoder)
    selector = KeywordSelector.build(remembering, bank)
    labels = [[one.text, one.pos, one.frequency] for one in bank.labels]
    taxonomy = {
        facet: dict(said) if isinstance(said, dict) else list(said) for facet, said in bank.taxonomy.items()
    }
    compare(remembering, selector, pointed(remembering, 60), labels, taxonomy)
    compare(remembering, selector, encoder.encode_image(tiny_images()), labels, taxonomy)


def test_batch_and_norm_change_nothing(encoder: ClipEncoder) -> None:
    remembering = Remembering(encoder)
    selector = KeywordSelector.build(remembering, tiny_bank())
    features = pointed(remembering, 9)
    whole = selector.select(features)
    assert [selector.select(one[None])[0] for one in features] == whole
    texts = [[keyword.text for keyword in some] for some in whole]
    assert [[keyword.text for keyword in some] for some in selector.select(features * 7)] == texts


def test_facets_similarities_and_order(encoder: ClipEncoder) -> None:
    selector = KeywordSelector.build(encoder, tiny_bank())
    features = encoder.encode_image(tiny_images(3))
    for feature, tree in zip(features, selector.trees(features), strict=True):
        similarities = [keyword.similarity for keyword in tree.keywords]
        assert similarities == sorted(similarities, reverse=True)
        unit = torch.nn.functional.normalize(feature, dim=0)
        for keyword in tree.keywords:
            assert keyword.similarity == pytest.approx(
                float(unit @ encoder.encode_text([keyword.text])[0]), abs=1e-5
            )
        said = {text for branch in tree.branches for text in branch.keywords}
        assert {keyword.text for keyword in tree.keywords if keyword.facet != "word"} == said
        assert {keyword.text for keyword in tree.keywords if keyword.facet == "word"} <= {
            one.text for one in tree.words
        }
        assert all(branch.reason for branch in tree.branches)
        assert tree.to_dict()["keywords"][0]["text"] == tree.keywords[0].text


def test_empty_groups_and_empty_taxonomy_give_what_there_is(encoder: ClipEncoder) -> None:
    bank = LabelBank(
        (Label("dog", "NOUN", 3),),
        {"scenery": {"indoor": ()}, "object": {"tool": ()}, "activity": {"moving": ()}},
    )
    remembering = Remembering(encoder)
    selector = KeywordSelector.build(remembering, bank)
    for tree in selector.trees(pointed(remembering, 20)):
        facets = {branch.facet: branch for branch in tree.branches}
        assert facets["scene"].keywords == ("indoor",)
        assert facets["object"].keywords == ("tool",)
        assert facets["time"].keywords == facets["activity"].keywords == facets["occupation"].keywords == ()
        assert not facets["weather"].opened and "indoor" in facets["weather"].reason
    nothing = KeywordSelector.build(encoder, LabelBank((), {}))
    for keywords in nothing.select(encoder.encode_image(tiny_images(2))):
        assert {keyword.facet for keyword in keywords} <= {"people", "clothing"}


def test_duplicates_in_a_bank_change_nothing(encoder: ClipEncoder) -> None:
    once = tiny_bank()
    groups = {
        **once.taxonomy,
        "scenery": {**once.groups("scenery"), "beach": ("sand", "sand", "shore", "sand")},
    }
    twice = LabelBank((*once.labels, *once.labels), groups)
    features = encoder.encode_image(tiny_images())
    assert KeywordSelector.build(encoder, once).select(features) == KeywordSelector.build(
        encoder, twice
    ).select(features)


def test_a_text_of_hierarchy_and_bank_is_said_once(encoder: ClipEncoder) -> None:
    bank = LabelBank((Label("sand", "NOUN", 3),), {"scenery": {"beach": ("sand",)}})
    (keywords,) = KeywordSelector.build(encoder, bank).select(encoder.encode_image(tiny_images(1)))
    assert [keyword.facet for keyword in keywords if keyword.text == "sand"] == ["scene"]


def test_a_hundred_thousand_labels_cost_no_more_text_than_a_thousand(encoder: ClipEncoder) -> None:
    asked: list[str] = []

    class Counting(Remembering):
        def encode_text(self, texts: list[str]) -> Tensor:
            asked.extend(texts)
            return torch.nn.functional.normalize(torch.randn(len(texts), self.clip_dim), dim=-1)

    names = [f"слово {i} é" for i in range(100_000)]
    bank = LabelBank(
        tuple(Label(name, "NOUN", 100_000 - i) for i, name in enumerate(names)), {"scenery": {"дом": names}}
    )
    selector = KeywordSelector.build(Counting(encoder), bank)
    assert len(asked) < 1000 + 100 + 2 * 100
    (keywords,) = selector.select(torch.randn(1, encoder.clip_dim))
    assert "дом" in [keyword.text for keyword in keywords]


def test_words_bound(encoder: ClipEncoder) -> None:
    features = encoder.encode_image(tiny_images(1))
    most = {"words_probability": 1.0}
    free = KeywordSelector.build(encoder, tiny_bank(), SelectionConstants(**most)).trees(features)[0]
    bound = KeywordSelector.build(encoder, tiny_bank(), SelectionConstants(**most, words_most=2)).trees(
        features
    )[0]
    assert sum(answer.taken for answer in free.words) == len(free.words) == 11
    taken = [answer.text for answer in bound.words if answer.taken]
    assert taken == [answer.text for answer in free.words][:2]


def test_every_constant_has_its_source() -> None:
    assert all(spec.metadata["source"] for spec in fields(SelectionConstants))
    assert len(SelectionConstants().subject_sets()) == 25
    assert len(SelectionConstants().people()) == 28
    assert len(SelectionConstants().clothes()) == 40


def test_constants_survive_their_file_form() -> None:
    changed = SelectionConstants(words_most=12, garments=("coat",))
    assert changed.changes() == {"words_most": 12, "garments": ("coat",)}
    assert SelectionConstants.from_changes(json.loads(json.dumps(changed.changes()))) == changed
    with pytest.raises(UsageError, match="wrods"):
        SelectionConstants.from_changes({"wrods": 1})
    for bad in ({"words_probability": 0}, {"logit_scale": 0}, {"group_limit": -1}, {"words_pos": ("X",)}):
        with pytest.raises(UsageError):
            SelectionConstants(**bad)


def test_what_the_classifier_saw_stands_in_front_with_its_probability(encoder: ClipEncoder) -> None:
    remembering = Remembering(encoder)
    remembering.concept_words = ("zebra", "dog", "boat")  # type: ignore[attr-defined]
    constants = SelectionConstants(concepts_low=0.2, concepts_most=1)
    selector = KeywordSelector.build(remembering, tiny_bank(), constants)  # type: ignore[arg-type]
    seen = torch.randn(2, encoder.clip_dim, generator=torch.Generator().manual_seed(2))
    scores = torch.tensor([[0.7, 0.25, 0.0], [0.1, 0.1, 0.1]])
    first, second = selector.trees(torch.cat((seen, scores), dim=1))
    assert (first.keywords[0].text, first.keywords[0].facet) == ("zebra", "concept")
    assert [one.facet for one in first.keywords].count("concept") == 1, "one at most"
    (branch, *_) = first.branches
    assert branch.groups[0].probability == pytest.approx(0.7) and "0.2" in branch.reason
    assert not second.branches[0].opened and "concept" not in {one.facet for one in second.keywords}
    plain = KeywordSelector.build(remembering, tiny_bank())  # type: ignore[arg-type]
    assert plain.select(seen) == plain.select(torch.cat((seen, scores), dim=1)), "unread if not asked for"
    others = [tuple(one for one in tree.keywords if one.facet != "concept") for tree in (first, second)]
    assert others == plain.select(seen)
