"""Another language model than GPT-2 to train a ClipCap with: a folder of transformers, read as data; which
options follow from it. No code that comes with a model is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from clipcap_ext.engine.checkpoint.json_tokenizer import JSON_FILE, JsonTokenizer, load_json_tokenizer
from clipcap_ext.engine.checkpoint.tokenizer import FILES
from clipcap_ext.engine.language.causal_config import KIND, architecture_of, kept_config, stop_ids
from clipcap_ext.errors import CheckpointError, UsageError, printable
from clipcap_ext.foreign_json import read_json_file
from clipcap_ext.train.clipcap.config import CaptioningConfig
from clipcap_ext.train.config import override
from clipcap_ext.train.language_model import SIZES

CONFIG = "config.json"
# What GPT-2's own training needs and another language model cannot have: its end token ends a caption.
OF_GPT2 = ("dropout", "ignore_token_zero")
FOLLOWING = {
    "gpt2": "", "tokenizer": "gpt2", "dropout": 0.0, "end_stop": False, "ignore_token_zero": False,
    **dict.fromkeys(SIZES, 0),
}  # fmt: skip


@dataclass(frozen=True)
class LanguageFolder:
    """A language model as it was read; its configuration is as a checkpoint keeps it."""

    config: dict[str, Any]
    state: dict[str, Tensor]
    tokenizer: JsonTokenizer


def with_language(
    preset: CaptioningConfig, by_hand: Mapping[str, Any]
) -> tuple[CaptioningConfig, dict[str, Any]]:
    """The preset's options as `lm` asks for them where it is set by hand, and what was set by hand.

    A GPT-2's folder with GPT-2's own vocabulary files is what gpt2=FOLDER names. UsageError where another
    language model is named besides, or the folder is none.
    """
    lm = by_hand.get("lm", "")
    if not lm:
        return preset, dict(by_hand)
    if also := [name for name in ("gpt2", "start") if by_hand.get(name)]:
        raise UsageError(
            f"lm={lm} and {also[0]}={by_hand[also[0]]} name two language models: set one of them."
        )
    if is_gpt2_folder(Path(lm)):
        changes: dict[str, Any] = {"gpt2": lm, "tokenizer": "gpt2", **dict.fromkeys(SIZES, 0)}
        given = {name: value for name, value in by_hand.items() if name != "lm"}
    else:
        changes, given = {**FOLLOWING, "lm": lm}, dict(by_hand)
        if set_ := [name for name in OF_GPT2 if given.get(name)]:
            raise UsageError(f"{', '.join(set_)}: for GPT-2 alone, not for lm={lm}. Leave it out.")
    kept = {name: value for name, value in changes.items() if name not in given}
    return override(preset, {**kept, **given}, f"lm={lm}"), given


def is_gpt2_folder(folder: Path) -> bool:
    """Whether it holds a GPT-2 with its two plain vocabulary files. UsageError for what is no folder of a
    language model."""
    config = folder / CONFIG
    if not config.is_file():
        raise UsageError(
            f"lm={folder} is no folder of a language model: {CONFIG} is not there. Name one with "
            f"{CONFIG}, model.safetensors and {JSON_FILE}, as transformers and the Hub have it."
        )
    content = read_json_file(config, UsageError)
    kind = content.get(KIND) if isinstance(content, dict) else None
    if not isinstance(kind, str):
        raise UsageError(f'lm={folder} is no folder of a language model: {CONFIG} there has no "{KIND}".')
    return kind == "gpt2" and all((folder / name).is_file() for name in FILES)


def read_language_folder(folder: Path) -> LanguageFolder:
    """Read it with the transformers installed here; CheckpointError says what it lacks."""
    from transformers import AutoConfig, AutoModelForCausalLM

    content = read_json_file(folder / CONFIG, CheckpointError)
    architecture_of(content[KIND])
    if content.get("quantization_config") is not None:
        raise CheckpointError(f"{folder} is quantised, and plain weights are needed: dequantise it first.")
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            str(folder), config=config, local_files_only=True, trust_remote_code=False, use_safetensors=True
        ).float()
    except Exception as error:  # transformers raises many kinds
        raise CheckpointError(
            f"{folder} does not hold a language model that the transformers installed here can read from "
            f"safetensors files: {printable(str(error))[:300]}"
        ) from error
    kept = kept_config(config)
    kept["eos_token_id"] = _ends(folder, kept)
    return LanguageFolder(kept, model.state_dict(), _tokenizer(folder, stop_ids(kept)))


def _ends(folder: Path, kept: Mapping[str, Any]) -> Any:
    """Which ids end a text, as the model says; else its tokenizer."""
    if kept.get("eos_token_id") is not None:
        return kept["eos_token_id"]
    return getattr(_library_tokenizer(folder), "eos_token_id", None)


def _tokenizer(folder: Path, stops: tuple[int, ...]) -> JsonTokenizer:
    """Its tokenizer.json, or the same made by transformers of SentencePiece and other files."""
    if (folder / JSON_FILE).is_file():
        return load_json_tokenizer(folder, stops)
    backend = getattr(_library_tokenizer(folder), "backend_tokenizer", None)
    if backend is None:
        raise CheckpointError(
            f"{folder} holds no {JSON_FILE}, and transformers cannot make one of what is there."
        )
    return JsonTokenizer(backend.to_str(), stops, str(folder))


def _library_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # transformers raises many kinds
        raise CheckpointError(
            f"{folder} holds no {JSON_FILE}, and transformers cannot read its tokenizer: "
            f"{printable(str(error))[:300]} (SentencePiece files need: pip install sentencepiece protobuf)"
        ) from error
