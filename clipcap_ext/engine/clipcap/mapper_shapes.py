"""How a mapper is told in a published file: by which tensor, of what sizes and shapes; needs no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Shapes = dict[str, tuple[int, ...]]
Matrix = Callable[[str], tuple[int, int]]  # the shape of a tensor by our name; CheckpointError if it is none
Count = Callable[[str], int]  # how many numbers the group of a pattern takes in the names there are
HEADS = 8  # of every published transformer mapper


@dataclass(frozen=True)
class PublishedMapper:
    """Names are ours: `mapper.` and the module's own.

    marker: a tensor that no other mapper has. read: (matrix, count, n_embd of the GPT-2) -> clip_dim,
    prefix_length, n_embd and the mapper's own sizes. shapes: those sizes -> the shape of each of its tensors.
    """

    marker: str
    read: Callable[[Matrix, Count, int], dict[str, int]]
    shapes: Callable[[Mapping[str, int]], Shapes]


def linear(name: str, inputs: int, outputs: int, bias: bool = True) -> Shapes:
    """A torch Linear's shapes: the weight is outputs by inputs."""
    return {f"{name}.weight": (outputs, inputs)} | ({f"{name}.bias": (outputs,)} if bias else {})


def norm(name: str, width: int) -> Shapes:
    """A torch LayerNorm's shapes."""
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def _read_mlp(matrix: Matrix, count: Count, n_embd: int) -> dict[str, int]:
    _, clip_dim = matrix("mapper.model.0.weight")
    out, _ = matrix("mapper.model.2.weight")
    return {"clip_dim": clip_dim, "prefix_length": out // n_embd, "n_embd": n_embd}


def _mlp_shapes(sizes: Mapping[str, int]) -> Shapes:
    out = sizes["n_embd"] * sizes["prefix_length"]
    hidden = out // 2
    return linear("mapper.model.0", sizes["clip_dim"], hidden) | linear("mapper.model.2", hidden, out)


def _read_transformer(matrix: Matrix, count: Count, n_embd: int) -> dict[str, int]:
    prefix_length, width = matrix("mapper.prefix_const")
    rows, clip_dim = matrix("mapper.linear.weight")
    return {
        "clip_dim": clip_dim, "prefix_length": prefix_length, "n_embd": width, "clip_length": rows // width,
        "mapper_layers": count(r"mapper\.transformer\.layers\.(\d+)\."), "mapper_heads": HEADS,
    }  # fmt: skip


def _transformer_shapes(sizes: Mapping[str, int]) -> Shapes:
    width = sizes["n_embd"]
    wanted: Shapes = {"mapper.prefix_const": (sizes["prefix_length"], width)}
    wanted |= linear("mapper.linear", sizes["clip_dim"], sizes["clip_length"] * width)
    for layer in (f"mapper.transformer.layers.{number}." for number in range(sizes["mapper_layers"])):
        wanted |= norm(f"{layer}norm1", width) | norm(f"{layer}norm2", width)
        wanted |= linear(f"{layer}attn.to_queries", width, width, bias=False)
        wanted |= linear(f"{layer}attn.to_keys_values", width, 2 * width, bias=False)
        wanted |= linear(f"{layer}attn.project", width, width)
        wanted |= linear(f"{layer}mlp.fc1", width, 2 * width) | linear(f"{layer}mlp.fc2", 2 * width, width)
    return wanted


MLP = PublishedMapper("mapper.model.0.weight", _read_mlp, _mlp_shapes)
TRANSFORMER = PublishedMapper("mapper.prefix_const", _read_transformer, _transformer_shapes)
