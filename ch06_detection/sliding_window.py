"""The classical detector: a linear template of gradients, applied at every place and at every size.

Question   A template of gradients matches a boot at one size. How does it find all boots of a picture, and how does it
           learn what is not a boot?
Method     Dalal & Triggs 2005: HOG, a linear SVM for each class, an image pyramid, windows one cell apart, hard
           negatives in two rounds; then greedy non-maximum suppression.
Differs    Ten classes, each with a template of its own shape. Cells of 4 pixels, because objects are small. If scenes
           are few, positives are also shifted by up to half a cell. The paper searches all its negatives, once; here
           there are two rounds, each on other scenes. No gamma correction, no Gaussian over a block; votes go to one
           bin (common/features/hog.py). The scored detector, common/hog_detection/detector.py, does the same faster
           and for many images; chapter 7 uses it, too. This file shows its training, round by round, and its search
           of one image.
Costs      60 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.svm import LinearSVC

from ch06_detection.boxes import area, clip, nms
from ch06_detection.drawings.sliding_window import draw_pyramid, draw_rounds, draw_suppressed, draw_templates
from ch06_detection.scoring.judging import METRIC, examine
from ch06_detection.scoring.protocol import training_scenes
from common.data.boxed import Target
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector
from common.hog_detection.image_pyramid import level_size, resized
from common.hog_detection.recipes import scenes_detector
from common.run import Run

SHOWN = ("Trouser", "Sneaker", "Pullover", "Dress", "Ankle boot")
THRESHOLD = 0.0  # the least SVM score of a drawn window


class Round(NamedTuple):
    """One round of training, for each class: the added negatives, their scores by the templates that found them (None
    for random windows), and their scores by the templates trained with them.
    """

    added: list[Float32[np.ndarray, "_ features"]]
    before: list[Float[np.ndarray, "_"]] | None
    after: list[Float[np.ndarray, "_"]]


def train_in_rounds(
    detector: HOGDetector, images: UInt8[np.ndarray, "n height width 3"], targets: Sequence[Target]
) -> list[Round]:
    """Train the detector on all these images: first on random windows, then also on its own false alarms. §4.

    A round searches some images with the present templates. For each class, the windows that score above the floor and
    have an IoU below `apart` with its objects are false alarms; the highest-scoring ones become negatives, and all
    templates are trained again. The result equals detector.fit, which does not record the rounds.
    """
    positives = detector.positives(images, targets)  # HOG of whole objects that fit a window of their class's shape
    order = np.random.default_rng(detector.seed).permutation(len(images))
    negatives, rounds, detector.coef_ = [np.empty((0, yes.shape[1]), np.float32) for yes in positives], [], []
    for turn in range(detector.rounds + 1):
        first = (turn - 1) * detector.mined + np.arange(min(detector.mined, len(order)))
        searched = np.take(order, first, mode="wrap") if turn else order[: detector.random]
        added = detector.false_windows(images[searched], [targets[item] for item in searched])
        before = score_descriptors(detector, added) if turn else None
        negatives = [np.concatenate(pair) for pair in zip(negatives, added, strict=True)]
        detector.coef_, detector.intercept_ = train_svms(detector, positives, negatives)
        rounds.append(Round(added, before, score_descriptors(detector, added)))
    return rounds


def train_svms(
    detector: HOGDetector, positives: list[np.ndarray], negatives: list[np.ndarray]
) -> tuple[list[Float32[np.ndarray, "_ _ numbers"]], list[float]]:
    """Minimise ½ ‖w‖² + C Σ max(0, 1 − y (w·x + b)) for each class. Returns w, the template by blocks, and b."""
    templates, intercepts = [], []
    for window, yes, no in zip(detector.windows_.values(), positives, negatives, strict=True):
        svm = LinearSVC(C=detector.C, loss="hinge", random_state=detector.seed, tol=1e-2, max_iter=300)
        svm.fit(np.concatenate([yes, no], dtype=float), np.repeat([1, 0], [len(yes), len(no)]))
        templates.append(svm.coef_.reshape(*window.shape, -1).astype(np.float32))
        intercepts.append(float(svm.intercept_[0]))
    return templates, intercepts


def score_descriptors(detector: HOGDetector, windows: list[np.ndarray]) -> list[Float[np.ndarray, "_"]]:
    """The scores w·x + b of each class's window descriptors."""
    pairs = zip(windows, detector.coef_, detector.intercept_, strict=True)
    return [descriptors @ template.ravel() + b for descriptors, template, b in pairs]


