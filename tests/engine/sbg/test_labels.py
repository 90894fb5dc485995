"""Label banks in memory and on disk, their text features and the cache: what is admitted, kept and
refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import tiny_bank

from clipcap_ext.engine.checkpoint.config import EncoderConfig
from clipcap_ext.engine.clip.encoder import ClipEncoder
from clipcap_ext.engine.clip.loading import load_encoder
from clipcap_ext.engine.clip.similarity import unit_rows
from clipcap_ext.engine.sbg import label_table
from clipcap_ext.engine.sbg.label_files import bank_json, read_bank, write_bank
from clipcap_ext.engine.sbg.label_table import LabelTable, build_table
from clipcap_ext.engine.sbg.labels import FLAT_FACETS, GROUPED_FACETS, Label, LabelBank
from clipcap_ext.errors import CheckpointError, UsageError


class Evil:
    def __reduce__(self):  # type: ignore[no-untyped-def]
        return (print, ("owned",))


@pytest.fixture(scope="module")
def encoder(tiny_sbg: Path) -> ClipEncoder:
    return load_encoder(EncoderConfig("tiny-clip", "", True), folder=tiny_sbg.parent / "tiny-clip")


def test_duplicates_are_kept_once_where_they_first_stood() -> None:
    bank = LabelBank(
        (Label("dog", "NOUN", 9), Label("red", "ADJ", 5), Label("dog", "VERB", 1)), {"human": ["a", "a"]}
    )
    assert [one.pos for one in bank.labels] == ["NOUN", "ADJ"]
    assert bank.members("human") == ("a",)
    assert bank.words(("NOUN", "ADJ"), 1) == ("dog",)
    assert bank.groups("plant") == {} and bank.members("number") == ()


@pytest.mark.parametrize("text", ["", "  ", "red, blue", "a###b", "a\nb", "<|endoftext|>", None, 3])
def test_a_text_that_no_prompt_can_hold_is_refused(text: object) -> None:
    with pytest.raises(UsageError):
        Label(text, "NOUN", 1)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        LabelBank((), {"human": [text]})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    "taxonomy", [{"sceneries": {}}, {"scenery": ["sky"]}, {"human": {"a": []}}, {"scenery": {"sky": "sun"}}]
)
def test_a_taxonomy_of_another_shape_is_refused(taxonomy: dict) -> None:
    with pytest.raises(UsageError):
        LabelBank((), taxonomy)


def test_bad_labels_are_refused() -> None:
    for pos, frequency in (("DET", 1), ("NOUN", -1), ("NOUN", 1.5), ("NOUN", True)):
        with pytest.raises(UsageError):
            Label("dog", pos, frequency)  # type: ignore[arg-type]


def test_a_bank_survives_its_file(tmp_path: Path) -> None:
    labels = (*tiny_bank().labels, Label("Straße 雪 é", "NOUN", 2, ("way", 'quo"ted')))
    bank = LabelBank(labels, tiny_bank().taxonomy, {"corpus": "tests", "tools": {"a": 1}})
    write_bank(bank, tmp_path / "labels.json")
    assert read_bank(tmp_path / "labels.json") == read_bank(tmp_path) == bank
    assert bank_json(read_bank(tmp_path)) == bank_json(bank)
    rows = (tmp_path / "labels.json").read_text(encoding="utf-8").splitlines()
    assert ' ["dog", "NOUN", 90],' in rows and "雪" in rows[-3]


def test_a_hundred_thousand_labels(tmp_path: Path) -> None:
    bank = LabelBank(tuple(Label(f"label {i}", "NOUN", i) for i in range(100_000)), {})
    write_bank(bank, tmp_path / "labels.json")
    assert read_bank(tmp_path) == bank


def test_the_published_bank_in_both_forms(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "sbg_reference"
    bank = read_bank(folder)
    assert len(bank.labels) == 5346
    assert bank.labels[4] == Label("dog", "NOUN", 10263)
    assert set(bank.taxonomy) == {*GROUPED_FACETS, *FLAT_FACETS}
    assert bank.groups("scenery")["grassland"] == ()
    assert len(bank.words(("NOUN", "ADV", "ADJ"), 1000)) == 1000
    rows = [tuple(row) for row in json.loads((folder / "labels.json").read_text())]
    (tmp_path / "all_labels.pkl").write_bytes(pickle.dumps(rows))
    (tmp_path / "encyclopedia.pkl").write_bytes(
        pickle.dumps(json.loads((folder / "taxonomy.json").read_text()))
    )
    assert read_bank(tmp_path) == read_bank(tmp_path / "all_labels.pkl") == bank


def test_a_pickle_that_asks_for_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "encyclopedia.pkl").write_bytes(pickle.dumps({}))
    for evil in ([Evil()], [("dog", "NOUN", Evil())], Path("x"), len):
        (tmp_path / "all_labels.pkl").write_bytes(pickle.dumps(evil))
        with pytest.raises(CheckpointError, match="only plain data"):
            read_bank(tmp_path)
    assert capsys.readouterr().out == ""
    (tmp_path / "all_labels.pkl").write_bytes(b"\x80\x04rubbish")
    with pytest.raises(CheckpointError, match="no plain data"):
        read_bank(tmp_path)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("{", "plain data"), ("[]", "format"), ('{"format": "other"}', "format"),
        ('{"format": "clipcap-ext-labels-1", "labels": [], "taxonomy": {}, "extra": 1}', "extra"),
        ('{"format": "clipcap-ext-labels-1", "labels": 3, "taxonomy": {}}', "list of labels"),
        ('{"format": "clipcap-ext-labels-1", "labels": [["dog"]], "taxonomy": {}}', "part of speech"),
        ('{"format": "clipcap-ext-labels-1", "labels": [["a,b", "NOUN", 1]], "taxonomy": {}}', "a,b"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_bank_is_refused(tmp_path: Path, content: str, part: str) -> None:
    (tmp_path / "labels.json").write_text(content)
    with pytest.raises(CheckpointError, match=part):
        read_bank(tmp_path)


def test_a_folder_without_a_bank_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"taxonomy\.json"):
        read_bank(tmp_path)


def test_features_are_the_encoders_and_come_from_the_cache(encoder: ClipEncoder, tmp_path: Path) -> None:
    labels = ["dog", "snow", "dog", "Straße"]
    table = build_table(encoder, labels, "picture of {}.", tmp_path)
    assert table.labels == ("dog", "snow", "Straße")
    wanted = encoder.encode_text([f"picture of {label}." for label in table.labels])
    assert torch.equal(table.features, wanted)
    (kept,) = tmp_path.iterdir()
    assert torch.equal(build_table(Silent(encoder), labels, "picture of {}.", tmp_path).features, wanted)
    kept.write_bytes(b"damaged")
    assert torch.equal(build_table(encoder, labels, "picture of {}.", tmp_path).features, wanted)


def test_other_labels_templates_or_encoders_are_cached_apart(encoder: ClipEncoder, tmp_path: Path) -> None:
    build_table(encoder, ["dog", "snow"], "{}", tmp_path)
    build_table(encoder, ["snow", "dog"], "{}", tmp_path)
    build_table(encoder, ["dog", "snow"], "a {}", tmp_path)
    other = Silent(encoder)
    other.fingerprint = "another"
    with pytest.raises(AssertionError, match="encoded"):
        build_table(other, ["dog", "snow"], "{}", tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_a_cache_that_cannot_be_written_costs_only_time(encoder: ClipEncoder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert build_table(encoder, ["dog"], "{}", tmp_path / "file" / "cache").features.shape == (
        1,
        encoder.clip_dim,
    )


def test_a_template_without_its_place_is_refused(encoder: ClipEncoder) -> None:
    with pytest.raises(UsageError, match="template"):
        build_table(encoder, ["dog"], "picture")


def test_braces_in_a_label_are_text(encoder: ClipEncoder) -> None:
    assert build_table(encoder, ["{0} {x}"], "a {}.").features.shape[0] == 1


def test_similarities_are_cosines(encoder: ClipEncoder) -> None:
    table = build_table(encoder, ["dog", "snow", "red"])
    image = torch.randn(4, encoder.clip_dim) * 3
    wanted = torch.nn.functional.cosine_similarity(image[:, None], table.features[None], dim=-1)
    assert torch.allclose(torch.from_numpy(table.similarities(image)).float(), wanted, atol=1e-6)


class Silent:
    """An encoder that must not be asked."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self.fingerprint, self.dtype, self.clip_dim = encoder.fingerprint, encoder.dtype, encoder.clip_dim

    def encode_text(self, texts: list[str]) -> None:
        raise AssertionError("texts were encoded again")


def test_half_the_memory_and_every_bit_of_the_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_table, "ROWS", 3)
    table = LabelTable(
        tuple(map(str, range(8))), "{}", torch.randn(8, 31) * torch.logspace(-6, 6, 8)[:, None]
    )
    image = torch.randn(4, 40)
    assert np.array_equal(table.similarities(image), unit_rows(image[:, :31]) @ unit_rows(table.features).T)
    assert table._unit.dtype == np.float32
