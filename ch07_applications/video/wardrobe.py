"""The drawn people: a person's proportions, skin, hair and clothes, and the capsules that show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int64

from ch07_applications.video.bodies import HEAD, NECK, SIDES, Body, Length, Points
from ch07_applications.video.capsules import Capsules
from ch07_applications.video.draws import Draws

PEOPLE = 7919  # the first number of a person's seed: a person is the same in every film of any seed
LIGHT, DARK = np.array([236.0, 192.0, 164.0]), np.array([86.0, 54.0, 38.0])  # the ends of the skin's tones
BALL = 0.06  # its radius, in body heights
FAR = -1e4  # the place of a ball in films without one: outside any picture
BRIGHT = (250.0, 220.0, 40.0)
LIMBS, TRUNK, SKULL = range(3)  # of Person.girth
Colour = Float[np.ndarray, "films 3"]
Place = Float[np.ndarray, "films frames 3"]


@dataclass(frozen=True, eq=False)
class Person:
    """The fixed attributes of each film's person.

    parts: lengths in body heights, as in Body (the first is 1). girth: of limbs and trunk, about 1. sleeves, trousers:
    the ends of the sleeve on the forearm and of the trousers on the shin, as shares; 0: above it. stripes: of the shirt
    (strength, number along the trunk).
    """

    parts: Float[np.ndarray, "films 9"]
    girth: Float[np.ndarray, "films 3"]
    skin: Colour
    hair: Colour
    shirt: Colour
    legs: Colour
    shoes: Colour
    sleeves: Length
    trousers: Length
    stripes: Float[np.ndarray, "films 2"]

    @classmethod
    def numbered(cls, numbers: Int64[np.ndarray, "films"]) -> Person:
        """The people with these numbers; a number always gives the same person."""
        draws = Draws([(PEOPLE, int(number)) for number in numbers], 32)
        usual = np.array([1.0, 0.30, 0.185, 0.055, 0.105, 0.235, 0.235, 0.17, 0.16])
        parts = usual * np.concatenate([np.ones((len(numbers), 1)), draws.between(0.9, 1.1, 8)], axis=1)
        tone = draws.between(0, 1)
        skin = LIGHT + tone * (DARK - LIGHT)
        hair = draws.between(15, 60) + draws.between(0, 1) ** 3 * np.array([150.0, 110.0, 60.0])
        long_sleeved, long_legged = draws.between(0, 1) < 0.5, draws.between(0, 1) < 0.7
        sleeves, trousers = np.where(long_sleeved, 0.9, 0.0), np.where(long_legged, 0.95, 0.0)
        girth = np.append(draws.between(0.9, 1.35, 2), np.ones((len(numbers), 1)), axis=1)
        shirt, legs, shoes = draws.between(20, 240, 3), draws.between(20, 200, 3), draws.between(10, 120, 3)
        striped = draws.between(0, 1) < 0.5
        stripes = np.concatenate([striped * draws.between(0.15, 0.4), draws.between(2, 6)], axis=1)
        return cls(parts, girth, skin, hair, shirt, legs, shoes, sleeves, trousers, stripes)

    def body(self, height: Length) -> Body:
        """The people's lengths in pixels, for a height in pixels."""
        return Body(*(height * self.parts).T[..., None])


def dress(
    person: Person, body: Body, joints: Points, yaw: Float[np.ndarray, "films frames"], ball: Float[np.ndarray, "_ _ 3"]
) -> Capsules:
    """Capsules of all frames. joints: (x, y) in the picture, z to the camera. ball: in the same axes."""
    films, frames = joints.shape[:2]
    height, plain, limbs = body.height[..., None], np.zeros((films, 2)), []
    ahead = np.stack([np.sin(yaw), np.zeros_like(yaw), np.cos(yaw)], axis=-1)  # the direction the body faces
    down = np.array([0.0, 1.0, 0.0])
    hips = (joints[:, :, SIDES[0][2]] + joints[:, :, SIDES[1][2]]) / 2
    neck, top = joints[:, :, NECK], joints[:, :, HEAD]
    skull = neck + 0.62 * (top - neck)

    def lay(start: Place, end: Place, radii: tuple, colours: tuple, **how: Any) -> None:
        """Add a limb. cut, stripes: see Capsules. girth: index of the person's; nearer: by this share of the height."""
        wide = person.girth[:, how.get("girth", 0), None] * body.height
        pair = np.concatenate([radii[0] * wide, radii[1] * wide], axis=1)
        limbs.append((start, end, pair, colours, how.get("cut", 1.0), how.get("stripes", plain), how.get("nearer", 0)))

    skin, shirt, legs = (person.skin, person.skin), (person.shirt, person.skin), (person.legs, person.skin)
    lay(0.96 * neck + 0.04 * hips, hips, (0.075, 0.072), (person.shirt, person.legs), cut=0.82, girth=TRUNK,
        stripes=person.stripes)  # fmt: skip
    lay(joints[:, :, SIDES[0][5]], joints[:, :, SIDES[1][5]], (0.042, 0.042), shirt, girth=TRUNK)
    lay(neck, skull, (0.032, 0.032), skin, girth=SKULL)
    lay(skull, skull + 0.18 * (top - neck), (0.056, 0.058), skin, girth=SKULL, nearer=0.02)
    back = skull + 0.14 * (top - neck) - 0.028 * height * ahead
    lay(back, back + 0.06 * (top - neck), (0.058, 0.058), (person.hair,) * 2, girth=SKULL, nearer=0.02)
    for ankle, knee, hip, wrist, elbow, shoulder in (joints[:, :, side].transpose(2, 0, 1, 3) for side in SIDES):
        foot = ankle + 0.012 * height * down
        lay(hip, knee, (0.058, 0.044), legs)
        lay(knee, ankle, (0.042, 0.03), legs, cut=person.trousers)
        lay(foot, foot + 0.1 * height * ahead, (0.026, 0.02), (person.shoes,) * 2, nearer=0.01)
        lay(shoulder, elbow, (0.04, 0.032), shirt, cut=0.92, stripes=person.stripes / [1, 2], nearer=0.05)
        lay(elbow, wrist, (0.03, 0.026), shirt, cut=person.sleeves, nearer=0.06)
    lay(ball, ball, (BALL, BALL), (np.broadcast_to(BRIGHT, (films, 3)),) * 2, girth=SKULL, nearer=0.07)
    return gathered(limbs, body, films, frames)


def gathered(limbs: list[tuple], body: Body, films: int, frames: int) -> Capsules:
    """The capsules of all limbs, frame after frame."""

    def stack(columns: Sequence, *shape: int) -> Float32[np.ndarray, "frames limbs ..."]:
        wide = [np.broadcast_to(column, (films, frames, *shape)) for column in columns]
        return np.stack(wide, axis=2).reshape(films * frames, len(limbs), *shape).astype(np.float32)

    starts, ends, radii, colours, cuts, stripes, nearer = zip(*limbs, strict=True)
    depths = [(a[..., 2] + b[..., 2]) / 2 + more * body.height for a, b, more in zip(starts, ends, nearer, strict=True)]
    return Capsules(
        stack([start[..., :2] for start in starts], 2),
        stack([end[..., :2] for end in ends], 2),
        stack([pair[:, None] for pair in radii], 2),
        stack(depths),
        stack(cuts),
        stack([np.stack(pair, axis=1)[:, None] for pair in colours], 2, 3),
        stack([np.concatenate([each, np.zeros((films, 1))], axis=1)[:, None] for each in stripes], 3),
    )
