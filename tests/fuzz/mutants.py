"""Makes odd inputs of sound ones: JSON values changed inside, texts and bytes cut, flipped and mixed. Not a
test."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

HALF = "\ud83d"
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, "", " ", "a", "x" * 3000, "..",
    "../..", "/", "/etc/passwd", "C:\\x", "a\0b", "a\nb", "\x1b[31m", "\u202egnp", "\u2028", HALF, "雪",
    "{}", "{0.__class__}", "%s", [], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": 1}}}, ["a"] * 200, "nan",
    "1e9999", "__class__", "self",
)  # fmt: skip
RAW = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e9999",
    "[" * 3000,
    '{"a":' * 3000,
    "9" * 6000,
    '"\\ud83d"',
    "tru",
    "\ufeff{}",
)


def json_mutant(value: Any, chance: random.Random) -> bytes:
    """The bytes of a JSON file like `value`'s, with one to three things in it that should not be."""
    changed = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        changed = _changed(changed, chance)
    text = json.dumps(changed, ensure_ascii=chance.random() < 0.8)
    if chance.random() < 0.15:  # a value that json.dumps would not write
        places = [at for at, letter in enumerate(text) if letter in ",]}"]
        at = chance.choice(places) if places else len(text)
        text = f"{text[:at]}{chance.choice([', ', ': ', ''])}{chance.choice(RAW)}{text[at:]}"
    data = text.encode("utf-8", "surrogatepass")
    return bytes_mutant(data, chance) if chance.random() < 0.2 else data


def bytes_mutant(data: bytes, chance: random.Random) -> bytes:
    """Cut short, flipped here and there, a piece repeated, or in another encoding."""
    kind = chance.randrange(6)
    if not data or kind == 0:
        return data[: chance.randint(0, len(data))]
    if kind == 1:
        flipped = bytearray(data)
        for _ in range(chance.randint(1, 8)):
            flipped[chance.randrange(len(flipped))] = chance.randrange(256)
        return bytes(flipped)
    if kind == 2:
        at = chance.randrange(len(data))
        return data[:at] + data[at : at + 50] * chance.randint(2, 40) + data[at:]
    if kind == 3:
        return data.decode("utf-8", "replace").encode("utf-16")
    if kind == 4:
        return b"\xef\xbb\xbf" * chance.randint(1, 2) + data
    at = chance.randrange(len(data))
    return data[:at] + chance.choice([b"\0", b"\r", b"\n\n", b"\xff", b'"', b"\x1a", b" " * 4000]) + data[at:]


def _changed(value: Any, chance: random.Random) -> Any:
    """One place in `value`, drawn by walking down from its top, replaced, removed, doubled or renamed."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.12:
        return copy.deepcopy(chance.choice(ODD))
    key = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    kind = chance.random()
    if kind < 0.1:
        del value[key]
    elif kind < 0.2:
        odd = copy.deepcopy(chance.choice(ODD))
        if isinstance(value, dict):
            value[odd if isinstance(odd, str) else str(odd)[:20]] = value[key]
        else:
            value.insert(key, odd)
    else:
        value[key] = _changed(value[key], chance)
    return value
