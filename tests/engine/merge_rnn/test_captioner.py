"""Merge-RNN and what it stands on: its words, its CNN, its model against a plain loop, its captioner, its
files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import WORDS, tiny_images, write_tiny_merge_rnn
from torch import nn

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.fingerprint import pixel_key
from clipcap_ext.engine.checkpoint.vocabulary import EDGE, UNKNOWN, WordVocabulary, learn_words, load_words
from clipcap_ext.engine.clip import imagenet
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.clip.preprocess import Preprocess
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.engine.merge_rnn.captioner import decode_words
from clipcap_ext.engine.merge_rnn.model import MergeRnnConfig, MergeRnnModel
from clipcap_ext.errors import CheckpointError, UsageError

EXAMPLES = Path(imagenet.__file__).parents[2] / "examples"
GREEDY = DecodingOptions(max_new_tokens=7)
BEAMS = DecodingOptions(max_new_tokens=7, num_beams=3, num_candidates=3, length_penalty=0.0)
SAMPLES = DecodingOptions(max_new_tokens=7, temperature=1.0, num_candidates=3, seed=5)
VOCABULARY = WordVocabulary(list(dict.fromkeys(WORDS.split())))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    made = tmp_path_factory.mktemp("merge")
    shutil.copytree(tiny_folder / "tiny-clip", made / "tiny-clip")
    write_tiny_merge_rnn(made / "tiny-merge-rnn", "tiny-clip")
    return made / "tiny-merge-rnn"


def model_of(seed: int = 0) -> MergeRnnModel:
    torch.manual_seed(seed)
    model = MergeRnnModel(MergeRnnConfig(6, VOCABULARY.vocab_size, layer_size=5, dropout=0.4)).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.9)
    return model


def naive_greedy(model: MergeRnnModel, features: torch.Tensor, steps: int) -> list[int]:
    """Read the whole prefix again for each word, one image, as the equations say it."""
    said: list[int] = []
    for step in range(steps):
        hidden, _ = model.read(torch.tensor([[EDGE, *said]]))
        logits = model.merge(hidden[:, -1], model.see(features[None]))[0].detach()
        logits[UNKNOWN] = -torch.inf
        if step == 0:
            logits[EDGE] = -torch.inf
        said.append(int(logits.argmax()))
        if said[-1] == EDGE:
            break
    return said


@pytest.mark.parametrize("seed", range(4))
def test_decoding_is_the_plain_loop(seed: int) -> None:
    model = model_of(seed)
    features = torch.randn(5, 6)
    found = decode_words(model, features, VOCABULARY, GREEDY, keys=list("abcde"))
    plain = [VOCABULARY.decode(naive_greedy(model, row, 7)) + " ." for row in features]
    assert [group[0].text for group in found] == plain
    assert len({text for text in plain}) > 1


def test_the_lstm_never_sees_the_image() -> None:
    model = model_of()
    ids = torch.tensor([[EDGE, 4, 7]])
    hidden, _ = model.read(ids)
    one, other = (model.merge(hidden[:, -1], model.see(torch.randn(1, 6))) for _ in range(2))
    assert not torch.allclose(one, other)  # the image counts, and it counts by a sum that no word changes
    again, _ = model.read(torch.tensor([[EDGE, 9]]))
    seen = [model.see(torch.randn(1, 6)) for _ in range(2)]
    gaps = [model.merge(some[:, -1], seen[0]) - model.merge(some[:, -1], seen[1]) for some in (hidden, again)]
    torch.testing.assert_close(*gaps)


@pytest.mark.parametrize("options", [GREEDY, BEAMS, SAMPLES])
def test_batch_and_order_change_nothing(options: DecodingOptions) -> None:
    model, features, keys = model_of(1), torch.randn(6, 6), list("abcdef")
    together = decode_words(model, features, VOCABULARY, options, keys=keys)
    alone = [
        decode_words(model, features[i : i + 1], VOCABULARY, options, keys=keys[i : i + 1])[0]
        for i in range(6)
    ]
    backwards = decode_words(model, features.flip(0), VOCABULARY, options, keys=keys[::-1])[::-1]
    texts = [[one.text for one in group] for group in together]
    assert texts == [[one.text for one in group] for group in alone]
    assert texts == [[one.text for one in group] for group in backwards]


def test_beams_find_what_is_at_least_as_likely_as_greedy() -> None:
    features = torch.randn(8, 6)
    for seed in range(3):
        model = model_of(seed)
        found = [
            decode_words(model, features, VOCABULARY, options, keys=list("abcdefgh"))
            for options in (GREEDY, BEAMS.with_changes(num_beams=20))
        ]
        for greedy, beams in zip(*found, strict=True):
            # sums: a mean times the words and the end, and no end where the words ran out
            lengths = [len(one.text.split()) for one in (greedy[0], beams[0])]
            if all(length <= 7 for length in lengths):
                sums = [
                    one.avg_logprob * length
                    for one, length in zip((greedy[0], beams[0]), lengths, strict=True)
                ]
                assert sums[1] >= sums[0] - 1e-4


def test_no_images_and_too_few_keys() -> None:
    assert decode_words(model_of(), torch.randn(0, 6), VOCABULARY, GREEDY, keys=[]) == []
    with pytest.raises(UsageError, match="2 images need as many keys"):
        decode_words(model_of(), torch.randn(2, 6), VOCABULARY, GREEDY, keys=["a"])


def test_it_captions_like_the_others(folder: Path) -> None:
    captioner = load_captioner(folder)
    pictures = tiny_images(3)
    said = captioner.caption(pictures)
    assert [one.model for one in said] == ["tiny-merge-rnn"] * 3
    assert all(one.text.endswith(" .") and one.text == one.candidates[0].text for one in said)
    keys = [pixel_key(picture) for picture in pictures]
    features = captioner.encoder.encode_image(pictures)
    assert captioner.caption_features(features, keys, SAMPLES) == captioner.caption(pictures, SAMPLES)
    ranked = captioner.caption(pictures, SAMPLES.with_changes(rank_by="similarity"))
    assert all(one.candidates[0].similarity is not None for one in ranked)
    unlike = captioner.caption_features(5 * torch.eye(32)[:3], list("abc"))
    assert len({one.text for one in unlike}) > 1
    assert captioner.to("cpu") is captioner and captioner.caption([]) == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("words.json", '["a"]', "holds 1 words where its config says"),
        ("words.json", '["a", "a"]', "list of different words"),
        ("words.json", "{", "No vocabulary in"),
        ("config.json", '"layer_size": 9', "does not fit its config"),
        ("config.json", '"layer_size": 0', "describes no Merge-RNN"),
        ("config.json", '"feature_dim": 31', "does not fit its config|wrong encoder"),
    ],
)
def test_damaged_checkpoints(folder: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shutil.copytree(folder.parent / "tiny-clip", tmp_path / "tiny-clip")
    if name == "config.json":
        key = text.split(":")[0]
        lines = (copy / name).read_text().splitlines()
        text = "\n".join(f"{text}," if line.strip().startswith(key) else line for line in lines)
    (copy / name).write_text(text)
    with pytest.raises(CheckpointError, match=message):
        load_captioner(copy)


@given(
    st.lists(st.lists(st.sampled_from(["a", "b", "dog", "é", "'", "the"]), max_size=6), max_size=8),
    st.integers(1, 4),
)
@settings(max_examples=60)
def test_words_come_back(captions: list[list[str]], least: int) -> None:
    words = learn_words(captions, least)
    flat = [word for caption in captions for word in caption]
    assert set(words.words) == {word for word in flat if flat.count(word) >= least}
    assert list(words.words) == sorted(words.words, key=lambda word: (-flat.count(word), word))
    for caption in captions:
        ids = words.encode(caption)
        assert words.decode([EDGE, *ids, EDGE]).split() == [word for word in caption if word in words.words]
        assert max(ids, default=0) < words.vocab_size and ids.count(UNKNOWN) == sum(
            w not in words.words for w in caption
        )


def test_words_on_disk(tmp_path: Path) -> None:
    WordVocabulary(["ein", "Hündchen"]).save(tmp_path)
    assert load_words(tmp_path).words == ("ein", "Hündchen")
    with pytest.raises(CheckpointError, match="No vocabulary"):
        load_words(tmp_path / "elsewhere")


class Means(nn.Module):
    """A CNN of one number a colour."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) * self.scale


