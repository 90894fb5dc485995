"""Reads a source tree by AST and lists where it breaks the walls between layers; it holds no opinion on
style.

Layers import downwards only, each outside library has the one place that may import it, and doors stay thin.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.structure import HOUSES, circles, files_per_folder, import_graph, rooms

PACKAGE = "clipcap_ext"

# What each part of the package may import from the package besides itself. A new part has to be entered here.
BASE = {
    "ahead",
    "errors",
    "caption",
    "captioning",
    "caption_text",
    "decoding_option",
    "options",
    "files",
    "foreign_json",
    "lock",
}
LAYERS: dict[str, set[str]] = {
    "__init__": {"engine"},
    "errors": set(),
    "ahead": set(),
    "options": {"errors"},
    "decoding_option": {"options"},
    "caption": {"errors", "decoding_option", "options"},
    "captioning": {"caption"},
    "caption_text": set(),
    "files": {"errors", "foreign_json"},
    "foreign_json": {"errors"},
    "lock": set(),
    "exit_codes": {"errors"},
    "metrics": {"errors", "__init__"},
    "engine": BASE,
    "hub": BASE | {"engine"},
    "corpus": BASE | {"exit_codes", "engine"},
    "train": BASE | {"exit_codes", "engine", "corpus", "metrics", "__init__"},
    "evaluate": BASE | {"exit_codes", "engine", "corpus", "metrics", "flags", "__init__"},
    "batch": BASE | {"engine", "corpus"},
    "service": BASE | {"engine", "hub"},
    "webui": BASE | {"engine", "batch", "hub", "service", "cli", "flags", "__init__"},
    "reproduce": BASE
    | {"exit_codes", "engine", "corpus", "metrics", "train", "evaluate", "flags", "__init__"},
    "labels": BASE | {"exit_codes", "engine", "corpus"},
    "flags": BASE,
    "cli": BASE | {"exit_codes", "engine", "hub", "batch", "service", "flags", "__init__"},
    "__main__": BASE | {"exit_codes", "cli", "webui", "__init__"},
}
# Outside libraries with one home: import root -> the folders (or files) of the repository that may import it.
HOMES: dict[str, tuple[str, ...]] = {
    "gradio": ("clipcap_ext/webui/tab/",),
    "modules": ("clipcap_ext/webui/hosts/",),
    "modules_forge": ("clipcap_ext/webui/hosts/",),
    "launch": ("install.py",),
}
# Slow to import, or absent in some installs: only inside the function that needs it.
LAZY = {
    "open_clip",
    "spacy",
    "transformers",
    "timm",
    "pycocoevalcap",
    "matplotlib",
    "accelerate",
    "huggingface_hub",
    "onnxruntime",
}
MAX_LINES = {"script": 20, "door": 90, "module": 300}
MAX_FUNCTION = 60
MAX_FILES = 15  # of a folder


def source_files(root: Path) -> list[Path]:
    """The Python files that are held to the walls: the package, the host's scripts and its two hooks."""
    hooks = [root / "install.py", root / "preload.py"]
    return sorted([*root.glob(f"{PACKAGE}/**/*.py"), *root.glob("scripts/*.py"), *filter(Path.exists, hooks)])


def violations(root: Path) -> list[str]:
    """Every broken wall under `root`, as `file:line: what`."""
    found: list[str] = []
    for path in source_files(root):
        name = path.relative_to(root).as_posix()
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text, name)
        imports = list(imported_modules(tree, module_of(name)))
        found += [f"{name}:{line}: {what}" for line, what in broken_layers(name, imports)]
        found += [f"{name}:{line}: {what}" for line, what in broken_homes(name, imports)]
        found += [f"{name}:{line}: {what}" for line, what in eager_imports(name, tree)]
        found += [f"{name}:{line}: {what}" for line, what in bad_calls(name, tree)]
        found += [f"{name}:{line}: {what}" for line, what in too_long(name, text, tree)]
    graph = import_graph(root)
    around = circles(graph)
    found += [f"{group[0]}: a circle of imports: {', '.join(group)}" for group in around]
    for house in HOUSES if not around else ():
        found += [f"{house}: a circle of rooms: {', '.join(group)}" for group in circles(rooms(graph, house))]
    full = [(name, count) for name, count in files_per_folder(root).items() if count > MAX_FILES]
    return found + [f"{name}: {count} files, and a folder has at most {MAX_FILES}" for name, count in full]


