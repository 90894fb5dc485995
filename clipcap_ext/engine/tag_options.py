"""Which options are taggers' alone, and that they have no others: the one place that says so."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clipcap_ext.caption import DecodingOptions

TAG_OPTIONS = ("general_threshold", "character_threshold", "underscores")
NO_TAGGER: Mapping[str, str] = MappingProxyType(dict.fromkeys(
    TAG_OPTIONS, "it writes sentences, and only a tagger gives tags a probability"
))  # fmt: skip
TAGGERS_LACK: Mapping[str, str] = MappingProxyType(dict.fromkeys(
    [name for name in DecodingOptions.table() if name not in TAG_OPTIONS],
    "a tagger reads all tags off at once, and writes no word after another",
))  # fmt: skip
