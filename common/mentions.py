"""Which lessons use the file of a flag: the code that they need, as common/digest.py finds it, reads run.photo."""

from __future__ import annotations

import ast

from common import digest as code


def mentions(words: str, lesson: str, roots: code.Roots) -> bool:
    """Whether a statement that a lesson needs has these words in it. lesson: the module's full name."""
    for module, needed in code._covered(lesson, roots).items():
        source = code._file(module, roots).read_text(encoding="utf-8")
        for node in ast.parse(source).body if words in source else ():
            if code._short(code._text(node)) in needed and words in ast.get_source_segment(source, node):
                return True
    return False
