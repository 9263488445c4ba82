"""Which lessons use the file of a flag: the code that they need, as common/digest.py finds it, reads run.photo."""

from __future__ import annotations

from common.digest import sources
from common.statements import Roots


def mentions(words: str, lesson: str, roots: Roots) -> bool:
    """Whether a statement that a lesson needs has these words in it. lesson: the module's full name."""
    return any(words in source for source in sources(lesson, roots))
