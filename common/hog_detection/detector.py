"""The detector of Dalal & Triggs 2005: linear SVMs on HOG, at every place and size, trained with hard negatives.

Positives are the objects of the training images, each brought to its class's window, and mirrored (§6.6, §4). Negatives
are first windows at random; then, round by round, those that the detector takes for objects and are none (§4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from threadpoolctl import threadpool_limits
from torch import Tensor
from torchvision.ops import batched_nms, box_area, box_iou, clip_boxes_to_image

from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_picture, colour_pictures, to_learn_from
from common.detector import Detector
from common.errors import Problem
from common.hog_detection.dense_hog import Blocks, Cells, scores_everywhere, windows_at
from common.hog_detection.image_pyramid import level_size, resized, scales
from common.hog_detection.windows import Found, Window, crops, describe, jitter_windows, place_windows
from common.metrics.matching import place_in_group

Pictures = UInt8[np.ndarray, "n height width 3"]
PIXELS = 1 << 17  # of images at work at a time, in each thread
THREADS = 2
CELLS = Cells(pixels=4, padding=3)
EXTREME = 0.02  # of the training objects, the share that may be smaller, or larger, than the pyramid's limits


@dataclass(eq=False)
class HOGDetector(Detector):
    """fit(images, targets), predict(images). One template per class, as wide and high as the class is on average.

    window: cells in an object's area. margin: cells around it. C: of the SVM. images: training images, at most; random,
    mined: of how many of them negatives are taken, at the start and in each round. negatives: per class, at the start
    and in each round, at most. jittered: moved copies of each positive. suppression: the IoU with a higher-scoring box
    of its class above which a box is removed. floor: scores below are no detections. most: windows per class and image
    that suppression is given. fits: the IoU of an object with its window below which it is no positive. apart: the IoU
    with all objects of its class below which a window is a negative.
    """

    cells: Cells = CELLS
    window: float = 56
    margin: int = 1
    C: float = 0.01
    rounds: int = 2
    images: int = 2000
    random: int = 150
    mined: int = 300
    negatives: int = 3000
    jittered: int = 2
    mirrored: bool = True
    scale_step: float = 1.2
    suppression: float = 0.4
    floor: float = -1.0
    most: int = 60
    fits: float = 0.65
    apart: float = 0.3
    seed: int = 0
    windows_: dict[int, Window] = field(default_factory=dict, init=False)

    def fit(self, images: Given, targets: Sequence[Target]) -> HOGDetector:
        """Templates for the classes of the targets. Raises Problem where there is no object to learn from.

        Raises as to_learn_from for pictures and targets that cannot be.
        """
        targets, images = to_learn_from(images, targets)[: self.images], images[: self.images]
        if not sum(len(target["labels"]) for target in targets):
            raise Problem("a detector cannot learn from images without objects: there is no box in the targets")
        positives = self.positives(images, targets)
        order = np.random.default_rng(self.seed).permutation(len(images))
        self.coef_: list[np.ndarray] = []
        use = order[: self.random]
        negatives = self.false_windows(images[use], [targets[item] for item in use])
        self.train(positives, negatives)
        for turn in range(self.rounds):
            use = np.take(order, turn * self.mined + np.arange(min(self.mined, len(order))), mode="wrap")
            hard = self.false_windows(images[use], [targets[item] for item in use])
            negatives = [np.concatenate(pair) for pair in zip(negatives, hard, strict=True)]
            self.train(positives, negatives)
        return self

    def positives(self, images: Pictures, targets: Sequence[Target]) -> list[Float32[np.ndarray, "_ _"]]:
        """For each class, descriptors of its objects, whole ones if any; sets windows and the pyramid's scales."""
        boxes, labels = (torch.cat([target[key] for target in targets]) for key in ("boxes", "labels"))
        owners = owners_of(targets)
        low, high = boxes[:, :2] > 0.5, boxes[:, 2:] < torch.tensor(images.shape[2:0:-1]) - 0.5
        whole = (low & high).all(dim=1)
        side = math.sqrt(self.window) * self.cells.pixels
        some = boxes[whole] if whole.any() else boxes
        ends = torch.quantile(box_area(some).sqrt(), torch.tensor([EXTREME, 1 - EXTREME])).tolist()
        self.scales_ = scales(side / ends[1], side / ends[0], self.scale_step)
        self.windows_, features = {}, []
        for label in labels.unique().tolist():
            own = labels == label
            own = own & whole if (own & whole).any() else own
            size = boxes[own, 2:] - boxes[own, :2]
            aspect = (size[:, 0] / size[:, 1]).log().mean().exp().item()
            window = self.windows_[label] = Window.of_aspect(aspect, self.cells, self.window, self.margin)
            middles, stay = place_windows(window, boxes[own], self.fits)
            if not len(middles):
                middles, stay = place_windows(window, boxes[own], 0.0)
            cell = middles[:, 2] / window.width * self.cells.pixels
            middles = jitter_windows(middles, cell, self.jittered, self.scale_step, self.seed)
            whose = owners[own][stay].repeat_interleave(self.jittered + 1)
            features.append(describe(crops(images, whose, middles, window), window, self.mirrored))
        return features

    def false_windows(self, images: Pictures, targets: list[Target]) -> list[Float32[np.ndarray, "_ _"]]:
        """For each class, the descriptors of the highest-scoring windows that overlap no object of it. §4.

        Before there are templates: windows at random.
        """
        kept: dict[int, list] = {label: [] for label in self.windows_}
        least = dict.fromkeys(self.windows_, -math.inf)  # below it, there are enough
        for chunk, maps, found in self.scan(images):
            found = found.take(beside_objects(found, targets[chunk.start : chunk.stop], self.apart))
            for label, window in self.windows_.items():
                high = found.take((found.labels == label) & (found.scores > least[label]))
                for level, blocks in enumerate(maps):
                    own = high.take(high.levels == level)
                    places = (column.numpy() for column in (own.images, own.rows, own.columns))
                    kept[label].append((own.scores.numpy(), windows_at(blocks, window.shape, *places)))
                if sum(len(scores) for scores, _ in kept[label]) > 2 * self.negatives:  # descriptors are large
                    kept[label] = [highest_scoring(kept[label], self.negatives)]
                    least[label] = float(kept[label][0][0][-1])
        return [highest_scoring(some, self.negatives)[1] for some in kept.values()]

    def train(self, positives: list[np.ndarray], negatives: list[np.ndarray]) -> None:
        """A linear SVM for each class: its template and its threshold."""
        from sklearn.svm import LinearSVC

        self.coef_, self.intercept_ = [], []
        for window, yes, no in zip(self.windows_.values(), positives, negatives, strict=True):
            svm = LinearSVC(C=self.C, loss="hinge", random_state=self.seed, tol=1e-2, max_iter=300)
            svm.fit(np.concatenate([yes, no], dtype=float), np.repeat([1, 0], [len(yes), len(no)]))
            self.coef_.append(svm.coef_.reshape(*window.shape, -1).astype(np.float32))
            self.intercept_.append(float(svm.intercept_[0]))

    def search(self, images: Pictures, seed: int = 0) -> tuple[list[Blocks], Found]:
        """The blocks of each level, and all windows above the floor; without templates, windows at random."""
        rng = np.random.default_rng((self.seed, seed))
        size, maps, columns = images.shape[1:3], [], []
        for level, scale in enumerate(self.scales_):
            small = level_size(size, scale)
            maps.append(self.cells.blocks(resized(images, small)))
            for k, (label, window) in enumerate(self.windows_.items()):
                if self.coef_:
                    scores = scores_everywhere(maps[-1], self.coef_[k]) + np.float32(self.intercept_[k])
                    floor = self.floor
                else:
                    scores, floor = self.by_chance(maps[-1], window, rng)
                image, row, column = np.nonzero(scores > floor)
                boxes = window.boxes(row, column, (small[0] / size[0], small[1] / size[1]))
                labels, levels = (np.full(len(image), number) for number in (label, level))
                columns.append((boxes, scores[image, row, column], labels, image, levels, row, column))
        found = Found(*(torch.from_numpy(np.concatenate(column)) for column in zip(*columns, strict=True)))
        found = found._replace(boxes=clip_boxes_to_image(found.boxes, size))
        return maps, found.take(box_area(found.boxes) > 0)  # in the padding, a box may lie outside

    def scan(self, images: Pictures) -> Iterator[tuple[range, list[Blocks], Found]]:
        """search, chunk by chunk: the numbers of its images, their blocks, and the windows that suppression leaves.

        Two chunks at a time, in threads: NumPy lets go of the interpreter while it computes.
        """

        def look(first: int) -> tuple[range, list[Blocks], Found]:
            chunk = images[first : first + step]
            maps, found = self.search(chunk, first)
            return range(first, first + len(chunk)), maps, self.suppressed(found, len(chunk)) if self.coef_ else found

        step = max(1, PIXELS // math.prod(images.shape[1:3]))
        starts = range(0, len(images), step)
        with threadpool_limits(1), ThreadPoolExecutor(THREADS) as pool:
            for k in range(0, len(starts), THREADS):
                yield from pool.map(look, starts[k : k + THREADS])

    def by_chance(
        self, blocks: Blocks, window: Window, rng: np.random.Generator
    ) -> tuple[Float32[np.ndarray, "n down across"], float]:
        """Random scores, and the score above which about as many lie as negatives are wanted of a level."""
        n, rows, columns, _ = blocks.shape
        places = [max(0, side - part + 1) for side, part in zip((rows, columns), window.shape, strict=True)]
        wanted = 1.5 * self.negatives / self.random / len(self.scales_)
        return rng.random((n, *places), np.float32), 1 - wanted / max(1, math.prod(places))

    def suppressed(self, found: Found, count: int) -> Found:
        """The highest-scoring windows per class and image that no higher-scoring one overlaps, image by image."""
        group = (found.images * (1 + max(self.windows_)) + found.labels).numpy()
        order = np.lexsort((-found.scores.numpy(), group))
        found = found.take(torch.from_numpy(order[place_in_group(group[order]) < self.most]))
        ends = np.searchsorted(found.images.numpy(), np.arange(count + 1))
        stay = [
            begin + batched_nms(*(c[begin:end] for c in found[:3]), self.suppression) for begin, end in pairwise(ends)
        ]
        return found.take(torch.cat(stay))

    def predict(self, images: Given) -> list[Target]:
        """For each image, the boxes in it, their labels and scores, the highest score first."""
        answers = []
        for chunk, _, found in self.scan(colour_pictures(images)):
            for image in range(len(chunk)):
                own = found.take(found.images == image)
                answers.append({"boxes": own.boxes, "labels": own.labels, "scores": own.scores})
        return answers

    def every_window(self, image: Given) -> Target:
        """The windows of an image above the floor, before suppression."""
        _, found = self.search(colour_picture(image)[None])
        return {"boxes": found.boxes, "labels": found.labels, "scores": found.scores}

    def windows_of(self, size: tuple[int, int]) -> int:
        """How many windows an image of this height and width has, at all levels, of all classes."""
        count, cells = 0, self.cells
        for scale in self.scales_:
            blocks = [n // cells.pixels + 2 * cells.padding - cells.block + 1 for n in level_size(size, scale)]
            for window in self.windows_.values():
                count += math.prod(max(0, side - own + 1) for side, own in zip(blocks, window.shape, strict=True))
        return count


def highest_scoring(
    some: list[tuple[Float32[np.ndarray, "_"], Float32[np.ndarray, "_ _"]]], most: int
) -> tuple[Float32[np.ndarray, "n"], Float32[np.ndarray, "n features"]]:
    """Scores and descriptors of several places as one: those with the highest scores, so many at most."""
    scores, features = (np.concatenate(column) for column in zip(*some, strict=True))
    order = np.argsort(-scores, kind="stable")[:most]
    return scores[order], features[order]


def owners_of(targets: Sequence[Target]) -> Tensor:
    """The number of the image that each object lies in."""
    return torch.repeat_interleave(torch.arange(len(targets)), torch.tensor([len(t["labels"]) for t in targets]))


def beside_objects(found: Found, targets: Sequence[Target], apart: float) -> Bool[Tensor, "n"]:
    """Which windows overlap no object of their class in their image by an IoU of `apart`."""
    if not sum(len(target["labels"]) for target in targets):
        return torch.ones(len(found.images), dtype=torch.bool)
    boxes, labels = (torch.cat([target[key] for target in targets]) for key in ("boxes", "labels"))
    same = (found.labels[:, None] == labels) & (found.images[:, None] == owners_of(targets))
    return (box_iou(found.boxes, boxes) * same).max(dim=1).values < apart
