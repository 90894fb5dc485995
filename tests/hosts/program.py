"""One real WebUI as a process: our extension laid into it, started on the CPU, ended with its children."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from driver import free_port, wait_for
from kinds import Kind

ROOT = Path(__file__).resolve().parents[2]
LINK = "clipcap-ext"
START = 540  # seconds: a cold start reads torch from the disk
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


@contextmanager
def laid_into(folder: Path) -> Iterator[None]:
    """Our checkout among the host's extensions for as long as it is walked; what was there stays."""
    link = folder / "extensions" / LINK
    link.parent.mkdir(exist_ok=True)
    if link.exists():
        yield
        return
    link.symlink_to(ROOT, target_is_directory=True)
    try:
        yield
    finally:
        link.unlink()


@contextmanager
def running(kind: Kind, folder: Path, python: Path, log: Path) -> Iterator[str]:
    """The page's address while the host runs. AssertionError if it ends or is not up in START seconds."""
    port = free_port()
    command = [str(python), *(part.format(port=port) for part in kind.command)]
    environment = {**os.environ, **OFFLINE, **kind.environment}
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        wait_for(lambda: _is_up(process, log, kind.ready), f"{kind.title} to start (see {log})", START)
        yield f"http://127.0.0.1:{port}/"
    finally:
        _end(process)


def _is_up(process: subprocess.Popen[bytes], log: Path, ready: str) -> bool:
    if process.poll() is not None:
        sys.stderr.write(log.read_text(errors="replace")[-3000:])
        raise AssertionError(f"the host ended with {process.returncode}: see {log}")
    time.sleep(1)
    return ready in log.read_text(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole session of processes: launchers start others."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()


def versions(folder: Path, python: Path) -> dict[str, str]:
    """The host's commit and day, and what its interpreter has of the libraries that matter to us."""
    said = subprocess.run(
        ["git", "-C", str(folder), "log", "-1", "--format=%h %cd", "--date=short"],
        capture_output=True, text=True,
    )  # fmt: skip
    script = (
        "import importlib.metadata as m, platform\n"
        "print('Python', platform.python_version())\n"
        "for n in ('torch', 'gradio', 'transformers'):\n"
        "    try: print(n, m.version(n))\n"
        "    except m.PackageNotFoundError: print(n, 'none')"
    )
    lines = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ", 1) for line in lines.splitlines())
    return {"commit": said.stdout.strip() or "unknown", **found}
