"""Finding Java and the COCO caption toolkit's jars, with an error that says what to install; it runs no
metric."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from clipcap_ext.errors import ScoringError

INSTALL_JAVA = (
    "METEOR, SPICE and the PTB tokenizer are Java programs. Install a Java runtime, 8 or newer (Debian and "
    "Ubuntu: apt install default-jre-headless; macOS: brew install openjdk; Windows: winget install "
    "EclipseAdoptium.Temurin.17.JRE), or point JAVA_HOME at one. Without Java, the protocols paper "
    "and words still give BLEU, ROUGE-L and CIDEr-D."
)
# The toolkit is scored in English, whatever the user's locale: a comma as decimal sign breaks METEOR's
# output.
JVM_OPTIONS = ("-Xmx2G", "-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US")
# Compiling well and collecting beside the work costs a run of less than a second more than it gets back.
# SPICE, which takes minutes, and METEOR, which loads for long, keep Java's own choice: on two idle cores
# METEOR answers after 6.2 s with it and after 9.5 s without.
SHORT_RUN = (*JVM_OPTIONS, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def find_java() -> str:
    """The path of a `java` that starts; ScoringError if there is none."""
    home = os.environ.get("JAVA_HOME")
    java = (shutil.which("java", path=os.path.join(home, "bin")) if home else None) or shutil.which("java")
    if java is None:
        raise ScoringError(f"No Java found (neither in JAVA_HOME nor on the PATH). {INSTALL_JAVA}")
    _check_starts(java)
    return java


@cache
def _check_starts(java: str) -> None:
    """ScoringError unless it does; asked once, for each try is a start of Java."""
    try:
        done = subprocess.run(
            [java, "-version"], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ScoringError(f"{java} does not start: {error}. {INSTALL_JAVA}") from error
    if done.returncode:
        first = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[0]
        raise ScoringError(f"{java} does not start: {first}. {INSTALL_JAVA}")


def toolkit_file(relative: str) -> Path:
    """A file of the installed pycocoevalcap package, such as `meteor/meteor-1.5.jar`; ScoringError if
    missing."""
    spec = importlib.util.find_spec("pycocoevalcap")
    if spec is None or not spec.submodule_search_locations:
        raise ScoringError("The package pycocoevalcap is missing: pip install 'pycocoevalcap>=1.2'.")
    path = Path(next(iter(spec.submodule_search_locations))) / relative
    if not path.is_file():
        raise ScoringError(f"pycocoevalcap is incomplete, {relative} is missing: reinstall pycocoevalcap.")
    return path


def java_environment() -> dict[str, str]:
    """The environment of a Java child: the user's, in the C locale."""
    return {**os.environ, "LC_ALL": "C"}
