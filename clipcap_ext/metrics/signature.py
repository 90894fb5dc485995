"""The line that says how a number was made, in sacreBLEU's manner; it computes nothing."""

from __future__ import annotations

from collections.abc import Iterable

from clipcap_ext import __version__
from clipcap_ext.metrics.metric import signature_word
from clipcap_ext.metrics.protocols import Protocol


def signature(protocol: Protocol, parts: Iterable[str], images: int, data: str, split: str) -> str:
    """Such as `cap|data:flickr8k|split:karpathy-test|n:1000|tok:ptb|bleu:closest|meteor:1.5|v:0.1.0`; `parts`
    are the metrics' own."""
    whole = ["cap", f"data:{signature_word(data)}", f"split:{signature_word(split)}", f"n:{images}"]
    return "|".join([*whole, f"tok:{protocol.tokenizer}", *parts, f"v:{__version__}"])
