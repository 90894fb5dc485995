"""Which decoding options no image-to-text model has, and why: the one place that says so."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from clipcap_ext.engine.tag_options import NO_TAGGER

LACKING: Mapping[str, str] = MappingProxyType({  # option -> why it is not there
    "rank_by": "there is no CLIP in it to compare texts with pictures",
    "diversity": "its beams are the library's own, which differ as they come",
    "when_unsure": "when it is right was never measured",
    "precision": "it is reckoned as it was loaded",
    **NO_TAGGER,
})  # fmt: skip
