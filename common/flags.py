"""The flags of every chapter's command line."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NoReturn

from common.errors import Problem

PRESETS = {"smoke": "seconds, for tests", "lecture": "minutes on two cores, the default", "full": "full data"}
DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True)
class Flags:
    """What the command line asked for. The defaults are those of the flags."""

    preset: str = "lecture"
    only: tuple[str, ...] = ()
    list: bool = False
    seed: int = 0
    seeds: int = 1
    device: str = "auto"
    data: Path | None = None
    out: Path = Path("out")
    check: bool = False
    resume: bool = False

    @property
    def all_seeds(self) -> range:
        return range(self.seed, self.seed + self.seeds)

    @property
    def configuration(self) -> dict:
        """What results depend on: a finished lesson counts for a later run only where all of this is equal."""
        return {name: getattr(self, name) for name in ("preset", "seed", "seeds", "device")}

    def command(self, package: str) -> str:
        """The command line that asks for the same again."""
        words = ["python", "-m", f"{package}.main"]
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                values = () if value is True else value if isinstance(value, tuple) else (value,)
                words += [f"--{field.name}", *map(str, values)]
        return shlex.join(words)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(f"{message} (see --help)")


def parse(package: str, title: str, lessons: Sequence[str], arguments: Sequence[str] | None = None) -> Flags:
    """Read a chapter's command line. Raises Problem for an unknown flag, value or lesson."""
    parser = _Parser(prog=f"python -m {package}.main", description=f"{title}.", allow_abbrev=False)
    add = parser.add_argument
    presets = "; ".join(f"{name}: {what}" for name, what in PRESETS.items())
    add("--preset", choices=PRESETS, default="lecture", help=f"how much data and time ({presets})")
    add("--only", nargs="+", metavar="LESSON", default=(), help="run just these lessons")
    add("--list", action="store_true", help="name the lessons and their questions, then stop")
    add("--seed", type=int, default=0, metavar="N", help="the first seed (default 0)")
    add("--seeds", type=int, default=1, metavar="N", help="how many seeds to run and aggregate (default 1)")
    add("--device", choices=DEVICES, default="auto", help="where networks run (default auto: a GPU if there is one)")
    add("--data", type=Path, metavar="DIR", help="where full data sets lie or are put (default: your cache folder)")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="where results and pictures go (default: out)")
    add("--check", action="store_true", help="exit with status 1 where a floor that a lesson states is missed")
    add(
        "--resume",
        action="store_true",
        help="go on: skip lessons and epochs that an earlier run of the same configuration finished",
    )
    raw = vars(parser.parse_args(arguments))
    flags = Flags(**{**raw, "only": tuple(raw["only"])})
    if flags.seed < 0 or flags.seeds < 1:
        raise Problem("--seed must be 0 or more, and --seeds 1 or more")
    for name in flags.only:
        if name not in lessons:
            near = difflib.get_close_matches(name, lessons, n=1)
            hint = f"did you mean {near[0]}?" if near else "there are: " + ", ".join(lessons)
            raise Problem(f"{package} has no lesson {name}; {hint}")
    return flags
