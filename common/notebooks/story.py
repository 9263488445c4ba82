"""The body of a lesson's function lesson(run), as the cells of a notebook: one per step of its story."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator

from common.errors import Problem

SHOWS = {"method", "figure", "figure_over_seeds", "note"}  # what of a run has something to show under the cell
FOR_TOOLS = re.compile(r"  # (?:fmt|noqa)[^\n]*$", re.MULTILINE)  # comments that speak to the linters


def story_cells(source: str) -> list[str]:
    """The code of each step of a lesson file's last function, dedented.

    A step ends with a statement that shows something (a method's scores, a figure, a note), and where the text has an
    empty line. `return` becomes `run.stop_here()`. What was local to the function is global in a notebook: a local that
    would hide a name of the file is given an underscore.
    """
    function = ast.parse(source).body[-1]
    lines = edited_lines(source, function)
    cells: list[list[str]] = [[]]
    above = function.body[0].lineno - 1
    for statement in function.body:
        text = [line[4:] for line in lines[above : statement.end_lineno]]
        if cells[-1] and not text[0].strip():  # an empty line
            cells.append([])
        cells[-1] += text
        if shows_something(statement):
            cells.append([])
        above = statement.end_lineno
    return [FOR_TOOLS.sub("", "\n".join(cell).strip("\n")) for cell in cells if cell]


def shows_something(statement: ast.stmt) -> bool:
    """Whether the statement, or one within it, lets the run show something."""
    calls = (node.func for node in ast.walk(statement) if isinstance(node, ast.Call))
    return any(
        isinstance(call, ast.Attribute) and isinstance(call.value, ast.Name) and call.value.id == "run"
        and call.attr in SHOWS
        for call in calls
    )  # fmt: skip


def edited_lines(source: str, function: ast.FunctionDef) -> list[str]:
    """The file's lines, with the function's hiding locals renamed and its `return` replaced.

    Raises Problem for what can't be told in cells: a `return` with a value, a hiding local that is a parameter, too.
    """
    lines = [line.encode() for line in source.splitlines()]  # a column of ast counts bytes
    hiding = hiding_locals(source, function)
    edits = [(node, b"return", b"run.stop_here()") for node in returns(function)]
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.arg in hiding:
            raise Problem(f"line {node.lineno}: {node.arg} is a local, a parameter and a name of the file: rename it")
        if isinstance(node, ast.Name) and node.id in hiding:
            edits.append((node, node.id.encode(), node.id.encode() + b"_"))
    for node, old, new in sorted(edits, key=lambda edit: (edit[0].lineno, -edit[0].col_offset)):
        line, start = lines[node.lineno - 1], node.col_offset
        end = start + len(old)
        if line[start:end] != old or (isinstance(node, ast.Return) and node.value):
            raise Problem(f"line {node.lineno} can't be told in a cell of a notebook: {ast.unparse(node)}")
        lines[node.lineno - 1] = line[:start] + new + line[end:]
    return [line.decode() for line in lines]


def returns(node: ast.AST) -> Iterator[ast.Return]:
    """The `return` statements below the node, but for those of functions that are defined there."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Return):
            yield child
        elif not isinstance(child, ast.FunctionDef | ast.ClassDef):
            yield from returns(child)


def hiding_locals(source: str, function: ast.FunctionDef) -> set[str]:
    """The function's locals that share their name with something that the rest of the file reads."""
    whole = symtable.symtable(source, "lesson", "exec")
    own = next(scope for scope in whole.get_children() if scope.get_name() == function.name)
    names = {symbol.get_name() for symbol in whole.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    others = (node for node in ast.parse(source).body if getattr(node, "name", "") != function.name)
    read = {node.id for other in others for node in ast.walk(other) if isinstance(node, ast.Name)}
    names |= {name for name in read if hasattr(builtins, name)}
    return set(own.get_locals()) & names & read
