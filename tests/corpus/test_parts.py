"""Shards and tables read part by part: every sample once, all that is of no use named, nothing lost in
silence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shards import BLOCK, caption, photo, photo_members, url, write_shards, write_table, write_tar

from clipcap_ext.corpus import read_corpus
from clipcap_ext.corpus.examples import Problem, Sample
from clipcap_ext.corpus.parts import tsv_parts as tsv
from clipcap_ext.corpus.parts.finding import expand_braces, find_parts
from clipcap_ext.errors import CorpusError, UsageError


def read(*places: Path | str, **named: object) -> tuple[list[Sample], list[Problem]]:
    """Samples and problems of all parts."""
    found = [one for part in find_parts(map(str, places), **named) for one in part.read()]
    return [one for one in found if isinstance(one, Sample)], [
        one for one in found if isinstance(one, Problem)
    ]


def test_braces() -> None:
    assert expand_braces("s-{0008..0011}.tar") == ["s-0008.tar", "s-0009.tar", "s-0010.tar", "s-0011.tar"]
    assert expand_braces("{a,b}{1..2}") == ["a1", "a2", "b1", "b2"]
    assert expand_braces("{3..1}") == ["3", "2", "1"]
    assert expand_braces("plain.tar") == ["plain.tar"] and expand_braces("{odd}.tar") == ["{odd}.tar"]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_tar_gives_each_sample_once(tmp_path: Path, mode: str) -> None:
    path = write_tar(tmp_path / ("s.tar" if mode == "w" else "s.tar.gz"), photo_members(range(6)), mode)
    samples, problems = read(path)
    assert samples == [Sample(f"{n:06}", photo(n), (caption(n),)) for n in range(6)] and problems == []


def test_places(tmp_path: Path) -> None:
    write_shards(tmp_path / "a", 12, 1)
    names = [f"shard-{i:04}.tar" for i in range(12)]
    assert [part.name for part in find_parts([str(tmp_path / "a")])] == names
    assert [part.name for part in find_parts([str(tmp_path / "a" / "shard-{0003..0004}.tar")])] == names[3:5]
    write_shards(tmp_path / "b", 1, 1)
    both = find_parts([str(tmp_path / "b"), str(tmp_path / "a" / "shard-0000.tar")])
    assert len({part.name for part in both}) == 2
    with pytest.raises(CorpusError, match=r"3 of 5 shards are not there, the first of them .*shard-0012.tar"):
        find_parts([str(tmp_path / "a" / "shard-{0010..0014}.tar")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="holds no shards"):
        find_parts([str(tmp_path / "empty")])
    with pytest.raises(CorpusError, match="named 2 times"):
        find_parts([str(tmp_path / "b"), str(tmp_path / "b" / "shard-0000.tar")])


def test_captions_of_every_form(tmp_path: Path) -> None:
    said = {
        "a.txt": b"one\r\n two \n\n", "b.json": b'{"caption": "three"}',
        "c.json": b'{"captions": ["four", "", 5]}',
        "d.json": b'{"text": "five", "url": "x"}', "e.txt": b"six", "e.json": b"no json",
        "f/g.seg.txt": b"seven",
    }  # fmt: skip
    members = []
    for key in ("a", "b", "c", "d", "e", "f/g"):
        members.append((f"{key}.PNG", photo(1)))
        members += [(name, content) for name, content in said.items() if name.startswith(f"{key}.")]
    samples, problems = read(write_tar(tmp_path / "s.tar", members))
    found = {sample.key: sample.captions for sample in samples}
    assert found == {
        "a": ("one", "two"), "b": ("three",), "c": ("four",), "d": ("five",), "e": ("six",),
        "f/g": ("seven",),
    }  # fmt: skip
    assert problems == []


def test_what_is_of_no_use_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    members = [
        ("bare.png", photo(0)), ("words.txt", b"words"), ("latin.png", photo(1)), ("latin.txt", b"caf\xe9"),
        ("broken.png", photo(2)), ("broken.json", b"{"), ("blank.png", photo(3)), ("blank.txt", b" \n"),
        ("list.png", photo(4)), ("list.json", b"[1]"), ("notes.md", b"not ours"), *photo_members([7]),
    ]  # fmt: skip
    samples, problems = read(write_tar(tmp_path / "s.tar", members))
    assert [sample.key for sample in samples] == ["000007"]
    assert {(p.where, p.kind) for p in problems} == {
        ("s.tar:bare", "no caption"), ("s.tar:words", "no picture"), ("s.tar:latin", "no caption"),
        ("s.tar:broken", "no caption"), ("s.tar:blank", "no caption"), ("s.tar:list", "no caption"),
    }  # fmt: skip


def test_names_that_climb_out_or_cannot_be_printed_are_only_names(tmp_path: Path) -> None:
    import tarfile

    names = ["../../escape", "/etc/passwd", "a\x1b[2J\nb", "\udcff\udcfe"]
    members = [
        member
        for n, name in enumerate(names)
        for member in ((f"{name}.png", photo(n)), (f"{name}.txt", b"x"))
    ]
    path = write_tar(tmp_path / "in" / "s.tar", members)
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    samples, problems = read(path)
    assert [sample.key for sample in samples] == ["../../escape", "/etc/passwd", "a�[2J�b", "��"]
    assert [(problem.where, problem.kind) for problem in problems] == [("s.tar:link.png", "unusable member")]
    json.dumps([sample.key for sample in samples], ensure_ascii=False).encode()
    assert [path.name for path in tmp_path.rglob("*")] == ["in", "s.tar"]


@settings(max_examples=60)
@given(st.data())
def test_a_cut_or_damaged_tar_is_never_taken_for_a_whole_one(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut anywhere before its end mark, or with any header overwritten: what is whole is read, the loss is
    named."""
    path = write_tar(
        tmp_path_factory.mktemp("tar") / "s.tar",
        [(f"{n}.{e}", b"y" * 600) for n in range(5) for e in ("png", "txt")],
    )
    whole = path.read_bytes()
    member = BLOCK + 2 * BLOCK  # a header and two blocks of content
    if data.draw(st.booleans()):
        cut = data.draw(st.integers(0, 10 * member))
        path.write_bytes(whole[:cut])
        good = cut // member + (cut % member >= BLOCK + 600)  # padding behind a content may be lost
    else:
        good = data.draw(st.integers(0, 9))
        path.write_bytes(whole[: good * member] + b"\xff" * BLOCK + whole[good * member + BLOCK :])
    samples, problems = read(path)
    assert len(samples) == good // 2
    assert [p.kind for p in problems if p.kind == "damaged tar"] == ["damaged tar"]


