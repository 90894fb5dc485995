"""Times things side by side and writes the tables of README.md; it knows nothing of captions."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

README = Path(__file__).with_name("README.md")


def seconds(action: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def medians(actions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each action, taken in turns so that a busy moment hits all alike; one unmeasured turn
    first."""
    taken: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(rounds + 1):
        for name, action in actions.items():
            spent = seconds(action)
            if turn:
                taken[name].append(spent)
    return {name: statistics.median(values) for name, values in taken.items()}


@dataclass(frozen=True)
class Card:
    """Where it runs, what is called half there, and how much is done. minutes: none begins after so many."""

    device: torch.device
    dry: bool
    minutes: float
    start: float

    @property
    def half(self) -> torch.dtype:
        """What captions are reckoned in on this device."""
        import torch

        return torch.float32 if self.dry else torch.float16

    @property
    def name(self) -> str:
        """The card's, or that there is none."""
        import torch

        return "no card, a dry run" if self.dry else torch.cuda.get_device_name(self.device)

    @property
    def is_late(self) -> bool:
        """Whether nothing more is to be begun."""
        return time.monotonic() - self.start > 60 * self.minutes

    def wait(self) -> None:
        """Until the device has done what it was asked."""
        import torch

        if not self.dry:
            torch.cuda.synchronize(self.device)

    def held(self) -> int:
        """Bytes of its memory that tensors take; 0 where that is not told."""
        import torch

        return 0 if self.dry else torch.cuda.memory_allocated(self.device)

    def seconds(self, action: Callable[[], object], rounds: int = 5) -> float:
        """The median of `rounds` calls, two more before them."""
        taken = []
        for _ in range(1 if self.dry else rounds + 2):
            self.wait()
            start = time.perf_counter()
            action()
            self.wait()
            taken.append(time.perf_counter() - start)
        return statistics.median(taken[-rounds:])


def surroundings() -> str:
    """One line: processor, cores, threads and the versions that matter."""
    import torch

    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    python = platform.python_version()
    libraries = f"torch {torch.__version__}, transformers {version('transformers')}, Python {python}"
    return f"{model}, {os.cpu_count()} cores, {torch.get_num_threads()} threads; {libraries}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def publish(name: str, text: str) -> None:
    """Print a result and put it between README.md's marks for `name`."""
    body = f"{text}\n\nMeasured on {surroundings()}."
    print(body)
    start, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    whole = README.read_text(encoding="utf-8")
    before, rest = whole.split(start)
    after = rest.split(end)[1]
    README.write_text(f"{before}{start}{body}\n{end}{after}", encoding="utf-8")
