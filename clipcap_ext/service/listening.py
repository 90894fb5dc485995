"""Whether a page can be served at an address and a port, and what to do if it cannot; it serves nothing."""

from __future__ import annotations

import errno
import os
import socket

from clipcap_ext.errors import CaptionError, UsageError

HIGHEST = 65535
TRIED = 20  # ports above the one that is taken


def check_place(address: str, port: int) -> None:
    """CaptionError unless one can listen there now; UsageError for what is no port or no address of this
    machine."""
    if not 1 <= port <= HIGHEST:
        raise UsageError(f"--port {port}: a port is a number from 1 to {HIGHEST}.")
    try:
        _listen(address, port)
    except OSError as error:
        raise _refusal(address, port, error) from error


def _listen(address: str, port: int) -> None:
    """Take the place as the server will, and leave it; OSError where it cannot be had."""
    family, kind, _, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as listener:
        if os.name == "posix":  # what an ended server left waiting is no hindrance there
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)


def _refusal(address: str, port: int, error: OSError) -> CaptionError:
    if error.errno == errno.EADDRINUSE:
        free = _free_port(address, port)
        other = f"--port {free}" if free else "another --port"
        return CaptionError(
            f"Port {port} at {address} is taken: another program listens there, perhaps this page "
            f"(http://{address}:{port}/). End that, or take {other}."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return CaptionError(f"Port {port} may not be opened ({error.strerror}): take a --port above 1023.")
    return UsageError(
        f"--address {address}: this machine has no such address ({error.strerror or error}). 127.0.0.1 "
        "serves this machine alone, 0.0.0.0 all others, too."
    )


def _free_port(address: str, port: int) -> int:
    """The next port that can be had, 0 if none of the next ones can."""
    for other in range(port + 1, min(port + TRIED, HIGHEST) + 1):
        try:
            _listen(address, other)
        except OSError:
            continue
        return other
    return 0
