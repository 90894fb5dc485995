"""Label banks on disk: one JSON file that a person can read and edit, and the published bank's two files.

Pickles go through an unpickler that admits no class and no function: lists, dicts, tuples, strings and
numbers only.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clipcap_ext.engine.sbg.labels import Label, LabelBank
from clipcap_ext.errors import CheckpointError, UsageError
from clipcap_ext.files import write_whole
from clipcap_ext.foreign_json import parse_json

FORMAT = "clipcap-ext-labels-1"
LABELS_FILE = "labels.json"
# The published bank: a list of [lemma, part of speech, frequency] and a dict of the taxonomy, as two files.
PUBLISHED_PAIRS = ((LABELS_FILE, "taxonomy.json"), ("all_labels.pkl", "encyclopedia.pkl"))


def read_bank(path: Path | str) -> LabelBank:
    """Read a bank: a JSON file of ours, or a folder that holds one or one of PUBLISHED_PAIRS.

    Raises CheckpointError if nothing is there, or for content that is not a bank.
    """
    path = Path(path)
    if path.is_file():
        return _read_pair(path) or _read_json(path)
    for labels, taxonomy in PUBLISHED_PAIRS:
        if (path / labels).is_file():
            if (path / taxonomy).is_file():
                return _published(path / labels, path / taxonomy)
            return _read_json(path / labels)
    wanted = ", ".join(" with ".join(pair) for pair in PUBLISHED_PAIRS)
    raise CheckpointError(f"No label bank in {path}: looked for {LABELS_FILE}, {wanted}.")


def write_bank(bank: LabelBank, path: Path) -> None:
    """Write `bank` as one JSON file: provenance, the taxonomy, then a label a line; the same bank, the same
    bytes."""
    write_whole(path, bank_json(bank))


def bank_json(bank: LabelBank) -> str:
    """The text of `write_bank`."""

    def dump(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = [
        "{",
        f'"format": {dump(FORMAT)},',
        f'"provenance": {json.dumps(bank.provenance, indent=1, ensure_ascii=False)},',
    ]
    facets = []
    for facet, members in bank.taxonomy.items():
        if isinstance(members, Mapping):
            groups = ",\n".join(f"  {dump(group)}: {dump(list(labels))}" for group, labels in members.items())
            facets.append(f" {dump(facet)}: {{\n{groups}\n }}")
        else:
            facets.append(f" {dump(facet)}: {dump(list(members))}")
    lines.append('"taxonomy": {\n' + ",\n".join(facets) + "\n},")
    rows = [[label.text, label.pos, label.frequency, *label.merged] for label in bank.labels]
    lines += ['"labels": [', ",\n".join(f" {dump(row)}" for row in rows), "]", "}"]
    return "\n".join(lines) + "\n"


def _read_pair(path: Path) -> LabelBank | None:
    """The published bank, if `path` is the label file of such a pair."""
    for labels, taxonomy in PUBLISHED_PAIRS:
        if path.name == labels and (path.parent / taxonomy).is_file():
            return _published(path, path.parent / taxonomy)
    return None


def _read_json(path: Path) -> LabelBank:
    content = _load(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f'{path} is no label bank: its "format" is not "{FORMAT}".')
    unknown = sorted(set(content) - {"format", "provenance", "taxonomy", "labels"})
    if unknown:
        raise CheckpointError(f"{path} has unknown keys: {', '.join(unknown)}.")
    return _bank(content.get("labels"), content.get("taxonomy"), content.get("provenance", {}), str(path))


def _published(labels: Path, taxonomy: Path) -> LabelBank:
    return _bank(
        _load(labels), _load(taxonomy), {"source": "the published label list and taxonomy"}, str(labels)
    )


def _bank(rows: Any, taxonomy: Any, provenance: Any, where: str) -> LabelBank:
    if not isinstance(rows, list) or not isinstance(taxonomy, dict) or not isinstance(provenance, dict):
        raise CheckpointError(f"{where}: a list of labels, a taxonomy and its provenance were expected.")
    try:
        return LabelBank(tuple(_label(row) for row in rows), taxonomy, provenance)
    except (UsageError, TypeError, ValueError, AttributeError) as error:  # foreign rows hold anything
        raise CheckpointError(f"{where} is no label bank: {error}") from error


def _label(row: Any) -> Label:
    if not isinstance(row, (list, tuple)) or len(row) < 3:
        raise UsageError(f"{row!r} is not [text, part of speech, frequency, synonyms ...].")
    text, pos, frequency, *merged = row
    return Label(text, pos, frequency, tuple(merged))


def _load(path: Path) -> Any:
    try:
        data = path.read_bytes()
        return _PlainUnpickler(io.BytesIO(data)).load() if path.suffix == ".pkl" else parse_json(data)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from error
    except Exception as error:  # a malformed pickle may raise nearly anything
        raise CheckpointError(f"{path} holds no plain data: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Refuses every global, so nothing but built-in containers, texts and numbers can be made."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, and only plain data is admitted")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it asks for a persistent object, and only plain data is admitted")
