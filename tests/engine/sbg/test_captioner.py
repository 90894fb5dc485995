"""The SBG captioner: prompt, candidates, ranking, seeds, padding, edited keywords, checkpoint,
explanation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from tiny import tiny_images

from clipcap_ext.caption import Candidate, DecodingOptions, Keyword
from clipcap_ext.engine.captioner import LIKELIHOOD, rank_by_similarity
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.sbg.captioner import BY_HAND, SbgCaptioner, put_evident_first, ranked_as_asked
from clipcap_ext.engine.sbg.drawing import draw_svg, draw_text, explanation_lines, tree_lines
from clipcap_ext.engine.sbg.edit import KeywordEdit, split_keywords
from clipcap_ext.engine.sbg.explain import caption_logprobs, explain, explain_image
from clipcap_ext.engine.sbg.prompt import cut_at_separator, format_prompt, training_text
from clipcap_ext.errors import CheckpointError, UsageError

FIVE = DecodingOptions(
    max_new_tokens=12, temperature=1.0, top_k=50, num_candidates=5, rank_by="similarity", seed=3
)  # fmt: skip


@pytest.fixture(scope="module")
def sbg(tiny_sbg: Path) -> SbgCaptioner:
    captioner = load_captioner(tiny_sbg)
    assert isinstance(captioner, SbgCaptioner)
    return captioner


@pytest.fixture(scope="module")
def features(sbg: SbgCaptioner) -> torch.Tensor:
    return sbg.encoder.encode_image(tiny_images(4))


def test_prompt_and_training_text() -> None:
    keywords = [Keyword("dog", "animal", 0.3), "snow", "Straße"]
    assert format_prompt(keywords) == "dog, snow, Straße ###"
    assert training_text(keywords, "A Dog runs .") == "dog, snow, Straße ### a dog runs .<|endoftext|>"
    assert format_prompt([]) == " ###"
    assert cut_at_separator("a dog ### a cat .") == "a dog "
    for bad in ("", "a, b", "###", "a\nb"):
        with pytest.raises(UsageError):
            format_prompt([bad])


def test_caption_has_keywords_and_ranked_candidates(sbg: SbgCaptioner) -> None:
    images = tiny_images(3)
    captions = sbg.caption(images, FIVE)
    features = sbg.encoder.encode_image(images)
    for caption, keywords, feature in zip(captions, sbg.selector.select(features), features, strict=True):
        assert caption.model == "tiny-sbg" and caption.keywords == keywords
        texts = [one.text for one in caption.candidates]
        assert caption.text == texts[0] and len(set(texts)) == len(texts) > 1
        similarities = [one.similarity for one in caption.candidates]
        assert similarities == sorted(similarities, reverse=True)
        wanted = sbg.encoder.encode_text(texts) @ feature
        assert torch.allclose(torch.tensor(similarities), wanted, atol=1e-5)
        assert all(text.endswith(" .") and "###" not in text for text in texts)
    assert sbg.caption([]) == []


def test_batch_order_and_padding_change_nothing(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    keywords = [["dog"], ["snow", "red", "black", "ball"], [], ["man", "grass"]]
    keys = ["a", "b", "c", "d"]
    whole = sbg.guess(features, keywords, FIVE, keys=keys)
    order = [2, 0, 3, 1]
    shuffled = sbg.guess(features[order], [keywords[i] for i in order], FIVE, keys=[keys[i] for i in order])
    for place, i in enumerate(order):
        (alone,) = sbg.guess(features[i : i + 1], [keywords[i]], FIVE, keys=[keys[i]])
        for one in (alone, shuffled[place]):
            assert [c.text for c in one.candidates] == [c.text for c in whole[i].candidates]
            for got, wanted in zip(one.candidates, whole[i].candidates, strict=True):
                assert got.avg_logprob == pytest.approx(wanted.avg_logprob, abs=1e-4)


def test_prompt_text_reaches_the_model_as_it_is(sbg: SbgCaptioner) -> None:
    embeds, mask = sbg.prompt_embeds(["dog, snow ###", "red ###"])
    ids = sbg.tokenizer.encode("red ###")
    assert mask is not None and int(mask[1].sum()) == len(ids) and bool((mask[1, -len(ids) :] == 1).all())
    assert torch.equal(embeds[1, -len(ids) :], sbg.model.transformer.wte(torch.tensor(ids)))
    assert sbg.prompt_embeds(["dog ###", "dog ###"])[1] is None


def test_seed_and_key_decide_the_samples(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    one, words = features[:1], [["dog", "snow"]]

    def texts(options: DecodingOptions, key: str) -> list[str]:
        return [c.text for c in sbg.guess(one, words, options, keys=[key])[0].candidates]

    assert texts(FIVE, "a") == texts(FIVE, "a")
    assert texts(FIVE, "a") != texts(FIVE, "b")
    assert texts(FIVE, "a") != texts(FIVE.with_changes(seed=4), "a")


def test_duplicate_candidates_are_encoded_once(sbg: SbgCaptioner, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    encode = sbg.encoder.encode_text
    monkeypatch.setattr(sbg.encoder, "encode_text", lambda texts: asked.extend(texts) or encode(texts))
    features = sbg.encoder.encode_image(tiny_images(1)).expand(3, -1)
    options = FIVE.with_changes(top_k=1)  # every sample is the same text
    captions = sbg.guess(features, sbg.selector.select(features), options, keys=["a", "b", "c"])
    assert len(asked) == 1
    assert [len(caption.candidates) for caption in captions] == [1, 1, 1]


class Placing:
    """An encoder whose features know their place in the batch in the last digit; to it case says nothing."""

    def encode_text(self, texts: list[str]) -> torch.Tensor:
        rows = torch.tensor([[1.0, len(text), text.lower().count("dog")] for text in texts])
        return rows + torch.arange(len(texts))[:, None] * 2e-7


@pytest.mark.parametrize("others", [[], ["a", "z", "z z"]])
def test_candidates_that_are_equal_to_the_encoder_keep_their_order(others: list[str]) -> None:
    said = ["a cat", "A DOG", "a dog", "A Dog", "a DOG"]
    groups = [[Candidate(text, 0.0) for text in some] for some in (said, others)]
    ranked = rank_by_similarity(Placing(), torch.tensor([[0.0, 0.1, 1.0], [1.0, 0.0, 0.0]]), groups)  # type: ignore[arg-type]
    assert [one.text for one in ranked[0]] == [*said[1:], "a cat"]


def test_removing_a_keyword_changes_the_prompt_and_nothing_else(
    sbg: SbgCaptioner, features: torch.Tensor
) -> None:
    one = features[:1]
    (caption,) = sbg.caption_features(one, ["key"], FIVE)
    fewer = caption.keywords[1:]
    (edited,) = sbg.guess(one, [fewer], FIVE, keys=["key"])
    assert edited.keywords == fewer
    assert format_prompt(edited.keywords) == format_prompt(caption.keywords).split(", ", 1)[1]
    (back,) = sbg.guess(one, [caption.keywords], FIVE, keys=["key"])
    assert back == caption


def test_keywords_by_hand(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    kept = Keyword("red", "clothing", 0.25)
    (caption,) = sbg.guess(features[:1], [[" zebra ", kept, "zebra", "雪", "red"]], FIVE, keys=["k"])
    assert [one.text for one in caption.keywords] == ["zebra", "red", "雪"]
    assert caption.keywords[1] == kept and caption.keywords[0].facet == BY_HAND
    unit = torch.nn.functional.normalize(features[0], dim=0)
    wanted = float(sbg.encoder.encode_text(["zebra"])[0] @ unit)
    assert caption.keywords[0].similarity == pytest.approx(wanted, abs=1e-5)
    for bad in ("a, b", "###", ""):
        with pytest.raises(UsageError):
            sbg.guess(features[:1], [[bad]], FIVE, keys=["k"])


def test_no_keywords_still_give_a_caption(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    (caption,) = sbg.guess(features[:1], [[]], FIVE, keys=["k"])
    assert caption.keywords == () and caption.text.endswith(" .")


def test_hundreds_of_keywords_are_cut_to_the_models_room(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    many = [Keyword(f"word {i}", "word", 1 - i / 1000) for i in range(500)]
    (caption,) = sbg.guess(features[:1], [many], FIVE, keys=["k"])
    assert caption.keywords == tuple(many[: len(caption.keywords)]) and 10 < len(caption.keywords) < 500
    room = sbg.model.config.n_positions - FIVE.max_new_tokens
    assert len(sbg.tokenizer.encode(format_prompt(caption.keywords))) <= room
    with pytest.raises(UsageError, match="max_new_tokens"):
        sbg.guess(features[:1], [["dog"]], FIVE.with_changes(max_new_tokens=1000), keys=["k"])


def test_logprob_order_greedy_and_counts(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    (caption,) = sbg.guess(features[:1], [["dog"]], FIVE.with_changes(rank_by="logprob"), keys=["k"])
    logprobs = [one.avg_logprob for one in caption.candidates]
    assert logprobs == sorted(logprobs, reverse=True)
    assert all(one.similarity is not None for one in caption.candidates)
    (greedy,) = sbg.guess(features[:1], [["dog"]], DecodingOptions(max_new_tokens=8), keys=["k"])
    assert len(greedy.candidates) == 1
    with pytest.raises(UsageError, match="2 images"):
        sbg.guess(features[:2], [["dog"]], FIVE, keys=["k"])
    assert sbg.guess(features[:0], [], FIVE, keys=[]) == []


def test_caption_logprobs_are_those_of_decoding(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    prompts = ["dog, snow ###", "red ###", " ###"]
    text = "the dog runs in snow ."
    together = caption_logprobs(sbg, prompts, text)
    for prompt, got in zip(prompts, together, strict=True):
        assert caption_logprobs(sbg, [prompt], text)[0] == pytest.approx(got, abs=1e-4)
        ids = sbg.tokenizer.encode(prompt)
        total = 0.0
        caption = sbg.tokenizer.encode(f" {text}")
        for token in caption:  # one token at a time, everything computed again
            with torch.no_grad():
                logits = sbg.model(torch.tensor([ids])).logits[0, -1].float()
            total += float(logits.log_softmax(-1)[token])
            ids.append(token)
        assert total / len(caption) == pytest.approx(got, abs=1e-4)


def test_explanation(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    (said,) = explain(sbg, features[:1], ["key"], FIVE)
    (caption,) = sbg.caption_features(features[:1], ["key"], FIVE)
    assert said.caption == caption and said.prompt == format_prompt(caption.keywords)
    assert [effect.keyword for effect in said.effects] == list(caption.keywords)
    first = said.effects[0]
    (without,) = sbg.guess(features[:1], [caption.keywords[1:]], FIVE, keys=["key"])
    assert first.caption_without == without.text
    whole, less = caption_logprobs(sbg, [said.prompt, format_prompt(caption.keywords[1:])], caption.text)
    assert first.support == pytest.approx(whole - less, abs=1e-4)
    assert json.loads(json.dumps(said.to_dict()))["tree"]["branches"][0]["facet"] == "scene"
    (edited,) = explain(sbg, features[:1], ["key"], FIVE, keywords=[["dog", "snow"]])
    assert [effect.keyword.text for effect in edited.effects] == ["dog", "snow"]
    (empty,) = explain(sbg, features[:1], ["key"], FIVE, keywords=[[]])
    assert empty.effects == ()


def test_drawings(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    (said,) = explain(sbg, features[:1], ["key"], FIVE, keywords=[["<b>", "snow & ice", "雪"]])
    lines = explanation_lines(said)
    text = draw_text(lines)
    assert said.caption.text in text and "support" in text and "scene: open" in text and "####" in text
    assert all(branch.reason in text for branch in said.tree.branches)
    picture = draw_svg(tree_lines(said.tree) + lines, "a <tree>")
    from xml.etree import ElementTree

    root = ElementTree.fromstring(picture)
    assert root.tag.endswith("svg") and "<b>" in "".join(root.itertext()) and "雪" in picture
    assert draw_svg(lines, "x") == draw_svg(lines, "x")


def test_checkpoint_holds_everything(sbg: SbgCaptioner, tiny_sbg: Path, tmp_path: Path) -> None:
    assert {path.name for path in tiny_sbg.iterdir()} >= {"labels.json", "config.json", "model.safetensors"}
    assert sbg.default_options.num_candidates == 5 and sbg.default_options.rank_by == "similarity"
    shutil.copytree(tiny_sbg.parent / "tiny-clip", tmp_path / "tiny-clip")
    shutil.copytree(tiny_sbg, tmp_path / "copy")
    image = tiny_images(1)
    again = load_captioner(tmp_path / "copy").caption(image)[0]
    assert again.candidates == sbg.caption(image)[0].candidates
    (tmp_path / "copy" / "labels.json").unlink()
    with pytest.raises(CheckpointError, match="label bank"):
        load_captioner(tmp_path / "copy")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"gpt2": {"n_embd": 32}}, "lacks"),
        ({}, "gpt2"),
        ({"selection": {"colors": []}, "gpt2": None}, "SBG"),
        ({"selection": {"colors": []}}, "colors"),
    ],
)
def test_a_config_that_describes_no_sbg_is_refused(
    tiny_sbg: Path, tmp_path: Path, change: dict, part: str
) -> None:
    shutil.copytree(tiny_sbg.parent / "tiny-clip", tmp_path / "tiny-clip")
    shutil.copytree(tiny_sbg, tmp_path / "copy")
    path = tmp_path / "copy" / "config.json"
    said = json.loads(path.read_text())
    said["model"] = {**said["model"], **change} if change else {}
    path.write_text(json.dumps(said))
    with pytest.raises(CheckpointError, match=part):
        load_captioner(tmp_path / "copy")


def test_edits_leave_out_add_and_reorder(sbg: SbgCaptioner) -> None:
    chosen = (Keyword("dog", "animal", 0.3), Keyword("snow", "scene", 0.2), Keyword("red", "word", 0.1))
    assert KeywordEdit(without=("snow", "never chosen")).apply(chosen) == (chosen[0], chosen[2])
    assert KeywordEdit(without=("dog",), added=("cat", "dog")).apply(chosen) == (
        chosen[1],
        chosen[2],
        "cat",
        chosen[0],
    )
    assert KeywordEdit(exactly=("red", "cat", "dog")).apply(chosen) == (chosen[2], "cat", chosen[0])
    assert KeywordEdit(exactly=()).apply(chosen) == ()
    assert not KeywordEdit() and KeywordEdit(exactly=()) and KeywordEdit(added=("a",))
    assert split_keywords(" dog, old man ,,snow") == ("dog", "old man", "snow") and split_keywords("") == ()
    with pytest.raises(UsageError):
        KeywordEdit(added=("a, b",))
    image = tiny_images(1)[0]
    said = explain_image(sbg, image, FIVE)
    left_out = said.caption.keywords[0].text
    edited = explain_image(sbg, image, FIVE, KeywordEdit(without=(left_out,)))
    assert edited.caption.keywords == said.caption.keywords[1:] and edited.tree == said.tree
    assert edited.caption.text == said.effects[0].caption_without


def test_guesses_that_say_what_was_seen_come_first() -> None:
    said = {"a dog .": 0.3, "two zebras and a boat .": 0.2, "a boat .": 0.1}
    group = [Candidate(text, -1.0, cosine) for text, cosine in said.items()]
    seen = [Keyword("zebra", "concept", 0.1), Keyword("boat", "concept", 0.1), Keyword("dog", "animal", 0.2)]
    assert [one.similarity for one in put_evident_first(group, seen)] == [0.2, 0.1, 0.3]
    assert put_evident_first(group, seen[2:]) == group


def test_both_together_credits_what_was_seen(sbg: SbgCaptioner, features: torch.Tensor) -> None:
    group = [
        Candidate("a dog .", -1.0, 0.3),
        Candidate("a zebra .", -1.0, 0.25),
        Candidate("a boat .", -0.9, 0.0),
    ]
    seen = [Keyword("zebra", "concept", 0.1)]
    ranked = ranked_as_asked(group, seen, "both", 18.0)
    assert [one.text for one in ranked] == ["a zebra .", "a dog .", "a boat ."]
    assert ranked[0].score == pytest.approx(0.25 + (2.0 - LIKELIHOOD) / 18.0)
    assert ranked_as_asked(group, [], "both", 18.0)[0].text == "a dog ."
    (caption,) = sbg.guess(features[:1], [["dog"]], FIVE.with_changes(rank_by="both"), keys=["k"])
    scores = [one.score for one in caption.candidates]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) > 1
