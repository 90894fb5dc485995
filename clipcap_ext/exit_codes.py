"""How a door ends: an exit code by one rule, and an error in a line of its own; it does no work itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress

from clipcap_ext.errors import CaptionError, ModelNotFound, UsageError

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


class OutputError(CaptionError):
    """The results cannot be written: the disk they go to is full, say."""


def no_room(error: OSError) -> str:
    """An OutputError's words."""
    return f"The results cannot be written: {error.strerror or error}."


def say_aside(line: str) -> None:
    """One line to the standard error, out at once: what is no result."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def exit_code(work: Callable[[], int], say: Callable[[str], None] = say_aside) -> int:
    """What `work` returns, once all it wrote is out; where it raises, `say` the reason and give the code for
    it."""
    try:
        code = work()
    except CaptionError as error:
        say(f"error: {error}")
        code = code_of(error)
        if isinstance(error, OutputError):
            _throw_away()
    except KeyboardInterrupt:
        say("Stopped.")
        code = INTERRUPTED
    except BrokenPipeError:  # whoever read the results has gone; nothing is left to say to them
        _throw_away()
        code = FAILED
    except SystemExit:  # argparse has written its help, or what is wrong
        if _all_out(say):
            raise
        return FAILED
    return code if _all_out(say) else FAILED


def code_of(error: CaptionError) -> int:
    """WRONG_USAGE where what was typed does not fit, a name nobody knows included; else FAILED."""
    return WRONG_USAGE if isinstance(error, (UsageError, ModelNotFound)) else FAILED


def _all_out(say: Callable[[str], None]) -> bool:
    """Write what is still held back to the standard output; False, with the reason said, if nobody takes
    it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _throw_away()
        return False
    except OSError as error:
        _throw_away()
        say(f"error: {no_room(error)}")
        return False
    return True


def _throw_away() -> None:
    """Let go of what could not be written, which would be tried, and fail, again at the end."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())
