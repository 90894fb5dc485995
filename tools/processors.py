"""Runs the tests as other processors would run them and says what differs; it knows no test.

    .venv/bin/python tools/processors.py TESTS... PYTEST_ARGS...

A law holds on every processor: with narrower vectors and other numbers of threads sums are taken in another
order, and nothing that a test holds may hang on it. The tests in a browser are left out: they reckon nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

THREADS = (1, 2)
ACCELERATED = {
    "avx2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
    },
    "sse": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
}
TOO_WIDE = {"avx2": r"X86_V4|AVX512", "sse": r"X86_V[34]|AVX|FMA"}  # numpy's own names of what it may use


@dataclass(frozen=True)
class Outcome:
    """What one run of the tests gave."""

    kind: str
    threads: int
    tests: int
    skipped: int
    failed: tuple[str, ...]
    seconds: float

    def row(self) -> str:
        """One line of the table."""
        passed = self.tests - self.skipped - len(self.failed)
        counts = f"{self.threads:>7}{passed:>8}{len(self.failed):>8}{self.skipped:>9}"
        return f"{self.kind:<13}{counts}{self.seconds:>9.0f}"


def environment(kind: str, threads: int) -> dict[str, str]:
    """This environment with the libraries held to `kind` of instructions and to so many threads."""
    import numpy

    core = getattr(numpy, "_core", None) or numpy.core
    features = core._multiarray_umath.__cpu_features__
    refused = [one for one in core._multiarray_umath.__cpu_dispatch__ if re.match(TOO_WIDE[kind], one)]
    held = {
        **ACCELERATED[kind], "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",  # a thread that waits leaves the core to the tests' other processes
        "NPY_DISABLE_CPU_FEATURES": " ".join(one for one in refused if features.get(one)),
    }  # fmt: skip
    return {**os.environ, **held}


def run(kind: str, threads: int, words: Sequence[str], environ: Mapping[str, str]) -> Outcome:
    """Run pytest once on `words`."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        flags = ["-q", f"--junitxml={report}", "--ignore=tests/webui/browser"]
        command = [sys.executable, "-m", "pytest", *flags, *words]
        code = subprocess.run(command, env=dict(environ), check=False).returncode
        if not report.is_file():
            sys.exit(f"pytest came to no end (exit code {code})")
        suite = next(ElementTree.parse(report).getroot().iter("testsuite"))
    failed = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    told = {name: int(suite.get(name, 0)) for name in ("tests", "skipped")}
    return Outcome(kind, threads, told["tests"], told["skipped"], tuple(failed), float(suite.get("time", 0)))


def main(words: Sequence[str]) -> int:
    """Run the tests on every kind of processor; 1 if any failed anywhere."""
    found: list[Outcome] = []
    for kind in ACCELERATED:
        for threads in THREADS:
            print(f"\n== instructions {kind}, threads {threads}", flush=True)
            found.append(run(kind, threads, words, environment(kind, threads)))
    print(f"\n{'instructions':<13}{'threads':>7}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    print("\n".join(one.row() for one in found))
    for name in sorted({name for one in found for name in one.failed}):
        where = [f"{one.kind} x {one.threads}" for one in found if name in one.failed]
        print(f"failed with {', '.join(where)}: {name}")
    return int(any(one.failed for one in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["tests"]))
