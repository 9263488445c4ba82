"""Code as HTML: highlighted, with every name a link to where it is defined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from book.names import Place


def highlight(
    lines: Sequence[tuple[int, str]], links: Mapping[tuple[int, int], Place], url: Callable[[Place], str]
) -> str:
    """The lines, each with its number in the file, as one block. links: by line and column; url: of a place."""
    from pygments.lexers import PythonLexer
    from pygments.token import STANDARD_TYPES

    indent = min((len(line) - len(line.lstrip()) for _, line in lines if line.strip()), default=0)
    code = "\n".join(line[indent:] for _, line in lines)
    starts = [0]
    for _, line in lines:
        starts.append(starts[-1] + len(line[indent:]) + 1)
    pieces, row = [], 0
    for index, kind, value in PythonLexer(stripnl=False).get_tokens_unprocessed(code):
        while starts[row + 1] <= index:
            row += 1
        text, short = escape(value, quote=False), STANDARD_TYPES.get(kind, "")
        if place := links.get((lines[row][0], index - starts[row] + indent)) if value.strip() else None:
            pieces.append(f'<a class="{short}" href="{escape(url(place))}">{text}</a>')
        else:
            pieces.append(f'<span class="{short}">{text}</span>' if short and value.strip() else text)
    return f'<div class="highlight-python notranslate"><div class="highlight"><pre>{"".join(pieces)}</pre></div></div>'


def plain(text: str) -> str:
    """Text that is no Python, as a block."""
    return f'<div class="highlight"><pre>{escape(text, quote=False)}</pre></div>'
