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

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from common.statements import Reference, Roots, file_of, read_code, short

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
Piece = tuple[str, str | None]  # a definition: its module and its name; None: all of the module


def digest(lesson: str, roots: Roots) -> str:
    """The digest of a lesson as 16 hexadecimal digits. lesson: the module's full name."""
    return short("".join(sorted(digest for needed in _covered(lesson, roots).values() for digest in needed)))


def dependencies(lesson: str, roots: Roots) -> set[str]:
    """The modules that a lesson's digest covers, in part or whole, its own among them, by full name."""
    return set(_covered(lesson, roots))


def sources(lesson: str, roots: Roots) -> Iterator[str]:
    """The statements that a lesson's digest covers, each as its file has it."""
    for needed in _covered(lesson, roots).values():
        yield from needed.values()


def imported(module: str, roots: Roots) -> set[str]:
    """The modules of the repository that a module imports, where the names that it imports are defined."""
    code = read_code(module, roots)
    return {target for reference in code.imports.values() for target, _ in _targets(reference, roots)}


def _covered(lesson: str, roots: Roots) -> dict[str, dict[str, str]]:
    """The statements that a lesson needs, by module: the source of each by its digest."""
    found: dict[str, dict[str, str]] = {}
    seen, waiting = set(), [(lesson, None)]
    while waiting:
        piece = waiting.pop()
        if piece in seen or _left_out(piece[0], roots):
            continue
        seen.add(piece)
        module, name = piece
        code, own = read_code(module, roots), found.setdefault(module, {})
        if name not in code.imports and name not in code.defined:
            name = None  # or made in a way that can't be followed
        if name is None:
            waiting += [target for reference in code.imports.values() for target in _targets(reference, roots)]
        elif name in code.imports:
            waiting += _targets(code.imports[name], roots)
        for statement in code.statements:
            if name is None or name in statement.defines or not statement.defines:
                own[statement.digest] = statement.source
                for used, read in statement.uses.items():
                    own |= {code.renamed[used]: ""} if used in code.renamed else {}
                    if used in code.imports:
                        waiting += _targets(replace(code.imports[used], used=read), roots)
                    if used in code.defined:
                        waiting.append((module, used))
    return found


def _left_out(module: str, roots: Roots) -> bool:
    if module.startswith("common."):
        return module in CANNOT_CHANGE_A_NUMBER
    return any(map(file_of(module, roots).match, DRAWINGS))


def _targets(reference: Reference, roots: Roots) -> Iterator[Piece]:
    """The pieces of the repository that an import leads to."""
    path, below = file_of(reference.module, roots), f"{reference.module}.{reference.name}"
    if reference.name and file_of(below, roots):  # from package import module
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
        known = read_code(reference.module, roots).imports.get(reference.name)
        yield from [(reference.module, None)] if known is None else _targets(known, roots)
