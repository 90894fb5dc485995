"""Measures the shape of the source: files a folder, import circles, boxes and arrows, lengths; runs nothing.

    python3 tools/structure.py [ROOT]          the figures of the tree below ROOT (default: this checkout)

Lazy imports and those under TYPE_CHECKING count as any other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

PACKAGE = "clipcap_ext"
# folders whose sub-folders are rooms: between them, too, imports run one way
HOUSES = (PACKAGE, *(f"{PACKAGE}.{name}" for name in ("engine", "train", "webui", "evaluate")))
Graph = Mapping[str, set[str]]


def source_modules(root: Path) -> dict[str, Path]:
    """Dotted name -> file of every module of the package; a folder's `__init__` has the folder's name."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    return {_dotted(path.relative_to(root)): path for path in files}


def import_graph(root: Path) -> dict[str, set[str]]:
    """Module -> the other modules of the package that it imports, wherever in the file."""
    modules = source_modules(root)
    return {name: set(_imported(name, path, modules)) - {name} for name, path in modules.items()}


def circles(graph: Graph) -> list[list[str]]:
    """The sets of two or more nodes that reach each other (strongly connected, by Tarjan), each sorted."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [group for group in found if len(group) > 1]


def rooms(graph: Graph, folder: str) -> dict[str, set[str]]:
    """`graph` inside `folder` (dotted), each sub-folder one box; a file of the folder itself is one, too."""
    made: dict[str, set[str]] = {}
    for name, imports in graph.items():
        box = _box(name, folder)
        if box is None:
            continue
        inside = {other for other in (_box(one, folder) for one in imports) if other is not None}
        made.setdefault(box, set()).update(inside - {box})
    return made


@dataclass(frozen=True)
class Lengths:
    """Of functions, in lines: their number, median, 90th percentile, longest, and how many are above 60."""

    count: int
    median: float
    p90: float
    longest: int
    above_60: int


def function_lengths(paths: Iterable[Path]) -> Lengths:
    """The lengths of every function and method in `paths`."""
    lengths = sorted(
        length for path in paths for length in _lengths(ast.parse(path.read_text(encoding="utf-8")))
    )
    tenths = quantiles(lengths, n=10)
    return Lengths(len(lengths), tenths[4], tenths[8], lengths[-1], sum(length > 60 for length in lengths))


def files_per_folder(root: Path) -> dict[str, int]:
    """Folder, relative to `root` -> its Python files, `__init__` not counted."""
    counts: dict[str, int] = {}
    for path in source_modules(root).values():
        if path.name != "__init__.py":
            name = path.parent.relative_to(root).as_posix()
            counts[name] = counts.get(name, 0) + 1
    return counts


def _dotted(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                above = parents[: len(parents) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in modules or base in modules:
                    yield whole if whole in modules else base


def _box(name: str, folder: str) -> str | None:
    if not name.startswith(f"{folder}."):
        return None
    return name.removeprefix(f"{folder}.").split(".")[0]


def _lengths(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def report(root: Path) -> Iterator[str]:
    """The figures, a line each."""
    graph = import_graph(root)
    counts = files_per_folder(root)
    fullest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    yield f"modules {len(graph)}, folders {len(counts)}, imports {sum(map(len, graph.values()))}"
    yield "fullest folders: " + ", ".join(f"{name} {count}" for name, count in fullest)
    found = circles(graph)
    yield f"circles of modules: {len(found)}" + "".join(f"\n  {', '.join(group)}" for group in found)
    for folder in HOUSES:
        boxes = rooms(graph, folder)
        around = circles(boxes)
        told = "".join(f"\n  {', '.join(group)}" for group in around)
        arrows = sum(map(len, boxes.values()))
        yield f"{folder}: {len(boxes)} boxes, {arrows} arrows, circles {len(around)}{told}"
    lengths = function_lengths(source_modules(root).values())
    yield (
        f"functions {lengths.count}: median {lengths.median:.0f}, p90 {lengths.p90:.0f}, "
        f"longest {lengths.longest}, above 60 lines {lengths.above_60}"
    )


if __name__ == "__main__":
    print("\n".join(report(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1])))
