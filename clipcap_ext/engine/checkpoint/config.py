"""What a checkpoint folder says of itself in config.json, read and written without torch; not its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.errors import CheckpointError, UsageError, printable
from clipcap_ext.files import recover_folder
from clipcap_ext.foreign_json import expect, read_json_file, shown

CONFIG_FILE, CARD_FILE = "config.json", "README.md"
CONFIG_KEYS = {"kind": str, "name": str, "model": dict, "encoder": dict, "decoding": dict, "training": dict,
               "scores": list, "doubt": dict}  # fmt: skip
ENCODER_KEYS = {"model": str, "pretrained": str, "normalize": bool}
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

    kind: clipcap, sbg, merge-rnn, transformers or tagger. model: the architecture, in that kind's own words.
    encoder: None where the model looks at pictures itself. decoding: DecodingOptions that differ from the
    defaults. training: preset, data, terms, settings, departures. scores: rows of {signature, values}. doubt:
    the rule of engine/doubt.py, and how it was found.
    """

    kind: str
    name: str
    model: Mapping[str, Any]
    encoder: EncoderConfig | None
    decoding: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[Mapping[str, Any], ...] = ()
    doubt: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.decoding_options()

    def decoding_options(self) -> DecodingOptions:
        """The options that give this checkpoint's best captions; CheckpointError if config.json holds bad
        ones."""
        try:
            return DecodingOptions().with_changes(**self.decoding)
        except UsageError as error:
            raise CheckpointError(f"The decoding defaults of {self.name} are wrong: {error}") from error

    def scored_options(self) -> DecodingOptions:
        """The same for metrics, which compare sentences: whole captions, sure or not."""
        return self.decoding_options().with_changes(when_unsure=DecodingOptions().when_unsure)

    @property
    def clip(self) -> EncoderConfig:
        """The encoder; CheckpointError where there is none."""
        if self.encoder is None:
            raise CheckpointError(
                f"{self.name} looks at pictures itself, not through a CLIP or another encoder: name a model "
                "that does."
            )
        return self.encoder

    def to_json(self) -> str:
        """The text of config.json."""
        content = {"format": FORMAT, **asdict(self)}
        if not self.doubt:
            del content["doubt"]
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_config(folder: Path) -> CheckpointConfig:
    """Read `folder`/config.json strictly: CheckpointError names what is missing, unknown or a wrong kind."""
    path = folder / CONFIG_FILE
    recover_folder(folder)
    if not path.is_file():
        raise CheckpointError(f"No checkpoint in {folder}: {CONFIG_FILE} not found there.")
    content = read_json_file(path, CheckpointError, "Fetch the checkpoint again.")
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise CheckpointError(f'{path} is not of this package: its "format" is not "{FORMAT}".')
    values = _checked(content, CONFIG_KEYS, ("kind", "name", "model", "encoder"), str(path))
    values["encoder"] = EncoderConfig(
        **_checked(values["encoder"], ENCODER_KEYS, ("model",), f"{path}, encoder")
    )
    values["scores"] = tuple(_score(row, f"{path}, scores") for row in values.get("scores", ()))
    doubt = values.get("doubt", {})
    if doubt:
        expect(doubt.get("measure"), str, f"{path}, doubt, measure", CheckpointError)
        expect(doubt.get("least"), (int, float), f"{path}, doubt, least", CheckpointError)
        expect(doubt.get("seen", 1.0), (int, float), f"{path}, doubt, seen", CheckpointError)
    return CheckpointConfig(**values)


def _checked(
    table: dict[str, Any], kinds: Mapping[str, type], needed: tuple[str, ...], where: str
) -> dict[str, Any]:
    unknown = sorted(set(table) - set(kinds))
    if unknown:
        names = ", ".join(printable(name)[:60] for name in unknown)
        raise CheckpointError(f"{where} has unknown keys: {names}; known: {', '.join(kinds)}.")
    missing = [name for name in needed if name not in table]
    if missing:
        raise CheckpointError(f"{where} lacks {', '.join(missing)}.")
    for name, value in table.items():
        expect(value, kinds[name], f"{where}, {name}", CheckpointError)
    return table


def _score(row: Any, where: str) -> Mapping[str, Any]:
    """A row as evaluate writes it: texts, options under `decoding`, and under `values` a number a metric."""
    table = expect(row, dict, where, CheckpointError)
    expect(table.get("signature", ""), str, f"{where}, signature", CheckpointError)
    expect(table.get("decoding", {}), dict, f"{where}, decoding", CheckpointError)
    for name, value in expect(table.get("values", {}), dict, f"{where}, values", CheckpointError).items():
        expect(value, (int, float), f"{where}, values, {shown(name)}", CheckpointError)
    return table
