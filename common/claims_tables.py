"""Claims of papers as tables, and as a count: what papers claim, and apart from it our own questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from common.record import LessonRecord, PaperClaim
from common.tables import Sheet, markdown

OWN = "our own question"  # heads the column where no paper claims what is tested


def claims_of(lessons: Mapping[str, LessonRecord], task_or_lesson: str) -> dict[str, list[PaperClaim]]:
    """The claims of a lesson, or of all lessons of a task, by the lesson's name without the task's; of all tasks where
    none is named. Raises KeyError where there are none."""
    folder = task_or_lesson and f"{task_or_lesson}/"
    names = [name for name in lessons if name == task_or_lesson or ("/" in name and name.startswith(folder))]
    found = {name.removeprefix(folder): lessons[name].claims for name in names if lessons[name].claims}
    if not found:
        raise KeyError(task_or_lesson)
    return found


def claims_sheets(claims: Mapping[str, Sequence[PaperClaim]]) -> list[Sheet]:
    """What papers claim and what became of it, one claim a line; then the same of our own questions. A sheet without
    lines is left out. claims: by the name of the system; none is named where there is but one."""
    sheets = []
    for ours, first in ((False, "claim"), (True, OWN)):
        lines = [
            [name, sentence, c.paper, c.ours, c.against, c.verdict]
            for name, some in claims.items()
            for c, sentence in zip(some, _in_context(some), strict=True)
            if c.is_ours == ours
        ]
        header = ["system", first, "in the paper", "here", "rival", "verdict"]
        sheet = Sheet(header, lines, 6)
        if len(claims) == 1:
            sheet = Sheet(header[1:], [line[1:] for line in lines], 5)
        sheets += [sheet] if lines else []
    return sheets


def _in_context(claims: Sequence[PaperClaim]) -> list[str]:
    """Each claim with its source. One that begins with "…" goes on from those above it: where these all stand in the
    other sheet, they are repeated in brackets."""
    sentences, above = [], []
    for claim in claims:
        above = above if claim.claim.startswith("…") else []
        parted = above and all(other.is_ours != claim.is_ours for other in above)
        context = f"[{' '.join(other.claim for other in above)}] " if parted else ""
        source = "" if claim.source == "–" else f" ({claim.source})"
        sentences.append(f"{context}{claim.claim}{source}")
        above = [*above, claim]
    return sentences


def claims_markdown(claims: Mapping[str, Sequence[PaperClaim]]) -> str:
    """The sheets of claims as GitHub tables, with a line above our own questions."""
    line = "*Our own questions*, on which the papers claim nothing; they are tested in the same way:"
    found = [markdown(sheet) for sheet in claims_sheets(claims)]
    ours = [line] if any(c.is_ours for some in claims.values() for c in some) else []
    return "\n\n".join([*found[:-1], *ours, *found[-1:]])


def tally(claims: Iterable[PaperClaim], *, ours: bool = False) -> str:
    """How many of the papers' claims hold, or of our own questions: "5 of 8 hold, 2 undecided"."""
    verdicts = [claim.verdict for claim in claims if claim.is_ours == ours]
    held, open_ = (sum(verdict == word for verdict in verdicts) for word in ("holds", "undecided"))
    return f"{held} of {len(verdicts)} hold{'s' * (len(verdicts) == 1)}" + (f", {open_} undecided" if open_ else "")
