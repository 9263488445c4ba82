"""Numbers in the READMEs come from committed results files: fill() writes them, and a test holds them there.

A README carries marks such as `<!-- score: ch01_regression/line/line/RMSE -->4.66 ± 0.24 mpg<!-- end -->`, which GitHub
does not show; so does HOW_TO_READ_TABLES.md. What stands between the two comments is generated.

    python -m common.readme                     fill every README from the committed results
    python -m common.readme --from out/results  adopt what `--stale` has measured anew, with its pictures, then fill
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

from common import claims_tables, record, tables
from common.adopt import ROOT, adopt, chapters
from common.errors import Problem
from common.estimate import duration
from common.files import write_whole
from common.record import ChapterRecord, LessonRecord
from common.results import Interval, Row

BENCH = ROOT / "tests" / "bench" / "results.json"
MARK = re.compile(r"(<!-- (?P<kind>[a-z]+)(?:: (?P<what>[^\n]*?))? -->)(?P<content>.*?)(<!-- end -->)", re.DOTALL)
PARTS = {"difference": tables.gap, "p": tables.p_value, "test": tables.tested}  # of a verdict
MEANS: dict[int, tuple[LessonRecord, list[Row], dict]] = {}  # by a record's identity: many marks ask for one lesson
BLOCKS = ("scoreboard", "facts", "verdicts", "claims", "bench")  # what stands on lines of its own


def fill(text: str) -> str:
    """The text with everything between marks generated anew. Raises Problem for a mark that names nothing measured."""

    return MARK.sub(lambda mark: mark[1] + between(mark) + mark[5], text)


def between(mark: re.Match) -> str:
    """What belongs between the two comments of a mark. Raises Problem for one that names nothing measured."""
    kind, what = mark["kind"], mark["what"]
    if kind not in RENDER:
        raise Problem(f"no such mark in a README: {mark[1]}")
    try:
        content = RENDER[kind](*(_parts(what) if what else ()))
    except (KeyError, StopIteration, TypeError, ValueError) as error:
        raise Problem(f"{mark[1]} names nothing that was measured") from error
    return f"\n\n{content}\n\n" if kind in BLOCKS else content


def _parts(what: str) -> list[str]:
    """What a mark names: a chapter, a lesson (its name may have a slash) or a task, and the rest, by slashes."""
    package, _, rest = what.partition("/")
    if not rest:
        return [package]
    named = [name for name in chapter(package).lessons if f"{rest}/".startswith(f"{name}/")]
    if not named and "/" not in rest:
        return [package, rest]
    name = max(named, key=len)
    return [package, name, *filter(None, rest[len(name) + 1 :].split("/"))]


def readmes() -> list[Path]:
    """The project's README and how to read its tables; a README per chapter, and one per task of a chapter."""
    return [
        ROOT / "README.md",
        ROOT / "HOW_TO_READ_TABLES.md",
        *sorted([*ROOT.glob("ch0*/README.md"), *ROOT.glob("ch0*/*/README.md")]),
    ]


@cache
def chapter(name: str) -> ChapterRecord:
    """The committed results of a chapter."""
    return record.load(ROOT / name / "results.json")


def _lesson(package: str, name: str) -> LessonRecord:
    return chapter(package).lessons[name]


def _means(package: str, name: str) -> tuple[LessonRecord, list[Row], dict[str, tuple[Interval, str]]]:
    """A lesson, its scores and its facts over the seeds."""
    lesson = _lesson(package, name)
    if id(lesson) not in MEANS:
        MEANS[id(lesson)] = lesson, lesson.scores(), lesson.findings()
    return MEANS[id(lesson)]


def _score(package: str, name: str, method: str, metric: str) -> str:
    row = next(r for r in _means(package, name)[1] if (r.method, r.metric) == (method, metric))
    return tables.with_unit(row.interval, row.unit)


def _kept(package: str, name: str, method: str) -> str:
    return tables.count(next(r for r in _means(package, name)[1] if r.method == method).parameters)


def _fit(package: str, name: str, method: str) -> str:
    """The seconds to fit, as the scoreboard has them: the median over the seeds."""
    row = next(r for r in _means(package, name)[1] if r.method == method)
    return f"{tables.seconds(row.fit_seconds)} s"


def _fact(package: str, name: str, fact: str) -> str:
    return tables.with_unit(*_means(package, name)[2][fact])


def _scoreboard(package: str, name: str) -> str:
    return tables.markdowns(tables.scoreboards(_means(package, name)[1]))


