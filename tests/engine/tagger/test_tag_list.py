"""The list of a tagger's tags as the Hub's repositories have it, and how its tags are written."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_tagger import TAGS, write_tagger

from clipcap_ext.engine.tagger.tag_list import Tag, read_tags
from clipcap_ext.errors import CheckpointError


def test_the_published_form_is_read_in_order(tmp_path: Path) -> None:
    tags = read_tags(write_tagger(tmp_path))
    assert [tag.name for tag in tags] == [name for name, _, _ in TAGS]
    assert [tag.category for tag in tags] == ["rating"] * 2 + ["general"] * 4 + ["character"]


@pytest.mark.parametrize(
    ("name", "written"),
    [("long_hair", "long hair"), ("1girl", "1girl"), ("hatsune_miku_(vocaloid)", "hatsune miku (vocaloid)"),
     (">_<", ">_<"), ("o_o", "o_o"), ("||_||", "||_||"), ("3_3", "3_3"), ("x-ray_film", "x-ray film"),
     ("v", "v")],
)  # fmt: skip
def test_underscores_are_spaces_but_in_faces(name: str, written: str) -> None:
    assert Tag(name, "general").written(spaces=True) == written
    assert Tag(name, "general").written(spaces=False) == name


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "first line is not tag_id,name,category,count"),
        (b"tag,number\nsolo,0\n", "first line is not"),
        (b"tag_id,name,category,count\n1,solo,zero,5\n", "line 2: 'zero' is no category.*general"),
        (b"tag_id,name,category,count\n1,solo,0,5\n2,,0,4\n", "line 3: '' is no tag"),
        (b"tag_id,name,category,count\n1,solo\n", "line 2: '' is no category"),
        (b'tag_id,name,category,count\n1,"a,b",0,5\n', "'a,b' is no tag"),
        (b"\xff\xfe\x00\x01", "cannot be read as CSV"),
        (b"\0" * ((1 << 24) + 1), "more than"),
    ],
)
def test_another_form_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "selected_tags.csv").write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        read_tags(tmp_path)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"selected_tags\.csv"):
        read_tags(tmp_path)