def test_damaged_compression_and_what_is_no_tar_at_all(tmp_path: Path) -> None:
    whole = write_tar(tmp_path / "s.tar.gz", photo_members(range(8)), "w:gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.tar").write_bytes(b"hello" * 1000)
    (tmp_path / "empty.tar").write_bytes(b"")
    for name, least in (("cut.tar.gz", 1), ("none.tar", 0), ("empty.tar", 0)):
        samples, problems = read(tmp_path / name)
        assert least <= len(samples) < 8 and problems[-1].kind in ("damaged tar", "no caption")
        assert any(p.where == name and p.kind == "damaged tar" for p in problems)


@pytest.mark.parametrize("name", ["{row}.png", "{row:08d}.png", "{md5}.png", "{md5}"])
def test_a_table_and_its_pictures(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv, "ROWS", 4)
    table, images = write_table(tmp_path, 10, name, missing=[1, 9])
    parts = find_parts([str(table)], images)
    assert [part.name for part in parts] == ["captions.tsv:0-3", "captions.tsv:4-7", "captions.tsv:8-9"]
    samples, problems = read(table, images=images)
    assert [(s.key, s.captions) for s in samples] == [
        (str(n), (caption(n),)) for n in range(10) if n not in (1, 9)
    ]
    assert all(Path(s.image).read_bytes() == photo(int(s.key)) for s in samples)
    assert [(p.where, p.kind) for p in problems] == [
        ("captions.tsv row 1", "missing picture"), ("captions.tsv row 9", "missing picture"),
    ]  # fmt: skip


def test_broken_rows_and_a_header(tmp_path: Path) -> None:
    table, images = write_table(tmp_path, 3)
    rows = table.read_bytes().splitlines(keepends=True)
    rows[1:2] = [b"no tab\n", b"a\tb\tc\n", b"\t" + url(4).encode() + b"\n", b"caf\xe9\thttp://x\n"]
    table.write_bytes(b"caption\turl\n" + b"".join(rows))
    samples, problems = read(table, images=images)
    assert [(sample.key, sample.captions) for sample in samples] == [("0", (caption(0),))]
    kinds = ["broken row", "broken row", "no caption", "broken row", "missing picture"]
    assert [p.kind for p in problems] == kinds and problems[0].where == "captions.tsv row 1"


def test_wrong_words_for_a_table(tmp_path: Path) -> None:
    table, images = write_table(tmp_path, 3, name="odd-{line}-name.png")
    with pytest.raises(UsageError, match="--images names the folder"):
        find_parts([str(table)])
    with pytest.raises(CorpusError, match="No folder of pictures"):
        find_parts([str(table)], tmp_path / "none")
    with pytest.raises(CorpusError, match="--image-name says how they are called"):
        find_parts([str(table)], images)
    with pytest.raises(UsageError, match=r"It takes \{row\}"):
        find_parts([str(table)], images, "{number}.png")
    samples, problems = read(table, images=images, image_name="odd-{line}-name")
    assert len(samples) == 3 and problems == []


def test_who_takes_shards_for_a_data_set_is_told_what_to_do(tmp_path: Path) -> None:
    for place in (write_shards(tmp_path, 1, 1)[0], tmp_path):
        with pytest.raises(
            CorpusError, match=r"become features first: python -m clipcap_ext.corpus features"
        ):
            read_corpus(place)
