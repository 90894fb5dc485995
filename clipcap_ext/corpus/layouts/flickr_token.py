"""The layout `flickr-token`: the official token files of Flickr8k and Flickr30k, `name.jpg#k<TAB>caption`."""

from __future__ import annotations

import re
from pathlib import Path

from clipcap_ext.corpus.collecting import Collector, existing_files, first_line, text_lines
from clipcap_ext.corpus.layouts.base import Layout
from clipcap_ext.corpus.layouts.flickr_lists import WANTED, official_splits

NAMES = ("Flickr8k.token.txt", "Flickr8k_text/Flickr8k.token.txt", "results_20130124.token")
ROW = re.compile(r"(?P<image>[^#\t]+)#\d+\t(?P<caption>.*)")


def find(place: Path) -> list[Path]:
    """The token file in a folder, or the file itself if its first line is of that form."""
    candidates = [place] if place.is_file() else existing_files(place / name for name in NAMES)
    return [path for path in candidates if ROW.match(first_line(path))][:1]


def read(files: list[Path], root: Path, collector: Collector) -> None:
    """Rows into the collector, splits from the official lists."""
    collector.splits.update(official_splits(root))
    for path in files:
        for where, line in text_lines(path, collector):
            row = ROW.fullmatch(line)
            if row is None:
                collector.complain(where, f"is not `name.jpg#number<TAB>caption`: {line[:60]!r}.")
            else:
                collector.add(row["image"].strip(), row["caption"], where)


FLICKR_TOKEN = Layout("flickr-token", f"{NAMES[0]} or {NAMES[2]} (splits: {WANTED})", find, read)
