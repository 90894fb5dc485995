"""What CLIP_prefix_caption's scripts pickled becomes a feature folder that trains and is scored; nothing in
such a file runs."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_tasks import streamed_settings

from clipcap_ext.corpus import __main__ as door
from clipcap_ext.corpus.feature_folder import FeatureFolder, Row
from clipcap_ext.corpus.feature_pickles import read_feature_pickle
from clipcap_ext.engine.checkpoint.folder import read_trained_on
from clipcap_ext.engine.encoder_names import load_named_encoder
from clipcap_ext.engine.factory import load_captioner
from clipcap_ext.engine.published.inner_tensors import array_of, read_dumped
from clipcap_ext.errors import CheckpointError, CorpusError
from clipcap_ext.evaluate.__main__ import main as evaluate
from clipcap_ext.evaluate.stored_features import read_stored
from clipcap_ext.train.__main__ import main as train

WORDS = ("a dog runs.", "a red ball.", "two men walk.")


def dump(value: object, path: Path, protocol: int = 4) -> Path:
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=protocol)
    return path


def as_parse_coco_makes_it(pictures: int, dim: int, dtype: torch.dtype = torch.float16) -> dict[str, Any]:
    """A row for each caption, three captions a picture; image ids are numbers."""
    captions = [
        {"image_id": 100 + number // 3, "id": number, "caption": WORDS[number % 3], "clip_embedding": number}
        for number in range(3 * pictures)
    ]
    looks = torch.randn(pictures, dim, generator=torch.Generator().manual_seed(1)).to(dtype)
    return {
        "clip_embedding": torch.cat([look[None] for look in looks for _ in range(3)]),
        "captions": captions,
    }


def words(data: Path, out: Path, encoder: Path, *more: str) -> list[str]:
    return ["features", "--data", str(data), "--encoder", str(encoder), "--out", str(out), *more]


@pytest.fixture
def encoder(tiny_folder: Path) -> Path:
    return tiny_folder / "tiny-clip"


@pytest.fixture
def clip_dim(encoder: Path) -> int:
    return load_named_encoder(str(encoder), "cpu")[0].clip_dim


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_each_picture_once_with_all_its_captions(
    tmp_path: Path, encoder: Path, clip_dim: int, protocol: int, dtype: torch.dtype
) -> None:
    made = as_parse_coco_makes_it(4, clip_dim, dtype)
    file = dump(made, tmp_path / "coco_train.pkl", protocol)
    assert door.main(words(file, tmp_path / "out", encoder, "--no-normalize"), {}) == 0
    folder = FeatureFolder.open(tmp_path / "out")
    assert list(folder.rows(0)) == [Row(str(100 + number), "", WORDS) for number in range(4)]
    torch.testing.assert_close(folder.features(0)[:, 0], made["clip_embedding"][::3].float())
    assert not folder.manifest.encoder.normalize and folder.manifest.parts == ("coco_train.pkl:0",)


def test_python_2_s_pickles_hold_bytes_made_by_a_call_and_are_refused(tmp_path: Path) -> None:
    file = dump(as_parse_coco_makes_it(4, 8), tmp_path / "old.pkl", 2)
    with pytest.raises(CorpusError, match=r"asks for _codecs.encode.*Make the features again"):
        read_feature_pickle(file)


def test_conceptual_s_file_with_names_for_pictures_and_unit_norm(
    tmp_path: Path, encoder: Path, clip_dim: int, capsys: pytest.CaptureFixture[str]
) -> None:
    captions = [
        {"caption": WORDS[number], "clip_embedding": number, "image_id": f"train/{number:08}.jpg"}
        for number in range(3)
    ]
    captions += [
        {"caption": " ", "clip_embedding": 0, "image_id": "x"},
        {"caption": "a cat.", "image_id": "y"},
    ]
    captions += [{"caption": "a cow.", "clip_embedding": 9, "image_id": "z"}]
    file = dump({"clip_embedding": torch.randn(3, clip_dim), "captions": captions}, tmp_path / "cc.pkl")
    assert door.main(words(file, tmp_path / "out", encoder), {}) == 0
    assert "cc.pkl: 3 pictures, 3 captions left out" in capsys.readouterr().err
    folder = FeatureFolder.open(tmp_path / "out")
    assert [row.key for row in folder.rows(0)] == [f"train/{number:08}.jpg" for number in range(3)]
    torch.testing.assert_close(folder.features(0).norm(dim=-1), torch.ones(3, 1))
    assert folder.info(0).left_out == {"other": 3}  # type: ignore[union-attr]


def test_a_large_file_becomes_shards_and_the_command_goes_on(
    tmp_path: Path, encoder: Path, clip_dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipcap_ext.corpus.feature_pickles.SHARD_BYTES", 400)
    files = [dump(as_parse_coco_makes_it(n, clip_dim), tmp_path / f"{n}.pkl") for n in (5, 3)]
    arguments = words(files[0], tmp_path / "out", encoder)
    arguments.insert(3, str(files[1]))
    assert door.main(arguments, {}) == 0
    folder = FeatureFolder.open(tmp_path / "out")
    assert len(folder.manifest.parts) > 4
    keys = [row.key for number in range(len(folder.manifest.parts)) for row in folder.rows(number)]
    assert keys == [str(100 + n) for n in range(5)] + [str(100 + n) for n in range(3)]
    kept = tmp_path / "out" / "shard-000000" / "features.safetensors"
    gone = tmp_path / "out" / "shard-000001" / "shard.json"
    before = kept.stat().st_mtime_ns
    gone.unlink()
    assert door.main(arguments, {}) == 0
    assert gone.is_file() and kept.stat().st_mtime_ns == before


def test_it_trains_and_is_scored(tmp_path: Path, encoder: Path, clip_dim: int) -> None:
    file = dump(as_parse_coco_makes_it(12, clip_dim), tmp_path / "train.pkl")
    assert door.main(words(file, tmp_path / "features", encoder), {}) == 0
    settings = streamed_settings(encoder)
    out = tmp_path / "run"
    assert train(["tiny-flickr8k", "--data", str(tmp_path / "features"), "--out", str(out), *settings]) == 0
    captioner = load_captioner(out / "best")
    assert not read_trained_on(out / "best")
    corpus, stored = read_stored(tmp_path / "features")
    stored.check_made_for(captioner)
    scored = [
        "--data",
        str(tmp_path / "features"),
        "--split",
        "all",
        "--metrics",
        "BLEU",
        "--out",
        str(tmp_path / "s"),
    ]
    assert evaluate([str(out / "best"), *scored]) == 0
    assert len(corpus) == 12


class Runs:
    """Unpickled by pickle, it runs a program."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, (f"touch {self.path}",)


