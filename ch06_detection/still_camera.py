"""A camera that stands still: does a detector learn people, or the place where it has seen them?

Question   Frames of one second look alike. How much of a detector's score on frames between those it has learned from
           is left on frames of another part of the film, and how much of the loss does a change of the data regain?
Method     Cross-validation over blocks: a detector learns from every second frame of the first quarter of the training
           film, or of the last one. It is judged near, on the frames in between, and far, on the two quarters that lie
           farthest away. People are cut out and pasted on other places of the yard and on photographs (Dwibedi, Misra
           & Hebert 2017; composition/pasted_people.py).
Rival      HOG + SVM, the classical detector, on the same frames, with and without pasted people.
Differs    A small SSD and 160 steps for each training; the paper pastes objects of other photographs and blends their
           edges in several ways, here edges are blurred.
Costs      190 s on two cores; nothing without the film.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from ch06_detection.augmentation.frame_windows import FrameWindows
from ch06_detection.boxes import iou
from ch06_detection.composition.pasted_people import paste_people
from ch06_detection.drawings.still_camera import draw_far_frame, draw_gap, draw_pasted
from ch06_detection.geometry.half_size import HalfSize
from ch06_detection.scoring.judging import METRIC
from ch06_detection.ssd import ADAMW, SSD, SSDDetector, detection_loss
from ch06_detection.trunk.layers import small_trunk
from common.claims import beats
from common.data.boxed import BoxedImages, Target
from common.data.mot import pedestrians_or_none
from common.detector import Detector
from common.hog_detection.dense_hog import Cells
from common.hog_detection.detector import HOGDetector
from common.metrics.detection import Evaluation
from common.run import Run
from common.train import Training

QUARTERS = 4
FOLDS = {0: (2, 3), 3: (0, 1)}  # the quarter that is learned from, and those that are far from it
NEAR, FAR = "near", "far"
ZOOM = (0.8, 1.3)  # by which windows of frames are enlarged
WIDE = 0.37  # of its height: a pedestrian
HEIGHTS = ((28.0, 36.0, 46.0), (46.0, 58.0, 74.0))  # of pedestrians' default boxes: pixels of half size, by map
CLOSER = 1  # levels of the template's pyramid for people who are taller than those that it has learned from
PLAIN, PASTED, TEMPLATE = "SSD", "SSD, people pasted elsewhere", "HOG + SVM"
PASTED_TEMPLATE = "HOG + SVM, people pasted elsewhere"


class Fold(NamedTuple):
    """A part of the film to learn from, and two to be judged on: frames in between, and frames far away."""

    learned: BoxedImages
    near: BoxedImages
    far: BoxedImages


def split(film: BoxedImages, learned: int, far: tuple[int, ...], every: int) -> Fold:
    """A quarter's even frames, its odd ones, and one in so many of the far quarters' frames."""
    quarter = np.arange(len(film)) * QUARTERS // len(film)
    own = np.flatnonzero(quarter == learned)
    return Fold(film.take(own[::2]), film.take(own[1::2]), film.take(np.flatnonzero(np.isin(quarter, far))[::every]))


def build_ssd(run: Run, frames: int, zoom: tuple[float, float]) -> HalfSize:
    """A small SSD for frames at half size, not yet fitted. frames: that it will learn from. zoom: of their windows."""
    shapes = [torch.tensor([(WIDE * height, height) for height in heights]) for heights in HEIGHTS]
    steps, batch = run.pick(smoke=1, lecture=160, full=480), 16
    training = Training(
        max(1, round(steps * batch / frames)), 3e-3, batch, ADAMW, loss=detection_loss, warm_up=0.2, device=run.device,
        say=run.say_step,
    )  # fmt: skip

    def network(classes: int) -> SSD:
        return SSD(small_trunk()[:2], [len(heights) for heights in HEIGHTS], classes, top_down=True)

    windows = FrameWindows(zoom=zoom)
    return HalfSize(SSDDetector(network, training, shapes, 1, augment=windows, suppression=0.5, seed=run.seed))


class FrameTemplate(HOGDetector):
    """The classical detector, with a pyramid that goes on to people closer to the camera than any in training.

    On level ground a person's height grows with the row of the feet: in the training frames of this film it is about
    0.22 y + 21 pixels. Nobody there comes below row 408 of 576, or is taller than 116 pixels; at the lower border
    people have 149. Two more levels would fit them, but in cross-validation the second one cost more than it found.
    """

    def positives(
        self, images: UInt8[np.ndarray, "n height width 3"], targets: Sequence[Target]
    ) -> list[Float32[np.ndarray, "_ _"]]:
        found = super().positives(images, targets)
        self.scales_ += [self.scales_[-1] / self.scale_step**k for k in range(1, CLOSER + 1)]
        return found


def build_template(run: Run) -> FrameTemplate:
    """The classical detector of people in frames of 768 × 576, not yet fitted.

    People here stand apart and look alike. What counts is to be exact: positives lie just where the people are, and
    windows that are only half right are negatives, too.
    """
    random, mined = run.pick(smoke=(2, 2), lecture=(40, 60))
    settings = {"C": 0.03, "jittered": 0, "apart": 0.4, "scale_step": 1.15, "suppression": 0.4}
    cells = Cells(pixels=5, padding=3)
    return FrameTemplate(cells, window=70, mined=mined, random=random, seed=run.seed, **settings)


def learners(run: Run) -> dict[str, tuple[str, Callable[[BoxedImages], Detector]]]:
    """The contenders: their kinds, and how each learns from frames."""

    def plain(frames: BoxedImages) -> Detector:
        return build_ssd(run, len(frames), (1.0, 1.0)).fit(frames.images, frames.targets)

    def pasted(frames: BoxedImages) -> Detector:
        mixed = paste_people(frames, len(frames), run.seed)
        return build_ssd(run, len(mixed), ZOOM).fit(mixed.images, mixed.targets)

    def template(frames: BoxedImages) -> Detector:
        return build_template(run).fit(frames.images, frames.targets)

    def pasted_template(frames: BoxedImages) -> Detector:
        return template(paste_people(frames, len(frames), run.seed))

    classical = {TEMPLATE: ("classical", template), PASTED_TEMPLATE: ("classical", pasted_template)}
    return classical | {PLAIN: ("deep", plain), PASTED: ("deep", pasted)}


def joined(parts: list[BoxedImages]) -> BoxedImages:
    """Parts of one film as one part: what a method is judged on over all folds."""
    images, ids, groups = (np.concatenate([getattr(p, key) for p in parts]) for key in ("images", "ids", "groups"))
    targets = tuple(target for part in parts for target in part.targets)
    return BoxedImages(images, targets, parts[0].classes, ids=ids, groups=groups)


def missed(found: Target, target: Target) -> int:
    """How many people have no box on them (IoU 0.5) among as many detections as there are people."""
    best = found["boxes"][: len(target["boxes"])]
    return int((iou(target["boxes"], best) < 0.5).all(dim=1).sum())


def measure_heights(run: Run, film: BoxedImages) -> None:
    """How tall people are, and would be at the frame's lower border, by a line through heights and feet."""
    boxes = torch.cat([target["boxes"] for target in film.targets]).double().numpy()
    heights, feet = boxes[:, 3] - boxes[:, 1], boxes[:, 3]
    at_border = np.polyval(np.polyfit(feet, heights, 1), film.images.shape[1])
    run.fact("lowest row in which somebody stands", float(feet.max()))
    run.fact("height of the tallest person", float(heights.max()), "px")
    run.fact("height of a person at the lower border, by a line", float(at_border), "px")


