"""Runs a piece of work in a child process that is hurt at its n-th change of the disk: killed,
interrupted, refused, or told that the disk is full. It knows no door.

Python's audit events tell of every open for writing, rename, removal, new folder, link and change of rights;
a limit on the size of files tears what is being written. The parent is forked, so its imports are paid for
once.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipcap_ext.errors import CaptionError

CHANGES = {
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
    "os.utime", "shutil.rmtree", "shutil.move",
}  # fmt: skip
KINDS = ("kill", "twice", "interrupt", "refuse", "full", "torn")
DONE, REFUSED, FOREIGN, KILLED = 0, 3, 4, 9


@dataclass(frozen=True)
class Fault:
    """kind: one of KINDS; twice is killed, and the next run at the same change again. at: the number of the
    change that is hurt, from 1; for torn the bytes a file may have."""

    kind: str
    at: int


@dataclass(frozen=True)
class Outcome:
    """How the child ended (DONE, REFUSED by an error of ours, FOREIGN, KILLED) and, where foreign, what was
    raised."""

    code: int
    text: str = ""


def run_with(fault: Fault | None, root: Path, work: Callable[[], Any]) -> Outcome:
    """Do `work` in a child, hurt by `fault` in what it changes below `root`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code, text = FOREIGN, ""
        try:
            if fault is not None:
                _arm(fault, root)
            work()
            code = DONE
        except (CaptionError, OSError, KeyboardInterrupt) as error:
            code, text = REFUSED, repr(error)
        except BaseException:
            text = traceback.format_exc(limit=-4)
        os.write(writing, text.encode("utf-8", "replace")[-4000:])
        os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        text = stream.read().decode("utf-8", "replace")
    status = os.waitpid(child, 0)[1]
    return Outcome(KILLED if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), text)


def count_changes(root: Path, work: Callable[[], Any]) -> int:
    """How many changes of the disk `work` makes below `root`."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        counter = [0]
        sys.addaudithook(lambda event, args: _count(event, args, str(root), counter))
        try:
            work()
        finally:
            os.write(writing, str(counter[0]).encode())
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        number = int(stream.read() or b"0")
    os.waitpid(child, 0)
    return number


def _arm(fault: Fault, root: Path) -> None:
    if fault.kind == "torn":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.at, fault.at))
        return
    counter = [0]

    def hurt(event: str, args: tuple[Any, ...]) -> None:
        if not _count(event, args, str(root), counter) or counter[0] < fault.at:
            return
        if fault.kind in ("kill", "twice"):
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "interrupt":
            if counter[0] == fault.at:
                raise KeyboardInterrupt
            return
        if fault.kind == "full" or counter[0] == fault.at:  # a full disk stays full, a refusal is one
            number = errno.ENOSPC if fault.kind == "full" else errno.EIO
            raise OSError(number, os.strerror(number))

    sys.addaudithook(hurt)


def _count(event: str, args: tuple[Any, ...], root: str, counter: list[int]) -> bool:
    """Whether the event is a change below `root`; if so it is counted."""
    if event == "open":
        path, mode, flags = args
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & (
            os.O_WRONLY | os.O_RDWR
        )
        named = path if writes else None
    else:
        named = args[0] if event in CHANGES and args else None
    if isinstance(named, bytes):
        named = os.fsdecode(named)
    if not isinstance(named, (str, os.PathLike)) or not os.path.abspath(os.fspath(named)).startswith(root):
        return False
    counter[0] += 1
    return True
