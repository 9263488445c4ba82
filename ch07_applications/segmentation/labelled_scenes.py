"""Scenes with a class for every pixel, and with a mask for every object: the two tasks of this folder on one set.

A pixel's label is the class of the object visible there. The background, 0, is the photograph, objects that are not
clothing, and the rest of objects that are almost hidden. Both forms show the same scenes in the same order; a scene's
group is its photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import UInt8

from common.data.boxed import BoxedImages, Target
from common.data.scenes import SceneSet, scenes
from common.data.segmented import SegmentedImages
from common.run import Run

BACKGROUND = "background"


@dataclass(frozen=True, eq=False)
class LabelledScenes:
    """The training, validation and test parts. objects: the same scenes with boxes, labels and masks of objects.

    classes: of the labels 0, 1, …, the background first.
    """

    train: SegmentedImages
    validation: SegmentedImages
    test: SegmentedImages
    objects: SceneSet

    @property
    def classes(self) -> tuple[str, ...]:
        return self.test.classes


def labelled_scenes(
    run: Run, train: int | None = None, validation: int | None = None, test: int | None = None
) -> LabelledScenes:
    """The first scenes of each part, at most the given number. None: the preset's, but 300 of 500 test scenes at
    lecture.

    Images are views of one array for all lessons; labels and masks take 131 MB each for 8000 scenes.
    """
    whole = scenes(run.scale, train_masks=True)
    test = run.pick(smoke=None, lecture=300, full=None) if test is None else test
    train_part, validation_part, test_part = (
        part if n is None else part.take(slice(n))
        for part, n in ((whole.train, train), (whole.validation, validation), (whole.test, test))
    )
    objects = replace(whole, train=train_part, validation=validation_part, test=test_part)
    return LabelledScenes(semantic(objects.train), semantic(objects.validation), semantic(objects.test), objects)


def semantic(part: BoxedImages) -> SegmentedImages:
    """The class of each pixel. Raises ValueError for scenes without masks."""
    if not part.masks:
        raise ValueError("scenes without masks have no labels: compose them with train_masks=True")
    labels = np.zeros(part.images.shape[:3], np.uint8)
    for own, owners, numbers, target in zip(labels, part.masks.owners, part.masks.numbers, part.targets, strict=True):
        label_of = np.zeros(256, np.uint8)  # by the number of the object seen at a pixel; −1, the photograph, is 255
        label_of[numbers.view(np.uint8)] = target["labels"].numpy()
        own[:] = label_of[owners.view(np.uint8)]
    names = tuple(f"scene {number}" for number in part.ids)
    return SegmentedImages(part.images, labels, (BACKGROUND, *part.classes), names, part.groups, part.ids)


def instances(part: BoxedImages) -> list[Target]:
    """The targets with their masks, (n, H, W) booleans, in torchvision's format. An object takes 16 kB: for few scenes.

    Raises ValueError for scenes without masks.
    """
    if not part.masks:
        raise ValueError("scenes without masks have no instances to compare with")
    return [{**target, "masks": torch.from_numpy(part.masks[k])} for k, target in enumerate(part.targets)]


def paint_instances(
    detections: Sequence[Target], size: tuple[int, int], least: float = -np.inf, covered: float = 1.0
) -> UInt8[np.ndarray, "items height width"]:
    """A label per pixel from masks: the class of the mask with the highest score there, 0 without a mask.

    size: height and width. Masks with a score below `least` are not painted, nor those of which masks with higher
    scores cover a larger share than `covered`: a second detection of an object would leave a fringe around the first.
    Targets have no scores; their masks do not overlap.
    """
    labels = np.zeros((len(detections), *size), np.uint8)
    for own, detection in zip(labels, detections, strict=True):
        scores = detection.get("scores", torch.zeros(len(detection["labels"])))
        for k in scores.argsort(descending=True, stable=True).tolist():
            mask = detection["masks"][k].numpy()
            if scores[k] >= least and np.count_nonzero(own[mask]) <= covered * np.count_nonzero(mask):
                own[mask & (own == 0)] = int(detection["labels"][k])
    return labels
