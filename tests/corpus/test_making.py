"""Features in shards: the values of the cache, the same from one process or two, only whole ones, all loss
counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from shards import MeanColours, caption, photo, photo_members, write_shards, write_table, write_tar

from clipcap_ext.corpus import Corpus, Example, encode_corpus, read_corpus
from clipcap_ext.corpus import __main__ as door
from clipcap_ext.corpus.feature_folder import FeatureFolder, Manifest, Row
from clipcap_ext.corpus.making import Process, Tally, make_features
from clipcap_ext.corpus.parts.finding import find_parts
from clipcap_ext.engine.checkpoint.fingerprint import image_fingerprint
from clipcap_ext.engine.encoder_names import load_named_encoder
from clipcap_ext.errors import CorpusError, UsageError


def made(out: Path, *places: Path, encoder: MeanColours | None = None, **named: object) -> Tally:
    return make_features(encoder or MeanColours(), find_parts(map(str, places)), out, **named)  # type: ignore[arg-type]


def content(out: Path) -> dict[str, bytes]:
    """Every file of a feature folder."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("views", [1, 3])
def test_the_values_of_the_cache(tmp_path: Path, views: int) -> None:
    shards = write_shards(tmp_path / "shards", 2, 5)
    tally = made(tmp_path / "out", *shards, views=views, batch_size=3)
    assert (tally.made, tally.images, tally.captions, tally.left_out.total()) == (2, 10, 10, 0)
    (tmp_path / "photos").mkdir()
    examples = []
    for n in range(10):
        path = tmp_path / "photos" / f"{n}.png"
        path.write_bytes(photo(n))
        examples.append(Example(path.name, path, ("x",)))
    table = encode_corpus(MeanColours(), Corpus("photos", tuple(examples)), tmp_path / "cache", views=views)
    folder = FeatureFolder.open(tmp_path / "out")
    found = torch.cat([folder.features(i) for i in range(2)])
    torch.testing.assert_close(found, table.features)
    rows = [row for i in range(2) for row in folder.rows(i)]
    assert rows == [Row(f"{n:06}", image_fingerprint(photo(n)), (caption(n),)) for n in range(10)]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_processes_share_the_parts_and_make_the_same_bytes(tmp_path: Path, count: int) -> None:
    shards = write_shards(tmp_path / "shards", 5, 4)
    made(tmp_path / "one", *shards, batch_size=3)
    tallies = [
        made(tmp_path / "many", *shards, batch_size=3, process=Process(r, count)) for r in range(count)
    ]
    assert [tally.made for tally in tallies] == [len(range(rank, 5, count)) for rank in range(count)]
    assert content(tmp_path / "many") == content(tmp_path / "one")


