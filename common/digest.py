"""A lesson's digest: it changes when the code changes that the lesson's numbers come from.

It is the SHA-256 over the syntax trees of the lesson's file and of every module of this repository that it imports,
directly or through others, also inside functions. Comments, docstrings, import statements and the names of modules are
left out: text can be mended and code moved without measuring again.

Names are followed, not packages: `data.mnist` depends on the module that defines mnist, not on every loader that
common/data/__init__.py lists beside it. Where a name can't be followed (getattr), the whole package counts.

Left out are modules that only show or keep what was measured, or fetch bytes whose checksum is known: they can't change
a number (CANNOT_CHANGE_A_NUMBER), and neither can a chapter's file of drawings (DRAWINGS). All else counts, so
common/run.py does: it makes the generators of random numbers and the scores.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CANNOT_CHANGE_A_NUMBER = frozenset(
    {
        "common.console",  # prints
        "common.errors",  # defines exceptions
        "common.files",  # writes files whole
        "common.plots",  # draws
        "common.record",  # keeps rows and facts as they were measured
        "common.tables",  # writes numbers as text
        "common.data.cache",  # these three fetch and keep files; the loaders check what arrives
        "common.data.clients",
        "common.data.mirrors",
    }
)
DRAWINGS = ("drawn_*.py", "drawings.py", "*_drawings.py", "drawings/*.py")
COMMON = Path(__file__).parent
Roots = Mapping[str, Path]  # folders of the top-level packages that belong to the repository


@dataclass(frozen=True)
class Reference:
    """What an import leads to: `name` in `module`, or the module itself (None).

    used: the names that the importing file reads from it, in case it is a package; None where that can't be told.
    """

    module: str
    name: str | None = None
    used: frozenset[str] | None = None


@dataclass(frozen=True)
class Code:
    """A file, read: the digest of its syntax tree, and what it imports, by the name that it has there."""

    digest: str
    imports: tuple[tuple[str, Reference], ...]


def digest(lesson: str, roots: Roots) -> str:
    """The digest of a lesson as 16 hexadecimal digits. lesson: the module's full name."""
    return _short("".join(sorted(_read(module, roots).digest for module in dependencies(lesson, roots))))


def dependencies(lesson: str, roots: Roots) -> set[str]:
    """The modules that a lesson's digest covers, its own among them, by full name."""
    found, waiting = set(), [lesson]
    while waiting:
        module = waiting.pop()
        if module not in found and not _left_out(module, roots):
            found.add(module)
            waiting += imported(module, roots)
    return found


def imported(module: str, roots: Roots) -> set[str]:
    """The modules of the repository that a module imports, where the names that it imports are defined."""
    return {target for _, reference in _read(module, roots).imports for target in _targets(reference, roots)}


def _left_out(module: str, roots: Roots) -> bool:
    if module.startswith("common."):
        return module in CANNOT_CHANGE_A_NUMBER
    return any(map(_file(module, roots).match, DRAWINGS))


def _targets(reference: Reference, roots: Roots) -> Iterator[str]:
    """The modules of the repository that an import leads to."""
    path, below = _file(reference.module, roots), f"{reference.module}.{reference.name}"
    if reference.name and _file(below, roots):  # from package import module
        yield from _targets(Reference(below, None, reference.used), roots)
    elif path is None:  # somebody else's
        return
    elif path.name != "__init__.py":
        yield reference.module
    elif reference.name:  # from package import name: where does the package have it from?
        imports = dict(_read(reference.module, roots).imports)
        known = reference.name in imports
        yield from _targets(imports[reference.name], roots) if known else [reference.module]
    elif reference.used is None:
        yield reference.module
    else:
        for name in reference.used:
            yield from _targets(Reference(reference.module, name), roots)


def _file(module: str, roots: Roots) -> Path | None:
    top, *below = module.split(".")
    if top not in roots:
        return None
    path = roots[top].joinpath(*below)
    files = (path / "__init__.py", path.with_suffix(".py")) if below else (path / "__init__.py",)
    return next((file for file in files if file.is_file()), None)


def _read(module: str, roots: Roots) -> Code:
    path = _file(module, roots)
    return _code(path.read_bytes(), module if path.name == "__init__.py" else module.rpartition(".")[0])


@cache
def _code(source: bytes, package: str) -> Code:
    tree = ast.parse(source)
    nodes = list(_walk(tree))
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    renamed = sorted(f"{alias.name} as {alias.asname}" for node in imports for alias in node.names if alias.asname)
    used: dict[str, set[str] | None] = {}  # by the name before the dot; None where it also stands alone
    after_dots = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in after_dots:
            used[node.id] = None
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = used.setdefault(node.value.id, set())
            if names is not None:
                names.add(node.attr)
    return Code(_short(_text(tree) + ";".join(renamed)), tuple(_references(imports, package, used)))


def _references(
    imports: list[ast.Import | ast.ImportFrom], package: str, used: Mapping[str, set[str] | None]
) -> Iterator[tuple[str, Reference]]:
    for node in imports:
        for alias in node.names:
            here = alias.asname or alias.name
            names = used.get(here, set())
            names = None if names is None or here == "*" else frozenset(names)
            if isinstance(node, ast.Import):
                yield here, Reference(alias.name, None, names if alias.asname else None)
            else:
                above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                module = ".".join([*above, *filter(None, [node.module])])
                yield here, Reference(module, None if alias.name == "*" else alias.name, names)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, but for what only type checkers see."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not _for_types(child):
            yield from _walk(child)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _text(value: object) -> str:
    """A syntax tree as text, the same in every version of Python. (ast.dump's has empty fields in some of them.)"""
    if isinstance(value, list):
        return f"[{','.join(_text(entry) for entry in value if not _no_matter(entry))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = (name for name in value._fields if name not in ("ctx", "kind", "type_comment"))
    full = [(name, text) for name in fields if (text := _text(getattr(value, name, None))) not in ("None", "[]")]
    return f"{type(value).__name__}({','.join(f'{name}={text}' for name, text in full)})"


def _no_matter(node: object) -> bool:
    """Whether a statement computes nothing: an import, a docstring, what only type checkers see."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Import | ast.ImportFrom) or (isinstance(node, ast.AST) and _for_types(node))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