def _facts(package: str, name: str, *chosen: str) -> str:
    """A table of a lesson's facts: all of them, or those that the mark names, in its order."""
    found = _means(package, name)[2]
    return tables.markdown(tables.fact_sheet({fact: found[fact] for fact in chosen or found}))


def _verdicts(package: str, name: str) -> str:
    return "\n".join(f"- {verdict}" for verdict in tables.verdicts(_lesson(package, name).comparisons))


def _verdict(package: str, name: str, a: str, b: str, part: str | None = None) -> str:
    """The first verdict on a and b, in whatever metric, or a part of it: one of PARTS."""
    found = next(c for c in _lesson(package, name).comparisons if (c.a, c.b) == (a, b))
    return PARTS[part](found) if part else tables.verdicts([found])[0]


def _claims(package: str, task_or_lesson: str) -> str:
    return claims_tables.claims_markdown(claims_tables.claims_of(chapter(package).lessons, task_or_lesson))


def _tally(package: str, task_or_lesson: str = "", *, ours: bool) -> str:
    """How many of the papers' claims hold, or of our own questions."""
    found = claims_tables.claims_of(chapter(package).lessons, task_or_lesson)
    claims = [claim for some in found.values() for claim in some if claim.is_ours == ours]
    if not claims:
        raise KeyError(task_or_lesson)
    return claims_tables.tally(claims, ours=ours)


def _tasktime(package: str, task: str) -> str:
    """The seconds of a task's lessons, one seed each."""
    own = [lesson for name, lesson in chapter(package).lessons.items() if name.startswith(f"{task}/")]
    return f"{sum(lesson.seconds[0] for lesson in own):.0f} s"


def _caption(package: str, name: str, picture: str) -> str:
    """What the lesson says under its figure. Markdown's own letters are letters there."""
    caption = next(p.caption for p in _lesson(package, name).pictures if p.name == picture)
    return re.sub(r"([*_`|\[\]\\])", r"\\\1", caption.replace("&", "&amp;").replace("<", "&lt;"))


def _seconds(package: str) -> str:
    return f"{chapter(package).one_seed_seconds:.0f} s"


def _tourtime() -> str:
    """What the tour of all chapters takes: its lessons' seconds, one seed each."""
    return duration(sum(each.seconds()[name] for each in chapters() for name in each.tour))


def _coursetime() -> str:
    return duration(sum(chapter(each.package).one_seed_seconds for each in chapters()))


def _memory(package: str) -> str:
    return f"{chapter(package).peak_memory_mib:.0f} MiB"


def _seeds(package: str) -> str:
    return tables.plural(chapter(package).configuration["seeds"], "seed")


def _machine(package: str) -> str:
    return _described(chapter(package).machine)


def _bench() -> str:
    return tables.bench_markdown(_benchmarks()["rows"])


def _benchmachine() -> str:
    return _described(_benchmarks()["machine"])


def _benchmarks() -> dict:
    return json.loads(BENCH.read_text(encoding="utf-8"))


def _described(machine: dict) -> str:
    return f"{machine['processor']}, {tables.plural(machine['cores'], 'core')}, Python {machine['python']}"


RENDER: dict[str, Callable[..., str]] = {
    "score": _score,
    "kept": _kept,
    "fit": _fit,
    "fact": _fact,
    "scoreboard": _scoreboard,
    "facts": _facts,
    "verdict": _verdict,
    "verdicts": _verdicts,
    "claims": _claims,
    "tally": partial(_tally, ours=False),
    "ourtally": partial(_tally, ours=True),
    "tasktime": _tasktime,
    "caption": _caption,
    "seconds": _seconds,
    "tourtime": _tourtime,
    "coursetime": _coursetime,
    "memory": _memory,
    "seeds": _seeds,
    "machine": _machine,
    "bench": _bench,
    "benchmachine": _benchmachine,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m common.readme", description="Fill the READMEs from results files.")
    parser.add_argument(
        "--from", dest="out", type=Path, metavar="DIR", help="adopt the results of a run with --stale first"
    )
    flags = parser.parse_args()
    try:
        if flags.out:
            for each in chapters():
                taken = adopt(each, flags.out, readmes())
                print(f"{each.package}: {', '.join(taken) or 'nothing'} adopted")
            if (flags.out / "bench.json").exists():
                shutil.copyfile(flags.out / "bench.json", BENCH)
            chapter.cache_clear()
        for page in readmes():
            write_whole(page, fill(page.read_text(encoding="utf-8")))
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
