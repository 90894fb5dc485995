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


@pytest.mark.parametrize("which", ["nocaps test", "nocaps val", "coco test"])
def test_what_a_test_server_takes(
    which: str, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nocaps, coco = write_nocaps(tmp_path / "nocaps"), write_coco(tmp_path / "coco")
    listed, numbers = {
        "nocaps test": (nocaps.parent / "nocaps_test_image_info.json", list(range(6))),
        "nocaps val": (nocaps, list(range(6))),
        "coco test": (coco / "annotations" / "image_info_test2014.json", [5, 6, 7]),
    }[which]
    out = tmp_path / "submission.json"
    words = [str(tiny_folder / "tiny-clipcap"), "--data", str(listed), "--submission", str(out)]
    assert main(words) == 0
    rows = json.loads(out.read_text())
    assert [set(row) for row in rows] == [{"image_id", "caption"}] * len(numbers)
    assert [row["image_id"] for row in rows] == numbers and all(type(row["caption"]) is str for row in rows)
    assert capsys.readouterr().out.strip() == str(out)
    if which == "nocaps val":  # what the server would be given is what is scored here
        split = ["--data", str(nocaps), "--split", "val", *QUICK]
        assert main([words[0], *split, "--out", str(tmp_path / "itself.json")]) == 0
        assert main(["--hypotheses", str(out), *split, "--out", str(tmp_path / "file.json")]) == 0
        itself, file = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("itself", "file"))
        assert itself["results"] == file["results"] and itself["domains"] == file["domains"]


def test_a_submission_has_no_gaps(
    nocaps: Path, tiny_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = nocaps.parent / "nocaps_test_image_info.json"
    out = tmp_path / "s.json"
    words = [str(tiny_folder / "tiny-clipcap"), "--data", str(listed), "--submission", str(out)]
    first = sorted((nocaps.parent / "test").iterdir())[0]
    first.write_bytes(b"no picture")
    assert main(words) == 1
    assert (
        json.loads(out.read_text())[0] == {"image_id": 0, "caption": ""}
        and len(json.loads(out.read_text())) == 6
    )
    assert f"1 captions are empty, for these images cannot be read: {first.name}" in capsys.readouterr().err
    first.unlink()
    out.unlink()
    assert main(words) == 1
    assert "1 of the 6 images of nocaps_test_image_info.json are not here" in capsys.readouterr().err
    assert not out.exists()
    assert main([*words, "--protocol", "words"]) == 2
    assert "scores nothing" in capsys.readouterr().err


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
