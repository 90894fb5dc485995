"""The bundled encoder's classifier: what it sees in example photos, and that it changes no other feature."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.places import BUNDLED
from clipcap_ext.engine.checkpoint.safefile import read_safetensors, write_safetensors
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.concepts.classifier import read_concepts, save_concepts
from clipcap_ext.engine.concepts.evidence import EvidenceConfig, strongest
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CheckpointError

ENCODER = BUNDLED / "tiny-clip-flickr8k"
CONFIG = EncoderConfig("tiny-clip-flickr8k", "", True)
EXAMPLES = Path(__file__).resolve().parents[3] / "clipcap_ext" / "examples"
pytestmark = pytest.mark.real_model


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    return load_encoder(CONFIG, folder=ENCODER)


@pytest.fixture(scope="module")
def features(encoder: ClipEncoder) -> torch.Tensor:
    return encoder.encode_image([open_image(EXAMPLES / "cat.jpg"), open_image(EXAMPLES / "tower.jpg")])


def test_probabilities_stand_behind_the_features(encoder: ClipEncoder, features: torch.Tensor) -> None:
    words = encoder.concept_words
    assert encoder.clip_dim == 512 and features.shape == (2, 512 + len(words))
    scores = features[:, 512:]
    assert bool((scores >= 0).all()) and bool((scores.sum(-1) <= 1 + 1e-5).all())
    torch.testing.assert_close(features[:, :512].norm(dim=-1), torch.ones(2), rtol=0, atol=1e-5)


def test_the_cat_is_a_cat(encoder: ClipEncoder, features: torch.Tensor) -> None:
    (cat, _) = strongest(features[:, 512:], encoder.concept_words, EvidenceConfig())
    assert cat[0].word == "cat" and cat[0].probability > 0.5


def test_without_its_files_the_features_are_the_same(tmp_path: Path, features: torch.Tensor) -> None:
    plain = tmp_path / "encoder"
    shutil.copytree(ENCODER, plain, ignore=shutil.ignore_patterns("concepts.*"))
    without = load_encoder(CONFIG, folder=plain)
    seen = without.encode_image([open_image(EXAMPLES / "cat.jpg"), open_image(EXAMPLES / "tower.jpg")])
    assert without.concept_words == () and without.concept_table is None
    torch.testing.assert_close(seen, features[:, :512], rtol=0, atol=1e-5)
    assert without.fingerprint != load_encoder(CONFIG, folder=ENCODER).fingerprint


def test_a_classifier_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "encoder"
    shutil.copytree(ENCODER, broken)
    shutil.copy(ENCODER / "model.safetensors", broken / "concepts.safetensors")
    with pytest.raises(CheckpointError, match=r"concepts\.safetensors"):
        load_encoder(CONFIG, folder=broken)


def test_classes_in_8_bits_come_back_to_half_a_step(tmp_path: Path) -> None:
    shutil.copytree(ENCODER, tmp_path, dirs_exist_ok=True)
    reader = read_concepts(ENCODER)
    assert reader is not None
    weight = reader.classifier.weight.detach()
    with torch.no_grad():
        weight.add_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(3)), alpha=0.01)
    save_concepts(tmp_path, reader)
    read = read_concepts(tmp_path)
    assert read is not None
    steps = weight.abs().amax(1, keepdim=True) / 127
    error = (read.classifier.weight - weight).abs() / steps
    assert 0.4 < float(error.detach().max()) <= 0.5 + 1e-3
    assert read_safetensors(tmp_path / "concepts.safetensors")["classifier.weight"].dtype == torch.int8


@pytest.mark.parametrize("shape", [(999,), (1000, 1), ()])
def test_scales_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    shutil.copytree(ENCODER, tmp_path, dirs_exist_ok=True)
    file = tmp_path / "concepts.safetensors"
    write_safetensors(file, read_safetensors(file) | {"classifier.scale": torch.ones(shape)})
    with pytest.raises(CheckpointError, match=r"concepts\.safetensors does not fit"):
        read_concepts(tmp_path)
