"""Equations as docstrings write them, in letters and signs of Unicode, set as formulas in HTML."""

from __future__ import annotations

import re
from html import escape

NUMBER = re.compile(r"(?:Eq\. )?\(\d+\w?\)(?:(?:, |–)\(\d+\w?\))*|§[\d.]+")
SCRIPT = re.compile(
    r"(?P<base>(?<![^\W\d_])[^\W\d_]\u0302?\u0303?|[)\]}‖|])"
    r"(?P<sign>[_^])(?P<script>\{[^{}]*\}|\([^()]*\)|[^\W_]+|[*+−-])"
)
COMMAND = re.compile(r"(?:python|make|pip) ")


def is_equation(line: str, indented: bool) -> bool:
    """Whether a line of a docstring is an equation: it stands to the right of the text, or has columns."""
    return indented or bool(re.search(r"\S {3,}\S", line.strip()))


def is_code(lines: list[str]) -> bool:
    """Whether lines that stand to the right are commands or code instead."""
    return all(COMMAND.match(line.strip()) or re.search(r'= \w+[.\w]*\(.*"', line) for line in lines)


def equations(lines: list[str]) -> str:
    """Lines as rows of a table: the formula, remarks beside it, and its number in the paper at the right."""
    rows = "".join(f'<div class="row">{_row(line.strip())}</div>' for line in lines)
    return f'<div class="equations"><div class="rows">{rows}</div></div>'


def scripts(text: str) -> str:
    """Text, escaped for HTML, with x_k and M^T as sub- and superscripts of single letters and brackets."""
    return SCRIPT.sub(_script, escape(text, quote=False))


def _script(match: re.Match) -> str:
    script = match["script"]
    inner = script[1:-1] if script[0] in "{(" else script
    tag = "sub" if match["sign"] == "_" else "sup"
    base = f"<i>{match['base']}</i>" if match["base"][0].isalpha() else match["base"]
    return f"{base}<{tag}>{italic(inner)}</{tag}>"


def italic(text: str) -> str:
    """HTML with single letters in italics, which are variables. Tags stay as they are."""
    return re.sub(
        r"<[^>]*>|&\w+;|(?<![^\W\d_])([^\W\d_])(?![^\W\d_])",
        lambda match: f"<i>{match[1]}</i>" if match[1] and match[1] not in "ΣΠΔ∂" else match[0],
        text,
    )


def _row(line: str) -> str:
    cells, number = re.split(r" {3,}", line), ""
    if len(cells) > 1 and NUMBER.fullmatch(cells[-1]):
        number = cells.pop()
    label = ""
    if len(cells) > 1 and re.fullmatch(r"[a-z][a-z -]+", cells[0]):  # "cycle      λ (‖F(G(x)) − x‖₁ + …)"
        label = f'<span class="remark">{cells.pop(0)}</span>  '
    remarks = [scripts(cells.pop())] if len(cells) > 1 and _is_remark(cells[-1]) else []
    formula = "    ".join(map(_set, cells))
    return (
        f'<span class="formula">{label}{formula}</span><span class="remark">{"".join(remarks)}</span>'
        f'<span class="number">{escape(number)}</span>'
    )


def _is_remark(cell: str) -> bool:
    """Whether a cell is a sentence rather than a formula."""
    return "=" not in cell and len(re.findall(r"(?<![^\W\d_])[a-z]{2,}(?![^\W\d_(])", cell)) >= 3


def _set(cell: str) -> str:
    """A formula in HTML: scripts, and letters that are variables in italics."""
    marked = scripts(cell)
    return marked if _is_remark(cell) else italic(re.sub(r"</?i>", "", marked))
