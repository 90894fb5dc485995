"""The checkpoint folder of a published file, made once however many ask; how it is written is
writing.py's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clipcap_ext.engine.published.blip.layout import BlipLayout
from clipcap_ext.engine.published.inspection import (
    converted_folder,
    inspect_source,
    is_current,
    planned_config,
    read_origin,
)
from clipcap_ext.engine.published.parts import PublishedParts
from clipcap_ext.errors import CheckpointError

WAIT = 900.0  # seconds for another process to finish the same conversion


def ensure_converted(file: Path, parts: PublishedParts | None = None) -> Path:
    """The checkpoint folder of a published file, made on first use; however many ask at once, one makes it.

    CheckpointError as `convert_file`, and if something else has that name.
    """
    out = converted_folder(file)
    if not is_current(out, file):
        planned_config(file, parts)  # refuses before anything is written
        with _alone(out):
            if not is_current(out, file):
                if out.exists() and read_origin(out).get("file") != file.name:
                    raise CheckpointError(
                        f"{file} becomes {out}, but something else is there: rename one of them."
                    )
                _convert(file, out, parts or PublishedParts())
    return out


def convert_file(file: Path, out: Path, parts: PublishedParts | None = None) -> Path:
    """Make the checkpoint folder `out` from a published file, whole or not at all; returns `out`.

    parts: what the file does not say, see PublishedParts. CheckpointError names the file, what was found and
    what to
    do: unsafe, damaged, not finite, no room, parts missing.
    """
    inspect_source(file)
    with _alone(out):
        if out.exists():
            raise CheckpointError(f"{out} is there already: name another folder, or move it away.")
        _convert(file, out, parts or PublishedParts())
    return out


def _convert(file: Path, out: Path, parts: PublishedParts) -> None:
    source, layout = inspect_source(file)
    if isinstance(layout, BlipLayout):
        from clipcap_ext.engine.published.blip.writing import write_blip_folder

        write_blip_folder(source, layout, out, parts)
    else:
        from clipcap_ext.engine.published.writing import write_folder_of

        write_folder_of(source, layout, out, parts)


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Hold while `out` is made; waits for whoever makes it now, in this process or another."""
    from filelock import FileLock, Timeout

    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(str(out.with_name(f".{out.name}.lock")), timeout=WAIT)
        lock.acquire()
    except Timeout as error:
        raise CheckpointError(
            f"{out} has been in the making elsewhere for {WAIT:.0f} s: try again later."
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"Nothing can be written beside {out} ({error.strerror}). Convert into another folder: "
            "python -m clipcap_ext convert FILE OUT."
        ) from error
    try:
        yield
    finally:
        lock.release()
