"""METEOR 1.5 by its own Java program, many images in one process; it tokenises nothing itself."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.java import JVM_OPTIONS, find_java, java_environment, toolkit_file
from clipcap_ext.metrics.metric import Compute, Metric, of_tokens
from clipcap_ext.metrics.metric_table import MetricTable

JAR = "meteor/meteor-1.5.jar"
TIMEOUT = 1800.0  # seconds; loading the paraphrase table takes about ten, a thousand images about ten more
FIELDS = 23
# METEOR 1.5's English ranking parameters; weights of exact, stem, synonym and paraphrase matches.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])


class MeteorProcess:
    """One run of the METEOR program: start it, send it what to align, then ask for the tables; always closed
    by `with`.

    The program loads for some ten seconds, so start it early and do other work meanwhile.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._expired = False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by __exit__)
        command = [
            find_java(),
            *JVM_OPTIONS,
            "-jar",
            str(toolkit_file(JAR)),
            "-",
            "-",
            "-stdio",
            "-l",
            "en",
            "-norm",
        ]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=self._errors,
            env=java_environment(),
            cwd=tempfile.gettempdir(),
        )
        assert self._process.stdin is not None and self._process.stdout is not None  # as `pipe` asks for
        self._sends, self._answers = self._process.stdin, self._process.stdout
        self._watchdog = threading.Timer(timeout, self._expire)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> MeteorProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._watchdog.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._answers, self._sends, self._errors):
            try:
                stream.close()
            except OSError:  # unsent text in a pipe nobody reads
                pass

    def table(self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, MetricTable]:
        """METEOR of each hypothesis and of all: the corpus value pools the alignments, it is not the mean."""
        lines = [_score_line(text, refs) for text, refs in zip(hypotheses, references, strict=True)]
        statistics = self._ask(lines, len(lines))
        rows = np.array([_row(line) for line in statistics])  # (n, 23)
        answers = self._ask([" ||| ".join(["EVAL", *statistics])], len(lines) + 1)
        *per_image, value = (float(answer) for answer in answers)
        return {"METEOR": MetricTable(value, np.array(per_image), without_whole_chunks(rows), meteor_of)}

    def _ask(self, lines: Sequence[str], answers: int) -> list[str]:
        """Write `lines` from a thread, as the program answers while it reads, and read `answers` lines."""
        sent = ("\n".join(lines) + "\n").encode("utf-8", errors="replace")
        writer = threading.Thread(target=self._write, args=(sent,), daemon=True)
        writer.start()
        received = []
        for _ in range(answers):
            line = self._answers.readline()
            if not line.strip():
                raise self._failure()
            received.append(line.decode("ascii", errors="replace").strip())
        writer.join()
        return received

    def _write(self, sent: bytes) -> None:
        try:
            self._sends.write(sent)
            self._sends.flush()
        except (OSError, ValueError):  # the program died: the reader reports it
            pass

    def _expire(self) -> None:
        self._expired = True
        self._process.kill()

    def _failure(self) -> ScoringError:
        if self._expired:
            return ScoringError(
                f"METEOR did not finish in {self._timeout:g} s; score fewer images at a time."
            )
        self._process.kill()
        self._process.wait()
        self._errors.seek(0)
        words = self._errors.read().decode("utf-8", errors="replace").strip()[-500:]
        reason = words or "it gave no reason"
        return ScoringError(f"METEOR stopped without an answer: {reason} (it needs 2 GB of memory).")


@contextmanager
def running_meteor() -> Iterator[Compute]:
    """METEOR's program, started; whatever is scored within goes through the one process."""
    with MeteorProcess() as process:
        yield of_tokens(process.table)


def _score_line(hypothesis: str, references: Sequence[str]) -> str:
    return " ||| ".join(["SCORE", *map(_clean, references), _clean(hypothesis)])


def _row(line: str) -> list[float]:
    try:
        row = [float(field) for field in line.split()]
    except ValueError:
        row = []
    if len(row) != FIELDS:
        raise ScoringError(f"METEOR answered {line!r}, which is no alignment: reinstall pycocoevalcap.")
    return row


def _clean(text: str) -> str:
    """One line without the program's own separator."""
    return " ".join(text.replace("|||", " ").split())


def without_whole_chunks(rows: np.ndarray) -> np.ndarray:
    """A sentence matched whole, in one chunk, is not fragmented: EVAL counts no chunk for it, also inside a
    sum."""
    whole = (rows[..., 21:23] == rows[..., 0:2]).all(axis=-1) & (rows[..., 20] == 1)
    counted = rows.copy()
    counted[whole, 20] = 0.0
    return counted


def meteor_of(sums: np.ndarray) -> np.ndarray:
    """METEOR of summed statistics (..., 23), as the program's own EVAL computes it.

    Fields: lengths (hypothesis, reference), function words (both), then for each of four stages content
    matches (both) and function-word matches (both), then chunks (`without_whole_chunks`) and matched words
    (both).
    """
    lengths, functions = sums[..., 0:2], sums[..., 2:4]
    matches = sums[..., 4:20].reshape(*sums.shape[:-1], 4, 2, 2)  # (..., stage, content|function, side)
    chunks, matched = sums[..., 20], sums[..., 21:23]
    weighted = np.einsum("...skd,s,k->...d", matches, _WEIGHTS, np.array([_DELTA, 1.0 - _DELTA]))
    total = _DELTA * (lengths - functions) + (1.0 - _DELTA) * functions
    precision, recall = np.moveaxis(_ratio(weighted, total), -1, 0)
    mean = _ratio(precision * recall, _ALPHA * precision + (1.0 - _ALPHA) * recall)
    fragmentation = _ratio(chunks, matched.mean(axis=-1))
    return mean * (1.0 - _GAMMA * fragmentation**_BETA)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator, dtype=float), where=denominator > 0)


METEOR = Metric(
    "METEOR", "meteor:1.5", start=running_meteor, needs=(find_java,), default=True,
    pooled={"METEOR": meteor_of},
)  # fmt: skip
