"""A webdataset shard, a tar of {key}.jpg beside {key}.txt or {key}.json, read from front to back; nothing is
unpacked.

Python's own tarfile reads it, not the webdataset package. That one is a layer on tarfile too, and takes a tar
whose middle is damaged, or whose end is missing, for one that is whole but shorter; here all that is lost has
to be named. Its pipelines shuffle and split by generators of their own, while a part here is read by one
process, once.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from clipcap_ext.corpus.examples import Problem, Sample
from clipcap_ext.engine.images.finding import IMAGE_SUFFIXES
from clipcap_ext.foreign_json import parse_json

if TYPE_CHECKING:
    from typing_extensions import Self  # in `typing` from Python 3.11 on

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
CAPTION_KEYS = ("caption", "captions", "text", "texts")
MAX_BYTES = 1 << 28  # a larger member is no photo and no caption
DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class TarPart:
    """One tar. Members of one key must stand together, as webdataset writes them."""

    path: Path
    name: str

    @property
    def stamp(self) -> str:
        """The size in bytes."""
        return str(self.path.stat().st_size)

    def read(self) -> Iterator[Sample | Problem]:
        """Its samples; a Problem for each sample without picture or caption, and for what is lost to
        damage."""
        group: _Group | None = None
        for member in self._members():
            if isinstance(member, Problem):
                yield member
                continue
            key, suffix, content = member
            if group is not None and group.key != key:
                yield group.sample(self.name)
                group = None
            group = group or _Group(key)
            group.members[suffix] = content
        if group is not None:
            yield group.sample(self.name)

    def _members(self) -> Iterator[tuple[str, str, bytes] | Problem]:
        """(key, suffix, content) of each picture and caption."""
        last = "its beginning"
        try:
            with _Archive.open(self.path, "r:*") as archive:
                while (member := archive.next()) is not None:
                    archive.members.clear()  # else the record of a large tar fills the memory
                    name = last = _printable(member.name)
                    key, suffix = _split(name)
                    if member.isdir() or not (suffix in (".txt", ".json") or suffix in IMAGE_SUFFIXES):
                        continue
                    usable = member.isfile() and member.size <= MAX_BYTES
                    stream = archive.extractfile(member) if usable else None
                    if stream is None:
                        what = f"{member.size} bytes long" if member.isfile() else "no regular file"
                        yield Problem(f"{self.name}:{name}", f"is {what}.", "unusable member")
                        continue
                    yield key, suffix, stream.read()
        except DAMAGE as error:
            reason = f"is cut short or damaged behind {last} ({error}); what comes after it is lost."
            yield Problem(self.name, reason, "damaged tar")


class _Member(tarfile.TarInfo):
    """tarfile takes a damaged header, and an end without end mark, for the end of the archive; here they are
    errors."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the end mark; typeshed leaves it out
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"{error} at byte {archive.offset}") from error


class _Archive(tarfile.TarFile):
    tarinfo = _Member
    members: list[tarfile.TarInfo]  # a record of every member it has passed


@dataclass
class _Group:
    key: str
    members: dict[str, bytes] = field(default_factory=dict)  # suffix -> content

    def sample(self, tar: str) -> Sample | Problem:
        where = f"{tar}:{self.key}"
        image = next((content for suffix, content in self.members.items() if suffix in IMAGE_SUFFIXES), None)
        if image is None:
            return Problem(where, "has a caption but no picture.", "no picture")
        try:
            captions = self._captions()
        except ValueError as error:
            return Problem(where, f"its caption cannot be read: {error}", "no caption")
        if not captions:
            keys = ", ".join(CAPTION_KEYS)
            return Problem(
                where, f"has no caption, neither as .txt nor in a .json under {keys}.", "no caption"
            )
        return Sample(self.key, image, captions)

    def _captions(self) -> tuple[str, ...]:
        """A .txt holds a caption a line; it goes before a .json. ValueError for what is not UTF-8 or not
        JSON."""
        texts: list[object] = []
        if ".txt" in self.members:
            texts = list(self.members[".txt"].decode("utf-8-sig").splitlines())
        elif ".json" in self.members:
            table = parse_json(self.members[".json"])
            if isinstance(table, dict):
                captions: object = next((table[key] for key in CAPTION_KEYS if key in table), [])
                texts = captions if isinstance(captions, list) else [captions]
        return tuple(text.strip() for text in texts if isinstance(text, str) and text.strip())


def _split(name: str) -> tuple[str, str]:
    """webdataset's rule, the key ends at the file name's first dot: a/b.seg.png -> a/b, .png."""
    folder, slash, file = name.rpartition("/")
    stem, _, rest = file.partition(".")
    return f"{folder}{slash}{stem}", f".{rest.rpartition('.')[2].lower()}"


def _printable(name: str) -> str:
    """A name that any file and terminal takes."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in name)
