"""Where a command writes: results to one stream, a whole line at a time, and everything else to the other."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from tqdm import tqdm

from clipcap_ext.exit_codes import OutputError, no_room

# What would end a line, move a terminal's cursor, or turn its writing round.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def one_line(text: str) -> str:
    """`text` with line ends, tabs and a terminal's commands escaped, so that a line stays a line."""
    return _UNSEEN.sub(lambda match: repr(match[0])[1:-1], text)


def json_line(record: Any) -> str:
    """JSON in one line that is valid UTF-8, whatever file names it holds: their odd bytes are escaped."""
    return json.dumps(record, ensure_ascii=False).encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True)
class Streams:
    """`out` takes results, `err` everything that is not one; `keys` is what a person types, if there is
    one."""

    out: TextIO
    err: TextIO
    keys: TextIO | None = None

    @classmethod
    def standard(cls) -> Streams:
        """This process's own, in UTF-8 whatever the system says; file names that are not UTF-8 pass
        through."""
        for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(encoding="utf-8", errors=errors)
        return cls(sys.stdout, sys.stderr, sys.stdin)

    def result(self, line: str) -> None:
        """One whole line of results, past any progress bar, and out at once; OutputError if it cannot be
        written, BrokenPipeError if nobody reads on."""
        with tqdm.external_write_mode(file=self.out):
            try:
                self.out.write(f"{line}\n")
                self.out.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise OutputError(no_room(error)) from error

    def say(self, line: str) -> None:
        """One line that is no result; nothing can be done where nobody takes it."""
        with tqdm.external_write_mode(file=self.err), suppress(OSError):
            self.err.write(f"{line}\n")
            self.err.flush()

    def ask(self, question: str) -> bool | None:
        """Whether the person at the terminal says yes; None where there is no terminal to ask at."""
        if not (self.keys and self.keys.isatty() and self.err.isatty()):
            return None
        self.err.write(f"{question} [y/N] ")
        self.err.flush()
        return self.keys.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self, total: int, unit: str) -> Iterator[tqdm]:
        """A bar on `err` if that is a terminal, else nothing."""
        with tqdm(total=total, unit=unit, file=self.err, disable=not self.err.isatty(), leave=False) as bar:
            yield bar


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Put Ctrl+C off until the block is done, so that what is written and what is counted stay the same."""
    if threading.current_thread() is not threading.main_thread():  # signals go to the main thread alone
        yield
        return
    waiting: list[tuple[Any, ...]] = []
    usual = signal.signal(signal.SIGINT, lambda *arrived: waiting.append(arrived))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
    if waiting and callable(usual):
        usual(*waiting[0])
