"""How a door ends: an exit code by one rule, and an error in a line of its own; it does no work itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from clipcap_ext.errors import CaptionError, ModelNotFound, UsageError

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130


def say_aside(line: str) -> None:
    """One line to the standard error, out at once: what is no result."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def exit_code(work: Callable[[], int], say: Callable[[str], None] = say_aside) -> int:
    """What `work` returns; where it raises, `say` the reason and give the code for it."""
    try:
        return work()
    except CaptionError as error:
        say(f"error: {error}")
        return code_of(error)
    except KeyboardInterrupt:
        say("Stopped.")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the results has gone; nothing is left to say to them
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def code_of(error: CaptionError) -> int:
    """WRONG_USAGE where what was typed does not fit, a name nobody knows included; else FAILED."""
    return WRONG_USAGE if isinstance(error, (UsageError, ModelNotFound)) else FAILED