def test_a_file_that_would_run_something_is_refused(tmp_path: Path, encoder: Path, clip_dim: int) -> None:
    made = as_parse_coco_makes_it(2, clip_dim)
    made["captions"].append(Runs(tmp_path / "ran"))
    file = dump(made, tmp_path / "bad.pkl")
    with pytest.raises(CorpusError, match=r"asks for posix.system, which features and captions never need"):
        read_feature_pickle(file)
    assert not (tmp_path / "ran").exists()


OTHERS = [
    ([["tokens"], [0], 12], "holds no features with captions"),
    ({"clip_embedding": torch.zeros(2, 3, 4), "captions": [{}]}, r"float32 of shape \(2, 3, 4\)"),
    ({"clip_embedding": torch.zeros(2, 3).int(), "captions": [{}]}, "int32 of shape"),
    ({"clip_embedding": torch.zeros(2, 3).bfloat16(), "captions": [{}]}, "bfloat16, which is not read here"),
    ({"clip_embedding": torch.zeros(2, 3), "captions": [{}, 7, None]}, "3 captions and none with"),
]


@pytest.mark.parametrize(("value", "said"), OTHERS, ids=[said[:20] for _, said in OTHERS])
def test_what_holds_something_else_is_told(tmp_path: Path, value: object, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        read_feature_pickle(dump(value, tmp_path / "other.pkl"))


@pytest.mark.parametrize("keep", [0, 1, 40, 200, -300, -1])
def test_a_file_cut_short_or_longer_is_damaged(tmp_path: Path, clip_dim: int, keep: int) -> None:
    file = dump(as_parse_coco_makes_it(2, clip_dim), tmp_path / "cut.pkl")
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(CorpusError, match=r"cut\.pkl"):
        read_feature_pickle(file)


def test_wrong_words(
    tmp_path: Path, encoder: Path, clip_dim: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = dump(as_parse_coco_makes_it(2, clip_dim + 1), tmp_path / "long.pkl")
    mixed = words(file, tmp_path / "out", encoder)
    mixed.insert(3, str(tmp_path / "a.tar"))
    for arguments, said in (
        (words(file, tmp_path / "out", encoder), f"features of length {clip_dim + 1}"),
        (words(file, tmp_path / "out", encoder, "--views", "2"), "--images and --views are for pictures"),
        (mixed, "a.tar does not go with a .pkl"),
        (words(tmp_path / "none.pkl", tmp_path / "out", encoder), "none.pkl cannot be read"),
    ):
        assert door.main(arguments, {}) != 0
        assert said in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "tensor", [torch.arange(12.0).view(3, 4).T, torch.arange(12.0).view(3, 4)[1:, 1:], torch.zeros(0, 4)]
)
def test_any_view_of_a_tensor_is_read_as_it_is(tmp_path: Path, tensor: torch.Tensor) -> None:
    held = read_dumped(dump(tensor, tmp_path / "view.pkl"))
    assert array_of(held, "view").tolist() == tensor.tolist()


def test_a_tensor_that_claims_more_than_its_storage_is_refused(tmp_path: Path) -> None:
    file = dump(torch.arange(7777.0), tmp_path / "lie.pkl")
    file.write_bytes(
        file.read_bytes().replace(
            (7777).to_bytes(2, "little") + b"\x85", (9999).to_bytes(2, "little") + b"\x85"
        )
    )
    with pytest.raises(CheckpointError, match="in a storage of 7777 numbers"):
        read_dumped(file)
