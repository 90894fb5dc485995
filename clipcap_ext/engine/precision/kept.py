"""Rounded weights kept on the disk, so that the next start need not round them again; anything in doubt is
made anew.

They lie in the user's cache, in a folder for each file of weights. A copy is taken only if it says that it
was made of these weights, for this torch and this processor, and if its numbers have the digest they were
written with. Where nothing can be written it only takes longer.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from clipcap_ext.engine.checkpoint.safefile import read_safetensors, read_words, write_safetensors
from clipcap_ext.engine.checkpoint.verified_files import sha256_of
from clipcap_ext.engine.precision.kept_files import folder_of, sweep
from clipcap_ext.engine.precision.processor import capability
from clipcap_ext.engine.precision.quick import Quick, Rounded
from clipcap_ext.errors import CheckpointError
from clipcap_ext.files import write_file

FORM = "1"  # of the file
DIGEST = "digest"  # of the numbers, among the words beside them
log = logging.getLogger(__name__)


@dataclass
class KeptMaker:
    """A Maker (see quick.py) of the layers of one part, whose trained weights are read from `source`."""

    quick: Quick
    source: Path
    part: str
    _copy: _Copy | None = None  # looked at when the first layer is made
    _rounded: dict[str, Tensor] = field(default_factory=dict)
    _anew: bool = False

    def linear(self, name: str, weight: Tensor, bias: Tensor | None) -> nn.Module:
        """See Maker."""
        self._copy = self._copy or _Copy.of(self.quick, self.source, self.part, weight.dtype)
        found = self._copy.tensors
        names = {one: f"{name}.{one}" for one in self.quick.kept}
        if all(whole in found for whole in names.values()):
            rounded: Rounded = {one: found[whole] for one, whole in names.items()}
        else:
            self._anew, rounded = True, self.quick.rounded(weight)
        self._rounded.update({whole: rounded[one] for one, whole in names.items()})
        return self.quick.layer(rounded, bias)

    def keep(self) -> None:
        """Write what was made anew; the oldest copies of the part go, and those whose weights are gone."""
        if self._anew and self._copy is not None and self._copy.words:
            self._copy.write(self._rounded)
            sweep(self._copy.path)


@dataclass(frozen=True)
class _Copy:
    """A copy on the disk. words: what it is of, and what it is made by, empty where the weights cannot be
    read any more; tensors: what is there already."""

    path: Path
    words: Mapping[str, str]
    tensors: Mapping[str, Tensor]

    @staticmethod
    def of(quick: Quick, source: Path, part: str, dtype: torch.dtype) -> _Copy:
        try:
            weights = sha256_of(source)
        except OSError:
            return _Copy(source, {}, {})
        words = {
            "form": FORM, "part": part, "numbers": quick.name, "source": str(source.resolve()),
            "weights": weights, "dtype": str(dtype), "torch": str(torch.__version__),
            "engine": str(torch.backends.quantized.engine), "processor": capability(),
        }  # fmt: skip
        name = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:24]
        path = folder_of(source) / f"{part}-{name}.safetensors"
        return _Copy(path, words, _read(path, words, quick) if path.is_file() else {})

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        words = {**self.words, DIGEST: _digest(tensors)}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with write_file(self.path) as part:
                write_safetensors(part, tensors, words)
        except OSError as error:
            log.warning("Rounded weights could not be kept in %s: %s.", self.path.parent, error)


def _read(path: Path, words: Mapping[str, str], quick: Quick) -> Mapping[str, Tensor]:
    """The tensors of a copy; none, with a word, where they are not what was written."""
    try:
        said, found = read_words(path), read_safetensors(path)
    except CheckpointError:
        said, found = {}, {}
    fits = all(quick.kept.get(name.rpartition(".")[2]) == tensor.dtype for name, tensor in found.items())
    if said != {**words, DIGEST: _digest(found)} or not fits:
        log.warning("%s is damaged or none of ours: it is made anew.", path)
        return {}
    return found


@contextmanager
def kept_maker(quick: Quick, source: Path, part: str) -> Iterator[KeptMaker]:
    """A KeptMaker, what it makes inside the block kept at its end."""
    maker = KeptMaker(quick, source, part)
    yield maker
    maker.keep()


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
