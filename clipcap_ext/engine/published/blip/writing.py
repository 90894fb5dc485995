"""Writes the folder of a BLIP captioner's file, as transformers reads one: weights under its names, sizes,
vocabulary, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from clipcap_ext.engine.checkpoint.config import CARD_FILE
from clipcap_ext.engine.checkpoint.folder import is_finite
from clipcap_ext.engine.checkpoint.safefile import write_safetensors
from clipcap_ext.engine.front_matter import with_front_matter
from clipcap_ext.engine.published.blip.layout import BUFFER, PLACES, SAYS, SEES, TIED, BlipLayout, their_name
from clipcap_ext.engine.published.blip.settings import settings_of
from clipcap_ext.engine.published.blip.vocabulary import find_words
from clipcap_ext.engine.published.inspection import ORIGIN_FILE, origin_of
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.engine.published.state_file import StateFile
from clipcap_ext.engine.published.weights import read_state
from clipcap_ext.engine.published.writing import check_room
from clipcap_ext.errors import CheckpointError
from clipcap_ext.files import file_sha256, write_folder, write_json, write_whole

LICENCE = "bsd-3-clause"  # of its authors' repository
PURPOSE = "BLIP, from the file that its authors published: sentences on everyday pictures."


def write_blip_folder(source: StateFile, layout: BlipLayout, out: Path, parts: PublishedParts) -> None:
    """Make `out` of a file, taking the place of an `out` that is there; CheckpointError as `convert_file`."""
    words = find_words(source.path, layout.words, parts.tokenizer)
    check_room([source], out)
    state = _their_weights(read_state(source), source.path)
    origin = {**origin_of(source.path), "sha256": file_sha256(source.path)}
    try:
        with write_folder(out) as folder:
            for name, content in settings_of(layout, words).items():
                if isinstance(content, str):
                    write_whole(folder / name, content)
                else:
                    write_json(folder / name, content)
            write_json(folder / ORIGIN_FILE, origin)
            write_whole(folder / CARD_FILE, _card(out.name, layout, origin))
            write_safetensors(folder / "model.safetensors", state, {"format": "pt"})
    except OSError as error:
        raise CheckpointError(
            f"{source.path} could not be converted, {out} could not be written: {error}. Name a folder "
            "elsewhere: python -m clipcap_ext convert FILE OUT."
        ) from error


def _their_weights(state: Mapping[str, Tensor], where: Path) -> dict[str, Tensor]:
    """The weights under transformers' names, each there and finite."""
    needed = {name: tensor for name, tensor in state.items() if name.startswith((SEES, SAYS))}
    needed[BUFFER] = torch.arange(len(needed[PLACES]))[None]  # transformers 4.30 asks for it
    for name, source in TIED.items():
        if not torch.equal(needed.setdefault(name, needed[source]), needed[source]):
            raise CheckpointError(f"{where}: {name} is not {source}, and BLIP shares the two.")
    broken = [name for name, tensor in needed.items() if not is_finite(tensor)]
    if broken:
        raise CheckpointError(
            f"{where}: {broken[0]} holds values that are not finite: the file is damaged, fetch it again."
        )
    return {their_name(name): tensor for name, tensor in needed.items()}


def _card(name: str, layout: BlipLayout, origin: Mapping[str, object]) -> str:
    source = f"Converted from `{origin['file']}` ({origin['bytes']} bytes, sha256 {origin['sha256']})."
    body = "\n\n".join([f"# {name}", PURPOSE, source, f"{layout}."]) + "\n"
    return with_front_matter(
        body,
        {"license": LICENCE, "language": "en", "library_name": "transformers", "tags": ["image-captioning"]},
    )
