"""The two figures of a captioner's validation, whatever its kind: mean loss and CIDEr-D of decoded
captions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

import numpy as np
from torch import Tensor, nn

from clipcap_ext.errors import UsageError
from clipcap_ext.metrics import score

Captions = dict[str, str]


def mean_loss(
    module: nn.Module, lengths: Sequence[int], batch: Callable[[np.ndarray], dict[str, Tensor]],
    weight: Callable[[np.ndarray], float], chunk: int,
) -> float:  # fmt: skip
    """The summed loss of all items over their summed weight, in batches of `chunk` items of like length."""
    order = np.argsort(lengths, kind="stable")
    device = next(module.parameters()).device
    total = weights = 0.0
    for start in range(0, len(order), chunk):
        items = order[start : start + chunk]
        total += float(module(**{name: tensor.to(device) for name, tensor in batch(items).items()}))
        weights += weight(items)
    return total / weights


def caption_in_chunks(
    names: Sequence[str], chunk: int, captions: Callable[[slice], Sequence[str]]
) -> Captions:
    """Captions of all names, made for a slice of them at a time."""
    by_name: Captions = {}
    for start in range(0, len(names), chunk):
        part = slice(start, start + chunk)
        by_name |= zip(names[part], captions(part), strict=True)
    return by_name


def validation_figures(
    val_loss: float, monitor: str, captions: Callable[[], Captions], references: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """`val_loss`, and `cider` (CIDEr-D, words protocol) where the scorer is installed; UsageError if it must
    be."""
    figures = {"val_loss": val_loss}
    if find_spec("pycocoevalcap"):
        figures["cider"] = score(captions(), references, "words", ["CIDEr-D"]).values["CIDEr-D"]
    elif monitor == "cider":
        raise UsageError(
            "monitor=cider needs pycocoevalcap: pip install 'pycocoevalcap>=1.2', or monitor=val_loss."
        )
    return figures
