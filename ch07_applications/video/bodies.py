"""From joint angles to joints: the lengths of a body, and the places of its fourteen joints.

Axes of a body: x to the right of the picture, y up, z to the camera, in pixels, from the middle of the hips. At yaw 0 a
person faces the camera, at +π/2 the right of the picture. The camera is far away, so z changes only what hides what,
not places in the picture. Limbs keep their lengths in all motions; in the picture they may look shorter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ch07_applications.video.motions import FLEX, LOWER, SPREAD, UPPER, Pose

JOINTS = (  # in the order of the Leeds Sports Poses (Johnson & Everingham 2010); left is the person's own left
    "right ankle", "right knee", "right hip", "left hip", "left knee", "left ankle",
    "right wrist", "right elbow", "right shoulder", "left shoulder", "left elbow", "left wrist", "neck", "head top",
)  # fmt: skip
BONES = ((0, 1), (1, 2), (5, 4), (4, 3), (6, 7), (7, 8), (11, 10), (10, 9), (12, 13), (2, 3), (8, 9))  # of fixed length
SIDES = ((0, 1, 2, 6, 7, 8), (5, 4, 3, 11, 10, 9))  # ankle, knee, hip, wrist, elbow, shoulder: right, left
NECK, HEAD = 12, 13
SOLE = 0.035  # of the body's height: height of an ankle above the ground
Points = Float[np.ndarray, "films frames _ 3"]
Length = Float[np.ndarray, "films 1"]


@dataclass(frozen=True, eq=False)
class Body:
    """Lengths in pixels, one of each for every film. hips, shoulders: half the distance between the two."""

    height: Length
    trunk: Length
    head: Length
    hips: Length
    shoulders: Length
    thigh: Length
    shin: Length
    upper_arm: Length
    forearm: Length


def place_joints(pose: Pose, body: Body, yaw: Float[np.ndarray, "films frames"]) -> Points:
    """The fourteen joints relative to the middle of the hips."""
    films, frames = pose.lean.shape
    joints = np.zeros((films, frames, len(JOINTS), 3))
    up = leant(np.broadcast_to([0.0, 1.0, 0.0], (films, frames, 3)), pose.lean)
    joints[:, :, NECK] = body.trunk[..., None] * up
    nod = leant(np.broadcast_to([0.0, 1.0, 0.0], (films, frames, 3)), 0.6 * pose.lean)  # the head stays more upright
    joints[:, :, HEAD] = joints[:, :, NECK] + body.head[..., None] * nod
    for side, sign in enumerate((-1.0, 1.0)):  # facing the camera, a person's right is on the left
        ankle, knee, hip, wrist, elbow, shoulder = SIDES[side]
        joints[:, :, hip, 0] = sign * body.hips
        joints[:, :, knee] = joints[:, :, hip] + body.thigh[..., None] * hanging(pose.legs[:, :, side, UPPER], sign)
        joints[:, :, ankle] = joints[:, :, knee] + body.shin[..., None] * hanging(pose.legs[:, :, side, LOWER], sign)
        joints[:, :, shoulder] = 0.94 * joints[:, :, NECK]
        joints[:, :, shoulder, 0] = sign * body.shoulders
        for start, end, part, length in (
            (shoulder, elbow, UPPER, body.upper_arm),
            (elbow, wrist, LOWER, body.forearm),
        ):
            way = leant(hanging(pose.arms[:, :, side, part], sign), pose.lean)
            joints[:, :, end] = joints[:, :, start] + length[..., None] * way
    return turned(joints, yaw)


def hanging(angles: Float[np.ndarray, "films frames 2"], sign: float) -> Float[np.ndarray, "films frames 3"]:
    """The direction of a limb that hangs down at angles 0: flexed forwards first, then spread to its own side."""
    flex, spread = angles[..., FLEX], angles[..., SPREAD]
    return np.stack([sign * np.sin(spread), -np.cos(spread) * np.cos(flex), np.cos(spread) * np.sin(flex)], axis=-1)


def leant(
    ways: Float[np.ndarray, "films frames 3"], lean: Float[np.ndarray, "films frames"]
) -> Float[np.ndarray, "films frames 3"]:
    """Directions rotated about the axis from hip to hip: up becomes forwards."""
    x, y, z = np.moveaxis(ways, -1, 0)
    return np.stack([x, y * np.cos(lean) - z * np.sin(lean), y * np.sin(lean) + z * np.cos(lean)], axis=-1)


def turned(points: Points, yaw: Float[np.ndarray, "films frames"]) -> Points:
    """Points rotated about the vertical axis: the direction of the camera becomes right."""
    x, y, z = np.moveaxis(points, -1, 0)
    cos, sin = np.cos(yaw)[..., None], np.sin(yaw)[..., None]
    return np.stack([x * cos + z * sin, y, z * cos - x * sin], axis=-1)


def stand(joints: Points, pose: Pose, body: Body) -> Float[np.ndarray, "films frames"]:
    """The height of the hips above the ground in pixels: the lower ankle stands on it, unless both are lifted."""
    ankles = joints[:, :, [0, 5], 1]
    return (SOLE + pose.lift) * body.height - ankles.min(axis=2)
