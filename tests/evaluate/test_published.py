"""The whole standard protocol on published captions: Merge-RNN's on Flickr8k's official test list."""

from __future__ import annotations

from pathlib import Path

import pytest

from clipcap_ext.evaluate.hypotheses.evaluation import evaluate_hypotheses
from clipcap_ext.evaluate.request import EvaluationRequest

# pycocoevalcap 1.2's own wrappers, with its tokenizer, on the same captions; published: .191, .1935, .444 and
# .475.
TOOLKIT = {
    "BLEU-1": 0.61686, "BLEU-2": 0.42711, "BLEU-3": 0.28643, "BLEU-4": 0.19040, "METEOR": 0.19346,
    "ROUGE-L": 0.44405, "CIDEr-D": 0.47315,
}  # fmt: skip


@pytest.mark.java
@pytest.mark.slow
def test_published_captions_score_as_published(shared_data: Path, capfd: pytest.CaptureFixture[str]) -> None:
    captions = shared_data / "rnn_role" / "merge_flickr8k_3_128_1.json"
    found = evaluate_hypotheses(captions, EvaluationRequest(shared_data / "flickr8k", positions=True))
    assert {name: figure["value"] for name, figure in found["results"].items()} == pytest.approx(
        TOOLKIT, abs=5e-6
    )
    assert found["signature"].startswith(
        "cap|data:flickr8k|split:karpathy-test|n:1000|tok:ptb|bleu:closest|meteor:1.5|rouge-l:beta1.2|cider:d|v:"
    )
    low, high = found["results"]["CIDEr-D"]["interval"]
    assert 0.42 < low < 0.46 and 0.49 < high < 0.52
    wrong, constant = (found["controls"][name]["results"] for name in ("wrong_images", "constant_caption"))
    assert wrong["CIDEr-D"] < 0.12 and constant["CIDEr-D"] < 0.12
    assert wrong["METEOR"] < 0.11 and constant["METEOR"] < 0.11
    assert found["statistics"]["duplicates"] == 131
    assert capfd.readouterr().out == ""
