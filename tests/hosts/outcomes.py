"""What came of each step in each host, as a file and as a table for people; it drives nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

LIBRARIES = ("gradio", "transformers", "torch", "Python")


class NotThere(Exception):
    """The host has no such thing: said, not counted as a failure."""


@dataclass(frozen=True)
class Outcome:
    """A step: `state` is ok, failed or not there; `why` is the reason, or what was seen."""

    step: str
    state: str
    why: str = ""


@dataclass(frozen=True)
class Walked:
    """A host with its versions and outcomes, in the order of the steps."""

    host: str
    versions: dict[str, str]
    outcomes: tuple[Outcome, ...]

    def write(self, folder: Path, name: str) -> None:
        """`name`.json."""
        (folder / f"{name}.json").write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> Walked:
    """What `write` wrote."""
    told = json.loads(path.read_text(encoding="utf-8"))
    outcomes = tuple(Outcome(**outcome) for outcome in told["outcomes"])
    return Walked(told["host"], told["versions"], outcomes)


def table(walks: Iterable[Walked]) -> str:
    """A Markdown table: a column a host, a row a step; what failed or is not there is explained below."""
    hosts = list(walks)
    steps = list(dict.fromkeys(outcome.step for host in hosts for outcome in host.outcomes))
    lines = [_row(["", *(host.host for host in hosts)]), _row(["---"] * (len(hosts) + 1))]
    lines.append(_row(["commit", *(host.versions.get("commit", "") for host in hosts)]))
    lines += [_row([name, *(host.versions.get(name, "") for host in hosts)]) for name in LIBRARIES]
    notes: list[str] = []
    for step in steps:
        lines.append(_row([step, *(_cell(host, step, notes) for host in hosts)]))
    return "\n".join([*lines, "", *(f"{number}. {note}" for number, note in enumerate(notes, 1))]) + "\n"


def _cell(host: Walked, step: str, notes: list[str]) -> str:
    outcome = next((one for one in host.outcomes if one.step == step), None)
    if outcome is None:
        return "not walked"
    if outcome.state == "ok":
        return "ok"
    notes.append(f"{host.host}, {step}: {outcome.why}")
    return f"{outcome.state} ({len(notes)})"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
