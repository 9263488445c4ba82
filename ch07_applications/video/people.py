"""Films of drawn people with exact ground truth: actions, joints, covered pixels; reproducible by seed.

Every film has a person (wardrobe.py) with an individual way of moving (motions.py), a photograph as background and a
camera that shakes. Parts share neither people nor photographs. A film of an action that is another one backwards
("stand up") *is* the film that would have been drawn of the other ("sit down"), in reverse order: shake, noise and all.
So no single frame, and no set of frames without their order, distinguishes the two.

films.py defines the coordinates of pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64

from ch07_applications.video.bodies import SIDES, Body, place_joints, stand
from ch07_applications.video.capsules import paint
from ch07_applications.video.draws import Draws
from ch07_applications.video.films import Films
from ch07_applications.video.motions import ACTIONS, BACKWARDS, SIDEWAYS, Habits, Pose, motion_of, resting
from ch07_applications.video.scenery import backgrounds, camera_path, scenery
from ch07_applications.video.wardrobe import BALL, FAR, Person, dress

PARTS = {"train": (0, 200), "validation": (1000, 40), "test": (2000, 60)}  # first number and count of its people
CLOSE = (0.64, 0.84)  # a person's height as a share of the picture's side
PAN, NOISE = 0.6, 5.0  # the largest share of a walker's way that the camera follows; grey levels
CHUNK = 16  # films at a time: the arrays of a step stay in the CPU's cache
WRISTS = [SIDES[0][3], SIDES[1][3]]


@dataclass(frozen=True)
class Studio:
    """The settings of films. classes: actions. part: of PARTS, whose people and photographs appear. close: heights of
    people as shares of the side, from and to. Raises ValueError for an unknown part or action, and for fewer than two
    frames, which have no order.
    """

    classes: tuple[str, ...] = ACTIONS
    part: str = "train"
    frames: int = 12
    side: int = 40
    close: tuple[float, float] = CLOSE

    def __post_init__(self) -> None:
        if self.part not in PARTS:
            raise ValueError(f"unknown part {self.part!r}: choose among {', '.join(PARTS)}")
        if self.frames < 2:
            raise ValueError(f"a film has at least 2 frames, not {self.frames}")
        if self.side < 8:
            raise ValueError(f"a picture has a side of at least 8 pixels, not {self.side}")
        for name in self.classes:
            motion_of(BACKWARDS.get(name, name))

    def shoot(self, count: int, seed: int = 0) -> Films:
        """`count` films, the classes in turn. Film i does not depend on the count."""
        return self.shoot_labels(np.arange(count) % len(self.classes), seed)

    def shoot_labels(self, labels: Int64[np.ndarray, "items"], seed: int = 0) -> Films:
        """A film of each label. All but the action depends only on seed and index."""
        if not len(labels):
            raise ValueError("no films were asked for")
        starts = range(0, len(labels), CHUNK)
        chunks = [self._chunk(labels[start : start + CHUNK], start, seed) for start in starts]
        films, joints, masks, people = (np.concatenate(arrays) for arrays in zip(*chunks, strict=True))
        names = tuple(picture.credit for picture in backgrounds(self.part))
        return Films(films, labels.astype(np.int64), joints, masks, people, self.classes, names)

    def _chunk(self, labels: Int64[np.ndarray, "items"], first: int, seed: int) -> tuple[np.ndarray, ...]:
        """films, joints, masks and people of a few films, the first of which has this number."""
        start, people = PARTS[self.part]
        draws = Draws([(seed, start, number) for number in range(first, first + len(labels))], 32)
        numbers = start + draws.among(people)
        person, names = Person.numbered(numbers), [self.classes[label] for label in labels]
        forwards = np.array([BACKWARDS.get(name, name) for name in names])
        habits = Habits(
            draws.between(0, 0.2), draws.between(0.6, 0.8), draws.between(0, 1), draws.between(1.5, 2.5),
            draws.between(0.85, 1.15), draws.sign(),
        )  # fmt: skip
        scene = rehearse(self, draws, forwards, habits, person)
        canvas = scenery(self.part, self.side, draws, scene.camera)
        limbs = dress(person, scene.body, scene.joints, scene.yaw, scene.ball)
        shares = paint(canvas.reshape(3, -1, self.side, self.side), limbs).reshape(canvas.shape[1:])
        for film, generator in enumerate(draws.generators):
            canvas[:, film] += NOISE * generator.standard_normal(canvas[:, film].shape, np.float32)
        films = np.moveaxis(np.clip(canvas + 0.5, 0, 255).astype(np.uint8), 0, -1)
        arrays = [films, scene.joints[..., :2].astype(np.float32), shares >= 0.5]
        for film, name in enumerate(names):
            if name in BACKWARDS:
                for array in arrays:
                    array[film] = array[film, ::-1].copy()
        return *arrays, numbers


@dataclass(frozen=True, eq=False)
class Scene:
    """The positions of people in pixels (z to the camera), and the camera's displacement."""

    body: Body
    joints: Float[np.ndarray, "films frames 14 3"]
    yaw: Float[np.ndarray, "films frames"]
    ball: Float[np.ndarray, "films frames 3"]
    camera: Float[np.ndarray, "films frames 2"]


