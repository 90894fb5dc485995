"""The architecture of a BLIP captioner's state dict, told by the names and shapes of its tensors, and
transformers' names for them; no file and no torch.

Names are those of its authors: `visual_encoder.*`, a vision transformer, and `text_decoder.*`, a BERT that
attends to it. What else such a file may hold, as a pretraining's second text model, is not needed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clipcap_ext.engine.clipcap.mapper_shapes import linear, norm
from clipcap_ext.engine.published.layout import FLOATS, names_text
from clipcap_ext.engine.published.pickle_reading import TensorSpec
from clipcap_ext.engine.published.published_models import IMAGE_TO_TEXT
from clipcap_ext.errors import CheckpointError

HEAD_WIDTH = 64  # of both parts of every BLIP that was published
ADDED = 2  # words behind BERT's: [DEC], which begins a caption, and [ENC]
SEES, SAYS = "visual_encoder.", "text_decoder."
WORDS, PLACES = (f"{SAYS}bert.embeddings.{part}_embeddings.weight" for part in ("word", "position"))
BUFFER = f"{SAYS}bert.embeddings.position_ids"  # a constant
HEAD = f"{SAYS}cls.predictions."
TIED = {f"{HEAD}decoder.weight": WORDS, f"{HEAD}decoder.bias": f"{HEAD}bias"}  # the same weights once more
RENAMED = (  # beginning of their name -> of transformers'
    (f"{SEES}cls_token", "vision_model.embeddings.class_embedding"),
    (f"{SEES}pos_embed", "vision_model.embeddings.position_embedding"),
    (f"{SEES}patch_embed.proj.", "vision_model.embeddings.patch_embedding."),
    (f"{SEES}norm.", "vision_model.post_layernorm."),
    (f"{SEES}blocks.", "vision_model.encoder.layers."),
)
IN_BLOCK = ((".norm", ".layer_norm"), (".attn.proj.", ".self_attn.projection."), (".attn.", ".self_attn."))


@dataclass(frozen=True)
class BlipLayout:
    """Sizes of a BLIP captioner: of the part that sees, then of the part that writes."""

    width: int
    layers: int
    inner: int
    patch: int
    image_size: int
    text_width: int
    text_layers: int
    text_inner: int
    places: int
    vocab_size: int

    kind = IMAGE_TO_TEXT

    @property
    def words(self) -> int:
        """How many words its vocabulary file has."""
        return self.vocab_size - ADDED

    def __str__(self) -> str:
        return (
            f"BLIP, {self.layers} layers, {self.width} wide, that see {self.image_size} pixels; "
            f"{self.text_layers}, {self.text_width} wide, that write with {self.vocab_size} tokens"
        )


def is_blip(names: Iterable[str]) -> bool:
    """Whether a state dict with these names is a captioner of that form."""
    return {WORDS, f"{SEES}cls_token"} <= set(names)


def their_name(name: str) -> str:
    """The name in transformers' BlipForConditionalGeneration of one of `needed_names`."""
    for theirs, other in RENAMED:
        if name.startswith(theirs):
            name = other + name.removeprefix(theirs)
            for inside, changed in IN_BLOCK if ".layers." in name else ():
                name = name.replace(inside, changed)
            return name
    return name


def infer_blip(specs: Mapping[str, TensorSpec], where: str) -> BlipLayout:
    """The layout of a state dict; CheckpointError lists what is missing, extra, of another size or no
    float."""
    ours = {name: spec for name, spec in specs.items() if name.startswith((SEES, SAYS)) and name != BUFFER}
    width, _, patch, _ = _shape(ours, f"{SEES}patch_embed.proj.weight", 4, where)
    _, cells, _ = _shape(ours, f"{SEES}pos_embed", 3, where)
    vocab_size, text_width = _shape(ours, WORDS, 2, where)
    layout = BlipLayout(
        width=width, layers=_count(ours, f"{SEES}blocks."), patch=patch,
        inner=_shape(ours, f"{SEES}blocks.0.mlp.fc1.weight", 2, where)[0],
        image_size=patch * math.isqrt(cells - 1), vocab_size=vocab_size, text_width=text_width,
        text_layers=_count(ours, f"{SAYS}bert.encoder.layer."),
        text_inner=_shape(ours, f"{SAYS}bert.encoder.layer.0.intermediate.dense.weight", 2, where)[0],
        places=_shape(ours, PLACES, 2, where)[0],
    )  # fmt: skip
    if width % HEAD_WIDTH or text_width % HEAD_WIDTH:
        raise CheckpointError(
            f"{where} holds a BLIP that is {width} and {text_width} wide: its heads cannot be told, for "
            f"published ones are {HEAD_WIDTH} wide each."
        )
    _check(ours, _shapes(layout), where)
    return layout


