"""The feature cache: right values, each image once, found again after copies, edits, damage and
interruption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from shards import MeanColours

from clipcap_ext.corpus import Corpus, Example, encode_corpus
from clipcap_ext.corpus import features as module
from clipcap_ext.corpus.features import view_key, view_of
from clipcap_ext.engine.images.reading import open_image
from clipcap_ext.errors import CorpusError

COUNT = 12


def write_photos(folder: Path, count: int = COUNT) -> Corpus:
    folder.mkdir(exist_ok=True)
    examples = []
    for number in range(count):
        path = folder / f"{number:02}.png"
        pixels = np.random.RandomState(number).randint(0, 256, (20, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        examples.append(Example(path.name, path, ("x",)))
    return Corpus("photos", tuple(examples))


def expected(corpus: Corpus, views: int = 1) -> torch.Tensor:
    import hashlib

    encoder = MeanColours()
    rows = []
    for example in corpus.examples:
        digest = hashlib.sha256(example.path.read_bytes()).hexdigest()[:32]
        image = open_image(example.path)
        looks = [view_of(image, view_key(digest, view), view) for view in range(views)]
        rows.append(encoder.encode_image(torch.stack([encoder.preprocess(look) for look in looks])))
    return torch.stack(rows)


@pytest.mark.parametrize("views", [1, 3])
@pytest.mark.parametrize("batch_size", [1, 5, 32])
def test_values_and_order(tmp_path: Path, views: int, batch_size: int) -> None:
    corpus = write_photos(tmp_path / "photos")
    table = encode_corpus(MeanColours(), corpus, tmp_path / "cache", batch_size=batch_size, views=views)
    assert table.image_ids == tuple(corpus.image_ids) and table.problems == ()
    assert table.features.shape == (COUNT, views, 12) and table.features.dtype == torch.float32
    torch.testing.assert_close(table.features, expected(corpus, views))


def test_nothing_is_encoded_twice(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos")
    encoder = MeanColours()
    first = encode_corpus(encoder, corpus, tmp_path / "cache")
    again = encode_corpus(encoder, corpus, tmp_path / "cache")
    assert encoder.encoded == COUNT and torch.equal(first.features, again.features)
    part = corpus.subset(corpus.image_ids[3:5])
    assert torch.equal(encode_corpus(encoder, part, tmp_path / "cache").features, first.features[3:5])
    more = encode_corpus(encoder, corpus, tmp_path / "cache", views=3)
    assert encoder.encoded == 3 * COUNT  # the plain view was there
    assert torch.equal(more.features[:, :1], first.features)


def test_views_differ_from_each_other(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos", 2)
    features = encode_corpus(MeanColours(), corpus, tmp_path / "cache", views=6).features
    assert len(torch.unique(features.flatten(0, 1), dim=0)) == 12


def test_a_copied_data_set_finds_its_features_and_an_edited_file_does_not(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos")
    encoder = MeanColours()
    encode_corpus(encoder, corpus, tmp_path / "cache")
    shutil.copytree(tmp_path / "photos", tmp_path / "copy")
    moved = Corpus(
        "copy",
        tuple(
            Example(f"new{i}", tmp_path / "copy" / e.path.name, e.captions)
            for i, e in enumerate(corpus.examples)
        ),
    )
    encode_corpus(encoder, moved, tmp_path / "cache")
    assert encoder.encoded == COUNT
    edited = corpus.examples[4].path
    status = edited.stat()
    shutil.copy(corpus.examples[5].path, edited)
    os.utime(
        edited, ns=(status.st_atime_ns, status.st_mtime_ns)
    )  # size may match and time does: the content decides
    table = encode_corpus(encoder, corpus, tmp_path / "cache")
    assert torch.equal(table.features[4], table.features[5])


def test_another_encoder_has_its_own_features(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos")
    encode_corpus(MeanColours(), corpus, tmp_path / "cache")
    other = MeanColours()
    other.fingerprint = "other"
    encode_corpus(other, corpus, tmp_path / "cache")
    assert other.encoded == COUNT


def test_broken_images_are_named_and_the_rest_is_encoded(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos")
    corpus.examples[2].path.write_bytes(b"no picture")
    corpus.examples[7].path.unlink()
    for _ in range(2):
        table = encode_corpus(MeanColours(), corpus, tmp_path / "cache", batch_size=4)
        assert len(table.image_ids) == COUNT - 2 == len(table.features)
        assert {"02.png", "07.png"}.isdisjoint(table.image_ids)
        said = sorted(map(str, table.problems))
        assert (
            "02.png" in said[0] + said[1]
            and "not a picture" in said[0] + said[1]
            and "07.png" in said[0] + said[1]
        )
    with pytest.raises(CorpusError, match="No image of photos could be read"):
        encode_corpus(MeanColours(), corpus.subset(["02.png", "07.png"]), tmp_path / "cache")


def test_an_interrupted_run_keeps_what_it_had_and_goes_on(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos")
    encoder = MeanColours()
    encoder.stop_after = 6
    with pytest.raises(KeyboardInterrupt):
        encode_corpus(encoder, corpus, tmp_path / "cache", batch_size=3)
    encoder.stop_after = None
    table = encode_corpus(encoder, corpus, tmp_path / "cache", batch_size=3)
    assert encoder.encoded == COUNT
    torch.testing.assert_close(table.features, expected(corpus))


KILLED = """
import sys
sys.path[:0] = {paths!r}
import test_features as tests
from clipcap_ext.corpus import features
features.SHARD_ROWS = 4
encoder = tests.MeanColours()
encoder.seconds = 0.05
corpus = tests.write_photos(tests.Path({photos!r}), 60)
features.encode_corpus(encoder, corpus, {cache!r}, batch_size=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_a_killed_process_loses_one_shard_at_most(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    paths = [str(folder) for folder in list(Path(__file__).parents)[:3]]
    text = KILLED.format(paths=paths, photos=tmp_path / "photos", cache=str(cache)).replace(
        "PosixPath", "__import__('pathlib').Path"
    )
    process = subprocess.Popen([sys.executable, "-c", text])
    try:
        deadline = time.monotonic() + 120
        while len(list(cache.glob("*/*.safetensors"))) < 3:
            assert process.poll() is None and time.monotonic() < deadline, (
                "it ended before it could be killed"
            )
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    kept = 4 * len(list(cache.glob("*/*.safetensors")))
    assert 12 <= kept < 60
    corpus = write_photos(tmp_path / "photos", 60)
    encoder = MeanColours()
    table = encode_corpus(encoder, corpus, cache)
    assert encoder.encoded == 60 - kept
    torch.testing.assert_close(table.features, expected(corpus))


def test_a_damaged_shard_is_encoded_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARD_ROWS", 4)
    corpus = write_photos(tmp_path / "photos")
    encoder = MeanColours()
    first = encode_corpus(encoder, corpus, tmp_path / "cache", batch_size=4)
    shards = sorted((tmp_path / "cache").glob("*/*.safetensors"))
    assert len(shards) == 3
    shards[0].write_bytes(shards[0].read_bytes()[:60])
    again = encode_corpus(encoder, corpus, tmp_path / "cache", batch_size=4)
    assert encoder.encoded == COUNT + 4 and torch.equal(first.features, again.features)
    assert not list((tmp_path / "cache").glob("*/*.part"))


def test_progress_counts_every_image_and_starts_where_it_stands(tmp_path: Path) -> None:
    corpus = write_photos(tmp_path / "photos")
    told: list[tuple[int, int]] = []
    encode_corpus(MeanColours(), corpus.subset(corpus.image_ids[:4]), tmp_path / "cache")
    encode_corpus(
        MeanColours(), corpus, tmp_path / "cache", batch_size=5, progress=lambda *now: told.append(now)
    )
    assert told == [(4, 12), (9, 12), (12, 12)]


def test_the_real_encoder_gives_what_it_gives_directly(tmp_path: Path, tiny_folder: Path) -> None:
    from clipcap_ext.engine.checkpoint.config import EncoderConfig
    from clipcap_ext.engine.clip.loading import load_encoder

    corpus = write_photos(tmp_path / "photos", 5)
    encoder = load_encoder(EncoderConfig("tiny-clip", "", True), folder=tiny_folder / "tiny-clip")
    table = encode_corpus(encoder, corpus, tmp_path / "cache", batch_size=2)
    direct = encoder.encode_image([open_image(example.path) for example in corpus.examples])
    torch.testing.assert_close(table.features[:, 0], direct, atol=1e-5, rtol=1e-4)
