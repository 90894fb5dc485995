"""The ways data sets lie on disk, in the order in which they are tried; reading.py chooses."""

from __future__ import annotations

from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.layouts.coco import COCO
from clipcap_ext.corpus.layouts.conceptual import CONCEPTUAL
from clipcap_ext.corpus.layouts.flickr_token import FLICKR_TOKEN
from clipcap_ext.corpus.layouts.kaggle import KAGGLE
from clipcap_ext.corpus.layouts.karpathy import KARPATHY
from clipcap_ext.corpus.layouts.metadata import METADATA
from clipcap_ext.corpus.layouts.sidecar import SIDECAR

_ALL = (
    KARPATHY,
    KAGGLE,
    FLICKR_TOKEN,
    COCO,
    CONCEPTUAL,
    METADATA,
    SIDECAR,
)  # fmt: skip
LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in _ALL}
