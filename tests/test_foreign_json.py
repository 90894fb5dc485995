"""JSON from outside: taken, or refused in words; never another exception, never a text that no file can
hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipcap_ext.errors import CheckpointError
from clipcap_ext.foreign_json import ForeignJsonError, expect, parse_json, read_json_file

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_plain_json_is_read_as_python_reads_it(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False)
    assert (
        parse_json(text) == parse_json(text.encode()) == parse_json(b"\xef\xbb\xbf" + text.encode()) == value
    )


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_is_a_value_or_our_error(data: str | bytes) -> None:
    try:
        json.dumps(parse_json(data), ensure_ascii=False).encode()
    except ForeignJsonError:
        pass


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("[" * 100_000, "nested"),
        ("[" * 100_000 + "]" * 100_000, "nested"),
        ('{"a":' * 65 + "1" + "}" * 65, "more than 64 deep"),
        ("NaN", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("9" * 5000, "digits"),
        (b"\xff\xfe{\0}\0", "not UTF-8"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
        (" " * 2000, "2000 bytes"),
    ],
)
def test_what_is_refused_says_why(data: str | bytes, why: str) -> None:
    with pytest.raises(ForeignJsonError, match=why):
        parse_json(data, most_bytes=1000 if data == " " * 2000 else 10**6)


def test_half_an_emoji_becomes_a_mark_and_a_whole_one_stays() -> None:
    assert parse_json(r'{"\ud83d": ["a \ud83d", "\ude00", "\ud83d\ude00"]}') == {
        "\ufffd": ["a \ufffd", "\ufffd", "😀"]
    }


@pytest.mark.parametrize("depth", [1, 63, 64])
def test_the_depth_that_is_taken(depth: int) -> None:
    assert parse_json("[" * depth + "]" * depth) is not None


def test_a_file_is_named_and_a_large_one_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    for content, why in ((b"{", "cannot be read as JSON"), (b" " * 200, "200 bytes"), (None, "No such file")):
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"{path}.*{why}.*Fetch it again"):
            read_json_file(path, CheckpointError, "Fetch it again.", most_bytes=100)
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    assert read_json_file(path, CheckpointError) == {"a": 1}


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (None, dict, "a table of keys was expected, not None"),
        ([5], str, "a text was expected, not a list"),
        (True, int, "a whole number was expected, not True"),
        ("x" * 99, (int, float), "a whole number or a number was expected, not 'xxx"),
        ("a\n\u202eb", int, r"not 'a\\n\\u202eb'"),
    ],
)
def test_a_wrong_kind_is_told_on_one_printable_line(value: object, kind: type, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        expect(value, kind, "config.json, decoding", CheckpointError)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 200
