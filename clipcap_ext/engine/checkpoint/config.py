"""What a checkpoint folder says of itself in config.json, read and written without torch; not its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.files import recover_folder

CONFIG_FILE = "config.json"
FORMAT = "clipcap-ext-1"


@dataclass(frozen=True)
class EncoderConfig:
    """Which CLIP: an open_clip `model` with its `pretrained` tag, or (no tag) the name of an encoder folder
    of ours.

    `normalize` says whether image features are scaled to unit norm, as the mapper behind them was trained.
    """

    model: str = "ViT-L-14"
    pretrained: str = "openai"
    normalize: bool = True


@dataclass(frozen=True)
class CheckpointConfig:
    """All a checkpoint needs to be rebuilt and all a reader needs to trust it.

    kind: clipcap, sbg or merge-rnn. model: the architecture, in that kind's own words. decoding:
    DecodingOptions that differ from the defaults. training: preset, data, terms, settings, departures.
    scores: rows of {signature, values}.
    """

    kind: str
    name: str
    model: Mapping[str, Any]
    encoder: EncoderConfig
    decoding: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[Mapping[str, Any], ...] = ()

    def __post_init__(self) -> None:
        self.decoding_options()

    def decoding_options(self) -> DecodingOptions:
        """The options that give this checkpoint's best captions; CheckpointError if config.json holds bad
        ones."""
        try:
            return DecodingOptions().with_changes(**self.decoding)
        except UsageError as error:
            raise CheckpointError(f"The decoding defaults of {self.name} are wrong: {error}") from error

    def to_json(self) -> str:
        """The text of config.json."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def read_config(folder: Path) -> CheckpointConfig:
    """Read `folder`/config.json strictly: CheckpointError names what is missing, unknown or of another
    format."""
    path = folder / CONFIG_FILE
    recover_folder(folder)
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"No checkpoint in {folder}: {CONFIG_FILE} not found there.") from error
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read as JSON: {error}. Fetch the checkpoint again."
        ) from error
    if not isinstance(said, dict) or said.pop("format", None) != FORMAT:
        raise CheckpointError(f'{path} is not of this package: its "format" is not "{FORMAT}".')
    encoder = said.get("encoder")
    values = _checked(CheckpointConfig, said, str(path))
    values["encoder"] = EncoderConfig(**_checked(EncoderConfig, encoder, f"{path}, encoder"))
    values["scores"] = tuple(values.get("scores", ()))
    return CheckpointConfig(**values)


def _checked(cls: type, said: Any, where: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise CheckpointError(f"{where}: a table of keys was expected, not {type(said).__name__}.")
    known = [spec.name for spec in fields(cls)]
    unknown = sorted(set(said) - set(known))
    if unknown:
        raise CheckpointError(f"{where} has unknown keys: {', '.join(unknown)}; known: {', '.join(known)}.")
    missing = [name for name in ("kind", "name", "model", "encoder") if name in known and name not in said]
    if missing:
        raise CheckpointError(f"{where} lacks {', '.join(missing)}.")
    return dict(said)
