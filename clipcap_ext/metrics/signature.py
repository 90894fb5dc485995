"""The line that says how a number was made, in sacreBLEU's manner; it computes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from clipcap_ext import __version__
from clipcap_ext.metrics.protocols import Protocol

_PARTS = {
    "BLEU": "bleu:closest", "METEOR": "meteor:1.5", "ROUGE-L": "rouge-l:beta1.2", "CIDEr-D": "cider:d",
    "SPICE": "spice:1.0",
}  # fmt: skip


def signature(protocol: Protocol, metrics: Iterable[str], images: int, data: str, split: str) -> str:
    """Such as
    `cap|data:flickr8k|split:karpathy-test|n:1000|tok:ptb|bleu:closest|meteor:1.5|cider:d|v:0.1.0`."""
    named = [_PARTS[metric] for metric in metrics]
    parts = [
        "cap",
        f"data:{signature_word(data)}",
        f"split:{signature_word(split)}",
        f"n:{images}",
        f"tok:{protocol.tokenizer}",
    ]
    return "|".join([*parts, *named, f"v:{__version__}"])


def with_part(signed: str, part: str) -> str:
    """A signature with one more part, before the version."""
    rest, version = signed.rsplit("|", 1)
    return f"{rest}|{part}|{version}"


def signature_word(text: str) -> str:
    """`text` without what separates the parts of a signature."""
    return "".join("-" if char in "|:" or char.isspace() else char for char in text)
