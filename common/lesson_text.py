"""A lesson's file as text and code in turn: its docstring by sections, and its code cut where it can be explained.

The file is read, never imported, so that pages can be made of it where its libraries are missing.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

SECTION = re.compile(r"(?P<name>[A-Z][a-z]+) {2,}(?=\S)")
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Block:
    """A piece of a file. kind: "imports", "code" (constants and other statements), "function" or "class".

    name: of what it defines, "Class.method" for a method, "" where it defines no function and no class.
    text: its docstring, without the indentation; "" where it has none.
    code: its lines as they stand in the file, with decorators, the comments above it and the docstring.
    line: the number of the first of them. bare: the code without the docstring, each line with its number.
    short: of a class's head, the methods in it.
    """

    kind: str
    name: str
    text: str
    code: str
    line: int
    bare: tuple[tuple[int, str], ...]
    short: tuple[str, ...] = ()


def parse_docstring(text: str) -> dict[str, str]:
    """A lesson's docstring by section: "" has what stands above the first, the title; then Question, Method, Rival, …

    A section begins with a capitalised word at the margin and two spaces or more. What is indented beneath belongs to
    it, and keeps what it is indented by beyond the section's own column: so equations stay apart from sentences.
    """
    sections: dict[str, list[str]] = {"": []}
    name, column = "", 0
    for line in inspect.cleandoc(text).splitlines():
        if found := SECTION.match(line):
            name, column = found["name"], found.end()
            sections[name] = [line[column:]]
        elif not name or not line.strip():
            sections[name].append(line)
        else:
            indent = len(line) - len(line.lstrip())
            if indent == 0:  # a sentence at the margin ends the sections
                name = ""
            sections[name].append(line[min(indent, column) :])
    return {name: "\n".join(lines).strip("\n") for name, lines in sections.items()}


def split_code(source: str) -> list[Block]:
    """The blocks of a file in their order, without the module's docstring: imports, constants, functions, classes.

    Statements that follow one another without a definition between them are one block.
    """
    lines, tree = source.splitlines(), ast.parse(source)
    body = tree.body[1:] if ast.get_docstring(tree) is not None else tree.body
    above = tree.body[0].end_lineno if len(body) < len(tree.body) else 0
    blocks = []
    for kind, nodes in _grouped(body):
        blocks.append(_block(lines, kind, nodes, above))
        above = nodes[-1].end_lineno
    return blocks


def split_class(source: str, block: Block) -> list[Block]:
    """A class as its head, with fields and short methods, and each method that has a docstring."""
    lines = source.splitlines()
    (tree,) = ast.parse("\n" * (block.line - 1) + block.code).body  # with the file's own numbers of lines
    methods = [n for n in tree.body if isinstance(n, DEFINITIONS[:2]) and ast.get_docstring(n) is not None]
    pieces, taken = [], set()
    for method in methods:
        above = max((n.end_lineno for n in tree.body if n.end_lineno < method.lineno), default=tree.lineno)
        piece = _block(lines, "function", [method], above, prefix=f"{block.name}.")
        pieces.append(piece)
        taken |= set(range(piece.line, method.end_lineno + 1))
    head = _trimmed([(n, line) for n, line in block.bare if n not in taken])
    code = "\n".join(line for _, line in head)
    short = tuple(n.name for n in tree.body if isinstance(n, DEFINITIONS) and n not in methods)
    return [Block("class", block.name, block.text, code, head[0][0], head, short), *pieces]


def _grouped(body: list[ast.stmt]) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Statements by what they are, each definition alone."""
    for (kind, _), nodes in groupby(enumerate(body), lambda item: _kind(item[1], item[0])):
        yield kind, [node for _, node in nodes]


def _kind(node: ast.stmt, number: int) -> tuple[str, int]:
    if isinstance(node, ast.ClassDef):
        return "class", number
    if isinstance(node, DEFINITIONS):
        return "function", number
    imports = isinstance(node, ast.Import | ast.ImportFrom)
    return ("imports" if imports or _for_types(node) else "code"), -1


def _for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _block(lines: list[str], kind: str, nodes: list[ast.stmt], above: int, prefix: str = "") -> Block:
    first = min([nodes[0].lineno, *(d.lineno for d in getattr(nodes[0], "decorator_list", []))])
    while first - 1 > above and lines[first - 2].lstrip().startswith("#"):  # the comments above
        first -= 1
    every = [(n, lines[n - 1]) for n in range(first, nodes[-1].end_lineno + 1)]
    text, within = "", set()
    if isinstance(nodes[0], DEFINITIONS) and (text := ast.get_docstring(nodes[0]) or "") and len(nodes[0].body) > 1:
        within = set(range(nodes[0].body[0].lineno, nodes[0].body[0].end_lineno + 1))
        if not lines[max(within)].strip():  # the empty line beneath it, too
            within.add(max(within) + 1)
    bare = _trimmed([(n, line) for n, line in every if n not in within])
    name = prefix + getattr(nodes[0], "name", "") if isinstance(nodes[0], DEFINITIONS) else ""
    return Block(kind, name, text, "\n".join(line for _, line in every), first, bare)


def _trimmed(lines: list[tuple[int, str]]) -> tuple[tuple[int, str], ...]:
    """Without empty lines at both ends, and with no two of them in a row."""
    kept = [(n, line) for k, (n, line) in enumerate(lines) if line.strip() or (k and lines[k - 1][1].strip())]
    while kept and not kept[-1][1].strip():
        kept.pop()
    return tuple(kept)