class Level(NamedTuple):
    """A level of the pyramid for one class: the image at this scale, and every window's score and box in the image."""

    label: int
    scale: tuple[float, float]  # down, across: the level's size over the image's
    image: UInt8[np.ndarray, "rows columns 3"]
    scores: Float[np.ndarray, "down across"]
    boxes: Float[np.ndarray, "down across 4"]


def search_windows(detector: HOGDetector, image: UInt8[np.ndarray, "height width 3"]) -> list[Level]:
    """Every level of an image's pyramid with the scores of all windows of all classes. §4.

    detector.search does the same for many images at once, and faster.
    """
    levels = []
    for scale in detector.scales_:
        height, width = level_size(image.shape[:2], scale)
        factors, level = (height / image.shape[0], width / image.shape[1]), resized(image[None], (height, width))
        blocks = detector.cells.blocks(level)[0]  # HOG: chapter 5
        for k, (label, window) in enumerate(detector.windows_.items()):
            scores = score_windows(blocks, detector.coef_[k]) + detector.intercept_[k]
            row, column = np.indices(scores.shape).reshape(2, -1)
            boxes = window.boxes(row, column, factors)
            levels.append(Level(label, factors, level[0], scores, boxes.reshape(*scores.shape, 4)))
    return levels


def score_windows(
    blocks: Float32[np.ndarray, "rows columns numbers"], template: Float32[np.ndarray, "high wide numbers"]
) -> Float[np.ndarray, "down across"]:
    """Σᵢⱼ wᵢⱼ · x at block (r + i, c + j): the scalar product of the template with the window at every place (r, c)."""
    high, wide, _ = template.shape
    if blocks.shape[0] < high or blocks.shape[1] < wide:
        return np.zeros((0, 0))
    windows = sliding_window_view(blocks, (high, wide), axis=(0, 1))  # (down, across, numbers, high, wide)
    return np.einsum("rcnij,ijn->rc", windows, template, dtype=float)


def collect_windows(levels: list[Level], size: tuple[int, int], floor: float) -> Target:
    """The windows of all levels that score above the floor, with boxes clipped to the image (height, width)."""
    high = [level.scores > floor for level in levels]
    boxes, scores = (
        torch.from_numpy(np.concatenate([part[k] for part, k in zip(column, high, strict=True)]))
        for column in ([level.boxes for level in levels], [level.scores for level in levels])
    )
    boxes = clip(boxes, *size)
    counts = torch.tensor([int(k.sum()) for k in high])
    labels = torch.tensor([level.label for level in levels]).repeat_interleave(counts)
    inside = area(boxes) > 0  # a window in the padding may lie outside the image
    return {"boxes": boxes[inside], "scores": scores[inside], "labels": labels[inside]}


def suppress(windows: Target, detector: HOGDetector) -> Target:
    """Apply non-maximum suppression to each class's highest-scoring windows. Returns the rest by descending score."""
    kept = []
    for label in windows["labels"].unique():
        own = (windows["labels"] == label).nonzero()[:, 0]
        best = own[windows["scores"][own].argsort(descending=True, stable=True)[: detector.most]]
        kept.append(best[nms(windows["boxes"][best], windows["scores"][best], detector.suppression)])
    together = torch.cat([*kept, torch.zeros(0, dtype=torch.long)])
    order = together[windows["scores"][together].argsort(descending=True, stable=True)]
    return {key: values[order] for key, values in windows.items()}


