"""Which decoding options the kinds that are trained here do not have, and why; a table only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clipcap_ext.engine.tag_options import NO_TAGGER

OWN_KINDS_LACK: Mapping[str, str] = MappingProxyType({
    "task": "it was trained to write a sentence, and takes no instructions",
    **NO_TAGGER,
})  # fmt: skip
