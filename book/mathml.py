"""Formulas as MathML, which browsers set themselves: made when the book is built, with no script on the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FONT = "STIXTwoMath-Regular.ttf"
TAG = re.compile(r"\\tag\{([^{}]*)\}")


def to_mathml(latex: str, display: bool) -> str:
    """A LaTeX formula as MathML. A number in \\tag{…} stands at its right. Raises ValueError where it is no formula."""
    from math_core import LatexError, LatexToMathML

    number = TAG.search(latex)
    try:
        found = LatexToMathML(annotation=True, fancy_error=False).convert_with_local_state(
            TAG.sub("", latex).strip(), displaystyle=display
        )
    except LatexError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return found + (f'<span class="eqno">({number[1]})</span>' if number else "")


def setup(app: Sphinx) -> None:
    """Make MathML the renderer of formulas."""
    from docutils import nodes
    from sphinx.util import logging

    def written(self: Any, node: nodes.Element, display: bool) -> None:
        try:
            found = to_mathml(node.astext(), display)
        except ValueError as error:
            logging.getLogger(__name__).warning("no formula: %s: %s", node.astext(), error, location=node)
            found = f"<code>{self.encode(node.astext())}</code>"
        self.body.append(f'<div class="math">{found}</div>' if display else found)
        raise nodes.SkipNode

    def inline(self: Any, node: nodes.Element) -> None:
        written(self, node, display=False)

    def block(self: Any, node: nodes.Element) -> None:
        written(self, node, display=True)

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