def cell_weights(
    template: Float32[np.ndarray, "high wide numbers"], block: int
) -> Float[np.ndarray, "rows columns bins"]:
    """A template's weight of each cell, summed over the blocks that contain the cell. §6.6, Fig. 6."""
    high, wide, numbers = template.shape
    parts = template.reshape(high, wide, block, block, numbers // block**2)
    total = np.zeros((high + block - 1, wide + block - 1, parts.shape[-1]))
    for row, column in np.ndindex(block, block):
        total[row : row + high, column : column + wide] += parts[:, :, row, column]
    return total


def build_scenes_hog(run: Run) -> HOGDetector:
    """The unfitted detector for scenes. Its positives are objects of all training scenes, without shifted copies.

    A round searches twice as many scenes as in the recipe for fewer positives; chosen on validation scenes.
    """
    recipe = scenes_detector(run)
    return replace(recipe, images=len(training_scenes(run.scale)), jittered=0, mined=2 * recipe.mined)


def above(found: Target, score: float) -> Target:
    """The detections with a score above this one."""
    return {key: values[found["scores"] > score] for key, values in found.items()}


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    with run.method("HOG + SVM", kind="classical") as method:
        detector, evaluation = examine(
            method, "HOG + SVM, scenes", lambda: build_scenes_hog(run), training_scenes(run.scale), sets.test
        )
    run.floor("HOG + SVM", METRIC, at_least=48.3)
    run.fact("milliseconds a scene", 1000 * method.predict_seconds / len(sets.test), "ms")
    run.fact("levels of the pyramid", len(detector.scales_))
    count = detector.windows_of(sets.test.images.shape[1:3])
    run.fact("windows of a scene, all classes", count)
    average = 100 * evaluation.average_precision(0.5)
    for name, value in zip(sets.classes, average, strict=True):
        run.fact(f"AP of {name}", np.nan_to_num(value), "%")

    templates = {sets.classes[k - 1]: own for k, own in zip(detector.windows_, detector.coef_, strict=True)}
    run.figure(
        "templates", draw_templates,
        {name: cell_weights(template, detector.cells.block) for name, template in templates.items() if name in SHOWN},
        caption="Templates as strokes along edges: those with positive weights (above) and with negative ones (below); "
        "the darker, the larger.",
    )  # fmt: skip
    small = run.pick(smoke=(12, 4, 40), lecture=(150, 30, 500))  # images, images searched in a round, negatives
    account = replace(scenes_detector(run), images=small[0], random=small[1], mined=small[1], negatives=small[2])
    few = sets.train.take(slice(account.images))
    rounds = train_in_rounds(account, few.images, few.targets)
    for turn, (added, before, after) in enumerate(rounds):
        run.fact(f"negatives added per class, round {turn}", float(np.mean([len(some) for some in added])))
        if before:
            run.fact(f"mean score of negatives added, round {turn}", float(np.concatenate(before).mean()))
            run.fact(f"the same after training with them, round {turn}", float(np.concatenate(after).mean()))
    run.figure(
        "rounds", draw_rounds, rounds,
        caption=f"Training on {len(few)} scenes, all classes together: scores of the negatives that each round added, "
        "by the templates that found them (grey) and by those trained with them (blue). Dashed: the margin, −1, beyond "
        "which a negative costs nothing.",
    )  # fmt: skip
    found = evaluation.detections
    item = max(range(len(found)), key=lambda i: float(above(found[i], THRESHOLD)["scores"].sum()))
    image, label = sets.test.images[item], int(found[item]["labels"][0])
    levels = search_windows(detector, image)
    run.figure(
        "pyramid", draw_pyramid, [level for level in levels if level.label == label and level.scores.size][::2],
        sets.classes[label - 1],
        caption="Above: every second level of the pyramid with its highest-scoring window. Below: the score of the "
        "window around each place, red above 0, blue below.",
    )  # fmt: skip
    windows = collect_windows(levels, image.shape[:2], detector.floor)
    run.figure(
        "suppression", draw_suppressed, image, sets.test.targets[item],
        above(windows, THRESHOLD), above(suppress(windows, detector), THRESHOLD), sets.classes,
        caption=f"Left: the objects. Middle: all windows with a score above {THRESHOLD:g}. Right: those that "
        "suppression keeps.",
    )  # fmt: skip
    order = np.argsort(np.nan_to_num(average))
    run.note(
        f"{count} windows per scene, {1000 * method.predict_seconds / len(sets.test):.0f} ms. Best found: "
        f"{sets.classes[order[-1]]} ({average[order[-1]]:.0f} %), worst: {sets.classes[order[0]]} "
        f"({np.nan_to_num(average)[order[0]]:.0f} %); {METRIC} is {100 * evaluation.mean_average_precision(0.5):.1f} %."
    )
