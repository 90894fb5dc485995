"""Caption files beside pictures: named and read; it never opens a picture."""

from __future__ import annotations

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