def module_of(name: str) -> str:
    """`clipcap_ext/engine/catalog.py` -> `clipcap_ext.engine.catalog`; a package's __init__ keeps its own
    last part."""
    return name.removesuffix(".py").replace("/", ".")


def part_of(module: str) -> str | None:
    """The layer a dotted name belongs to, or None when it is not ours: `clipcap_ext.engine.clipcap.model` ->
    `engine`."""
    first, _, rest = module.partition(".")
    if first != PACKAGE:
        return None
    return rest.split(".")[0] if rest else "__init__"


def imported_modules(tree: ast.AST, module: str) -> Iterator[tuple[int, str]]:
    """Every import in the tree, wherever it stands, relative ones resolved, import_module("...") calls
    included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = module.split(".")[: -node.level]
                base = ".".join([*parent, base] if base else parent)
            # `from package import part` names a part when the base is the bare package
            bare = base == PACKAGE
            yield from ((node.lineno, f"{base}.{alias.name}" if bare else base) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function, argument = ast.unparse(node.func), node.args[0].value
            if function.split(".")[-1] in ("import_module", "__import__") and isinstance(argument, str):
                yield node.lineno, argument


def guards_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def broken_layers(name: str, imports: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    own = part_of(module_of(name))
    if own is None:
        return
    if own not in LAYERS:
        yield 1, f"{own} is a part of the package that LAYERS does not know"
        return
    for line, module in imports:
        other = part_of(module)
        if other is not None and other.startswith("__version__"):
            other = "__init__"
        if other is not None and other != own and other not in LAYERS[own]:
            yield line, f"{own} imports {module}, and {own} may not import {other}"


def broken_homes(name: str, imports: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for line, module in imports:
        root = module.split(".")[0]
        if root in HOMES and not name.startswith(HOMES[root]):
            yield line, f"imports {module}, which only {' and '.join(HOMES[root])} may"


def eager_imports(name: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Imports of slow libraries that run when the module is imported (those under TYPE_CHECKING do not)."""
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            roots = (
                {alias.name.split(".")[0] for alias in node.names} if isinstance(node, ast.Import) else set()
            )
            if isinstance(node, ast.ImportFrom) and node.level == 0:
                roots = {(node.module or "").split(".")[0]}
            yield from (
                (node.lineno, f"imports {root} when it is itself imported") for root in sorted(roots & LAZY)
            )
        elif guards_types(node):
            pending += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for field in ("body", "orelse", "finalbody", "handlers"):
                for child in getattr(node, field, []):
                    pending += child.body if isinstance(child, ast.ExceptHandler) else [child]


def bad_calls(name: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Pickles loaded unguarded, the process's folder changed, errors swallowed, state kept in globals, stray
    prints."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield node.lineno, "uses `global`"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield node.lineno, "a bare except"
        elif isinstance(node, ast.Call):
            function = ast.unparse(node.func)
            if function == "torch.load" and not any(
                keyword.arg == "weights_only" and getattr(keyword.value, "value", None) is True
                for keyword in node.keywords
            ):
                yield node.lineno, "torch.load without weights_only=True"
            elif function == "os.chdir":
                yield node.lineno, "changes the process's working folder"
            elif function == "print" and not is_door(name):
                yield node.lineno, "prints, and is no door"


def is_door(name: str) -> bool:
    """Only what a person starts may print: `python -m` doors, their command modules and the host's install
    hook."""
    return name.endswith(("/__main__.py", "install.py")) or Path(name).stem == "commands"


def too_long(name: str, text: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    kind = "script" if name.startswith("scripts/") else "door" if name.endswith("/__main__.py") else "module"
    lines = len(text.splitlines())
    if lines > MAX_LINES[kind]:
        yield lines, f"{lines} lines, and a {kind} has at most {MAX_LINES[kind]}"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield (
                    node.lineno,
                    f"{node.name} has {length} lines, and a function has at most {MAX_FUNCTION}",
                )
