"""The rows of Hugging Face's metadata files, whatever their form: JSON lines, a table, Parquet; no layout
itself."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clipcap_ext.corpus.collecting import Collector, table_stream, text_lines
from clipcap_ext.errors import CorpusError
from clipcap_ext.foreign_json import ForeignJsonError, parse_json

LONGEST_CELL = 1 << 20  # characters; csv's own bound is an eighth of that
Row = dict[str, Any]


def json_rows(path: Path, collector: Collector) -> Iterator[tuple[str, Any]]:
    """(where, row) of each JSON line; broken ones are complained of."""
    for where, line in text_lines(path, collector):
        try:
            yield where, parse_json(line)
        except ForeignJsonError as error:
            collector.complain(where, f"is no JSON ({error}): {line[:60]!r}.")


def table_rows(path: Path, collector: Collector) -> Iterator[tuple[str, Row]]:
    """(where, row) of a .csv or .tsv, whose cells may hold line breaks between quotes."""
    with table_stream(path) as stream:
        first = stream.readline()
        stream.seek(0)
        delimiter = max(",;\t", key=first.count)
        reader = csv.DictReader(stream, delimiter=delimiter)
        try:
            for row in reader:
                yield f"{path.name}:{reader.line_num}", {name: cell for name, cell in row.items() if name}
        except csv.Error as error:
            collector.complain(f"{path.name}:{reader.line_num}", f"{error}; what comes after it is lost.")


def parquet_rows(path: Path, collector: Collector) -> Iterator[tuple[str, Row]]:
    """(where, row) of a .parquet, by pyarrow; CorpusError if that is not installed or the file is damaged."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CorpusError(f"{path} is read by the package pyarrow: pip install pyarrow.") from error
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield f"{path.name}:{number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise CorpusError(f"{path} cannot be read as Parquet: {error}") from error


READERS = {".jsonl": json_rows, ".csv": table_rows, ".tsv": table_rows, ".parquet": parquet_rows}
