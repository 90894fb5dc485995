"""Makes the Makefile's virtual environments, outside the checkout and named by a hash of what is in them.

Not a package manager: it calls venv and pip. It runs before anything is installed, on the standard library
alone.

    python3 tools/environment.py main             .venv -> the environment of requirements/dev.txt
    python3 tools/environment.py compat NAME      .venv-NAME -> requirements/compat-NAME.txt laid over the
    main one
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
OLDEST, NEWEST = (3, 10), (3, 13)
COMPLETE = "complete"  # written last, inside the environment: without it the folder is an interrupted install
PROBE_MAIN = (
    "import torch, torchvision; print('torch', torch.__version__, 'torchvision', torchvision.__version__)"
)
PROBE_COMPAT = "import torch, transformers, open_clip; print('transformers', transformers.__version__)"


def cache_folder() -> Path:
    """Where environments are kept: CLIPCAP_CACHE, else the user's cache, else (read-only) the checkout."""
    named = os.environ.get("CLIPCAP_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    folder = Path(named) if named else Path(base) / "clipcap-ext"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder.resolve()
    except OSError:
        pass
    return ROOT / ".venv-cache"


def fingerprint(*parts: str | Path) -> str:
    """Twelve hex digits over files and strings, the interpreter and the kind of machine."""
    digest = hashlib.sha256()
    machine = (sys.version, os.path.realpath(sys.base_prefix), sys.platform, platform.machine())
    for part in (*parts, *machine):
        data = part.read_bytes() if isinstance(part, Path) else part.encode()
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:12]


def with_included(requirements: Path) -> list[Path]:
    """A requirements file and those it includes by `-r` and `-c`."""
    words = [line.split() for line in requirements.read_text(encoding="utf-8").splitlines()]
    named = [requirements.parent / line[1] for line in words if line and line[0] in ("-r", "-c")]
    return [requirements, *(path for name in named for path in with_included(name))]


def python_of(environment: Path) -> Path:
    return environment / "bin" / "python"


def site_packages(environment: Path) -> Path:
    return environment / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


def is_complete(environment: Path) -> bool:
    """Finished, and its interpreter still starts (the one it was made from may have been removed)."""
    if not (environment / COMPLETE).exists():
        return False
    try:
        return (
            subprocess.run([python_of(environment), "-c", ""], capture_output=True, timeout=120).returncode
            == 0
        )
    except OSError:
        return False


@contextlib.contextmanager
def locked(environment: Path) -> Iterator[None]:
    """Let one process at a time build an environment; the lock goes with the process."""
    import fcntl

    environment.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{environment}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def pip_install(environment: Path, *arguments: str) -> None:
    command: list[str | Path] = [
        python_of(environment),
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        *arguments,
    ]
    print("+", "pip install", *arguments, flush=True)
    subprocess.run(command, check=True)


def probe(environment: Path, code: str) -> None:
    """Run `code` there; a failure ends the build before the environment counts as complete."""
    subprocess.run([python_of(environment), "-c", code], check=True)


def build_main(environment: Path) -> None:
    venv.create(environment, with_pip=True)
    pip_install(environment, "-r", str(REQUIREMENTS / "dev.txt"))
    probe(environment, PROBE_MAIN)


def build_compat(environment: Path, requirements: Path, main: Path) -> None:
    """A thin environment: its own packages first, then the main one's by a .pth file; torch is not installed
    twice."""
    venv.create(environment, with_pip=True)
    pip_install(environment, "--no-deps", "-r", str(requirements))
    (site_packages(environment) / "borrowed.pth").write_text(f"{site_packages(main)}\n")
    probe(environment, PROBE_COMPAT)


def ensure(environment: Path, build: Callable[[Path], None]) -> Path:
    """Build `environment` unless it is complete; what an interrupted build left is removed first."""
    with locked(environment):
        if is_complete(environment):
            print(f"environment ready: {environment}")
            return environment
        if environment.exists():
            print(f"removing an unfinished environment: {environment}")
            shutil.rmtree(environment)
        print(f"building {environment} (torch is large: the first time takes minutes)", flush=True)
        build(environment)
        (environment / COMPLETE).touch()
    return environment


def link(name: str, environment: Path) -> None:
    """Point ROOT/name at the environment, in one step."""
    target = ROOT / name
    if target.exists() and not target.is_symlink():
        sys.exit(f"{target} is a folder, not a link made by `make setup`: move it away and run again.")
    fresh = ROOT / f"{name}.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(environment)
    os.replace(fresh, target)


def make_main() -> Path:
    files = with_included(REQUIREMENTS / "dev.txt")
    environment = ensure(cache_folder() / f"venv-{fingerprint(*files)}", build_main)
    link(".venv", environment)
    return environment


def make_compat(name: str) -> None:
    requirements = REQUIREMENTS / f"compat-{name}.txt"
    if not requirements.exists():
        known = sorted(path.stem.removeprefix("compat-") for path in REQUIREMENTS.glob("compat-*.txt"))
        sys.exit(f"no environment is called {name!r}; there are: {', '.join(known)}")
    main = make_main()
    environment = cache_folder() / f"venv-{name}-{fingerprint(*with_included(requirements), str(main))}"
    ensure(environment, lambda folder: build_compat(folder, requirements, main))
    link(f".venv-{name}", environment)


def main() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = platform.python_version()
        sys.exit(f"Python 3.10 to 3.13 is needed, this is {found}: try `make setup PYTHON=python3.12`.")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("main")
    commands.add_parser("compat").add_argument("name")
    arguments = parser.parse_args()
    try:
        make_main() if arguments.command == "main" else make_compat(arguments.name)
    except subprocess.CalledProcessError as error:
        sys.exit(f"the environment could not be built: see the message above (exit code {error.returncode})")


if __name__ == "__main__":
    main()
