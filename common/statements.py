"""A file of this repository as its statements: what each defines and uses, and what the file imports.

Of a statement its syntax tree counts: comments and docstrings are no part of it, and neither are import statements and
what only type checkers see.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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

    source: as the file has it. digest: of its syntax tree. defines: names. uses: names, its own imports' among them,
    each with what it reads from it after a dot; None where the name also stands alone.
    """

    source: str
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


def file_of(module: str, roots: Roots) -> Path | None:
    """The module's file; None for a module of somebody else's."""
    top, *below = module.split(".")
    if top not in roots:
        return None
    path = roots[top].joinpath(*below)
    files = (path / "__init__.py", path.with_suffix(".py")) if below else (path / "__init__.py",)
    return next((file for file in files if file.is_file()), None)


def read_code(module: str, roots: Roots) -> Code:
    """The code of a module of the repository."""
    path = file_of(module, roots)
    return _code(path.read_bytes(), module if path.name == "__init__.py" else module.rpartition(".")[0])


@cache
def _code(source: bytes, package: str) -> Code:
    tree, lines = ast.parse(source), source.decode().split("\n")
    imports, renamed, used = {}, {}, _used([tree])
    for node in _walk(tree):
        for alias in node.names if isinstance(node, ast.Import | ast.ImportFrom) else ():
            here = alias.asname or alias.name
            imports[here] = _reference(node, alias, package, used)
            if alias.asname:
                renamed[here] = f"{alias.name} as {alias.asname}"
    statements = tuple(
        Statement(
            "\n".join(lines[node.lineno - 1 : node.end_lineno]),
            short(as_text(node)),
            frozenset(_defined(node)),
            _used([node]),
        )
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


def as_text(value: object) -> str:
    """A syntax tree as text, the same in every version of Python. (ast.dump's has empty fields in some of them.)"""
    if isinstance(value, list):
        return f"[{','.join(as_text(entry) for entry in value if not _no_matter(entry))}]"
    if not isinstance(value, ast.AST):
        return repr(value)
    fields = (name for name in value._fields if name not in ("ctx", "kind", "type_comment"))
    full = [(name, text) for name in fields if (text := as_text(getattr(value, name, None))) not in ("None", "[]")]
    return f"{type(value).__name__}({','.join(f'{name}={text}' for name, text in full)})"


def _no_matter(node: object) -> bool:
    """Whether a statement computes nothing: an import, a docstring, what only type checkers see."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.Import | ast.ImportFrom) or (isinstance(node, ast.AST) and _for_types(node))


def short(text: str) -> str:
    """The text's SHA-256 as 16 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
