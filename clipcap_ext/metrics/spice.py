"""SPICE 1.0 by its own Java program, which needs Stanford's CoreNLP beside it; it tokenises nothing
itself."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clipcap_ext.errors import ScoringError
from clipcap_ext.metrics.java import JVM_OPTIONS, find_java, java_environment, toolkit_file
from clipcap_ext.metrics.metric import Metric, of_tokens
from clipcap_ext.metrics.metric_table import MetricTable, mean_table

JAR = "spice/spice-1.0.jar"
MODELS = ("spice/lib/stanford-corenlp-3.6.0.jar", "spice/lib/stanford-corenlp-3.6.0-models.jar")
TIMEOUT = 7200.0  # seconds; a thousand images take some minutes
# Java 9 and newer read this and open to SPICE's serializer what Java 8 never closed; Java 8 does not know it.
OPENED = " ".join(
    f"--add-opens=java.base/java.{part}=ALL-UNNAMED" for part in ("lang", "util", "math", "nio", "text")
)


def check_models() -> None:
    """ScoringError if CoreNLP, half a gigabyte that pycocoevalcap does not bring, is not where SPICE looks
    for it."""
    folder = toolkit_file(JAR).parents[1]
    missing = [name for name in MODELS if not (folder / name).is_file()]
    if missing:
        raise ScoringError(
            f"SPICE needs Stanford CoreNLP 3.6.0 and its models, which pycocoevalcap does not bring: put "
            f"{' and '.join(Path(name).name for name in missing)} into {(folder / missing[0]).parent}. "
            "pycocoevalcap fetches them (400 MB): python -c 'from pycocoevalcap.spice.get_stanford_models "
            "import *; get_stanford_models()'. Or leave SPICE out of --metrics."
        )


def spice(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, MetricTable]:
    """SPICE, the F-score over scene-graph tuples, from 0 to 1; corpus value is the mean."""
    check_models()
    pairs = zip(hypotheses, references, strict=True)
    asked = [{"image_id": row, "test": text, "refs": list(refs)} for row, (text, refs) in enumerate(pairs)]
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "given.json", Path(folder) / "made.json"
        given.write_text(json.dumps(asked), encoding="utf-8")
        _run(given, made)
        answers = _answers(made, len(asked))
    return {
        "SPICE": mean_table(
            np.array([float(answers[row]["scores"]["All"]["f"] or 0.0) for row in range(len(asked))])
        )
    }


def _run(given: Path, made: Path) -> None:
    jar = toolkit_file(JAR)
    options = [option for option in JVM_OPTIONS if not option.startswith("-Xmx")]
    command = [
        find_java(),
        "-Xmx8G",
        *options,
        "-jar",
        str(jar),
        str(given),
        "-out",
        str(made),
        "-subset",
        "-silent",
    ]
    environment = {**java_environment(), "JDK_JAVA_OPTIONS": OPENED}
    try:
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, cwd=jar.parent, env=environment)
    except subprocess.TimeoutExpired as error:
        raise ScoringError(
            f"SPICE gave no answer in {TIMEOUT:.0f} s; score fewer images at a time."
        ) from error
    if done.returncode or not made.is_file():
        errors = done.stderr.decode("utf-8", errors="replace").strip()[-500:]
        raise ScoringError(
            f"SPICE stopped (exit code {done.returncode}): {errors} (it needs 8 GB of memory)."
        )


def _answers(made: Path, count: int) -> dict[int, Any]:
    try:
        by_image = {int(row["image_id"]): row for row in json.loads(made.read_text(encoding="utf-8"))}
        complete = set(by_image) == set(range(count)) and all(
            "f" in row["scores"]["All"] for row in by_image.values()
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ScoringError(f"SPICE's answer cannot be read: {error!r}.") from error
    if not complete:
        raise ScoringError(f"SPICE answered for {len(by_image)} of {count} images.")
    return by_image


SPICE = Metric("SPICE", "spice:1.0", of_tokens(spice), needs=(find_java, check_models))
