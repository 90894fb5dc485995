"""Published weights, a state dict in one file: looked at without reading them, and the checkpoint folder made of them.

Looking reads some kilobytes and needs no torch. The file itself is never changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipcap_ext.engine.card import CONFIG_FILE, CheckpointConfig, EncoderConfig, read_config
from clipcap_ext.engine.legacy_layout import LegacyLayout, infer
from clipcap_ext.engine.legacy_parts import SBG_DECODING, LegacyParts, encoder_for
from clipcap_ext.engine.state_file import SUFFIXES, StateFile, leaves, read_state_file
from clipcap_ext.errors import CheckpointError

ORIGIN = "converted_from"  # in config.json's training
PLAUSIBLE, SPARE_BYTES = 4, 64_000_000  # an optimiser's state makes a file three times as large; old buffers
WAIT = 900.0  # seconds for another process to finish the same conversion


def inspect_legacy(file: Path) -> LegacyLayout:
    """The architecture of a published file, told by names and shapes, in milliseconds.

    CheckpointError says in one line what is wrong: not weights, unsafe, damaged, missing or unknown tensors, too large.
    """
    return look(file)[1]


def look(file: Path) -> tuple[StateFile, LegacyLayout]:
    """`inspect_legacy`, and what was found in the file."""
    source = read_state_file(file)
    layout = infer(source.tensors, str(file))
    needed = 4 * sum(spec.size for spec in source.tensors.values())
    if source.nbytes > PLAUSIBLE * needed + SPARE_BYTES:
        raise CheckpointError(
            f"{file} has {source.nbytes / 1e6:.0f} MB, and its weights need {needed / 1e6:.0f} MB: it is not opened."
        )
    return source, layout


def legacy_files(folder: Path) -> list[Path]:
    """The published files in `folder` that have not been converted yet, by name."""
    found = [path for path in sorted(folder.iterdir()) if path.suffix in SUFFIXES and not path.is_dir()]
    return [path for path in found if not _is_current(converted_folder(path), path)]


def legacy_config(file: Path, parts: LegacyParts | None = None) -> CheckpointConfig:
    """What config.json will say once the file is converted; CheckpointError as `inspect_legacy`, and for a link out."""
    if leaves(file, file.parent):
        target = os.path.realpath(file)
        raise CheckpointError(f"{file} is a link out of its folder, to {target}: put the file itself there.")
    layout = look(file)[1]
    return config_of(layout, layout.gpt2, parts or LegacyParts(), file.name, str(file))


def config_of(
    layout: LegacyLayout, gpt2: Mapping[str, int], parts: LegacyParts, name: str, where: str
) -> CheckpointConfig:
    """The config.json of a layout with a GPT-2 of these sizes."""
    sbg = layout.kind == "sbg"
    decoding = parts.decoding if parts.decoding is not None else SBG_DECODING if sbg else {}
    model: dict[str, Any] = {"gpt2": dict(gpt2), "selection": {}} if sbg else layout.model(gpt2)
    encoder = encoder_for(layout, parts, where)
    return CheckpointConfig(layout.kind, name, model, encoder, decoding, parts.training)


def converted_folder(file: Path) -> Path:
    """Where a file is converted to on first use: beside it, named without the suffix."""
    return file.with_suffix("")


def converted(file: Path, parts: LegacyParts | None = None) -> Path:
    """The checkpoint folder of a published file, made on first use; however many ask at once, one makes it.

    CheckpointError as `convert_legacy`, and if something else has that name.
    """
    out = converted_folder(file)
    if not _is_current(out, file):
        legacy_config(file, parts)  # refuses before anything is written
        with _alone(out):
            if not _is_current(out, file):
                if out.exists() and _origin(out).get("file") != file.name:
                    raise CheckpointError(f"{file} becomes {out}, but something else is there: rename one of them.")
                _convert(file, out, parts or LegacyParts())
    return out


def convert_legacy(
    file: Path, out: Path, *, tokenizer: Path | None = None, encoder: EncoderConfig | None = None,
    normalize: bool | None = None, gpt2: Path | None = None, labels: Path | None = None,
    decoding: Mapping[str, Any] | None = None, training: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Make the checkpoint folder `out` from a published file, whole or not at all; returns `out`.

    tokenizer: folder with vocab.json and merges.txt (default: beside the file, then GPT-2's from the machine's cache).
    encoder, normalize: else guessed from the features' length. gpt2: folder of the GPT-2 that a file without one needs.
    labels: SBG's bank (default: the bundled one). decoding, training: for config.json, see CheckpointConfig.
    CheckpointError names the file, what was found and what to do: unsafe, damaged, not finite, no room, parts missing.
    """
    parts = LegacyParts(tokenizer, encoder, normalize, gpt2, labels, decoding, training or {})
    look(file)
    with _alone(out):
        if out.exists():
            raise CheckpointError(f"{out} is there already: name another folder, or move it away.")
        _convert(file, out, parts)
    return out


def origin_of(file: Path) -> dict[str, Any]:
    """What a converted checkpoint remembers of its file, to tell whether that has been exchanged since."""
    found = file.stat()
    return {"file": file.name, "bytes": found.st_size, "modified": int(found.st_mtime)}


def _convert(file: Path, out: Path, parts: LegacyParts) -> None:
    from clipcap_ext.engine.legacy_convert import write_converted

    write_converted(file, out, parts)


def _origin(folder: Path) -> Mapping[str, Any]:
    """What the checkpoint in `folder` says it was made from; empty if it is none or does not say."""
    if not (folder / CONFIG_FILE).is_file():
        return {}
    try:
        said = read_config(folder).training.get(ORIGIN)
    except CheckpointError:
        return {}
    return said if isinstance(said, Mapping) else {}


def _is_current(folder: Path, file: Path) -> bool:
    said = _origin(folder)
    return bool(said) and file.exists() and origin_of(file).items() <= said.items()


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold while `out` is made; waits for whoever makes it now, in this process or another."""
    from filelock import FileLock, Timeout

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(out.with_name(f".{out.name}.lock")), timeout=WAIT)
        lock.acquire()
    except Timeout as error:
        raise CheckpointError(f"{out} has been in the making elsewhere for {WAIT:.0f} s: try again later.") from error
    except OSError as error:
        raise CheckpointError(
            f"Nothing can be written beside {out} ({error.strerror}). Convert into another folder: "
            "python -m clipcap_ext convert FILE OUT."
        ) from error
    try:
        yield
    finally:
        lock.release()
