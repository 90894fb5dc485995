"""Caption files beside pictures: named, read and written whole; it never opens a picture."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from clipcap_ext.errors import CaptionError

EXTENSIONS = (".txt", ".caption")


def sidecar_of(image: Path, extension: str) -> Path:
    """`photos/dog.png` -> `photos/dog.txt`."""
    return image.with_suffix(extension)


def read_sidecar(path: Path) -> str | None:
    """A caption file's text to the letter, None where there is none; CaptionError if it is not UTF-8 or
    unreadable."""
    try:
        return path.read_bytes().decode(
            "utf-8"
        )  # line ends and a byte order mark stay, so that undo gives them back
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise CaptionError(
            f"{path.name} is not UTF-8 text, so it is left alone: save it as UTF-8 first."
        ) from error
    except OSError as error:
        raise CaptionError(f"{path.name} cannot be read: {error.strerror or error}.") from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 so that `path` holds either its old or its whole new text, whatever happens; OSError as
    open's."""
    path = path.resolve()
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, path.stat().st_mode & 0o777 if path.exists() else 0o644)  # mkstemp makes private files
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
