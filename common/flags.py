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
LARGEST_SEED, MOST_SEEDS = 2**32 - 1, 1000  # the first is numpy's limit


@dataclass(frozen=True)
class Flags:
    """What the command line asked for. The defaults are those of the flags."""

    preset: str = "lecture"
    only: tuple[str, ...] = ()
    tour: bool = False
    list: bool = False
    seed: int = 0
    seeds: int = 1
    device: str = "auto"
    data: Path | None = None
    out: Path = Path("out")
    check: bool = False
    resume: bool = False
    stale: bool = False
    photo: Path | None = None
    mask: Path | None = None

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

    def how_to_go_on(self, package: str) -> str:
        """What is said after Ctrl-C."""
        again = self.command(package) + ("" if self.resume or self.stale else " --resume")
        return f" The lessons that had finished are kept in {self.out / package}. To go on:\n  {again}"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise Problem(f"{message} (see --help)")


def parse(
    package: str,
    title: str,
    lessons: Sequence[str],
    arguments: Sequence[str] | None = None,
    tour: Sequence[str] = (),
) -> Flags:
    """Read a chapter's command line. Raises Problem for an unknown flag, value or lesson. tour: what --tour runs."""
    parser = _Parser(prog=f"python -m {package}.main", description=f"{title}.", allow_abbrev=False)
    add = parser.add_argument
    presets = "; ".join(f"{name}: {what}" for name, what in PRESETS.items())
    add("--preset", choices=PRESETS, default="lecture", help=f"how much data and time ({presets})")
    only = "run just these lessons, or all lessons of a folder"
    add("--only", nargs="+", action="extend", metavar="LESSON", default=[], help=only)
    add("--tour", action="store_true", help=f"run just the lessons to see first: {', '.join(tour) or 'here none'}")
    add("--list", action="store_true", help="name the lessons, their seconds and their questions, then stop")
    add("--seed", type=int, default=0, metavar="N", help=f"the first seed, from 0 to {LARGEST_SEED} (default 0)")
    add("--seeds", type=int, default=1, metavar="N", help=f"how many seeds, from 1 to {MOST_SEEDS} (default 1)")
    add("--device", choices=DEVICES, default="auto", help="where networks run (default auto: a GPU if there is one)")
    add("--data", type=Path, metavar="DIR", help="where full data sets lie or are put (default: your cache folder)")
    add("--out", type=Path, default=Path("out"), metavar="DIR", help="where results and pictures go (default: out)")
    add("--check", action="store_true", help="exit with status 1 where a floor that a lesson states is missed")
    add(
        "--resume",
        action="store_true",
        help="go on: skip lessons and epochs that an earlier run of the same configuration finished",
    )
    add(
        "--stale",
        action="store_true",
        help="run just the lessons whose committed results other code measured, with all seeds; goes on, as --resume",
    )
    add("--photo", type=Path, metavar="FILE", help="a picture of yours, for lessons that can show their answer for it")
    add("--mask", type=Path, metavar="FILE", help="what to fill in of --photo: a picture of its size, white there")
    raw = vars(parser.parse_args(arguments))
    flags = Flags(**{**raw, "only": chosen(package, raw["only"], lessons)})
    if flags.seed < 0 or flags.seed + flags.seeds - 1 > LARGEST_SEED or not 1 <= flags.seeds <= MOST_SEEDS:
        raise Problem(f"seeds go from 0 to {LARGEST_SEED}, and --seeds from 1 to {MOST_SEEDS}")
    if flags.tour and flags.only:
        raise Problem("--tour and --only both choose lessons: give one of them")
    if flags.tour and not tour:
        raise Problem(f"{package} has no tour")
    if flags.mask and not flags.photo:
        raise Problem("--mask says what to fill in of a picture: it needs --photo, too")
    if flags.data and flags.data.exists() and not flags.data.is_dir():
        raise Problem(f"--data {flags.data} is not a folder")
    if flags.stale:
        other = [name for name in (*flags.configuration, "photo") if getattr(flags, name) != getattr(Flags(), name)]
        if other:
            unwanted = " and ".join(f"--{name}" for name in other)
            raise Problem(f"--stale measures as the committed results were measured: leave out {unwanted}")
    return flags


def chosen(package: str, words: Sequence[str], lessons: Sequence[str]) -> tuple[str, ...]:
    """The lessons that --only names, in reading order.

    A word is a lesson's full name ("segmentation/fcn"), its last part ("fcn"), or a folder ("segmentation"), which
    stands for all of its lessons. Raises Problem where it is none of these, or could be several.
    """
    named: set[str] = set()
    for word in words:
        if not word.strip("/ "):
            raise Problem(f"--only needs the name of a lesson of {package}; there are: {', '.join(lessons)}")
        inside = [name for name in lessons if name.startswith(word.rstrip("/") + "/")]
        called = [name for name in lessons if name.rpartition("/")[2] == word]
        if word in lessons or inside:
            named |= {word} if word in lessons else set(inside)
        elif len(called) > 1:
            raise Problem(f"{package} has several lessons {word}: {', '.join(called)}; which one?")
        elif called:
            named |= set(called)
        else:
            parts = {part for name in lessons for part in (name, *name.split("/"))}
            near = difflib.get_close_matches(word, sorted(parts), n=1)
            hint = f"did you mean {near[0]}?" if near else "there are: " + ", ".join(lessons)
            raise Problem(f"{package} has no lesson {word}; {hint}")
    return tuple(name for name in lessons if name in named)