def rehearse(studio: Studio, draws: Draws, names: np.ndarray, habits: Habits, person: Person) -> Scene:
    """Move bodies by their actions, place them on the ground, and project them into the camera."""
    wide, narrow, sign = draws.between(0.8, 1.7), draws.between(0, 0.7), draws.sign()
    facing = sign * np.where(np.isin(names, SIDEWAYS)[:, None], wide, narrow)  # to a side, or more to the camera
    height, ground = studio.side * draws.between(*studio.close), studio.side * draws.between(0.93, 0.99)
    middle, follow = studio.side * draws.between(0.38, 0.62), draws.between(0.2, PAN)
    body, time = person.body(height), np.linspace(0, 1, studio.frames)
    grasp = habits.start + habits.pace / 2  # the time when picking hands are lowest: one more time
    clock = np.concatenate([np.broadcast_to(time, (len(names), studio.frames)), grasp], axis=1)
    pose = bend(names, clock, habits)
    yaw = facing + pose.turn
    joints, walked = place_joints(pose, body, yaw), np.sin(yaw) * pose.shift * height
    joints[..., 0] += (middle + walked)[..., None]
    joints[..., 1] = (ground - stand(joints, pose, body))[..., None] - joints[..., 1]  # rows count downwards
    ball = carry(joints, names, clock, ground - BALL * height)
    joints, yaw = joints[:, :-1], yaw[:, :-1]
    camera = camera_path(studio.side, draws, time, follow * walked[:, :-1])
    joints[..., :2] -= camera[:, :, None]
    ball[..., :2] -= camera
    return Scene(body, joints, yaw, ball, camera)


def bend(names: np.ndarray, clock: Float[np.ndarray, "films frames"], habits: Habits) -> Pose:
    """The pose of every frame: films of one action are bent at once."""
    pose = resting(*clock.shape)
    for name in np.unique(names):
        own = names == name
        part, part_habits = (type(each)(*(array[own] for array in vars(each).values())) for each in (pose, habits))
        motion_of(str(name))(part, clock[own], part_habits)
        for array, bent in zip(vars(pose).values(), vars(part).values(), strict=True):
            array[own] = bent
    return pose


def carry(
    joints: Float[np.ndarray, "films frames 14 3"],
    names: np.ndarray,
    clock: Float[np.ndarray, "films frames"],
    ground: Float[np.ndarray, "films 1"],
) -> Float[np.ndarray, "films shown 3"]:
    """The place of the ball: on the ground where the hands reach it (the last frame), and then between them.

    In films in which it is not picked up, it is outside any picture.
    """
    hands = joints[:, :, WRISTS].mean(axis=2)
    rests = np.concatenate([hands[:, -1:, :1], ground[:, None], hands[:, -1:, 2:]], axis=2)
    ball = np.where((clock < clock[:, -1:])[..., None], rests, hands)[:, :-1]
    return np.where((names == "pick up")[:, None, None], ball, FAR)
