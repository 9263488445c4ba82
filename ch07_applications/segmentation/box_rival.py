"""The rival of this task's networks: HOG and SVM boxes, filled by GrabCut, without any deep network.

The detector is that of Dalal and Triggs 2005 (common/hog_detection), trained on the first scenes. The boxes with the
highest scores are filled by GrabCut (grabcut.py), or by their class's mean mask, stretched to the box. This gives
object masks with scores. To label pixels, masks are painted so that the highest score is on top. Two thresholds on what
is painted are chosen on validation scenes: the lowest score, `least`, and the largest share of a mask that masks with
higher scores may cover, `covered`; otherwise a second detection of an object would leave a fringe around the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.ops import roi_align

from ch07_applications.segmentation.grabcut import grabcut
from ch07_applications.segmentation.labelled_scenes import LabelledScenes, instances, paint_instances
from ch07_applications.segmentation.scoring import predicted_once, score_instances, score_semantic
from common.data.boxed import BoxedImages, Target
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector
from common.hog_detection.recipes import scenes_detector
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.pools import map_chunks
from common.run import Method, Run
from common.tuning import choose

RIVAL, MEAN_MASK = "HOG + SVM + GrabCut", "HOG + SVM + mean masks"
GROW = 2.0  # pixels by which a box is grown before it is filled; chosen on validation scenes among 0, 2, 4
MOST = 8  # boxes filled per scene: the detector's mAP@0.5 is 46.6 % on validation scenes, of all boxes 49.0 %
LEAST, COVERED = (-0.4, -0.2, 0.0, 0.2, 0.4, 0.6), (0.3, 0.5, 1.0)  # candidates
SIDE = 32  # of mean masks
VALIDATION = 100  # scenes on which painting is chosen
Masks = Bool[Tensor, "_ height width"]


@dataclass(eq=False)
class BoxRival:
    """fit(images, targets with masks), choose_painting(validation scenes), predict(images), semantic(images).

    detector: fitted or not. by_mean: fill boxes with their class's mean mask instead of GrabCut. most: boxes per scene.
    """

    detector: HOGDetector
    by_mean: bool = False
    grow: float = GROW
    most: int = MOST
    least_: float = field(default=0.0, init=False)
    covered_: float = field(default=1.0, init=False)

    def fit(self, images: UInt8[np.ndarray, "n height width 3"], targets: Sequence[Target]) -> BoxRival:
        """Fit the detector, unless it is fitted already, and each class's mean mask."""
        if not self.detector.windows_:
            self.detector.fit(images, targets)
        self.mean_masks_ = mean_masks(targets)
        return self

    def choose_painting(self, part: BoxedImages) -> BoxRival:
        """Choose the `least` and `covered` with the highest mean IoU on these scenes."""
        found, truths = self.predict(part.images), paint_instances(instances(part), part.images.shape[1:3])
        options, values = list(product(LEAST, COVERED)), []
        for least, covered in options:
            matrix = ConfusionMatrix(1 + len(part.classes))
            matrix.add(truths, paint_instances(found, part.images.shape[1:3], least, covered))
            values.append(float(mean_iou(matrix.total)))
        self.least_, self.covered_ = choose(options, values, highest=True)
        return self

    def predict(self, images: UInt8[np.ndarray, "n height width 3"]) -> list[Target]:
        """Boxes, labels, scores and masks of objects per image, by descending score, at most `most`."""
        found = []
        for detection in self.detector.predict(images):
            order = detection["scores"].argsort(descending=True, stable=True)[: self.most]
            found.append({key: values[order] for key, values in detection.items()})
        grown = [target["boxes"] + self.grow * torch.tensor([-1.0, -1, 1, 1]) for target in found]
        if self.by_mean:
            size = images.shape[1:3]
            masks = [self.stretched(t["labels"], b, size) for t, b in zip(found, grown, strict=True)]
        else:
            masks = fill_all(images, grown)
        return [{**target, "masks": own} for target, own in zip(found, masks, strict=True)]

    def stretched(
        self, labels: Tensor, boxes: Float[Tensor, "n 4"], size: tuple[int, int]
    ) -> Bool[Tensor, "n height width"]:
        """The mean masks of these classes, stretched to the boxes and binarised at one half."""
        masks = torch.zeros((len(boxes), *size), dtype=torch.bool)
        for mask, label, box in zip(masks, labels.tolist(), boxes.round().int().tolist(), strict=True):
            x1, y1, x2, y2 = box
            large = interpolate(self.mean_masks_[label][None, None], (y2 - y1, x2 - x1), mode="bilinear")[0, 0] > 0.5
            top, left = max(0, -y1), max(0, -x1)
            seen = mask[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)]
            seen[:] = large[top : top + seen.shape[0], left : left + seen.shape[1]]
        return masks

    def paint(self, detections: Sequence[Target], size: tuple[int, int]) -> UInt8[np.ndarray, "n height width"]:
        """Labels from masks, painted with the chosen settings."""
        return paint_instances(detections, size, self.least_, self.covered_)

    def semantic(self, images: UInt8[np.ndarray, "n height width 3"]) -> UInt8[np.ndarray, "n height width"]:
        """The label of each pixel; 0 is the background."""
        return self.paint(self.predict(images), images.shape[1:3])


