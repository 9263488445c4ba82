"""A network trained on photographs of people, tested on drawn people; and both networks on the reader's photograph.

Reference  BlazePose (Bazarevsky et al. 2020). It was not trained on drawn people, and the lesson's network only on
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps

from ch07_applications.video.drawn_pose import draw_photo
from ch07_applications.video.posed_people import KINDS, PCK, Joints, PosedPeople, pck
from ch07_applications.video.views import SIZE, Views, around_boxes, cut, into_pictures, whole_pictures
from common.data.blazepose import SIDE, BlazePose, blazepose_or_none
from common.errors import Problem
from common.run import Run

if TYPE_CHECKING:
    from ch07_applications.video.pose import PoseEstimator

REFERENCE = "BlazePose"
LIMBS = (28, 26, 24, 23, 25, 27, 16, 14, 12, 11, 13, 15)  # its landmarks, in the order of the first of bodies.JOINTS
SHOULDERS, NOSE = [11, 12], 0
SCORED = tuple(KINDS)[1:]  # kinds of joints; it has neither neck nor top of the head


def find_joints(network: BlazePose, people: PosedPeople, views: Views) -> Joints:
    """Joints in pixels of the pictures. The neck is the middle of the shoulders, the head's top is the nose.

    views: around the people, of SIDE pixels.
    """
    parts = zip(torch.tensor(people.images).split(60), views.split(60), strict=True)
    every = np.concatenate([network.landmarks(cut(*part, SIDE)) for part in parts])
    joints = [every[:, LIMBS], every[:, SHOULDERS].mean(axis=1, keepdims=True), every[:, [NOSE]]]
    return into_pictures(torch.tensor(np.concatenate(joints, axis=1)), views).numpy()


def squares_of(photo: UInt8[np.ndarray, "height width 3"]) -> tuple[PosedPeople, PosedPeople]:
    """The middle of a photograph at SIZE and at SIDE pixels, as pictures of one person with a box around everything.

    Raises Problem for a photograph that is smaller than the network's input.
    """
    if min(photo.shape[:2]) < SIZE:
        raise Problem(f"--photo has {photo.shape[1]}×{photo.shape[0]} pixels, pose needs at least {SIZE}×{SIZE}")
    made = []
    for side in (SIZE, SIDE):
        image = np.array(ImageOps.fit(Image.fromarray(np.ascontiguousarray(photo)), (side, side), Image.Resampling.BOX))
        nowhere, everything = np.full((1, 14, 2), -1.0, np.float32), np.float32([[0, 0, side, side]])
        made.append(PosedPeople(image[None], nowhere, everything, np.zeros(1, np.int64)))
    return tuple(made)


def show_reference(
    run: Run, model: PoseEstimator, test: PosedPeople, own: tuple[PosedPeople, PosedPeople] | None = None
) -> None:
    """Score BlazePose on the test people in given boxes; then show both networks on own, the squares of --photo."""
    network = blazepose_or_none(run.scale, run.note)
    if network is not None:
        with run.method(REFERENCE, kind="reference") as method:
            found = find_joints(network, test, around_boxes(test.boxes, test.side, SIDE))
            for kind in SCORED:
                values, part = pck(found, test, KINDS[kind])
                method.score_items(f"{PCK}, {kind}", values, part, unit="%", higher_is_better=True)
    if own is None:
        return
    small, large = own
    joints = {"stacked hourglass": model.predict(small, whole_pictures(1, SIZE))[0] * (SIDE / SIZE)}
    if network is not None:
        joints[REFERENCE] = find_joints(network, large, whole_pictures(1, SIDE, SIDE))[0]
    run.figure("photo", draw_photo, large.images[0], joints, caption="The middle of your photograph, with joints.")
    run.note("Your photograph: its middle was used, so one person should fill it. The hourglass learned from drawings.")
