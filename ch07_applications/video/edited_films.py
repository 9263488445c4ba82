"""Films that are cut together from shots of drawn people, with known cuts and planted events.

A film has 10 to 13 shots. Each is a stretch of a film of one person with one action (people.py). In one to three of
them the action is rare in all films, one of EVENTS; a summary has to show those frames. Nothing else distinguishes
them: people, photographs, lengths and places of shots are drawn in the same way for all. So importance has to be
learned from the training films, and much of it is visible only in motion. From one shot to the next there is a cut or,
one time in three, a dissolve: one picture fades into the other, and the cut is its middle.

Parts share neither people nor photographs, because the Studio's parts do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, UInt8
from numpy.random import Generator

from ch07_applications.video.motions import ACTIONS
from ch07_applications.video.people import Studio
from common.errors import Problem

EVENTS = ("box", "jumping jack")  # the important actions
SHORTEST, LONGEST = 8, 28  # frames of a shot
OF_EVENTS, OF_OTHERS = (1, 3), (9, 10)  # shots per film, from and to
DISSOLVES, FADE = 1 / 3, 4  # frequency; frames
SHOTS = OF_EVENTS[1] + OF_OTHERS[1]  # the most shots
Frames = UInt8[np.ndarray, "frames height width 3"]


@dataclass(frozen=True, eq=False)
class EditedFilm:
    """A film with its ground truth. shots: the index of each frame's shot. labels: its action, into ACTIONS."""

    frames: Frames
    shots: Int64[np.ndarray, "frames"]
    labels: Int64[np.ndarray, "frames"]

    @property
    def important(self) -> Bool[np.ndarray, "frames"]:
        """The frames of planted events."""
        return np.isin(self.labels, [ACTIONS.index(name) for name in EVENTS])

    @property
    def cuts(self) -> Int64[np.ndarray, "cuts"]:
        """The first frame of every shot but the first."""
        return 1 + np.flatnonzero(np.diff(self.shots))


@dataclass(frozen=True, eq=False)
class EditedFilms:
    """The films of a part. Each film is an item that is scored."""

    films: tuple[EditedFilm, ...]
    credits: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.films)

    @property
    def inputs(self) -> list[UInt8[np.ndarray, "_ height width 3"]]:
        return [film.frames for film in self.films]

    @property
    def answers(self) -> list[Bool[np.ndarray, "_"]]:
        return [film.important for film in self.films]

    @property
    def ids(self) -> Int64[np.ndarray, "items"]:
        return np.arange(len(self))


def edit_films(part: str, count: int, seed: int = 0, side: int = 40) -> EditedFilms:
    """`count` films of the part's people. Raises Problem if count is 0."""
    if count < 1:
        raise Problem(f"at least one film has to be asked for, not {count}")
    footage = Studio(part=part, frames=LONGEST, side=side).shoot(count * SHOTS, seed)
    rng = np.random.default_rng([seed, count, side])
    order = rng.permutation(len(footage))
    rare = np.isin(footage.labels[order], [ACTIONS.index(name) for name in EVENTS])
    piles, used = {True: order[rare], False: order[~rare]}, {True: 0, False: 0}
    films = []
    for _ in range(count):
        kinds = [True] * between(rng, OF_EVENTS) + [False] * between(rng, OF_OTHERS)
        shots = []
        for kind in rng.permutation(kinds):
            place = piles[bool(kind)][used[bool(kind)] % len(piles[bool(kind)])]  # an exhausted pile starts again
            used[bool(kind)] += 1
            shots.append((footage.films[place][stretch(rng)], int(footage.labels[place])))
        films.append(splice(shots, rng.random(len(shots) - 1) < DISSOLVES))
    return EditedFilms(tuple(films), footage.credits)


def between(rng: Generator, ends: tuple[int, int]) -> int:
    """A random whole number from the first to the second, both included."""
    return int(rng.integers(ends[0], ends[1] + 1))


def stretch(rng: Generator) -> slice:
    """A random part of a shot. Log lengths are uniform: short shots are more frequent, as in films."""
    length = round(float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST)))))
    first = int(rng.integers(0, LONGEST - length + 1))
    return slice(first, first + length)


def splice(
    shots: Sequence[tuple[UInt8[np.ndarray, "_ height width 3"], int]], dissolves: Bool[np.ndarray, "transitions"]
) -> EditedFilm:
    """Concatenate shots, each with its label. dissolves: which transitions are dissolves; the others are cuts.

    A dissolve blends the last FADE frames of a shot with the first of the next, the latter more and more; its first
    half counts as the first shot's.
    """
    pieces, numbers = [shots[0][0]], [np.zeros(len(shots[0][0]), np.int64)]
    shares = ((np.arange(FADE) + 1) / (FADE + 1))[:, None, None, None]
    for number, (frames, _) in enumerate(shots[1:], 1):
        if dissolves[number - 1]:
            mixed = (1 - shares) * pieces[-1][-FADE:] + shares * frames[:FADE]
            pieces[-1] = np.concatenate([pieces[-1][:-FADE], np.round(mixed).astype(np.uint8)])
            numbers[-1][-(FADE // 2) :] = number
            frames = frames[FADE:]
        pieces.append(frames)
        numbers.append(np.full(len(frames), number))
    shown = np.concatenate(numbers)
    return EditedFilm(np.concatenate(pieces), shown, np.array([label for _, label in shots], np.int64)[shown])
