"""One rule of exit codes at every door: 2 for what was typed, 1 for what could not be done, 130 for
Ctrl+C."""

from __future__ import annotations

import importlib
import tarfile
from pathlib import Path

import pytest
from tiny import tiny_images

from clipcap_ext import errors
from clipcap_ext.exit_codes import code_of, exit_code

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.CaptionError)
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    for number, image in enumerate(tiny_images(3)):
        image.save(folder / f"{number}.png")
    rows = ",\n".join(
        f'{{"filename": "{n}.png", "split": "{split}", "sentences": [{{"raw": "A dog ."}}]}}'
        for n, split in enumerate(("train", "val", "test"))
    )
    (folder / "dataset_toy.json").write_text(f'{{"dataset": "toy", "images": [{rows}]}}')
    tarfile.open(folder / "shard-0.tar", "w").close()
    return folder


SCORED = "--protocol words --metrics BLEU"
DOORS = [
    ("clipcap_ext", "caption {data} --model nobody"),
    ("clipcap_ext", "demo --model nobody"),
    ("clipcap_ext", "download nobody"),
    ("clipcap_ext.evaluate", "nobody --data {data} {scored}"),
    ("clipcap_ext.evaluate", "nobody --retrieval --data {data}"),
    ("clipcap_ext.evaluate", "tiny-flickr8k --clip-score nobody --data {data} {scored}"),
    ("clipcap_ext.train", "tiny-flickr8k --data {data} --out {out} --set encoder=nobody"),
    ("clipcap_ext.train", "nobody --data {data} --out {out}"),
    ("clipcap_ext.corpus", "features --data {data} --encoder nobody --out {out}"),
    ("clipcap_ext.reproduce", "--table nobody --data {data} --out {out}"),
]


@pytest.mark.parametrize(("door", "words"), DOORS, ids=lambda value: value.split(" --data")[0])
def test_an_unknown_name_is_2_at_every_door(
    door: str, words: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = importlib.import_module(f"{door}.__main__").main
    assert main(words.format(data=data, out=tmp_path / "out", scored=SCORED).split()) == 2
    said = capsys.readouterr()
    assert said.err.splitlines()[-1].startswith("error: ") and "nobody" in said.err and said.out == ""


@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_each_error(kind: type[errors.CaptionError]) -> None:
    typed = kind in (errors.UsageError, errors.ModelNotFound)
    assert code_of(kind("")) == (2 if typed else 1)


def test_what_is_said_of_each_end() -> None:
    told: list[str] = []

    def ends(error: BaseException) -> int:
        def work() -> int:
            raise error

        return exit_code(work, told.append)

    assert exit_code(lambda: 7, told.append) == 7 and told == []
    assert ends(errors.ImageError("bad picture")) == 1 and told.pop() == "error: bad picture"
    assert ends(KeyboardInterrupt()) == 130 and told.pop() == "Stopped."
    with pytest.raises(ZeroDivisionError):  # a fault of ours is shown whole
        ends(ZeroDivisionError())
