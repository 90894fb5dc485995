"""Run by the browser tests under each gradio: the standalone page over tiny models, slow enough to be
stopped.

With --host-port a second page holds the tab as a WebUI does (host_page.py): one process, so that torch is
loaded once.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from clipcap_ext.service.standalone import StandaloneHost, StandaloneJob
from clipcap_ext.webui.tab.standalone import serve


class SlowJob(StandaloneJob):
    """Takes its time over each picture, as a real model would; while the file `hold` is there, it takes for
    ever.

    What the file says is how many pictures go through nevertheless.
    """

    def __init__(self, seconds: float, hold: Path) -> None:
        self._seconds = seconds
        self._hold = hold
        self._steps = 0

    def step(self, text: str = "") -> None:
        """Wait."""
        self._steps += 1
        time.sleep(self._seconds)
        while self._held():
            time.sleep(self._seconds)

    def _held(self) -> bool:
        try:
            return self._steps > int(self._hold.read_text() or 0)
        except FileNotFoundError:
            return False


class SlowHost(StandaloneHost):
    """The standalone host with slow jobs."""

    seconds = 0.0
    hold = Path("hold")

    @contextmanager
    def job(self, title: str, total: int) -> Iterator[StandaloneJob]:
        """One at a time, slowly."""
        with super().job(title, total):
            yield SlowJob(self.seconds, self.hold)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("models", type=Path)
    parser.add_argument("--model", default="")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--language", default="")
    parser.add_argument("--hold", type=Path, default=Path("hold"))
    parser.add_argument("--host-port", type=int, default=0)
    args = parser.parse_args()
    host = SlowHost(args.models, "cpu", {"clipcap_model": args.model, "localization": args.language})
    host.seconds, host.hold = args.seconds, args.hold
    if args.host_port:
        import uvicorn
        from host_page import host_app

        beside = uvicorn.Server(
            uvicorn.Config(host_app(args.models), port=args.host_port, log_level="warning")
        )
        threading.Thread(target=beside.run, daemon=True).start()
    serve(host, port=args.port)


if __name__ == "__main__":
    main()
