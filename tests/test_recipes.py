"""The recipes of a mapper, a metric, a host, a corpus format and a sidecar format in docs/extending.md,
written line by line into a copy of the package and used there from end to end. None changes more than two
source files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from recipes import ROOT, append, blocks, changed, copy_package, insert, run
from tiny import tiny_images, write_tiny_encoder
from tiny_tasks import CAPTIONING, write_flickr

CLIPCAP, METRICS = "clipcap_ext/engine/clipcap/", "clipcap_ext/metrics/"
LAYOUTS, HOSTS = "clipcap_ext/corpus/layouts/", "clipcap_ext/webui/hosts/"
READ = """
import json, sys
from clipcap_ext.corpus import read_corpus
print(json.dumps({one.image_id: one.captions for one in read_corpus(sys.argv[1], "sidecar").examples}))
"""
IN_ATELIER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from fake_modules import FakeHost, StrictLock

program = FakeHost("AUTOMATIC1111", Path(sys.argv[2]))
program.add("modules.atelier_queue", lock=StrictLock("scheduler", program.log))
sys.modules.update(program.modules)
from PIL import Image
from clipcap_ext.service.service import CaptionService
from clipcap_ext.webui.hosts import find_host

with CaptionService(find_host()).work("a photo", 1, "tiny-flickr8k") as work:
    result = work.caption([Image.new("RGB", (32, 32))], None)
    print(find_host().name, program.state.job, bool(result.captions[0].text), program.log)
"""


def mapper(package: Path) -> None:
    network, builder, row, option = blocks("A mapper")
    append(package / CLIPCAP / "mapping.py", network)
    insert(package / CLIPCAP / "mappers.py", "MAPPERS: dict[str, Mapper] = {\n", builder + "\n\n")
    insert(package / CLIPCAP / "mappers.py", "}\n\n\n@dataclass(frozen=True, kw_only=True)\nclass", row)
    insert(package / CLIPCAP / "mappers.py", "\n    def check_mapper(self)", option)


def metric(package: Path) -> None:
    file, row = blocks("A metric")
    line = "from clipcap_ext.metrics.word_recall import WORD_RECALL\n"
    rows = {"\n_ALL = (": line, ")  # fmt: skip\nMETRICS": row}
    file_and_rows(package / METRICS, "word_recall.py", file, "known.py", rows)


def corpus_format(package: Path) -> None:
    file, row = blocks("A corpus format")
    line = "from clipcap_ext.corpus.layouts.pairs import PAIRS\n"
    rows = {"from clipcap_ext.corpus.layouts.sidecar import": line, "    SIDECAR,\n)": row}
    file_and_rows(package / LAYOUTS, "pairs.py", file, "__init__.py", rows)


def host(package: Path) -> None:
    file, maker, row = blocks("A host")
    rows = {"# In the order in which they are asked": maker + "\n\n", '    Family(("modules.modeldata"': row}
    file_and_rows(package / HOSTS, "atelier.py", file, "__init__.py", rows)


def file_and_rows(folder: Path, name: str, text: str, table: str, rows: dict[str, str]) -> None:
    """A new file, and in the folder's table what enters it, in front of what stands there once."""
    (folder / name).write_text(text)
    for before, lines in rows.items():
        insert(folder / table, before, lines)


def sidecar_format(package: Path) -> None:
    both, row = blocks("A sidecar format")
    path = package / LAYOUTS / "caption_files.py"
    insert(path, "from collections.abc import Callable\n", "import json\n")
    insert(path, "# In the order in which they are looked for", both + "\n\n")
    insert(path, ")  # fmt: skip\nFORMATS", row)


