"""A lock on an open file that the system itself lets go of when its process ends; it waits for nobody."""

from __future__ import annotations

import sys

if sys.platform == "win32":
    import msvcrt
    import os

    FAR = 2**31 - 2  # a byte no journal reaches: locked bytes cannot be read by others

    def try_lock(handle: int) -> bool:
        """Take the lock on an open file; False if somebody else has it."""
        before = os.lseek(handle, 0, os.SEEK_CUR)
        os.lseek(handle, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(handle, before, os.SEEK_SET)
        return True
else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Take the lock on an open file; False if somebody else has it."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # this file system has no locks: nobody can be kept apart here
            return True
        return True
