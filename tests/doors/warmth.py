"""A stand-in for `python` in the installed environment that reads torch once for all commands; not a test."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from package import Installed

SERVER = Path(__file__).with_name("warm.py")
ADDRESS = "warm"
SECONDS = 300
STAND_IN = """#!{interpreter} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    socket.send_fds(asked, [json.dumps([sys.argv[1:], os.getcwd()]).encode()], [0, 1, 2])
    sys.exit(int(asked.recv(16) or b"1"))
"""


@contextmanager
def warm_python(package: Installed, environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder for PATH with `python` and `python3`: commands of the package in `environment`, which is the
    same for all."""
    with tempfile.TemporaryDirectory() as made:  # the path of a socket has to be short
        folder = Path(made)
        write_stand_ins(folder)
        with open(folder / "log", "wb") as said:
            server = subprocess.Popen(
                [package.programs / "python", SERVER, folder / ADDRESS], env=dict(environment), cwd=folder,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            )  # fmt: skip
        try:
            until_there(folder, server)
            yield folder
        finally:
            server.kill()
            server.wait(60)


def write_stand_ins(folder: Path) -> None:
    """The programs that ask the server."""
    for name in ("python", "python3"):
        stand_in = folder / name
        stand_in.write_text(STAND_IN.format(interpreter=sys.executable, address=str(folder / ADDRESS)))
        stand_in.chmod(0o755)


def until_there(folder: Path, server: subprocess.Popen[bytes]) -> None:
    """Wait until the libraries are read."""
    end = time.monotonic() + SECONDS
    while not (folder / ADDRESS).exists():
        assert server.poll() is None and time.monotonic() < end, (folder / "log").read_text()
        time.sleep(0.1)
