"""Human motion: joint angles as functions of time, for actions that differ only in their order in time.

An action is a function that bends a resting pose. Reversible actions come in pairs: a film of the second is a film of
the first, shown backwards (people.py). So no method can distinguish them by single frames. All angles are in radians,
all lengths in body heights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Time = Float[np.ndarray, "films frames"]
OneEach = Float[np.ndarray, "films 1"]
LIMBS = Float[np.ndarray, "films frames 2 2 2"]
FLEX, SPREAD = 0, 1  # forwards, and away from the body
UPPER, LOWER = 0, 1  # upper arm or thigh, forearm or shin
PAIRS = (("sit down", "stand up"), ("pick up", "put down"), ("raise arms", "lower arms"), ("walk", "walk backwards"))
ACTIONS = (*(name for pair in PAIRS for name in pair), "wave", "clap", "box", "jumping jack")
SPANS = ("wave, wave", "wave, turn", "turn, wave", "turn, turn")  # two gestures, one after the other
COUNTS = ("raise arms twice", "raise arms three times")  # equally fast
BACKWARDS = {second: first for first, second in PAIRS} | {"turn, wave": "wave, turn"}
SIDEWAYS = ("sit down", "pick up", "walk", "box")  # which are roughly seen from the side


@dataclass(frozen=True, eq=False)
class Habits:
    """Individual variation of each film's person, drawn before the action is known.

    start, pace: the start of a motion and its duration as shares of the film. phase: of a repeated motion, from 0 to 1.
    rate: its cycles per film. strength: of the angles, about 1. hand: +1 for the left arm, −1 for the right.
    """

    start: OneEach
    pace: OneEach
    phase: OneEach
    rate: OneEach
    strength: OneEach
    hand: OneEach


@dataclass(frozen=True, eq=False)
class Pose:
    """Joint angles of every frame.

    arms, legs: by side (right, left), part (UPPER, LOWER) and angle (FLEX, SPREAD), both measured from hanging down.
    lean: of the trunk, forwards. turn: of the whole body, added to the direction it faces. shift: forwards, in body
    heights, 0 in the middle of the film. lift: of both feet off the ground.
    """

    arms: LIMBS
    legs: LIMBS
    lean: Time
    turn: Time
    shift: Time
    lift: Time


def resting(films: int, frames: int) -> Pose:
    """A person who stands upright, arms down."""
    pose = Pose(*(np.zeros((films, frames, 2, 2, 2)) for _ in range(2)), *(np.zeros((films, frames)) for _ in range(4)))
    pose.arms[..., SPREAD] = 0.12
    pose.arms[..., LOWER, FLEX] = 0.25
    pose.legs[..., SPREAD] = 0.06
    return pose


def eased(share: Time) -> Time:
    """Smooth progress from 0 to 1, at rest before and after: 3 s² − 2 s³."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)


def bump(share: Time) -> Time:
    """Rise from 0 to 1 and return, symmetric in time; it stays at 1 for a fifth."""
    return eased(2.5 * share) * eased(2.5 * (1 - share))


def progress(time: Time, habits: Habits) -> Time:
    """The completed share of a motion from one pose to another."""
    return (time - habits.start) / habits.pace


def cycle(time: Time, habits: Habits, rate: float = 1.0) -> Time:
    """The angle of a repeated motion; its cosine, reversed in time, is one of another phase."""
    return 2 * np.pi * (habits.phase + rate * habits.rate * time)


def own_side(hand: OneEach) -> Float[np.ndarray, "films 1 2"]:
    """1 for the active hand, 0 for the other: right, left."""
    return np.stack([hand < 0, hand > 0], axis=-1).astype(float)


# --- Motions from one pose to another ---------------------------------------------------------------------------------


def sit_down(pose: Pose, time: Time, habits: Habits) -> None:
    """Move hips back and down above fixed feet, with the trunk bent forwards on the way."""
    done = eased(progress(time, habits))
    pose.legs[..., UPPER, FLEX] = (1.45 * habits.strength.clip(0.8, 1.05) * done)[..., None]
    pose.legs[..., LOWER, FLEX] = (-0.15 * done)[..., None]
    pose.lean[:] = 0.5 * np.sin(np.pi * done) + 0.15 * done
    pose.arms[..., UPPER, FLEX] = (0.6 * done)[..., None]
    pose.arms[..., LOWER, FLEX] = (0.25 + 0.9 * done)[..., None]


def pick_up(pose: Pose, time: Time, habits: Habits) -> None:
    """Bend down, and come up with the arms bent around the ball from the ground (people.py draws it)."""
    share = progress(time, habits)
    down, holds = bump(share), eased(2 * share - 1)
    pose.lean[:] = 1.15 * habits.strength * down
    pose.legs[..., UPPER, FLEX] = (0.9 * down)[..., None]
    pose.legs[..., LOWER, FLEX] = (-0.6 * down)[..., None]
    pose.arms[..., UPPER, FLEX] = (1.1 * habits.strength * down + 0.3 * holds)[..., None]
    pose.arms[..., LOWER, FLEX] = (0.25 + 1.0 * down * (1 - holds) + 1.3 * holds)[..., None]


def raise_arms(pose: Pose, time: Time, habits: Habits) -> None:
    spread_arms(pose, habits.strength * eased(progress(time, habits)))


def spread_arms(pose: Pose, height: Time) -> None:
    """Raise both arms sideways. height: 0 down, 1 up."""
    pose.arms[..., UPPER, SPREAD] = (0.12 + 2.4 * height)[..., None]
    pose.arms[..., LOWER, SPREAD] = (0.12 + 2.6 * height)[..., None]
    pose.arms[..., LOWER, FLEX] *= (1 - np.minimum(height, 1))[..., None]


