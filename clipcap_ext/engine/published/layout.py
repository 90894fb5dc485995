"""The architecture of a published state dict, told by the names and shapes of its tensors; no file and no
torch.

Names are those of CLIP_prefix_caption (`clip_project.*` for the mapper, `gpt.*` for GPT-2) or of
TheoCoombes/ClipCap (`transformer_mapper.*`, `language_model.*`). A plain GPT-2 is an SBG's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from clipcap_ext.engine.clipcap.mapper_shapes import norm
from clipcap_ext.engine.clipcap.mappers import MAPPERS, MapperConfig
from clipcap_ext.engine.published.pickle_reading import TensorSpec
from clipcap_ext.errors import CheckpointError, first_of

GPT2_SMALL_EMBD = 768
HEAD_WIDTH = 64  # of every GPT-2 that was published
FLOATS = ("float32", "float16", "bfloat16", "float64")
WRAPPED = ("module.", "_orig_mod.", "model.")  # DataParallel, torch.compile, Lightning
PARTS = {
    "clip_project.": "mapper.", "gpt.": "gpt2.", "transformer_mapper.": "mapper.", "language_model.": "gpt2.",
}  # fmt: skip
BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)$")  # constants that old versions of transformers kept
TIED = "lm_head.weight"  # GPT-2's output weights are its input embeddings


@dataclass(frozen=True)
class PublishedLayout(MapperConfig):
    """What a state dict is. kind: clipcap, or sbg for a GPT-2 alone. tuned: GPT-2 is in it, not only the
    mapper.

    Sizes that do not apply are 0; so are GPT-2's n_layer, n_head, n_positions and vocab_size where it is not
    tuned.
    """

    kind: str
    clip_dim: int = 0
    prefix_length: int = 0
    n_embd: int = 0
    n_layer: int = 0
    n_head: int = 0
    n_positions: int = 0
    vocab_size: int = 0
    tuned: bool = True

    @property
    def gpt2(self) -> dict[str, int]:
        """GPT-2's sizes in GPT2Config's words."""
        return {
            key: getattr(self, key) for key in ("vocab_size", "n_positions", "n_embd", "n_layer", "n_head")
        }

    def model(self, gpt2: Mapping[str, int]) -> dict[str, Any]:
        """The architecture of the ClipCap, in ClipCapConfig's words."""
        sizes = {"clip_dim": self.clip_dim, "prefix_length": self.prefix_length}
        return {**sizes, **self.mapper_shape, "gpt2": dict(gpt2)}

    def __str__(self) -> str:
        gpt2 = f"GPT-2 of {self.n_layer} layers, {self.n_embd} wide, {self.vocab_size} tokens"
        if self.kind == "sbg":
            return gpt2
        shape = f"{self.mapper} mapper {self.clip_dim} -> {self.prefix_length} x {self.n_embd}"
        return f"ClipCap, {shape}, {gpt2 if self.tuned else 'without its GPT-2'}"


def our_names(names: Iterable[str]) -> dict[str, str]:
    """Names of a state dict -> those of our model (`mapper.*`, `gpt2.*`; a plain GPT-2 keeps its own).

    Wrappers' prefixes go; so do, by leaving them out, the constants that old versions of transformers kept as
    buffers.
    """
    theirs = {name: name for name in names}
    while wrapped := [
        prefix for prefix in WRAPPED if theirs and all(n.startswith(prefix) for n in theirs.values())
    ]:
        theirs = {name: short.removeprefix(wrapped[0]) for name, short in theirs.items()}
    if "wte.weight" in theirs.values():  # saved without the output weights
        theirs = {name: f"transformer.{short}" for name, short in theirs.items()}
    ours = {}
    for name, short in theirs.items():
        part = next((part for part in PARTS if short.startswith(part)), "")
        if not BUFFER.search(short):
            ours[name] = PARTS.get(part, "") + short.removeprefix(part)
    return ours


def infer_layout(specs: Mapping[str, TensorSpec], where: str) -> PublishedLayout:
    """The layout of a state dict under its own names; CheckpointError lists what is missing, extra, or no
    float."""
    renamed = our_names(specs)
    ours = {new: specs[name] for name, new in renamed.items()}
    if len(ours) != len(renamed):
        raise CheckpointError(
            f"{where} holds the same weights under two names, {names_text(renamed)} in all."
        )
    if any(name.startswith("mapper.") for name in ours):
        body, mapper = "gpt2.transformer.", _mapper_sizes(ours, where)
        mapper["tuned"] = any(name.startswith("gpt2.") for name in ours)
        layout = PublishedLayout("clipcap", **mapper)
    elif "transformer.wte.weight" in ours:
        body, layout = "transformer.", PublishedLayout("sbg", mapper="")
    else:
        shown = ", ".join(name[:60] for name in sorted(specs)[:3])
        raise CheckpointError(
            f"{where} is neither a ClipCap (clip_project.* or transformer_mapper.*) nor a GPT-2 "
            f"(transformer.*): its {len(specs)} tensors begin with {shown}."
        )
    if layout.tuned:
        layout = PublishedLayout(**{**vars(layout), **_gpt2_sizes(ours, body, where)})
    _check(ours, expected_shapes(layout), where)
    return layout