def test_a_cnn_encodes_pictures_and_refuses_texts() -> None:
    preprocess = Preprocess(size=8, mean=(0, 0, 0), std=(1, 1, 1), resize_mode="squash")
    encoder = imagenet.CnnEncoder(Means(), preprocess, EncoderConfig("means", "imagenet", True))
    assert encoder.clip_dim == 3 and not encoder.reads_text
    torch.testing.assert_close(encoder.encode_image(tiny_images(2)).norm(dim=-1), torch.ones(2))
    with pytest.raises(UsageError, match="means is a CNN without a text tower"):
        encoder.encode_text(["a dog"])


def timm_with(monkeypatch: pytest.MonkeyPatch, create: Callable[..., nn.Module]) -> None:
    import timm

    monkeypatch.setattr(timm, "create_model", create)


def test_a_cnn_by_name_takes_what_timm_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict] = []

    def create(name: str, **said: object) -> nn.Module:
        asked.append({"name": name, **said})
        made = Means()
        made.pretrained_cfg = {
            "input_size": (3, 12, 12), "mean": (0.5,) * 3, "std": (0.25,) * 3, "interpolation": "bilinear",
        }  # fmt: skip
        return made

    timm_with(monkeypatch, create)
    encoder = load_encoder(EncoderConfig("vgg16", "imagenet", False))
    assert asked == [{"name": "vgg16", "pretrained": True, "num_classes": 0}]
    assert encoder.preprocess == Preprocess(12, (0.5,) * 3, (0.25,) * 3, "squash", "bilinear")
    white = np.full((5, 9, 3), 255, np.uint8)
    from PIL import Image

    torch.testing.assert_close(encoder.encode_image([Image.fromarray(white)]), torch.full((1, 3), 2.0))


def test_cnns_that_are_not_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="knows no model 'vgg'"):
        load_encoder(EncoderConfig("vgg", "imagenet"))

    def refuse(name: str, **said: object) -> nn.Module:
        raise OSError("no network")

    timm_with(monkeypatch, refuse)
    with pytest.raises(CheckpointError, match="weights of vgg16 could not be had from the Hub: no network"):
        load_encoder(EncoderConfig("vgg16", "imagenet"))


@pytest.mark.real_model
@pytest.mark.slow
@pytest.mark.parametrize("model", imagenet.LITES)
def test_a_lite_tells_pictures_apart_by_its_imagenet_weights(model: str) -> None:
    package = imagenet.LITES[model].package
    pytest.importorskip(package.replace("-", "_"), reason="the ImageNet weights are not installed")
    encoder = load_encoder(EncoderConfig(model, "imagenet", True))
    assert encoder.clip_dim == 1280
    names = ("cat", "raccoon", "pagoda", "tower")
    features = encoder.encode_image([open_image(EXAMPLES / f"{name}.jpg") for name in names])
    cat, raccoon, pagoda, tower = features
    assert cat @ raccoon > max(cat @ pagoda, cat @ tower) and pagoda @ tower > max(pagoda @ cat, tower @ cat)