# --- Repeated motions -------------------------------------------------------------------------------------------------


def walk(pose: Pose, time: Time, habits: Habits) -> None:
    """Swing legs and arms against each other; a step is about as long as the legs reach."""
    angle = cycle(time, habits, 0.55)
    swing = 0.45 * habits.strength
    for side, sign in enumerate((1.0, -1.0)):
        pose.legs[..., side, UPPER, FLEX] = sign * swing * np.sin(angle) + 0.1
        bent = 0.9 * np.maximum(0, sign * np.cos(angle))  # the knee of the leg that comes forwards
        pose.legs[..., side, LOWER, FLEX] = pose.legs[..., side, UPPER, FLEX] - 0.1 - bent
        pose.arms[..., side, UPPER, FLEX] = -sign * 1.1 * swing * np.sin(angle)
        pose.arms[..., side, LOWER, FLEX] = pose.arms[..., side, UPPER, FLEX] + 0.4
    pose.lean[:] = 0.07
    pose.shift[:] = 4 * 0.48 * np.sin(swing) * 0.55 * habits.rate * (time - 0.5)


def wave(pose: Pose, time: Time, habits: Habits) -> None:
    wave_hand(pose, np.ones_like(time), np.cos(cycle(time, habits)), habits)


def wave_hand(pose: Pose, raised: Time, swing: Time, habits: Habits) -> None:
    """Raise one arm as far as `raised`, and swing its forearm from -1 to 1."""
    side = own_side(habits.hand)
    pose.arms[..., UPPER, SPREAD] += (1.7 * raised)[..., None] * side
    pose.arms[..., LOWER, SPREAD] += ((2.6 + 0.75 * habits.strength * swing) * raised)[..., None] * side


def clap(pose: Pose, time: Time, habits: Habits) -> None:
    """Stretch arms forwards; hands meet before the chest, because the forearms point inwards."""
    apart = 0.5 + 0.5 * np.cos(cycle(time, habits))
    pose.arms[..., UPPER, FLEX], pose.arms[..., LOWER, FLEX] = 0.7, 1.6
    pose.arms[..., UPPER, SPREAD] = (0.25 + 0.6 * habits.strength * apart)[..., None]
    pose.arms[..., LOWER, SPREAD] = (-0.75 + 1.3 * habits.strength * apart)[..., None]


def box(pose: Pose, time: Time, habits: Habits) -> None:
    """Punch with one fist after the other, standing with one foot ahead."""
    angle = cycle(time, habits)
    for side, sign in enumerate((1.0, -1.0)):
        out = np.clip(0.5 + 0.8 * sign * np.cos(angle), 0, 1)
        pose.arms[..., side, UPPER, FLEX] = 0.2 + 1.3 * habits.strength.clip(0.8, 1.05) * out
        pose.arms[..., side, LOWER, FLEX] = 2.5 - 0.95 * out
    pose.lean[:] = 0.12
    pose.legs[..., 0, UPPER, FLEX], pose.legs[..., 0, LOWER, FLEX] = 0.3, 0.1
    pose.legs[..., 1, UPPER, FLEX], pose.legs[..., 1, LOWER, FLEX] = -0.15, -0.4


def jumping_jack(pose: Pose, time: Time, habits: Habits) -> None:
    """Spread and close arms and legs together, with a jump between."""
    apart = 0.5 + 0.5 * np.cos(cycle(time, habits, 0.8))
    spread_arms(pose, habits.strength * apart)
    pose.legs[..., SPREAD] = (0.05 + 0.4 * apart)[..., None, None]
    pose.lift[:] = 0.08 * np.sin(np.pi * apart) ** 2


# --- Motions over a long span -----------------------------------------------------------------------------------------


def one_after_the_other(first: str, second: str) -> Callable[[Pose, Time, Habits], None]:
    """Two quick gestures, with at least 0.24 films before the first, between them, and after the second.

    A gesture is symmetric in time. So a window of less than 0.24 films, which contains something of one gesture at
    most, and if so neither end of the film, does not show their order.
    """

    def move(pose: Pose, time: Time, habits: Habits) -> None:
        starts = (0.24 + habits.start / 20, 0.62 + habits.phase / 100)  # each within a hundredth
        for start, gesture in zip(starts, (first, second), strict=True):
            share = (time - start) / 0.13
            raised = bump(share)
            if gesture == "turn":
                pose.turn[:] += 1.7 * habits.strength * habits.hand * raised
            else:
                wave_hand(pose, raised, np.cos(4 * np.pi * (share - 0.5)), habits)

    return move


def raised_so_often(times: int) -> Callable[[Pose, Time, Habits], None]:
    """Raise both arms `times` times. Each takes as long as in a film with more of them."""

    def move(pose: Pose, time: Time, habits: Habits) -> None:
        each = 0.2 + 0.4 * habits.start  # share of the film: at most 0.28
        share = (time - (1 - times * each) * habits.phase) / each
        height = np.where((share > 0) & (share < times), np.sin(np.pi * share) ** 2, 0)
        spread_arms(pose, habits.strength * height)

    return move


def motion_of(action: str) -> Callable[[Pose, Time, Habits], None]:
    """The function that bends a resting pose. Raises ValueError for an unknown action."""
    motions = {
        "sit down": sit_down, "pick up": pick_up, "raise arms": raise_arms, "walk": walk, "wave": wave, "clap": clap,
        "box": box, "jumping jack": jumping_jack, "raise arms twice": raised_so_often(2),
        "raise arms three times": raised_so_often(3),
    }  # fmt: skip
    motions |= {span: one_after_the_other(*span.split(", ")) for span in SPANS}
    if action not in motions:
        raise ValueError(f"unknown action {action!r}: choose among {', '.join(motions)}")
    return motions[action]
