"""Finds the commands and the pieces of code that the pages print; it runs none, and is not a test."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from package import ROOT

PAGES = ("README.md", "CONTRIBUTING.md", "docs/*.md", "benchmarks/README.md", "clipcap_ext/**/README.md")
PROGRAMS = ("python", "python3", "clipcap-ext", "make", "pip", "bash", "torchrun", "git", "mkdir", "cp", "hf")
SHELLS = ("", "bash", "sh", "shell", "console")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
SPAN = re.compile(r"`([^`]+)`")
NAME = re.compile(r"python3? -m [\w.]+|clipcap-ext")  # a program named in a sentence, not a command
SETTING = re.compile(r"[A-Z_]+=.*")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@dataclass(frozen=True)
class Printed:
    """Something that `page` prints at `line`, to the letter."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """The words of each command of a shell line, without its comment and what it sets beforehand."""
        found: list[list[str]] = [[]]
        for word in shlex.split(self.text.replace("\\\n", " "), comments=True):
            if word == "&&":
                found.append([])
            elif found[-1] or not SETTING.fullmatch(word):
                found[-1].append(word)
        return tuple(map(tuple, found))


def pages() -> list[str]:
    """The pages that a person reads."""
    return [path.relative_to(ROOT).as_posix() for pattern in PAGES for path in sorted(ROOT.glob(pattern))]


def text_of(page: str) -> str:
    """What is on it."""
    return (ROOT / page).read_text(encoding="utf-8")


def commands_of(page: str, text: str | None = None) -> list[Printed]:
    """Every shell line of a page, those in blocks and those in sentences, in their order."""
    text = text_of(page) if text is None else text
    found = [
        one for at, language, body in blocks(text) if language in SHELLS and is_shell(body)
        for one in shell_lines(page, at, body)
    ]  # fmt: skip
    found += [one for one in spans(page, text) if one.text.split()[0] in PROGRAMS and is_command(one.text)]
    return sorted(found, key=lambda one: one.line)


def code_of(page: str, language: str) -> list[Printed]:
    """The blocks of one language."""
    return [Printed(page, at, body) for at, said, body in blocks(text_of(page)) if said == language]


def flags_of(page: str) -> list[Printed]:
    """Every --flag that a sentence of a page names."""
    return [
        Printed(page, span.line, flag) for span in spans(page, text_of(page))
        for flag in FLAG.findall(span.text)
    ]  # fmt: skip


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Line, language and content of each fenced block."""
    for match in FENCE.finditer(text):
        yield text.count("\n", 0, match.start()) + 2, match[1], match[2]


def is_shell(body: str) -> bool:
    """Whether an unlabelled block is commands: one of its lines begins with a program."""
    return any(line.split()[0] in PROGRAMS for line in body.splitlines() if line.strip())


def is_command(text: str) -> bool:
    """Whether words in a sentence are a whole command."""
    return len(text.split()) > 1 and not NAME.fullmatch(text)


def shell_lines(page: str, at: int, body: str) -> Iterator[Printed]:
    """The commands of a block; a line that ends in a backslash goes on in the next."""
    begun, start = "", at
    for number, line in enumerate(body.splitlines(), at):
        begun += line.removeprefix("$ ")
        if begun.endswith("\\"):
            begun += "\n"
            continue
        if begun.strip() and not begun.lstrip().startswith("#"):
            yield Printed(page, start, begun)
        begun, start = "", number + 1


def spans(page: str, text: str) -> Iterator[Printed]:
    """What stands between backticks outside the blocks."""
    plain = FENCE.sub(lambda match: "\n" * match[0].count("\n"), text)
    for match in SPAN.finditer(plain):
        if match[1].strip() and "\n\n" not in match[1]:
            yield Printed(page, plain.count("\n", 0, match.start()) + 1, " ".join(match[1].split()))
