"""The Penn Treebank tokenizer of the COCO caption toolkit, run on a pipe; it writes no file."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.java import SHORT_RUN, find_java, java_environment, toolkit_file

JAR = "tokenizer/stanford-corenlp-3.4.1.jar"
# The tokens that the toolkit drops (pycocoevalcap/tokenizer/ptbtokenizer.py).
PUNCTUATION = frozenset(["''", "'", "``", "`", *"?!,:;.-", "--", "...", "-LRB-", "-RRB-", "-LCB-", "-RCB-"])
TIMEOUT = 300.0  # seconds; a hundred thousand captions take about ten


def ptb_tokenize(texts: Sequence[str], timeout: float = TIMEOUT) -> list[str]:
    """Each text lower-cased, PTB-tokenised, without punctuation, its tokens joined by single spaces.

    Every distinct text is tokenised once, in sorted order, so that the result does not depend on the order of
    `texts`.
    """
    lines = {text: " ".join(text.split()) for text in texts}
    distinct = sorted({line for line in lines.values() if line})
    tokenized = dict(zip(distinct, _run(distinct, timeout), strict=True)) if distinct else {}
    return [_without_punctuation(tokenized.get(lines[text], "")) for text in texts]


def _run(lines: Sequence[str], timeout: float) -> list[str]:
    command = [
        find_java(),
        *SHORT_RUN,
        "-cp",
        str(toolkit_file(JAR)),
        "edu.stanford.nlp.process.PTBTokenizer",
    ]
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    sent = ("\n".join(lines) + "\n").encode("utf-8", errors="replace")
    try:
        done = subprocess.run(
            command, input=sent, capture_output=True, timeout=timeout, env=java_environment()
        )
    except subprocess.TimeoutExpired as error:
        raise ScoringError(
            f"The PTB tokenizer gave no answer for {len(lines)} texts in {timeout:.0f} s."
        ) from error
    received = done.stdout.decode("utf-8").rstrip("\n").split("\n")
    if done.returncode or len(received) != len(lines):
        errors = done.stderr.decode("utf-8", errors="replace").strip()[-500:]
        raise ScoringError(
            f"The PTB tokenizer gave {len(received)} lines for {len(lines)} texts (exit code "
            f"{done.returncode}): {errors}"
        )
    return received


def _without_punctuation(line: str) -> str:
    return " ".join(token for token in line.split() if token not in PUNCTUATION)
