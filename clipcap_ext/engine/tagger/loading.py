"""A tagger from a folder on disk: model.onnx and selected_tags.csv, nothing fetched."""

from __future__ import annotations

from pathlib import Path

import torch

from clipcap_ext.caption import DecodingOptions
from clipcap_ext.engine.tagger.captioner import TaggerCaptioner
from clipcap_ext.engine.tagger.describing import NETWORK, check_runtime
from clipcap_ext.engine.tagger.looking import TagEncoder
from clipcap_ext.engine.tagger.tag_list import read_tags


def load_tagger(folder: Path, device: torch.device | str = "cpu") -> TaggerCaptioner:
    """Load a folder; CheckpointError where onnxruntime is missing, or the files do not fit each other."""
    tags = read_tags(folder)
    check_runtime(folder.name)
    encoder = TagEncoder(folder / NETWORK, len(tags), torch.device(device))
    return TaggerCaptioner(folder.resolve().name, encoder, tags, DecodingOptions())