def _shape(specs: Mapping[str, TensorSpec], name: str, axes: int, where: str) -> tuple[int, ...]:
    """A shape that sizes are read off; CheckpointError if there is none of that name and so many axes."""
    shape = specs[name].shape if name in specs else ()
    if len(shape) != axes or not all(shape):
        held = f"of shape {shape}" if name in specs else "missing"
        raise CheckpointError(f"{where} is no whole BLIP captioner: {name} is {held}.")
    return shape


def _count(names: Iterable[str], start: str) -> int:
    return len({match[1] for name in names if (match := re.match(rf"{re.escape(start)}(\d+)\.", name))})


def _check(given: Mapping[str, TensorSpec], wanted: Mapping[str, tuple[int, ...]], where: str) -> None:
    lacks, extra = wanted.keys() - given.keys() - TIED.keys(), given.keys() - wanted.keys()
    if lacks or extra:
        misfits = [f"missing {names_text(lacks)}"] * bool(lacks)
        misfits += [f"not known {names_text(extra)}"] * bool(extra)
        raise CheckpointError(f"{where} is no whole BLIP captioner: {'; '.join(misfits)}.")
    for name, spec in given.items():
        if spec.shape != wanted[name] or spec.dtype not in FLOATS:
            raise CheckpointError(
                f"{where}: {name} is {spec.dtype} of shape {spec.shape}, and a float of {wanted[name]} would "
                "fit the rest."
            )


def _shapes(layout: BlipLayout) -> dict[str, tuple[int, ...]]:
    """Their names -> the shapes that go together."""
    return _seeing(layout) | _writing(layout)


def _seeing(layout: BlipLayout) -> dict[str, tuple[int, ...]]:
    width, cells = layout.width, (layout.image_size // layout.patch) ** 2
    wanted = {
        f"{SEES}cls_token": (1, 1, width), f"{SEES}pos_embed": (1, cells + 1, width),
        f"{SEES}patch_embed.proj.weight": (width, 3, layout.patch, layout.patch),
        f"{SEES}patch_embed.proj.bias": (width,),
    }  # fmt: skip
    wanted |= norm(f"{SEES}norm", width)
    for block in (f"{SEES}blocks.{number}." for number in range(layout.layers)):
        wanted |= norm(f"{block}norm1", width) | norm(f"{block}norm2", width)
        wanted |= linear(f"{block}attn.qkv", width, 3 * width) | linear(f"{block}attn.proj", width, width)
        wanted |= linear(f"{block}mlp.fc1", width, layout.inner)
        wanted |= linear(f"{block}mlp.fc2", layout.inner, width)
    return wanted


def _writing(layout: BlipLayout) -> dict[str, tuple[int, ...]]:
    width = layout.text_width
    wanted: dict[str, tuple[int, ...]] = {
        WORDS: (layout.vocab_size, width), PLACES: (layout.places, width),
        f"{HEAD}bias": (layout.vocab_size,),
    }  # fmt: skip
    wanted |= norm(f"{SAYS}bert.embeddings.LayerNorm", width) | norm(f"{HEAD}transform.LayerNorm", width)
    wanted |= linear(f"{HEAD}transform.dense", width, width)
    wanted |= linear(f"{HEAD}decoder", width, layout.vocab_size)
    for layer in (f"{SAYS}bert.encoder.layer.{number}." for number in range(layout.text_layers)):
        for part, seen in (("attention", width), ("crossattention", layout.width)):
            wanted |= linear(f"{layer}{part}.self.query", width, width)
            wanted |= linear(f"{layer}{part}.self.key", seen, width)
            wanted |= linear(f"{layer}{part}.self.value", seen, width)
            wanted |= linear(f"{layer}{part}.output.dense", width, width)
            wanted |= norm(f"{layer}{part}.output.LayerNorm", width)
        wanted |= linear(f"{layer}intermediate.dense", width, layout.text_inner)
        wanted |= linear(f"{layer}output.dense", layout.text_inner, width)
        wanted |= norm(f"{layer}output.LayerNorm", width)
    return wanted
