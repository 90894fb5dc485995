"""A checkpoint folder (config.json, model.safetensors, a vocabulary's files, README.md), whole or not at
all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.config import CARD_FILE, CONFIG_FILE, CheckpointConfig
from clipcap_ext.engine.checkpoint.fingerprint import write_fingerprints
from clipcap_ext.engine.checkpoint.safefile import write_safetensors
from clipcap_ext.errors import CheckpointError
from clipcap_ext.files import write_folder
from clipcap_ext.foreign_json import expect, read_json_file

WEIGHTS_FILE, TRAINED_ON_FILE = "model.safetensors", "trained_on.json"
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
PIECE = 1 << 18  # numbers looked at together
Model = TypeVar("Model", bound=nn.Module)


class Vocabulary(Protocol):
    """Word pieces or words, as a checkpoint folder keeps them."""

    def save(self, folder: Path) -> None:
        """Write its files into `folder`."""
        ...


def save_checkpoint(
    folder: Path, model: nn.Module, tokenizer: Vocabulary, config: CheckpointConfig, *,
    card: str, trained_on: Iterable[str] = (), dtype: torch.dtype = torch.float32,
    files: Mapping[str, str] | None = None,
) -> None:  # fmt: skip
    """Write a checkpoint folder, atomically.

    trained_on: image_fingerprint of each training image. files: further text files a kind needs, name ->
    content.
    """
    with write_folder(folder) as partial:
        tied = tied_names(model)
        state = {
            name: tensor.detach().to(dtype) if tensor.is_floating_point() else tensor
            for name, tensor in model.state_dict().items()
            if name not in tied
        }
        write_safetensors(partial / WEIGHTS_FILE, state)
        tokenizer.save(partial)
        (partial / CONFIG_FILE).write_text(config.to_json(), encoding="utf-8")
        (partial / CARD_FILE).write_text(card, encoding="utf-8")
        for name, text in (files or {}).items():
            (partial / name).write_text(text, encoding="utf-8")
        write_fingerprints(partial / TRAINED_ON_FILE, trained_on)


def fill(
    build: Callable[[], Model], state: Mapping[str, Tensor], where: str, dtype: torch.dtype = torch.float32
) -> Model:
    """Build a model that holds `state` itself, in `dtype`: no second copy, and no random weights made first.

    Every parameter must be given and nothing else (weights that are another's, as GPT-2's output weights are
    its embeddings, may be left out);
    CheckpointError lists what is missing, extra or of another shape, and refuses weights that are not finite.
    """
    try:
        with torch.device("meta"):
            model = build()
    except Exception as error:  # sizes that fit no model lead the libraries to many kinds
        raise CheckpointError(f"{where}: its config describes no model that can be built: {error}") from error
    tied = tied_names(model)
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items() if name not in tied}
    given = {name: tensor for name, tensor in state.items() if name not in tied}
    _check_fit(wanted, given, where)
    model.load_state_dict(
        {name: tensor.to(dtype) for name, tensor in given.items()}, strict=False, assign=True
    )
    _tie(model, tied)
    for module in model.modules():
        _rebuild_buffers(module)
    left = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    if left:
        raise CheckpointError(f"{where} left these without a value: {', '.join(left)}.")
    model.eval()
    return model


def tied_names(model: nn.Module) -> dict[str, str]:
    """The parameters that are another one, by name, and the name of that one."""
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        held = first.setdefault(id(parameter), name)
        if held != name:
            tied[name] = held
    return tied


def _tie(model: nn.Module, tied: Mapping[str, str]) -> None:
    """Make them one again, after each was given values of its own."""
    for name, source in tied.items():
        owner, _, own_name = name.rpartition(".")
        setattr(model.get_submodule(owner), own_name, model.get_parameter(source))


def read_trained_on(folder: Path) -> frozenset[str]:
    """The fingerprints of the images a checkpoint was trained on; empty where the folder does not say."""
    path = folder / TRAINED_ON_FILE
    if not path.is_file():
        return frozenset()
    prints = expect(read_json_file(path, CheckpointError), list, str(path), CheckpointError)
    return frozenset(expect(fingerprint, str, str(path), CheckpointError) for fingerprint in prints)


def _check_fit(wanted: Mapping[str, torch.Size], given: Mapping[str, Tensor], where: str) -> None:
    lacks, extra = sorted(set(wanted) - set(given)), sorted(set(given) - set(wanted))
    if lacks or extra:
        raise CheckpointError(f"{where} does not fit its config: missing {lacks}, not wanted {extra}.")
    for name, tensor in given.items():
        if tensor.shape != wanted[name]:
            sizes = f"{tuple(tensor.shape)} where the config says {tuple(wanted[name])}"
            raise CheckpointError(f"{where} does not fit its config: {name} is {sizes}.")
        if tensor.dtype not in FLOATS:
            kinds = ", ".join(str(dtype).removeprefix("torch.") for dtype in FLOATS)
            raise CheckpointError(
                f"{where}: {name} holds {str(tensor.dtype).removeprefix('torch.')}, not {kinds}."
            )
        if not is_finite(tensor):
            raise CheckpointError(
                f"{where}: {name} holds values that are not finite: the file is damaged, fetch it again."
            )


def is_finite(tensor: Tensor) -> bool:
    """Whether every number is: only those less themselves are 0. Piece by piece, for that needs memory of its
    own."""
    return all(bool((piece - piece).sum() == 0) for piece in tensor.flatten().split(PIECE))


def _rebuild_buffers(module: nn.Module) -> None:
    """Give GPT-2's attention its constants again where this version of transformers keeps them as buffers."""
    for name, buffer in module.named_buffers(recurse=False):
        if not buffer.is_meta:
            continue
        if name == "bias":
            module.register_buffer(name, torch.ones(buffer.shape, dtype=torch.bool).tril(), persistent=False)
        elif name == "masked_bias":
            module.register_buffer(name, torch.tensor(-1e4), persistent=False)
