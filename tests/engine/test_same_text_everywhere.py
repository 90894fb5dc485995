"""The same checkpoint says the same under every version of the libraries; the weights are the tiny random
ones.

`golden/captions.json` was written under the newest versions (CLIPCAP_WRITE_GOLDEN=1 writes it again);
`make test-compat` reads it under the oldest and the middle ones.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tiny import tiny_images

from clipcap_ext.caption import Caption, DecodingOptions

GOLDEN = Path(__file__).parent / "golden" / "captions.json"
MODELS = ("tiny-clipcap", "tiny-transformer")
OPTIONS = {
    "greedy": DecodingOptions(max_new_tokens=12),
    "no repeats": DecodingOptions(max_new_tokens=12, no_repeat_ngram_size=2),
    "beams": DecodingOptions(max_new_tokens=12, num_beams=4, num_candidates=2),
    "sampling": DecodingOptions(
        max_new_tokens=12, temperature=0.7, top_k=20, top_p=0.95, num_candidates=2, seed=7
    ),
    "ranked": DecodingOptions(
        max_new_tokens=12, temperature=0.5, num_candidates=3, rank_by="similarity", seed=1
    ),
    "agreed": DecodingOptions(max_new_tokens=12, num_beams=3, num_candidates=3, rank_by="consensus"),
}
Said = list[list[tuple[str, float]]]  # a row an image, a pair a candidate


def said(captions: list[Caption]) -> Said:
    return [[(one.text, round(one.avg_logprob, 4)) for one in caption.candidates] for caption in captions]


def texts(rows: Said) -> list[list[str]]:
    return [[text for text, _ in row] for row in rows]


def logprobs(rows: Said) -> list[float]:
    return [value for row in rows for _, value in row]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("way", OPTIONS)
def test_captions_match_the_newest_versions(tiny_folder: Path, model: str, way: str) -> None:
    from clipcap_ext.engine.factory import load_captioner

    captioner = load_captioner(tiny_folder / model)
    found = said(captioner.caption(tiny_images(), OPTIONS[way]))
    golden = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
    if os.environ.get("CLIPCAP_WRITE_GOLDEN"):
        golden.setdefault(model, {})[way] = found
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    expected = golden[model][way]
    assert texts(found) == texts(expected)
    assert logprobs(found) == pytest.approx(logprobs(expected), abs=2e-3)


def test_the_golden_captions_tell_images_and_ways_apart() -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for model in MODELS:
        assert len({json.dumps(texts(rows)) for rows in golden[model].values()}) == len(OPTIONS)
        assert all(len({str(row) for row in texts(rows)}) >= 2 for rows in golden[model].values())