def mean_masks(targets: Sequence[Target]) -> dict[int, Float[Tensor, "side side"]]:
    """The mean of each class's object masks, each resized from its grown box to one size."""
    sums: dict[int, Tensor] = {}
    counts: dict[int, int] = {}
    for target in targets:
        n = len(target["labels"])
        grown = target["boxes"] + GROW * torch.tensor([-1.0, -1, 1, 1])
        rois = torch.cat([torch.arange(n)[:, None].float(), grown], dim=1)
        cut = roi_align(target["masks"][:, None].float(), rois, SIDE, sampling_ratio=2, aligned=True)[:, 0]
        for label, mask in zip(target["labels"].tolist(), cut, strict=True):
            sums[label] = sums.get(label, 0) + mask
            counts[label] = counts.get(label, 0) + 1
    return {label: sums[label] / counts[label] for label in sorted(sums)}


def fill(
    images: UInt8[np.ndarray, "n height width 3"], boxes: Sequence[Float[np.ndarray, "_ 4"]]
) -> list[Bool[np.ndarray, "_ height width"]]:
    """GrabCut in each box of each image."""
    size = images.shape[1:3]
    with threadpool_limits(1):
        return [
            np.array([grabcut(image, box) for box in own], bool).reshape(-1, *size)
            for image, own in zip(images, boxes, strict=True)
        ]


def fill_all(images: UInt8[np.ndarray, "n height width 3"], boxes: Sequence[Float[Tensor, "_ 4"]]) -> list[Masks]:
    """The same as fill, in two processes if there are more than a few images and processes can be started."""
    return [torch.from_numpy(own) for own in map_chunks(fill, images, [own.numpy() for own in boxes])]


def fit_rival(method: Method, sets: LabelledScenes, by_mean: bool = False) -> BoxRival:
    """The rival, fitted once per run and seed. Both variants share a detector, trained on the first training scenes."""
    run, train = method.run, scenes(method.run.scale, train_masks=True).train
    name = f"{MEAN_MASK if by_mean else RIVAL}, scenes"
    if (name, run.seed) in run.shared:
        method.model, method.fit_seconds = run.shared[name, run.seed]
        return method.model
    detector = method.fit_shared("HOG + SVM, scenes", lambda: scenes_detector(run), train)
    train = train.take(slice(detector.images))
    method.model = method.time(BoxRival(detector, by_mean).fit, train.images, instances(train))
    method.time(
        method.model.choose_painting, sets.objects.validation.take(slice(run.pick(smoke=8, lecture=VALIDATION)))
    )
    method.share(name, method.model)
    return method.model


def score_rival(
    run: Run, sets: LabelledScenes, *, semantic: bool = True, instances: bool = True, by_mean: bool = False
) -> tuple[UInt8[np.ndarray, "items height width"], list[Target]]:
    """Fit the rival and score it on the test part, as one method. Returns its labels and its detections.

    semantic, instances: which of the two are scored. by_mean: use mean masks. Lessons of one run share the predictions.
    """
    part = sets.objects.test
    with run.method(MEAN_MASK if by_mean else RIVAL, kind="classical") as method:
        rival = fit_rival(method, sets, by_mean)
        detections = predicted_once(method, part)
        labels = rival.paint(detections, part.images.shape[1:3])
        if semantic:
            score_semantic(method, sets.test, labels)
        if instances:
            score_instances(method, part, detections)
    return labels, detections
