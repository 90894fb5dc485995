"""Where a published CLIP is kept on this disk by whatever program fetched it, and where the Hub has it. No
weights.

Looked for, in this order: our own models folder, the Hugging Face cache (open_clip's files, then
transformers'), and OpenAI's own files in our folder, CLIPCAP_CLIP_DIR, the host's CLIP folder and
~/.cache/clip. Nobody is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.places import default_models_dir
from clipcap_ext.engine.clip.hub_cache import cached_file
from clipcap_ext.engine.clip.library import import_open_clip
from clipcap_ext.errors import CheckpointError

OPEN_CLIP_FILE = "open_clip_model.safetensors"
TRANSFORMERS_FILE = "model.safetensors"
HUB_FOLDER = "hub"  # under a models folder; hub/store.py fills it


@dataclass(frozen=True)
class OpenAiClip:
    """One of OpenAI's: its file and that file's SHA-256 (a part of its public address), and two forms on the
    Hub.

    parameters: of both towers; half precision takes two bytes each, the Hub's files four.
    """

    file: str
    sha256: str
    open_clip_repo: str
    transformers_repo: str
    parameters: int


OPENAI = {
    "ViT-B-32": OpenAiClip(
        "ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        "timm/vit_base_patch32_clip_224.openai", "openai/clip-vit-base-patch32", 151_277_313,
    ),
    "ViT-B-16": OpenAiClip(
        "ViT-B-16.pt", "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        "timm/vit_base_patch16_clip_224.openai", "openai/clip-vit-base-patch16", 149_620_737,
    ),
    "ViT-L-14": OpenAiClip(
        "ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        "timm/vit_large_patch14_clip_224.openai", "openai/clip-vit-large-patch14", 427_616_513,
    ),
    "ViT-L-14-336": OpenAiClip(
        "ViT-L-14-336px.pt", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        "timm/vit_large_patch14_clip_336.openai", "openai/clip-vit-large-patch14-336", 427_944_193,
    ),
    "RN50": OpenAiClip(
        "RN50.pt", "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        "timm/resnet50_clip.openai", "", 102_007_137,
    ),
    "RN101": OpenAiClip(
        "RN101.pt", "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
        "timm/resnet101_clip.openai", "", 119_688_033,
    ),
    "RN50x4": OpenAiClip(
        "RN50x4.pt", "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
        "timm/resnet50x4_clip.openai", "", 178_300_601,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class ClipFile:
    """A file with a CLIP's weights. form: open_clip, transformers or openai (then with the SHA-256 it must
    have)."""

    path: Path
    form: str
    sha256: str = ""


def hub_repo(encoder: EncoderConfig) -> str:
    """The Hub repository that holds OPEN_CLIP_FILE for an encoder; CheckpointError if open_clip knows
    none."""
    if encoder.pretrained == "openai" and encoder.model in OPENAI:
        return OPENAI[encoder.model].open_clip_repo
    tag = import_open_clip().get_pretrained_cfg(encoder.model, encoder.pretrained) or {}
    repo = str(tag.get("hf_hub", "")).strip("/")
    if repo.count("/") != 1:
        raise CheckpointError(
            f"open_clip names no Hub repository for {encoder.model}/{encoder.pretrained}. Choose another "
            "tag, or make an encoder folder of it."
        )
    return repo


def find_clip(encoder: EncoderConfig, *, folders: Sequence[Path] = ()) -> ClipFile | None:
    """The file of a published CLIP on this disk, None if there is none. `folders`: models folders."""
    return next((file for file in _places(encoder, folders) if file.path.is_file()), None)


def download_size(encoder: EncoderConfig) -> int:
    """Bytes to fetch for an encoder that is not here, as far as that is known; else 0."""
    return (
        4 * OPENAI[encoder.model].parameters
        if encoder.pretrained == "openai" and encoder.model in OPENAI
        else 0
    )


def missing_clip_error(encoder: EncoderConfig) -> CheckpointError:
    """What to say when it is not on this disk."""
    name = f"{encoder.model}/{encoder.pretrained}"
    size = download_size(encoder)
    shown = f" ({size / 1e6:.0f} MB)" if size else ""
    return CheckpointError(
        f"The weights of CLIP {name}{shown} are not on this disk. Press Download in the Models pane, "
        f"or run: python -m clipcap_ext download {name}"
    )


def _places(encoder: EncoderConfig, folders: Sequence[Path]) -> Iterator[ClipFile]:
    known = OPENAI.get(encoder.model) if encoder.pretrained == "openai" else None
    repo = hub_repo(encoder)
    for folder in {**dict.fromkeys(folders), default_models_dir(): None}:
        yield ClipFile(folder / HUB_FOLDER / repo.replace("/", "--") / OPEN_CLIP_FILE, "open_clip")
    cached = cached_file(repo, OPEN_CLIP_FILE)
    if cached is not None:
        yield ClipFile(cached, "open_clip")
    if known is None:
        return
    theirs = cached_file(known.transformers_repo, TRANSFORMERS_FILE) if known.transformers_repo else None
    if theirs is not None:
        yield ClipFile(theirs, "transformers")
    for folder in [*folders, *_openai_folders(folders)]:
        yield ClipFile(folder / known.file, "openai", known.sha256)


def _openai_folders(folders: Sequence[Path]) -> list[Path]:
    """Where other programs keep OpenAI's files: a folder named to us, the host's beside ours, and clip's
    own."""
    named = os.environ.get("CLIPCAP_CLIP_DIR")
    beside = [folder.parent / name for folder in folders for name in ("CLIP", "clip")]
    return [*([Path(named)] if named else []), *beside, Path.home() / ".cache" / "clip"]