RECIPES = {
    mapper: [CLIPCAP + "mappers.py", CLIPCAP + "mapping.py"],
    metric: [METRICS + "known.py", METRICS + "word_recall.py"],
    host: [HOSTS + "__init__.py", HOSTS + "atelier.py"],
    corpus_format: [LAYOUTS + "__init__.py", LAYOUTS + "pairs.py"],
    sidecar_format: [LAYOUTS + "caption_files.py"],
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as all these recipes leave it."""
    folder = copy_package(tmp_path_factory.mktemp("recipes"))
    for recipe, files in RECIPES.items():
        before = changed(folder)
        recipe(folder)
        assert [name for name in changed(folder) if name not in before] == files
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number, image in enumerate(tiny_images(3)):
        image.save(folder / f"{number}.png")
    return folder


def test_a_new_mapper_is_trained_saved_loaded_and_captions(package: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    write_flickr(data)
    write_tiny_encoder(tmp_path / "tiny-clip")
    changes = {
        **CAPTIONING, "encoder": tmp_path / "tiny-clip", "epochs": 1, "batch_size": 20, "views": 1,
        "ema": 0.0, "mapper": "low-rank", "mapper_rank": 5, "mapper_dropout": 0.0, "precision": "fp32",
    }  # fmt: skip
    settings = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    words = ["-m", "clipcap_ext.train", "tiny-flickr8k", "--data", data, "--out", tmp_path / "out", *settings]
    best = run(package, *words).strip()
    steps = [json.loads(line)["step"] for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    said = json.loads((Path(best) / "config.json").read_text())["model"]
    assert max(steps) == 2 and (said["mapper"], said["mapper_rank"]) == ("low-rank", 5)
    photo = data / "Images" / "013.jpg"
    line = run(package, "-m", "clipcap_ext", "caption", photo, "--model", best)
    assert line.startswith(f"{photo}\t") and len(line.split("\t")[1]) > 1


def test_a_new_metric_scores_a_new_corpus_format(package: Path, pictures: Path, tmp_path: Path) -> None:
    rows = ["0.png|A dog in the snow", "0.png|a dog", "1.png|a cat", "2.png|two men", "no bar here"]
    (pictures / "captions.pairs").write_text("\n".join(rows) + "\n")
    captions = {"0.png": "A dog.", "1.png": "a cat", "2.png": "a house"}
    said = [{"image_id": name, "caption": text} for name, text in captions.items()]
    (tmp_path / "said.json").write_text(json.dumps(said))
    words = ["--hypotheses", tmp_path / "said.json", "--data", pictures, "--split", "all"]
    asked = ["--protocol", "words", "--metrics", "WORD-RECALL,BLEU", "--resamples", "20"]
    out = tmp_path / "results.json"
    printed = run(package, "-m", "clipcap_ext.evaluate", *words, *asked, "--out", out)
    results = json.loads(out.read_text())
    assert "WORD-RECALL" in printed and printed.rstrip().endswith(results["signature"])
    assert "|bleu:closest|word-recall:any|v:" in results["signature"]
    recall = {name: row["scores"]["WORD-RECALL"] for name, row in results["images"].items()}
    assert recall == {"0.png": pytest.approx(2 / 5), "1.png": 1.0, "2.png": 0.0}
    assert results["results"]["WORD-RECALL"]["value"] == pytest.approx((2 / 5 + 1) / 3)
    assert set(results["controls"]["wrong_images"]["results"]) == set(results["results"])
    assert results["data"]["images"] == 3 and "captions.pairs:5" in results["problems"][0]
    compared = run(package, "-m", "clipcap_ext.evaluate", "compare", out, out)  # from what was stored
    assert "WORD-RECALL" in compared


def test_a_new_sidecar_format_is_written_added_to_read_and_undone(package: Path, pictures: Path) -> None:
    (pictures / "0.json").write_text('{"caption": "mine", "more": 1}')
    (pictures / "1.json").write_text("[1]")
    words = ["-m", "clipcap_ext", "folder", "caption", pictures, "--extension", "json", "--policy", "append"]
    run(package, *words, fails=True)  # one holds no caption, so nothing can be added to it
    assert (pictures / "1.json").read_text() == "[1]"
    read = json.loads(run(package, "-c", READ, pictures))
    assert sorted(read) == ["0.png", "2.png"] and read["0.png"][0].startswith("mine, ")
    assert json.loads((pictures / "2.json").read_bytes()) == {"caption": read["2.png"][0]}
    run(package, "-m", "clipcap_ext", "folder", "undo", pictures)
    assert (pictures / "0.json").read_text() == '{"caption": "mine", "more": 1}'
    assert not (pictures / "2.json").exists()


def test_a_new_host_is_told_and_its_locks_are_held(package: Path, tmp_path: Path) -> None:
    printed = run(package, "-c", IN_ATELIER, ROOT / "tests", tmp_path)
    assert printed.strip() == "Atelier a photo True ['+queue', '+scheduler', '-scheduler']"
