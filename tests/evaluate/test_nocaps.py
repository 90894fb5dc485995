"""nocaps and COCO as they are published, small: domains, pictures in val/, ids, what a test server takes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from miniature_sets import DOMAINS, write_coco, write_nocaps
from tiny_tasks import captions_of

from clipcap_ext.corpus import read_corpus
from clipcap_ext.errors import CorpusError
from clipcap_ext.evaluate.__main__ import main
from clipcap_ext.metrics import score

QUICK = ["--protocol", "words", "--metrics", "BLEU,ROUGE-L,CIDEr-D", "--resamples", "20"]


@pytest.fixture
def nocaps(tmp_path: Path) -> Path:
    return write_nocaps(tmp_path / "nocaps")


def test_pictures_in_val_or_where_images_says(nocaps: Path, tmp_path: Path) -> None:
    for place in (nocaps, nocaps.parent):
        corpus = read_corpus(place)
        assert corpus.problems == () and {example.path.parent.name for example in corpus.examples} == {"val"}
        assert [example.number for example in corpus.examples] == list(range(6))
        assert {example.domain for example in corpus.examples} == set(DOMAINS)
    shutil.move(nocaps.parent / "val", tmp_path / "photos")
    with pytest.raises(CorpusError, match="no image with a caption"):
        read_corpus(nocaps)
    assert read_corpus(nocaps, images=tmp_path / "photos").problems == ()
    (nocaps.parent / "annotations").mkdir()
    shutil.move(nocaps, nocaps.parent / "annotations")
    shutil.move(tmp_path / "photos", nocaps.parent / "val")
    assert read_corpus(nocaps.parent / "annotations" / nocaps.name).problems == ()


def test_one_vocabulary_of_domains(nocaps: Path) -> None:
    nocaps.write_text(nocaps.read_text().replace("out-domain", "out-of-domain"))
    assert {example.domain for example in read_corpus(nocaps).examples} == set(DOMAINS)


def test_domains_are_scored_each_by_itself_and_printed(
    nocaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [{"image_id": i, "caption": captions_of(i)[i % 5]} for i in (3, 0, 1, 2, 4, 5)]
    made[0]["caption"] = "a green square"
    (tmp_path / "made.json").write_text(json.dumps(made))
    words = ["--hypotheses", str(tmp_path / "made.json"), "--data", str(nocaps), "--split", "val", *QUICK]
    assert main([*words, "--out", str(tmp_path / "r.json")]) == 0
    results, said = json.loads((tmp_path / "r.json").read_text()), capsys.readouterr().out.splitlines()
    assert list(results["domains"]) == list(DOMAINS)
    examples = read_corpus(nocaps).examples
    texts = {row["image_id"]: row["caption"] for row in made}
    for domain, found in results["domains"].items():
        own = [example for example in examples if example.domain == domain]
        truth = score(
            {one.image_id: texts[one.number] for one in own}, {one.image_id: one.captions for one in own},
            "words", ["BLEU", "ROUGE-L", "CIDEr-D"],
        ).values  # fmt: skip
        assert {name: row["value"] for name, row in found["results"].items()} == pytest.approx(truth)
        assert found["images"] == 2 and f"|split:karpathy-val-{domain}|n:2|" in found["signature"]
    header = next(line for line in said if line.startswith("by domain"))
    assert header.split()[2:] == list(DOMAINS)
    assert any(line.startswith("CIDEr-D") and len(line.split()) == 4 for line in said)


def test_a_data_set_without_domains_has_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    coco = write_coco(tmp_path / "coco")
    (tmp_path / "made.json").write_text(
        json.dumps([{"image_id": 391895 + 7 * i, "caption": "two squares"} for i in range(14)])
    )
    words = ["--hypotheses", str(tmp_path / "made.json"), "--data", str(coco), *QUICK]
    assert main([*words, "--out", str(tmp_path / "r.json")]) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert "domains" not in results and "by domain" not in capsys.readouterr().out
    assert "|split:karpathy-test|n:2|" in results["signature"] and len(results["hypotheses"]["unknown"]) == 12
