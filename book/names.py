"""Where the names in a piece of code are defined: read from the files' syntax trees, without importing anything."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from book.contents import Contents

Place = tuple[str, str]  # the source of a page, and the anchor on it
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Module:
    """The names of a file at its top level, and what they mean."""

    contents: Contents
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return self.contents.tree(self.source)

    @cached_property
    def defined(self) -> set[str]:
        """Functions, classes, "Class.method", and constants."""
        names = set()
        for node in self.tree.body:
            if isinstance(node, (ast.ClassDef, *FUNCTIONS)):
                names.add(node.name)
            if isinstance(node, ast.ClassDef):
                names |= {f"{node.name}.{n.name}" for n in node.body if isinstance(n, FUNCTIONS)}
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names |= {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
        return names

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """What a name stands for that is imported from the project: a module's source, and a name in it or ""."""
        found = {}
        for node in (n for n in ast.walk(self.tree) if isinstance(n, ast.ImportFrom) and n.module and not n.level):
            for alias in node.names:
                if inner := self.contents.module(f"{node.module}.{alias.name}"):
                    found[alias.asname or alias.name] = (inner, "")
                elif outer := self.contents.module(node.module):
                    found[alias.asname or alias.name] = (outer, alias.name)
        return found


@dataclass
class Names:
    """Resolves names in all modules of the project."""

    contents: Contents
    modules: dict[str, Module] = field(default_factory=dict)

    def module(self, source: str) -> Module:
        """The module of a file, read once."""
        if source not in self.modules:
            self.modules[source] = Module(self.contents, source)
        return self.modules[source]

    def place(self, source: str, name: str, depth: int = 4) -> Place | None:
        """Where a name (also "Class.method" or "module.function") that a file uses is defined; None if elsewhere."""
        module = self.module(source)
        if name in module.defined:
            return source, name
        head, _, rest = name.partition(".")
        if head not in module.imported or not depth:
            return None
        target, inner = module.imported[head]
        if full := ".".join(filter(None, (inner, rest))):
            return self.place(target, full, depth - 1)
        return target, ""

    def links(self, source: str) -> dict[tuple[int, int], Place]:
        """The places of all names of a file, by line and column of where each is used."""
        module, lines = self.module(source), self.contents.text(source).splitlines()
        found = {}
        for line, column, name, length in _uses(module.tree, {}):
            if place := self.place(source, name):
                text = lines[line - 1].encode()[:column].decode()  # the tree counts bytes
                found[line, len(text) - length] = place
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module and (target := self.contents.module(node.module)):
                found[node.lineno, node.col_offset + len("from ")] = (target, "")
        return found


def _uses(node: ast.AST, known: dict[str, str]) -> Iterator[tuple[int, int, str, int]]:
    """Every use of a name below node: its line, column, full name, and how many letters before the column it begins.

    known: names that functions around have given a meaning: the class of an annotated argument, "" for any other.
    """
    if isinstance(node, ast.ClassDef):
        known = {**known, "self": node.name, "cls": node.name}
    if isinstance(node, FUNCTIONS):
        for part in (*node.decorator_list, node.args, *filter(None, [node.returns])):
            yield from _uses(part, known)
        inner = {**known, **_locals(node, known)}
        for part in node.body:
            yield from _uses(part, inner)
        return
    if isinstance(node, ast.alias):
        yield node.lineno, node.col_offset, node.asname or node.name, 0
    elif isinstance(node, ast.Name) and node.id not in known:
        yield node.lineno, node.col_offset, node.id, 0
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = known.get(node.value.id, node.value.id)
        if owner:
            yield node.end_lineno, node.end_col_offset, f"{owner}.{node.attr}", len(node.attr)
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, known)


def _locals(function: ast.FunctionDef | ast.AsyncFunctionDef, known: dict[str, str]) -> dict[str, str]:
    """The names that a function binds, with the class of arguments whose annotation is a plain name."""
    found = {n.id: "" for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    a = function.args
    for argument in (*a.posonlyargs, *a.args, *a.kwonlyargs, *filter(None, (a.vararg, a.kwarg))):
        if argument.arg in {"self", "cls"} and argument.arg in known:
            continue
        found[argument.arg] = argument.annotation.id if isinstance(argument.annotation, ast.Name) else ""
    return found
