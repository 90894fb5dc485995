"""A tagger's folder, made by hand: an ONNX model that looks at the mean colour, and the list of its tags; not
a test.

The model is written in protobuf's own bytes, so that no further library is needed to make it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SIDE = 16
# name, category, and what blue, green, red and a constant count for; a colour is from -4 (0) to 4 (255)
TAGS: tuple[tuple[str, int, tuple[float, float, float, float]], ...] = (
    ("general", 9, (0, 0, 0, 5)),
    ("explicit", 9, (0, 0, 0, -5)),
    ("blue_sky", 0, (1, 0, 0, 0)),
    ("long_green_hair", 0, (0, 1, 0, 0)),
    ("red_eyes", 0, (0, 0, 1, 0)),
    (">_<", 0, (0, 0, 0, -0.5)),
    ("hatsune_miku_(vocaloid)", 4, (1, 1, -1, 0)),
)
FACE = 1 / (1 + math.exp(0.5))  # the probability of >_<, whatever is looked at


def write_tagger(folder: Path, logits: bool = False, side: int = SIDE) -> Path:
    """A folder as the Hub's repositories have it; `logits`: without the sigmoid at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(onnx_model(side, logits))
    rows = [f"{number},{name},{category},{1000 - number}" for number, (name, category, _) in enumerate(TAGS)]
    (folder / "selected_tags.csv").write_text("\n".join(["tag_id,name,category,count", *rows]) + "\n")
    (folder / "README.md").write_text(
        "---\nlicense: apache-2.0\n---\n\nA tiny tagger. It looks at colours.\n"
    )
    return folder


def probability(colours: Sequence[float], tag: int) -> float:
    """What the model says of a picture of one colour (blue, green, red, 0 to 255)."""
    *weights, constant = TAGS[tag][2]
    logit = constant + sum(
        weight * (colour - 127.5) / 32 for weight, colour in zip(weights, colours, strict=True)
    )
    return 1 / (1 + math.exp(-logit))


def onnx_model(side: int, logits: bool = False, shape: Sequence[int | str] | None = None) -> bytes:
    """Mean over the picture, a linear layer, a sigmoid."""
    counted = np.array([weights[:3] for _, _, weights in TAGS], np.float32).T / 32  # (3, tags)
    constants = np.array([weights[3] for _, _, weights in TAGS], np.float32) - 127.5 * counted.sum(0)
    last = "summed" if logits else "said"
    nodes = [
        _node("ReduceMean", ["seen"], "mean", _text(1, "axes") + _ints(8, [1, 2]) + _number(20, 7),
              _text(1, "keepdims") + _number(3, 0) + _number(20, 2)),
        _node("MatMul", ["mean", "weights"], "product"),
        _node("Add", ["product", "constants"], "summed"),
        *([] if logits else [_node("Sigmoid", ["summed"], "said")]),
    ]  # fmt: skip
    graph = b"".join(_bytes(1, node) for node in nodes) + _text(2, "tagger")
    graph += _bytes(5, _tensor("weights", counted)) + _bytes(5, _tensor("constants", constants))
    graph += _bytes(11, _value("seen", shape or ["batch", side, side, 3]))
    graph += _bytes(12, _value(last, ["batch", len(TAGS)]))
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13))


def _node(kind: str, inputs: Sequence[str], output: str, *attributes: bytes) -> bytes:
    named = b"".join(_text(1, name) for name in inputs) + _text(2, output) + _text(4, kind)
    return named + b"".join(_bytes(5, one) for one in attributes)


def _tensor(name: str, numbers: np.ndarray) -> bytes:
    return _ints(1, numbers.shape) + _number(2, 1) + _text(8, name) + _bytes(9, numbers.tobytes())


def _value(name: str, shape: Sequence[int | str]) -> bytes:
    dims = [_number(1, one) if isinstance(one, int) else _text(2, one) for one in shape]
    sizes = b"".join(_bytes(1, one) for one in dims)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, 1) + _bytes(2, sizes)))


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return struct.pack("B", low | 0x80) + _varint(rest) if rest else struct.pack("B", low)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _bytes(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _bytes(field, text.encode())


def _ints(field: int, numbers: Sequence[int]) -> bytes:
    return b"".join(_number(field, number) for number in numbers)
