"""What a published file leaves out and where it is looked for: encoder, vocabulary, GPT-2, labels; it asks no
server.

Looked for beside the file first, then among our own downloads, then in the Hugging Face cache of this
machine, which is only read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.checkpoint.places import BUNDLED, models_folders
from clipcap_ext.engine.clip.sources import HUB_FOLDER
from clipcap_ext.engine.published.layout import PublishedLayout
from clipcap_ext.engine.published.state_file import StateFile, read_state_file
from clipcap_ext.errors import CheckpointError

if TYPE_CHECKING:
    from clipcap_ext.engine.checkpoint.tokenizer import BpeTokenizer

# Features' length -> the published encoder, with the normalisation that its weights were trained with.
ENCODERS = {
    512: EncoderConfig("ViT-B-32", "openai", normalize=False),
    640: EncoderConfig("RN50x4", "openai", normalize=False),
    768: EncoderConfig("ViT-L-14", "openai", normalize=True),
}
SBG_ENCODER = ENCODERS[768]
GPT2_VOCABULARY = 50257
SPARE = 64  # rows of embeddings beyond the vocabulary: padding tokens, or rounding up to a multiple of 64
GPT2_REPOS = ("openai-community/gpt2", "gpt2")
TOKENIZER_FILES = ("vocab.json", "merges.txt")
SBG_LABELS = BUNDLED / "tiny-sbg-flickr8k"
SBG_DECODING = {"temperature": 1.0, "top_k": 50, "num_candidates": 5, "rank_by": "similarity", "seed": 0}


@dataclass(frozen=True, kw_only=True)
class PublishedParts:
    """What a file does not say, where the asker says it; None is for what is looked for or guessed.

    tokenizer: folder with vocab.json and merges.txt, or of BERT's vocab.txt. gpt2: folder of the GPT-2 for a
    file that has none.
    labels: SBG's bank. run_config: the file that TheoCoombes/ClipCap's training wrote. mapper_heads: of a
    transformer mapper, 0 for those of the published ones. decoding, training: for config.json, see
    CheckpointConfig.
    """

    tokenizer: Path | None = None
    encoder: EncoderConfig | None = None
    normalize: bool | None = None
    gpt2: Path | None = None
    labels: Path | None = None
    run_config: Path | None = None
    mapper_heads: int = 0
    decoding: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)


def choose_encoder(layout: PublishedLayout, parts: PublishedParts, where: str) -> EncoderConfig:
    """The encoder asked for, else the published one of that feature length; CheckpointError where there is
    none."""
    encoder = parts.encoder or _published_encoder(layout, where)
    return encoder if parts.normalize is None else replace(encoder, normalize=parts.normalize)


def _published_encoder(layout: PublishedLayout, where: str) -> EncoderConfig:
    if layout.kind == "sbg":
        return SBG_ENCODER
    if layout.clip_dim not in ENCODERS:
        known = ", ".join(f"{length} ({encoder.model})" for length, encoder in ENCODERS.items())
        raise CheckpointError(
            f"{where} takes features of length {layout.clip_dim}, which no published encoder gives; known: "
            f"{known}. Say which with python -m clipcap_ext convert FILE OUT --encoder NAME."
        )
    return ENCODERS[layout.clip_dim]


def find_tokenizer(file: Path, vocab_size: int, folder: Path | None) -> BpeTokenizer:
    """The vocabulary behind `vocab_size` rows of embeddings: in `folder`, else beside `file`, else GPT-2's
    own.

    CheckpointError where it is not to be had or has another size.
    """
    from clipcap_ext.engine.checkpoint.tokenizer import load_tokenizer

    gpt2 = GPT2_VOCABULARY <= vocab_size <= GPT2_VOCABULARY + SPARE
    own = file.with_name(f"{file.stem}-tokenizer")
    for place in [folder] if folder else [own, file.parent, *(_cached_folders() if gpt2 else [])]:
        if folder or all((place / name).is_file() for name in TOKENIZER_FILES):
            tokenizer = load_tokenizer(place)
            if tokenizer.vocab_size <= vocab_size <= tokenizer.vocab_size + SPARE:
                return tokenizer
            if place != file.parent:  # which other files share
                raise CheckpointError(
                    f"{place} holds a vocabulary of {tokenizer.vocab_size}, and {file} one of {vocab_size}: "
                    "name the folder of the one that it was trained with (--tokenizer), or put that into "
                    f"{own}."
                )
    whose = (
        f"GPT-2's: fetch them from https://huggingface.co/{GPT2_REPOS[0]}"
        if gpt2
        else "those it was trained with"
    )
    raise CheckpointError(
        f"{file} needs the files of its vocabulary, {' and '.join(TOKENIZER_FILES)} ({vocab_size} tokens), "
        f"{whose}. Put them beside it or into {own}, or name their folder with --tokenizer."
    )


def find_gpt2(file: Path, n_embd: int, folder: Path | None) -> StateFile:
    """The GPT-2 that a file without one was trained on: in `folder`, else GPT-2 small from the machine's
    cache."""
    places = [folder] if folder else _cached_folders()
    for place in places:
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (place / name).is_file():
                return read_state_file(place / name)
    looked = (
        f"no model.safetensors or pytorch_model.bin is in {folder}"
        if folder
        else "it is not in the cache here"
    )
    raise CheckpointError(
        f"{file} holds a mapper alone, for a GPT-2 that is {n_embd} wide, and {looked}. Fetch "
        f"model.safetensors, vocab.json and merges.txt from https://huggingface.co/{GPT2_REPOS[0]} and name "
        "their folder with --gpt2."
    )


def _cached_folders() -> list[Path]:
    """The folders of GPT-2 small among our own downloads and in the Hugging Face cache."""
    from huggingface_hub import try_to_load_from_cache

    names = ("vocab.json", "model.safetensors", "pytorch_model.bin")
    cached = [try_to_load_from_cache(repo, name) for repo in GPT2_REPOS for name in names]
    ours = [folder / HUB_FOLDER / GPT2_REPOS[0].replace("/", "--") for folder in models_folders()]
    return list(dict.fromkeys([*ours, *(Path(path).parent for path in cached if isinstance(path, str))]))
