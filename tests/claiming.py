"""What a lesson says, read from its source or from a run: notes, captions, and claims that can be judged."""

import ast
import importlib
import re

from common.console import Console
from common.data import Scale
from common.paired import corrected
from common.record import LessonRecord
from common.run import Run
from tests.checkout import ROOT, lessons

NO_FINDING = "An untrained network stands in"  # says why numbers mean nothing
FINDING = re.compile(r"\b(beats?|better|worse|wins?|loses|helps?|cures?|surer|ahead|sure|enough|earns|nobody)\b")


def calls(chapter, lesson, *names):
    """Every call of run.NAME in a lesson's source, as nodes of its syntax tree."""
    tree = ast.parse((ROOT / chapter / f"{lesson}.py").read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {f"run.{name}" for name in names}:
            yield node


def notes_without_numbers(chapter, lesson):
    """The texts of run.note that name no number of the run: a changed constant can make them false."""
    texts = [call.args[0] for call in calls(chapter, lesson, "note")]
    bare = [ast.unparse(text) for text in texts if not any(isinstance(n, ast.FormattedValue) for n in ast.walk(text))]
    return [text for text in bare if NO_FINDING not in text]


def captions_with_findings(chapter, lesson):
    """Captions with a word of FINDING: they should describe what is drawn."""
    captions = [
        "".join(n.value for n in ast.walk(keyword.value) if isinstance(n, ast.Constant) and isinstance(n.value, str))
        for call in calls(chapter, lesson, "figure", "figure_over_seeds")
        for keyword in call.keywords
        if keyword.arg == "caption"
    ]
    return [caption for caption in captions if FINDING.search(caption)]


def claiming(chapter):
    """The chapter's lessons that claim something."""
    return [lesson for lesson in lessons(chapter) if any(calls(chapter, lesson, "claim"))]


def judged(chapter, lesson, folder, monkeypatch):
    """Run a lesson at smoke, where nothing is claimed, and judge every claim of it: [(the sentence, holds), …].

    Raises where a condition or a sentence names a method, comparison or fact that the lesson does not have.
    """
    claims = []
    monkeypatch.setattr(Run, "claim", lambda self, text, *conditions: claims.append((text, conditions)))
    run = Run(lesson, 0, Scale("smoke"), LessonRecord("", ""), folder, Console())
    importlib.import_module(f"{chapter}.{lesson}").lesson(run)
    record = run.record
    record.comparisons = corrected(pair.compare() for pair in run.pairs.values())
    sentences = [text if isinstance(text, str) else text(record) for text, _ in claims]
    judgements = [[bool(holds(record)) for holds in conditions] for _, conditions in claims]  # all, not up to a False
    return list(zip(sentences, map(all, judgements), strict=True))
