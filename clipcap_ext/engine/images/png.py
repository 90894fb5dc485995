"""A PNG cut down to what its pixels need; the texts and profiles that programs put beside them are left
out."""

from __future__ import annotations

import io
import struct
from typing import IO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What pixels and their orientation depend on: header, palette, transparency, rotation, data, end.
KEPT = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT", b"IEND")
FRAME = 12  # bytes of a chunk beside its data: length, kind, checksum


def pixels_only(stream: IO[bytes]) -> io.BytesIO | None:
    """The PNG in `stream` with its KEPT chunks alone, None if it is no PNG.

    Pillow refuses a PNG whose texts or colour profile are above a megabyte, as whole workflows are. A chunk
    that is cut short ends the copy, and Pillow then says so.
    """
    stream.seek(0)
    if stream.read(len(SIGNATURE)) != SIGNATURE:
        return None
    kept = io.BytesIO()
    kept.write(SIGNATURE)
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind in KEPT:
            kept.write(head + stream.read(length + FRAME - 8))
        else:
            stream.seek(length + FRAME - 8, io.SEEK_CUR)
    kept.seek(0)
    return kept
