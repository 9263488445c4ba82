"""The whole course, or its tour: every chapter's main.py in turn, into one folder and one page.

    python -m common.course           every lesson                     (make course)
    python -m common.course --tour    a few lessons of every chapter   (make run)

Takes the flags of a chapter's main.py, but for --only, and hands them on.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence

from common import flags as command_line
from common import record, tables
from common.adopt import chapters
from common.chapter import Chapter
from common.errors import INTERRUPTED, Problem
from common.estimate import estimate
from common.flags import Flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run every chapter; the first that does not end well ends it. Returns the exit status."""
    arguments, course = list(sys.argv[1:] if arguments is None else arguments), chapters()
    if {"-h", "--help"} & set(arguments):
        print(f"{__doc__}To see them: python -m {course[0].package}.main --help")
        return 0
    try:
        wanted = [(each, read(each, arguments)) for each in course]
        flags = wanted[0][1]
        print(plan(wanted), flush=True)
        for each, _ in wanted:
            if flags.list:
                print(f"\n{each.title}", flush=True)
            if status := finished([sys.executable, "-m", f"{each.package}.main", *arguments]):
                if status == INTERRUPTED:
                    again = [*arguments, *([] if flags.resume else ["--resume"])]
                    print(f"And on to the chapters after it:\n  python -m common.course {shlex.join(again)}")
                return status
    except Problem as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    if not flags.list:
        print(f"\n{ending(wanted)}")
    return 0


def read(chapter: Chapter, arguments: Sequence[str]) -> Flags:
    """The flags as this chapter has them. Raises Problem for what is better known before the first chapter runs."""
    if "--only" in (word.partition("=")[0] for word in arguments):
        raise Problem(
            "--tour and --only both choose lessons: give one of them"
            if "--tour" in arguments
            else "--only names lessons of one chapter: give it to that chapter's main.py"
        )
    flags = command_line.parse(chapter.package, chapter.title, chapter.lessons, arguments, chapter.tour)
    if flags.tour:
        record.refuse_to_replace(flags.out / chapter.package / "results.json", flags.configuration)
    return flags


def plan(wanted: Sequence[tuple[Chapter, Flags]]) -> str:
    """What is about to run and, where that is known, how long it takes."""
    flags = wanted[0][1]
    shares = [(each, each.chosen(own)) for each, own in wanted]
    lessons = sum(len(names) for _, names in shares)
    what = f"{tables.plural(lessons, 'lesson')} of {tables.plural(len(wanted), 'chapter')}"
    what = f"The tour: {what}" if flags.tour else what.capitalize()
    return f"{what}. This takes {estimate(shares, flags.seeds)}." if flags.preset == "lecture" else f"{what}."


def ending(wanted: Sequence[tuple[Chapter, Flags]]) -> str:
    """Where the page lies, and what is left to run."""
    flags = wanted[0][1]
    page = (flags.out / "index.html").resolve()
    if not flags.tour:
        return f"All chapters are done. Open in a browser: {page}"
    takes = estimate([(each, each.lessons) for each, _ in wanted], flags.seeds)
    return f"The tour is done. `make course` runs every lesson: {takes}. Open in a browser: {page}"


def finished(command: Sequence[str]) -> int:
    """Run a program to its end, also where Ctrl-C is meant for it: it says how to go on. Returns its exit status."""
    with subprocess.Popen(command) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                continue


if __name__ == "__main__":
    raise SystemExit(main())
