"""The NAME_config.yaml that TheoCoombes/ClipCap's training writes beside NAME_final.ckpt: what the shapes of
tensors do not tell; it opens no checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import expect

SUFFIX = "_config.yaml"
MAPPER = "transformer_mapper."  # what that program calls it in a state dict
MOST_BYTES, MOST_HEADS = 1 << 16, 1024


@dataclass(frozen=True)
class RunConfig:
    """What such a file adds: the mapper's attention heads, and the encoder that it was trained on."""

    heads: int
    encoder: EncoderConfig


def with_run_config(file: Path, names: Iterable[str], parts: PublishedParts) -> PublishedParts:
    """`parts` with what the run's file says of `file`, whose tensors have these `names`; what `parts` says
    already stays. CheckpointError where a mapper of that program has no such file: a wrong number of heads
    would caption without an error, wrongly.
    """
    theirs = any(MAPPER in name for name in names)
    path = parts.run_config or (_beside(file) if theirs else None)
    if path is None:
        if not theirs:
            return parts
        raise CheckpointError(
            f"{file} holds a mapper of TheoCoombes/ClipCap, and no shape tells how many attention heads it "
            f"has. Put the NAME{SUFFIX} that its training wrote beside it, or name that with --run-config."
        )
    said = read_run_config(path)
    return replace(parts, mapper_heads=said.heads, encoder=parts.encoder or said.encoder)


def read_run_config(path: Path) -> RunConfig:
    """CheckpointError names the file and what in it is missing or not to be had here (windows of a picture,
    sound)."""
    table = expect(_yaml(path), dict, str(path), CheckpointError)
    heads = expect(
        table.get("transformer_attention_heads"), int, f"{path}, transformer_attention_heads", CheckpointError
    )
    if not 1 <= heads <= MOST_HEADS:
        raise CheckpointError(f"{path}, transformer_attention_heads: {heads} is no number of heads.")
    return RunConfig(
        heads,
        _encoder(expect(table.get("encoder_config"), dict, f"{path}, encoder_config", CheckpointError), path),
    )


def _encoder(table: Mapping[str, Any], path: Path) -> EncoderConfig:
    where = f"{path}, encoder_config"
    if table.get("encoder_model_name") != "clip":
        raise CheckpointError(
            f"{where}: the model was trained on {table.get('encoder_model_name')!r}, and only CLIP's "
            "features of pictures are made here."
        )
    if table.get("use_windowed_embeddings"):
        raise CheckpointError(
            f"{where}: the model was trained on features of windows of each picture, and here each picture "
            "has one."
        )
    model = expect(
        table.get("encoder_model_variant"), str, f"{where}, encoder_model_variant", CheckpointError
    )
    return EncoderConfig(open_clip_name(model), "openai", normalize=table.get("normalize_embeddings") is True)


def open_clip_name(model: str) -> str:
    """OpenAI's name of a CLIP in open_clip's words: ViT-L/14@336px -> ViT-L-14-336."""
    return model.replace("/", "-").replace("_", "-").replace("@336px", "-336")


def _beside(file: Path) -> Path | None:
    """The file whose NAME begins the checkpoint's own; the longest such NAME."""
    named = {path.name.removesuffix(SUFFIX): path for path in file.parent.glob(f"*{SUFFIX}")}
    fitting = [name for name in named if file.stem == name or file.stem.startswith(f"{name}_")]
    return named[max(fitting, key=len)] if fitting else None


def _yaml(path: Path) -> Any:
    import yaml

    try:
        if path.stat().st_size > MOST_BYTES:
            raise CheckpointError(f"{path} has more than {MOST_BYTES} bytes: it describes no training run.")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path} cannot be read as YAML: {reason}.") from error
