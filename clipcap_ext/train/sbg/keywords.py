"""Keywords of a whole corpus in one pass over its features, kept on disk; it holds no model and learns
nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from clipcap_ext.corpus import FeatureTable
from clipcap_ext.engine.sbg.label_files import bank_json
from clipcap_ext.engine.sbg.selector import KeywordSelector
from clipcap_ext.files import write_whole

Keywords = list[list[list[str]]]  # image, view, keywords in order
CHUNK = 100  # images ranked together


def corpus_keywords(
    selector: KeywordSelector, table: FeatureTable, encoder: str, cache: Path, say: Callable[[str], None]
) -> Keywords:
    """The keywords of every view of every image of `table`, whose features the encoder of fingerprint
    `encoder` made.

    Kept in `cache` under a hash of features, encoder, bank and constants.
    """
    path = cache / f"keywords-{_digest(selector, table, encoder)}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    by_image: Keywords = []
    images, views, clip_dim = table.features.shape
    for start in range(0, images, CHUNK):
        part = table.features[start : start + CHUNK]
        chosen = selector.select(part.reshape(-1, clip_dim))
        texts = [[keyword.text for keyword in keywords] for keywords in chosen]
        by_image += [texts[i : i + views] for i in range(0, len(texts), views)]
        if start // CHUNK % 20 == 0:
            say(f"keywords of {len(by_image)} of {images} images")
    cache.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(by_image, ensure_ascii=False))
    return by_image


def _digest(selector: KeywordSelector, table: FeatureTable, encoder: str) -> str:
    digest = hashlib.sha256(json.dumps([encoder, asdict(selector.constants), list(table.image_ids)]).encode())
    digest.update(bank_json(selector.bank).encode())
    digest.update(table.features.contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]