def expected_shapes(layout: PublishedLayout) -> dict[str, tuple[int, ...]]:
    """Our names -> the shapes they must have, without the tied output weights."""
    wanted: dict[str, tuple[int, ...]] = {}
    if layout.tuned:
        wanted |= _gpt2_shapes(layout, "transformer." if layout.kind == "sbg" else "gpt2.transformer.")
    published = MAPPERS[layout.mapper].published if layout.kind == "clipcap" else None
    return wanted if published is None else wanted | published.shapes(vars(layout))


def names_text(names: Iterable[str]) -> str:
    """The first few names, and how many there are."""
    short = [name[:80] for name in sorted(names)]
    return f"{len(short)} ({first_of(short)})"


def _mapper_sizes(ours: Mapping[str, TensorSpec], where: str) -> dict[str, Any]:
    """Which mapper it is, and its sizes."""
    published = {name: kind.published for name, kind in MAPPERS.items() if kind.published}
    known = [name for name, told in published.items() if told.marker in ours]
    if len(known) != 1:
        markers = ", ".join(told.marker for told in published.values())
        raise CheckpointError(
            f"{where}: the architecture cannot be told: {len(known)} of {markers} (in our words) are there, "
            "and one would tell the mapper."
        )
    embeds = ours.get("gpt2.transformer.wte.weight")
    n_embd = embeds.shape[-1] if embeds and embeds.shape and embeds.shape[-1] else GPT2_SMALL_EMBD
    sizes = published[known[0]].read(
        lambda name: _matrix(ours, name, where), lambda pattern: _count(ours, pattern), n_embd
    )
    return {"mapper": known[0], **sizes}


def _gpt2_sizes(ours: Mapping[str, TensorSpec], body: str, where: str) -> dict[str, int]:
    vocab_size, n_embd = _matrix(ours, f"{body}wte.weight", where)
    n_positions, _ = _matrix(ours, f"{body}wpe.weight", where)
    if n_embd % HEAD_WIDTH:
        raise CheckpointError(
            f"{where} holds a GPT-2 that is {n_embd} wide: its heads cannot be told, for published ones are "
            f"{HEAD_WIDTH} wide each."
        )
    layers = _count(ours, rf"{re.escape(body)}h\.(\d+)\.")
    return {
        "vocab_size": vocab_size, "n_positions": n_positions, "n_embd": n_embd, "n_layer": layers,
        "n_head": n_embd // HEAD_WIDTH,
    }  # fmt: skip


def _matrix(ours: Mapping[str, TensorSpec], name: str, where: str) -> tuple[int, int]:
    """The shape of a matrix that sizes are read off; CheckpointError if there is none of that name."""
    spec = ours.get(name)
    shape = spec.shape if spec else ()
    if len(shape) != 2 or not all(shape):
        held = f"of shape {shape}" if spec else "missing"
        raise CheckpointError(
            f"{where}: the architecture cannot be told, for {name} (in our words) is {held}."
        )
    return shape


def _count(ours: Mapping[str, TensorSpec], pattern: str) -> int:
    return len({match[1] for match in map(re.compile(pattern).match, ours) if match})


def _gpt2_shapes(layout: PublishedLayout, body: str) -> dict[str, tuple[int, ...]]:
    width = layout.n_embd
    wanted: dict[str, tuple[int, ...]] = {
        f"{body}wte.weight": (layout.vocab_size, width), f"{body}wpe.weight": (layout.n_positions, width),
    }  # fmt: skip
    wanted |= norm(f"{body}ln_f", width)
    for layer in (f"{body}h.{number}." for number in range(layout.n_layer)):
        wanted |= norm(f"{layer}ln_1", width) | norm(f"{layer}ln_2", width)
        parts = {"attn.c_attn": (1, 3), "attn.c_proj": (1, 1), "mlp.c_fc": (1, 4), "mlp.c_proj": (4, 1)}
        for name, (inputs, outputs) in parts.items():  # GPT-2 keeps its weights inputs by outputs
            wanted |= {
                f"{layer}{name}.weight": (inputs * width, outputs * width),
                f"{layer}{name}.bias": (outputs * width,),
            }
    return wanted


def _check(ours: Mapping[str, TensorSpec], wanted: Mapping[str, tuple[int, ...]], where: str) -> None:
    given = {name: spec for name, spec in ours.items() if not name.endswith(TIED)}
    lacks, extra = wanted.keys() - given, given.keys() - wanted
    if lacks or extra:
        misfits = [f"missing {names_text(lacks)}"] * bool(lacks)
        misfits += [f"not known {names_text(extra)}"] * bool(extra)
        raise CheckpointError(
            f"{where} does not fit the architecture that its shapes tell: {'; '.join(misfits)}."
        )
    for name, spec in given.items():
        if spec.shape != wanted[name]:
            raise CheckpointError(
                f"{where}: {name} (in our words) is {spec.shape}, and {wanted[name]} would fit the rest."
            )
        if spec.dtype not in FLOATS:
            raise CheckpointError(
                f"{where}: {name} (in our words) holds {spec.dtype}, and weights are {', '.join(FLOATS)}."
            )