def lesson(run: Run) -> None:
    people = pedestrians_or_none(run.scale, run.note, every=run.pick(smoke=10, lecture=1))
    if people is None:
        return
    measure_heights(run, people.train)
    every = run.pick(smoke=8, lecture=4)
    folds = [split(people.train, learned, far, every) for learned, far in FOLDS.items()]
    parts = {NEAR: joined([fold.near for fold in folds]), FAR: joined([fold.far for fold in folds])}
    scores, found = {}, {}
    for name, (kind, learn) in learners(run).items():
        with run.method(name, kind=kind) as method:
            detectors = [method.time(learn, fold.learned) for fold in folds]
            for place, part in parts.items():
                seen = [getattr(fold, place).images for fold in folds]
                own = [one for model, images in zip(detectors, seen, strict=True) for one in model.predict(images)]
                found[name, place] = own
                evaluation = Evaluation(own, part.targets, 1, groups=part.groups)
                method.score_items(
                    f"{METRIC}, {place}", 100 * evaluation.by_image(), part, unit="%", higher_is_better=True
                )
                scores[name, place] = 100 * evaluation.mean_average_precision(0.5)
        run.fact(f"near less far, {name}", scores[name, NEAR] - scores[name, FAR], "points")
    for place in (NEAR, FAR):
        run.compare(PASTED, PLAIN, f"{METRIC}, {place}")
        run.compare(PLAIN, TEMPLATE, f"{METRIC}, {place}")
        run.compare(PASTED_TEMPLATE, TEMPLATE, f"{METRIC}, {place}")
    run.floor(PASTED, f"{METRIC}, {NEAR}", at_least=run.pick(smoke=0, lecture=88))
    run.claim(
        "Pasting people elsewhere regains a part of what is lost on frames far away.",
        beats(PASTED, PLAIN, f"{METRIC}, {FAR}"),
    )
    run.figure(
        "gap", draw_gap, [TEMPLATE, PASTED_TEMPLATE, PLAIN, PASTED], scores, (NEAR, FAR),
        caption="Mean average precision on frames between those that were learned from, and on frames of the two "
        "quarters of the film that lie farthest away.",
    )  # fmt: skip
    pasted = paste_people(folds[0].learned, 6, run.seed)
    run.figure(
        "pasted", draw_pasted, pasted.images[-6:], pasted.targets[-6:],
        caption="Composed frames: people of the first quarter of the film on other places of the yard and on "
        "photographs, in other sizes and colours, partly hidden. Green: their boxes.",
    )  # fmt: skip
    losses = [missed(one, target) for one, target in zip(found[PLAIN, FAR], parts[FAR].targets, strict=True)]
    item = int(np.argmax(losses))
    run.figure(
        "far", draw_far_frame, parts[FAR].images[item], parts[FAR].targets[item],
        {name: found[name, FAR][item] for name in (PLAIN, PASTED)},
        caption=f"The far frame in which {PLAIN} misses most people. Green: the boxes drawn by hand; red: as many "
        "detections, of the highest scores.",
    )  # fmt: skip
