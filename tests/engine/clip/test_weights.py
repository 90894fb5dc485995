"""A published CLIP from whatever program's file is on this disk gives that program's features, or is
refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tiny import CLIP_CONFIG, randomise
from torch import nn

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip import sources as clip_sources
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.clip.sources import OPENAI, OpenAiClip, find_clip
from clipcap_ext.errors import CheckpointError

WANTED = EncoderConfig("ViT-B-32", "openai", normalize=False)
CONFIG = {**CLIP_CONFIG, "text_cfg": {**CLIP_CONFIG["text_cfg"], "context_length": 77}}
PICTURES = [Image.linear_gradient("L").convert("RGB"), Image.new("RGB", (40, 30), "teal")]


@pytest.fixture(autouse=True)
def small_clip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """ViT-B-32 is a tiny model here, and nothing but this test's folders is looked into."""
    import open_clip

    monkeypatch.setattr(open_clip, "get_model_config", lambda name: CONFIG)
    monkeypatch.setattr(clip_sources.Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HF_HOME", "HF_HUB_CACHE", "CLIPCAP_MODELS", "CLIPCAP_CLIP_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def clip() -> nn.Module:
    import open_clip

    made = open_clip.CLIP(**CONFIG, quick_gelu=True).eval()
    randomise(made, scale=0.15)
    return made


def cached(tmp_path: Path, repo: str, name: str) -> Path:
    """A place in the Hugging Face cache."""
    folder = tmp_path / "cache" / "huggingface" / "hub" / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc123", encoding="utf-8")
    path = folder / "snapshots" / "abc123" / name
    path.parent.mkdir(parents=True)
    return path


def assert_same_features(clip: nn.Module, *folders: Path) -> None:
    encoder = load_encoder(WANTED, folders=folders)
    batch = torch.stack([encoder.preprocess(picture) for picture in PICTURES])
    with torch.no_grad():
        torch.testing.assert_close(encoder.encode_image(PICTURES), clip.encode_image(batch).float())
        import open_clip

        told = nn.functional.normalize(clip.encode_text(open_clip.tokenize(["two dogs"])).float(), dim=-1)
    torch.testing.assert_close(encoder.encode_text(["two dogs"]), told)


def test_open_clips_file_in_the_hugging_face_cache(
    clip: nn.Module, tmp_path: Path, no_network: list[str]
) -> None:
    path = cached(tmp_path, OPENAI["ViT-B-32"].open_clip_repo, "open_clip_model.safetensors")
    save_file({name: tensor.half() for name, tensor in clip.state_dict().items()}, path)
    assert_same_features(clip.half().float())


def test_a_file_downloaded_into_a_models_folder_comes_first(clip: nn.Module, tmp_path: Path) -> None:
    cached(tmp_path, OPENAI["ViT-B-32"].open_clip_repo, "open_clip_model.safetensors").write_bytes(
        b"not this one"
    )
    folder = tmp_path / "models" / "hub" / "timm--vit_base_patch32_clip_224.openai"
    folder.mkdir(parents=True)
    save_file(clip.state_dict(), folder / "open_clip_model.safetensors")
    assert_same_features(clip, tmp_path / "models")


def test_transformers_file_gives_what_transformers_gives(tmp_path: Path, no_network: list[str]) -> None:
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    theirs = CLIPModel(
        CLIPConfig(
            text_config={**tower, "num_hidden_layers": 1, "vocab_size": 49408, "max_position_embeddings": 77},
            vision_config={**tower, "image_size": 32, "patch_size": 8}, projection_dim=32,
        )
    ).eval()  # fmt: skip
    randomise(theirs, scale=0.15)
    path = cached(tmp_path, OPENAI["ViT-B-32"].transformers_repo, "model.safetensors")
    save_file({name: tensor.contiguous() for name, tensor in theirs.state_dict().items()}, path)
    encoder = load_encoder(WANTED)
    batch = torch.stack([encoder.preprocess(picture) for picture in PICTURES])
    with torch.no_grad():
        pooled = theirs.vision_model(pixel_values=batch).pooler_output
        torch.testing.assert_close(
            encoder.encode_image(PICTURES), theirs.visual_projection(pooled), rtol=1e-4, atol=1e-5
        )
        tokens = encoder._tokens(["two dogs"])
        last = theirs.text_model(input_ids=tokens).last_hidden_state[0, tokens.argmax()]
        told = nn.functional.normalize(theirs.text_projection(last), dim=-1)
    torch.testing.assert_close(encoder.encode_text(["two dogs"])[0], told, rtol=1e-4, atol=1e-5)


@pytest.fixture
def archive(clip: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The CLIP as a TorchScript file in ~/.cache/clip, its checksum in the table."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, child in clip.named_children():
                self.add_module(name, child)
            for name in ("positional_embedding", "text_projection", "logit_scale"):
                self.register_parameter(name, getattr(clip, name))
            for name in ("input_resolution", "context_length", "vocab_size"):
                self.register_buffer(name, torch.tensor(32))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.visual(image)

    path = tmp_path / "home" / ".cache" / "clip" / "ViT-B-32.pt"
    path.parent.mkdir(parents=True)
    torch.jit.trace(Both().eval(), torch.zeros(1, 3, 32, 32), check_trace=False).save(str(path))
    known = OPENAI["ViT-B-32"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    small = OpenAiClip(known.file, digest, known.open_clip_repo, known.transformers_repo, 1)
    monkeypatch.setitem(OPENAI, "ViT-B-32", small)
    return path


def test_openais_archive_in_the_folder_of_its_own_program(
    clip: nn.Module, archive: Path, monkeypatch: pytest.MonkeyPatch, no_network: list[str]
) -> None:
    from clipcap_ext.engine.checkpoint import verified_files

    assert_same_features(clip)
    monkeypatch.setattr(
        verified_files, "file_sha256", lambda path: pytest.fail("it was read whole a second time")
    )
    load_encoder(WANTED)


def test_an_archive_that_is_not_openais_is_never_opened(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *path, **options: pytest.fail("it was opened"))
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="is not OpenAI's file of that name"):
        load_encoder(WANTED)


def test_a_folder_that_is_named_or_beside_ours_is_looked_into(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "models" / "CLIP" / archive.name
    moved.parent.mkdir(parents=True)
    archive.rename(moved)
    assert find_clip(WANTED) is None
    assert find_clip(WANTED, folders=[tmp_path / "models" / "ClipCap"]).path == moved
    monkeypatch.setenv("CLIPCAP_CLIP_DIR", str(moved.parent))
    assert find_clip(WANTED).path == moved


def test_what_is_not_on_this_disk_is_not_fetched_but_named(no_network: list[str]) -> None:
    with pytest.raises(CheckpointError, match=r"605 MB\) are not on this disk.*download ViT-B-32/openai"):
        load_encoder(WANTED)


def test_a_file_of_another_model_is_refused(clip: nn.Module, tmp_path: Path) -> None:
    path = cached(tmp_path, OPENAI["ViT-B-32"].open_clip_repo, "open_clip_model.safetensors")
    state = dict(clip.state_dict())
    state["visual.more"] = state.pop("visual.ln_pre.bias")
    save_file(state, path)
    with pytest.raises(
        CheckpointError, match=r"missing \['visual.ln_pre.bias'\], not wanted \['visual.more'\]"
    ):
        load_encoder(WANTED)
