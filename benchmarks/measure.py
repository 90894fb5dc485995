"""Times things side by side and writes the tables of README.md; it knows nothing of captions."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

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