def test_finished_shards_are_passed_over_and_changed_ones_made_again(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards", 3, 4)
    made(tmp_path / "out", *shards[:2])
    encoder = MeanColours()
    tally = made(tmp_path / "out", *shards, encoder=encoder)  # one more behind the old ones
    assert (tally.made, tally.found, tally.images, encoder.encoded) == (1, 2, 12, 4)
    write_tar(shards[1], photo_members(range(50, 57)))
    tally = made(tmp_path / "out", *shards, encoder=encoder)
    assert (tally.made, tally.found, tally.images, encoder.encoded) == (1, 2, 15, 11)
    made(tmp_path / "fresh", *shards)
    assert content(tmp_path / "out") == content(tmp_path / "fresh")


def test_an_interruption_leaves_no_half_shard(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards", 3, 4)
    encoder = MeanColours()
    encoder.stop_after = 6
    with pytest.raises(KeyboardInterrupt):
        made(tmp_path / "out", *shards, encoder=encoder, batch_size=2)
    folder = FeatureFolder.open(tmp_path / "out")
    assert [folder.info(i) is not None for i in range(3)] == [True, False, False]
    with pytest.raises(
        CorpusError, match=r"2 of the 3 shards .* not made yet \(the first is of shard-0001.tar"
    ):
        folder.infos()
    encoder.stop_after = None
    made(tmp_path / "out", *shards, encoder=encoder, batch_size=2)
    made(tmp_path / "whole", *shards, batch_size=2)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


SLOW = """
import sys, time
sys.path[:0] = {paths!r}
import shards, test_making
encoder = shards.MeanColours()
encoder.seconds = 0.05
write = test_making.FeatureFolder.write
def slow_write(self, number, *rest):  # killed in the middle of writing as often as in the middle of encoding
    import clipcap_ext.engine.checkpoint.safefile as safefile
    real = safefile.write_safetensors
    def pause(path, tensors):
        real(path, tensors)
        time.sleep(0.1)
    safefile.write_safetensors = pause
    try:
        return write(self, number, *rest)
    finally:
        safefile.write_safetensors = real
test_making.FeatureFolder.write = slow_write
test_making.made(test_making.Path({out!r}), test_making.Path({data!r}), encoder=encoder, batch_size=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_and_started_again_it_makes_the_same_shards(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", 12, 4)
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]
    out = tmp_path / "out"
    text = SLOW.format(paths=paths, out=str(out), data=str(tmp_path / "shards"))
    for wanted in (2, 5):
        process = subprocess.Popen([sys.executable, "-c", text])
        try:
            deadline = time.monotonic() + 120
            while len(list(out.glob("shard-*"))) < wanted or not list(out.glob(".shard-*")):
                assert process.poll() is None and time.monotonic() < deadline, (
                    "it ended before it could be killed"
                )
                time.sleep(0.005)
        finally:
            process.kill()
            process.wait()
        folder = FeatureFolder.open(out)
        kept = [i for i in range(12) if folder.info(i) is not None]
        assert wanted <= len(kept) < 12
        assert all(len(folder.features(i)) == len(list(folder.rows(i))) == 4 for i in kept)
    encoder = MeanColours()
    made(out, tmp_path / "shards", encoder=encoder, batch_size=2)
    assert encoder.encoded == 4 * (12 - len(kept))
    made(tmp_path / "whole", tmp_path / "shards", batch_size=2)
    assert content(out) == content(tmp_path / "whole")


def test_all_that_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    members = [
        ("bare.png", photo(0)), ("broken.png", b"no picture"), ("broken.txt", b"x"),
        ("../../up.png", photo(3)), ("../../up.txt", b"y"), *photo_members(range(6)),
    ]  # fmt: skip
    path = write_tar(tmp_path / "shards" / "s.tar", members)
    path.write_bytes(path.read_bytes()[:-11_000])  # the end mark, and some of the last samples with it
    said: list[str] = []
    tally = made(tmp_path / "out", path, say=said.append)
    assert tally.images >= 3 and tally.left_out == {"no caption": 1, "broken picture": 1, "damaged tar": 1}
    folder = tmp_path / "out" / "shard-000000"
    named = [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]
    assert [(row["where"], row["kind"]) for row in named] == [
        ("s.tar:bare", "no caption"), ("s.tar:broken", "broken picture"), ("s.tar", "damaged tar"),
    ]  # fmt: skip
    assert "s.tar:broken: not a picture" in "\n".join(said)
    assert said[-1].endswith("left out: 1 broken picture, 1 damaged tar, 1 no caption")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "shards"]
    again: list[str] = []
    made(tmp_path / "out", path, say=again.append)  # nothing to do, and still not silent
    assert again == [said[-1].replace("1 shards made, 0 found", "0 shards made, 1 found")]


def test_a_part_of_which_nothing_is_left(tmp_path: Path) -> None:
    bad = write_tar(tmp_path / "bad.tar", [("a.png", b"none"), ("a.txt", b"x")])
    tally = made(tmp_path / "out", bad, *write_shards(tmp_path / "shards", 1, 2), views=2)
    folder = FeatureFolder.open(tmp_path / "out")
    assert tally.images == 2 and folder.features(0).shape == (0, 2, 12) and list(folder.rows(0)) == []


def test_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipcap_ext.corpus.making.EVERY", 0.0)
    said: list[str] = []
    made(
        tmp_path / "out",
        *write_shards(tmp_path / "shards", 4, 4),
        batch_size=2,
        process=Process(1, 2),
        say=said.append,
    )
    assert said[0].startswith("process 2 of 2: part 1 of 2 (shard-0001.tar), 2 pictures, ")
    assert said[3].startswith("process 2 of 2: part 2 of 2 (shard-0003.tar), 8 pictures, ")
    assert said[4] == "process 2 of 2: 2 shards made, 0 found; 8 pictures with 8 captions; left out: none"


def test_other_features_are_not_mixed_in(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "shards", 2, 2)
    made(tmp_path / "out", *shards)
    other = MeanColours()
    other.fingerprint = "other"
    for attempt, words in (
        (lambda: made(tmp_path / "out", *shards, encoder=other), "holds features of"),
        (lambda: made(tmp_path / "out", *shards, views=2), "views 1, not of"),
        (lambda: made(tmp_path / "out", shards[1]), "2 other parts"),
        (lambda: made(tmp_path / "shards", *shards), "is not empty and holds no features"),
        (lambda: Process.of_environment({"RANK": "2", "WORLD_SIZE": "2"}), "name no process"),
        (lambda: Process.of_environment({"RANK": "1"}), "name no process"),
    ):
        with pytest.raises(UsageError, match=words):
            attempt()
    with pytest.raises(CorpusError, match="no shards and no rows"):
        make_features(other, [], tmp_path / "none")


def test_damage_is_seen_when_it_is_read(tmp_path: Path) -> None:
    made(tmp_path / "out", *write_shards(tmp_path / "shards", 1, 2))
    folder = FeatureFolder.open(tmp_path / "out")
    (tmp_path / "out" / "shard-000000" / "captions.jsonl").write_text('{"key": 1}\n')
    with pytest.raises(CorpusError, match="make the features again"):
        list(folder.rows(0))
    (tmp_path / "out" / "shard-000000" / "features.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(CorpusError, match="make the features again"):
        folder.features(0)
    (tmp_path / "out" / "features.json").write_text("{}")
    with pytest.raises(CorpusError, match="does not describe a folder of features"):
        FeatureFolder.open(tmp_path / "out")


def test_a_table_becomes_features(tmp_path: Path) -> None:
    table, images = write_table(tmp_path, 5, missing=[3])
    parts = find_parts([str(table)], images)
    tally = make_features(MeanColours(), parts, tmp_path / "out")
    assert (tally.images, dict(tally.left_out)) == (4, {"missing picture": 1})
    assert isinstance(FeatureFolder.open(tmp_path / "out").manifest, Manifest)


def words(data: Path, out: Path, encoder: Path, *more: str) -> list[str]:
    return ["features", "--data", str(data), "--encoder", str(encoder), "--out", str(out), *more]


def test_the_door(tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_shards(tmp_path / "shards", 3, 2)
    data, encoder = tmp_path / "shards" / "shard-{0000..0002}.tar", tiny_folder / "tiny-clip"
    assert door.main(words(data, tmp_path / "one", encoder), {}) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "one")
    for rank in "10":
        assert door.main(words(data, tmp_path / "two", encoder), {"RANK": rank, "WORLD_SIZE": "2"}) == 0
    assert content(tmp_path / "one") == content(tmp_path / "two")
    features = FeatureFolder.open(tmp_path / "one").features(0)
    torch.testing.assert_close(features.norm(dim=-1), torch.ones(2, 1))
    assert door.main(words(data, tmp_path / "raw", encoder, "--no-normalize"), {}) == 0
    raw = FeatureFolder.open(tmp_path / "raw").features(0)
    assert not torch.allclose(raw.norm(dim=-1), torch.ones(2, 1))
    torch.testing.assert_close(torch.nn.functional.normalize(raw, dim=-1), features)


def test_wrong_words_at_the_door(
    tmp_path: Path, tiny_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards, encoder = write_shards(tmp_path / "shards", 1, 2), tiny_folder / "tiny-clip"
    for arguments, environment, code, message in (
        (words(tmp_path / "none.tar", tmp_path / "out", encoder), {}, 1, "are not there"),
        (words(shards[0], tmp_path / "out", tmp_path / "no-encoder"), {}, 2, "is not here"),
        (words(shards[0], tmp_path / "out", encoder, "--views", "0"), {}, 2, "--views must be at least 1"),
        (words(shards[0], tmp_path / "out", encoder, "--device", "warp"), {}, 2, "no such device"),
        (words(shards[0], tmp_path / "out", encoder), {"RANK": "x"}, 2, "name no process"),
    ):
        assert door.main(arguments, environment) == code
        assert message in capsys.readouterr().err and not (tmp_path / "out").exists()


@pytest.mark.slow
def test_two_processes_of_torchrun_make_what_one_makes(tmp_path: Path, tiny_folder: Path) -> None:
    write_shards(tmp_path / "shards", 3, 3)
    encoder = tiny_folder / "tiny-clip"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    launch += [
        "-m",
        "clipcap_ext.corpus",
        *words(tmp_path / "shards", tmp_path / "two", encoder, "--device", "cpu"),
    ]
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        launch,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=root,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "process 2 of 2: 1 shards made" in done.stderr and "process 1 of 2: 2 shards made" in done.stderr
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert door.main(words(tmp_path / "shards", tmp_path / "one", encoder, "--device", "cpu"), {}) == 0
    finally:
        torch.set_num_threads(threads)
    assert content(tmp_path / "two") == content(tmp_path / "one")


@pytest.mark.slow
def test_photos_of_flickr8k_through_shards(shared_data: Path, tmp_path: Path) -> None:
    """Tars written from the data set give the bundled encoder's features of it, with all five captions a
    photo."""
    corpus = read_corpus(shared_data / "flickr8k")
    examples = corpus.examples[:24]
    for tar in range(3):
        members = []
        for example in examples[8 * tar : 8 * tar + 8]:
            members.append((example.image_id, example.path.read_bytes()))
            members.append((f"{Path(example.image_id).stem}.txt", "\n".join(example.captions).encode()))
        write_tar(tmp_path / "shards" / f"{tar}.tar", members)
    encoder, _ = load_named_encoder("tiny-clip-flickr8k", "cpu")
    make_features(encoder, find_parts([str(tmp_path / "shards")]), tmp_path / "out", batch_size=8)
    folder = FeatureFolder.open(tmp_path / "out")
    table = encode_corpus(encoder, replace(corpus, examples=examples), tmp_path / "cache", batch_size=8)
    seen = table.features[..., : encoder.clip_dim]  # what the classifier saw is not kept in shards
    torch.testing.assert_close(torch.cat([folder.features(i) for i in range(3)]), seen)
    rows = [row for i in range(3) for row in folder.rows(i)]
    assert [(f"{row.key}.jpg", row.captions) for row in rows] == [
        (one.image_id, one.captions) for one in examples
    ]
    assert [row.fingerprint for row in rows] == [image_fingerprint(one.path) for one in examples]
