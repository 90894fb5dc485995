"""Image-to-text models of transformers: the same words as the library's own, whatever the batch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from tiny_image_to_text import MODELS, pictures, save_tiny

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.caption_text import clean_caption
from clipcap_ext.engine.image_to_text.families import FAMILIES, Family, class_of
from clipcap_ext.engine.image_to_text.loading import load_image_to_text
from clipcap_ext.errors import CheckpointError, UsageError

KINDS = sorted(MODELS)
WAYS = {"greedy": DecodingOptions(max_new_tokens=8), "beams": DecodingOptions(max_new_tokens=8, num_beams=3)}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    for kind in KINDS:
        (root / kind).mkdir()
        save_tiny(kind, root / kind)
    return {kind: root / kind for kind in KINDS}


def by_transformers(folder: Path, kind: str, count: int, beams: int) -> list[str]:
    """What the library says of the pictures, asked as its own pages ask it."""
    model = getattr(transformers, FAMILIES[kind].model_class).from_pretrained(folder).eval()
    if kind == "vision-encoder-decoder":
        model.decoder.tie_weights()  # transformers 4.30 and 4.46 leave the output weights random
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    pixels = processor(images=pictures(count), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        ids = model.generate(pixel_values=pixels, max_new_tokens=8, num_beams=beams, do_sample=False)
    return transformers.AutoTokenizer.from_pretrained(folder).batch_decode(ids, skip_special_tokens=True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [1, 3])
def test_says_what_transformers_says(folders: dict[str, Path], kind: str, way: str, count: int) -> None:
    captions = load_image_to_text(folders[kind]).caption(pictures(count), WAYS[way])
    wanted = by_transformers(folders[kind], kind, count, WAYS[way].num_beams)
    assert [caption.text for caption in captions] == [clean_caption(text) for text in wanted]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_lead_to_words(folders: dict[str, Path], kind: str) -> None:
    captions = load_image_to_text(folders[kind]).caption(pictures(6), WAYS["greedy"])
    assert len({caption.text for caption in captions}) > 1


@pytest.mark.parametrize("kind", KINDS)
def test_likelihood_is_the_same_in_any_batch(folders: dict[str, Path], kind: str) -> None:
    captions = load_image_to_text(folders[kind]).caption(pictures(2), WAYS["greedy"])
    together = [caption.candidates[0].avg_logprob for caption in captions]
    alone = [
        load_image_to_text(folders[kind]).caption([one], WAYS["greedy"])[0].candidates[0].avg_logprob
        for one in pictures(2)
    ]
    assert together == pytest.approx(alone, abs=1e-4)
    assert all(-20 < value < 0 for value in together)


@pytest.mark.parametrize("way", WAYS)
def test_likelihood_is_that_of_a_forward_pass(folders: dict[str, Path], way: str) -> None:
    captioner = load_image_to_text(folders["vision-encoder-decoder"])
    pixels = captioner.encoder.encode_image(pictures(1))
    found = captioner.caption(pictures(1), WAYS[way])[0].candidates[0].avg_logprob
    with torch.no_grad():
        ids = captioner.model.generate(
            pixel_values=pixels, max_new_tokens=8, num_beams=WAYS[way].num_beams, do_sample=False
        )
        logits = captioner.model(pixel_values=pixels, decoder_input_ids=ids[:, :-1]).logits
    gains = logits.log_softmax(-1).gather(2, ids[:, 1:, None])
    assert found == pytest.approx(gains.mean().item(), abs=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_and_a_key_give_the_same_samples_in_any_batch(folders: dict[str, Path], kind: str) -> None:
    captioner = load_image_to_text(folders[kind])
    options = DecodingOptions(temperature=1.0, num_candidates=3, seed=5, max_new_tokens=8)
    before = torch.random.get_rng_state()
    together = captioner.caption(pictures(3), options)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert [captioner.caption([one], options)[0].text for one in pictures(3)] == [
        one.text for one in together
    ]
    for caption in together:
        values = [candidate.avg_logprob for candidate in caption.candidates]
        assert values == sorted(values, reverse=True)


def test_options_that_the_kind_lacks_are_refused(folders: dict[str, Path]) -> None:
    captioner = load_image_to_text(folders["git"])
    options = DecodingOptions(num_beams=3, num_candidates=3, rank_by="similarity")
    with pytest.raises(UsageError, match="rank_by=similarity"):
        captioner.caption(pictures(1), options)
    with pytest.raises(UsageError, match="diversity"):
        captioner.caption(pictures(1), options.with_changes(rank_by="logprob", diversity=1.0))


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "nosuch"}))
    with pytest.raises(CheckpointError, match=r"'nosuch'.*blip, git"):
        load_image_to_text(tmp_path)


def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "git"}))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(CheckpointError, match="safetensors"):
        load_image_to_text(tmp_path)


def test_missing_weights_are_told(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in folders["git"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    state = load_file(tmp_path / "model.safetensors")
    gone = next(name for name in state if "attention" in name)
    save_file({name: value for name, value in state.items() if name != gone},
              tmp_path / "model.safetensors", {"format": "pt"})  # fmt: skip
    with pytest.raises(CheckpointError, match="lacks weights"):
        load_image_to_text(tmp_path)


def test_what_the_installed_transformers_lacks_is_said() -> None:
    with pytest.raises(CheckpointError, match=rf"needs transformers 99.*{transformers.__version__}"):
        class_of(Family("Tomorrow", "TomorrowForEverything", "99"))
