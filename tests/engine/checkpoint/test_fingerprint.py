"""The list of the photos trained on: JSON's own form, sorted, each once, however many there are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clipcap_ext.engine.checkpoint.fingerprint import CHUNK, write_fingerprints


@pytest.mark.parametrize("count", [0, 1, CHUNK, CHUNK + 1, 2 * CHUNK + 7])
def test_the_list_is_what_json_writes(tmp_path: Path, count: int) -> None:
    found = [f"{(i * 7919) % 100_003:016x}" for i in range(count)]
    write_fingerprints(tmp_path / "list.json", iter(found + found[:3]))
    assert (tmp_path / "list.json").read_text() == json.dumps(sorted(set(found))) + "\n"
