"""What is typed into a terminal, run in this process: exit code, standard output, standard error."""

from __future__ import annotations

import io
from collections.abc import Callable

from clipcap_ext.__main__ import main
from clipcap_ext.cli.streams import Streams

Terminal = Callable[..., tuple[int, str, str]]


def typed(*words: object) -> tuple[int, str, str]:
    """Run `python -m clipcap_ext WORDS`."""
    streams = Streams(io.StringIO(), io.StringIO())
    code = main([str(word) for word in words], streams)
    return code, streams.out.getvalue(), streams.err.getvalue()
