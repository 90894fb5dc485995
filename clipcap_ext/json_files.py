"""A JSON file that somebody named, read or refused in words they understand; what must be in it is the
reader's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clipcap_ext.errors import UsageError


def read_json(path: Path, option: str = "") -> Any:
    """What the file holds; a UsageError with `option`, the words that named it, if it cannot be read or is
    not JSON."""
    named = f"{option} {path}".strip()
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise UsageError(f"{named} is not JSON: {error}.") from error
