"""A lesson's digest: it changes when the code changes that the lesson's numbers come from.

It is the SHA-256 over the syntax trees of all statements that the lesson needs: those of its own file, and in other
modules of this repository the definitions that it imports, with whatever these use in turn, also inside functions.
Comments, docstrings, import statements and the names of modules are left out: text can be mended and code moved without
measuring again, and a function that joins a module leaves lessons alone that don't call it.

Names are followed: `data.mnist` depends on mnist and on what it calls, not on every loader that common/data/__init__.py
lists beside it. Where a name can't be followed (getattr), the whole module counts. A statement that defines nothing
runs whenever its module is imported, and counts whenever anything of it does.

Left out are modules that only show or keep what was measured, or fetch bytes whose checksum is known: they can't change
a number (CANNOT_CHANGE_A_NUMBER), and neither can a chapter's file of drawings (DRAWINGS). All else counts, so
common/run.py does: it makes the generators of random numbers and the scores.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
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

    used: the names that the importing code reads from it, in case it is a module; None where that can't be told.
    """

    module: str
    name: str | None = None
    used: frozenset[str] | None = None


@dataclass(frozen=True)
class Statement:
    """A statement of a file's top level.

    digest: of its syntax tree. defines: names. uses: names, its own imports' among them, each with what it reads from
    it after a dot; None where the name also stands alone.
    """

    digest: str
    defines: frozenset[str]
    uses: Mapping[str, frozenset[str] | None]


@dataclass(frozen=True)
class Code:
    """A file, read: its statements but for imports, and what is imported, by the name that it has there."""

    statements: tuple[Statement, ...]
    defined: frozenset[str]  # by all statements
    imports: Mapping[str, Reference]
    renamed: Mapping[str, str]  # an import's own name, by the other one that it is given


Piece = tuple[str, str | None]  # a definition: its module and its name; None: all of the module


def digest(lesson: str, roots: Roots) -> str:
    """The digest of a lesson as 16 hexadecimal digits. lesson: the module's full name."""
    return _short("".join(sorted(text for texts in _covered(lesson, roots).values() for text in texts)))


def dependencies(lesson: str, roots: Roots) -> set[str]:
    """The modules that a lesson's digest covers, in part or whole, its own among them, by full name."""
    return set(_covered(lesson, roots))


def imported(module: str, roots: Roots) -> set[str]:
    """The modules of the repository that a module imports, where the names that it imports are defined."""
    code = _read(module, roots)
    return {target for reference in code.imports.values() for target, _ in _targets(reference, roots)}


def _covered(lesson: str, roots: Roots) -> dict[str, set[str]]:
    """The digests of the statements that a lesson needs, by module."""
    found: dict[str, set[str]] = {}
    seen, waiting = set(), [(lesson, None)]
    while waiting:
        piece = waiting.pop()
        if piece in seen or _left_out(piece[0], roots):
            continue
        seen.add(piece)
        module, name = piece
        code, own = _read(module, roots), found.setdefault(module, set())
        if name not in code.imports and name not in code.defined:
            name = None  # or made in a way that can't be followed
        if name is None:
            waiting += [target for reference in code.imports.values() for target in _targets(reference, roots)]
        elif name in code.imports:
            waiting += _targets(code.imports[name], roots)
        for statement in code.statements:
            if name is None or name in statement.defines or not statement.defines:
                own.add(statement.digest)
                for used, read in statement.uses.items():
                    own.update([code.renamed[used]] if used in code.renamed else [])
                    if used in code.imports:
                        waiting += _targets(replace(code.imports[used], used=read), roots)
                    if used in code.defined:
                        waiting.append((module, used))
    return found


def _left_out(module: str, roots: Roots) -> bool:
    if module.startswith("common."):
        return module in CANNOT_CHANGE_A_NUMBER
    return any(map(_file(module, roots).match, DRAWINGS))


def _targets(reference: Reference, roots: Roots) -> Iterator[Piece]:
    """The pieces of the repository that an import leads to."""
    path, below = _file(reference.module, roots), f"{reference.module}.{reference.name}"
    if reference.name and _file(below, roots):  # from package import module
        yield from _targets(Reference(below, None, reference.used), roots)
    elif path is None:  # somebody else's
        return
    elif reference.name is None and (reference.used is None or not (reference.used or path.name == "__init__.py")):
        yield reference.module, None
    elif reference.name is None:
        for name in reference.used:
            yield from _targets(Reference(reference.module, name), roots)
    elif path.name != "__init__.py":
        yield reference.module, reference.name
    else:  # from package import name: where does the package have it from?
        known = _read(reference.module, roots).imports.get(reference.name)
        yield from [(reference.module, None)] if known is None else _targets(known, roots)


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
    imports, renamed, used = {}, {}, _used([tree])
    for node in _walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            here = alias.asname or alias.name
            imports[here] = _reference(node, alias, package, used)
            if alias.asname:
                renamed[here] = f"{alias.name} as {alias.asname}"
    statements = tuple(
        Statement(_short(_text(node)), frozenset(_defined(node)), _used([node]))
        for node in tree.body
        if not _no_matter(node)
    )
    return Code(statements, frozenset().union(*(each.defines for each in statements)), imports, renamed)


def _reference(
    node: ast.Import | ast.ImportFrom, alias: ast.alias, package: str, used: Mapping[str, frozenset[str] | None]
) -> Reference:
    names = used.get(alias.asname or alias.name, frozenset())
    if isinstance(node, ast.Import):
        return Reference(alias.name, None, names if alias.asname else None)
    above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
    module = ".".join([*above, *filter(None, [node.module])])
    return Reference(module) if alias.name == "*" else Reference(module, alias.name, names)


def _used(nodes: list[ast.AST]) -> dict[str, frozenset[str] | None]:
    """The names that code reads, each with what it reads from it after a dot; None where a name also stands alone."""
    below = [each for node in nodes for each in _walk(node)]
    after_dots = {id(node.value) for node in below if isinstance(node, ast.Attribute)}
    used: dict[str, set[str] | None] = {}
    for node in below:
        if isinstance(node, ast.Name) and id(node) not in after_dots:
            used[node.id] = None
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = used.setdefault(node.value.id, set())
            if names is not None:
                names.add(node.attr)
    return {name: None if names is None else frozenset(names) for name, names in used.items()}


def _defined(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of the top level gives a value to."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        yield from (each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name))


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
