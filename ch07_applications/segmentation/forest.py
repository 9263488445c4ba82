"""A forest on filter responses, and a second forest that also sees the first one's predictions: no deep network.

Method     Shotton et al. 2009 (TextonBoost) and its successors label a pixel by trees on filter responses around it.
           In auto-context (Tu 2008) a second classifier also receives the first one's predictions at the pixel and at
           places around it, so that it learns which classes occur next to which. Its inputs on training images come
           from forests that were not fitted to these images (cross-fitting), because a forest's predictions are far
           better on its own training pixels than on others.
           The responses (filter_responses.py) at six scales and in each channel are the blurred image, the length of
           its gradient, and both eigenvalues of its Hessian.
Differs    Extremely randomised trees (Geurts et al. 2006), which are fitted in a third of the time. Training uses
           sampled pixels; predictions are made on a grid of every third pixel and interpolated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int, UInt8
from scipy.ndimage import uniform_filter
from sklearn.ensemble import ExtraTreesClassifier
from torch import Tensor
from torch.nn import functional

from ch07_applications.segmentation.background_bias import best_bias, with_bias
from ch07_applications.segmentation.checked_pictures import check_pictures
from ch07_applications.segmentation.class_balance import median_frequency
from ch07_applications.segmentation.filter_responses import filter_responses
from common.data.segmented import IGNORE, SegmentedImages

NEAR, FAR = (1, 3, 8), ((1, 0), (-1, 0), (0, 1), (0, -1))  # cells of the coarse grid, in four directions
Image = UInt8[np.ndarray, "height width 3"]


def describe(image: Image) -> Float32[np.ndarray, "features height width"]:
    """A pixel's features: filter responses, its CIE Lab colour, its height, its distance from the middle."""
    from skimage.color import rgb2lab

    height, width = image.shape[:2]
    rows = np.broadcast_to(np.linspace(0, 1, height, dtype=np.float32)[:, None], (height, width))
    columns = np.broadcast_to(np.abs(np.linspace(-1, 1, width, dtype=np.float32)), (height, width))
    lab = rgb2lab(image).astype(np.float32)
    return np.concatenate([filter_responses(image), [rows, columns], lab.transpose(2, 0, 1)])


def grid(height: int, width: int, step: int) -> tuple[Int[np.ndarray, "rows columns"], Int[np.ndarray, "rows columns"]]:
    """Rows and columns of every step-th pixel: the centres of squares of step × step pixels."""
    rows, columns = (np.arange(min(step // 2, side - 1), side, step) for side in (height, width))
    return tuple(np.meshgrid(rows, columns, indexing="ij"))


def context(
    maps: Float32[np.ndarray, "rows columns classes"], row: Int[np.ndarray, "n"], column: Int[np.ndarray, "n"]
) -> Float32[np.ndarray, "n answers"]:
    """The first forest's predictions at and around cells of its coarse grid, and their image mean. Tu 2008, §3.

    "Around" means 1 cell away in four directions, and means over 3 × 3 cells that are 3 and 8 cells away. Beyond the
    border the cells at the border are repeated.
    """
    smooth = uniform_filter(maps, (3, 3, 0), mode="nearest")
    height, width, _ = maps.shape
    places = [(maps, 0, 0)]
    places += [(maps if far == 1 else smooth, far * down, far * right) for far in NEAR for down, right in FAR]
    found = [
        source[np.clip(row + down, 0, height - 1), np.clip(column + right, 0, width - 1)]
        for source, down, right in places
    ]
    return np.concatenate([*found, np.broadcast_to(maps.mean(axis=(0, 1)), found[0].shape)], axis=1)


@dataclass
class ContextForest:
    """Two forests; the second uses the features and the first one's predictions. Implements fit and predict on images.

    classes: labels are 0 … classes − 1 or IGNORE. trees: per forest. leaf: the minimum number of pixels per leaf.
    pixels: training pixels per image. balance: the power of the class weights. folds: number of cross-fitting folds,
    blocks of neighbouring images. fine, coarse: grid step in pixels of predictions, and of the first predictions used
    as context. context: False for the first forest alone. bias: added to the logit of the background, label 0.
    """

    classes: int
    trees: int = 24
    leaf: int = 5
    pixels: int = 600
    balance: float = 0.5
    folds: int = 3
    fine: int = 3
    coarse: int = 6
    context: bool = True
    bias: float = 0.0
    seed: int = 0

    def fit(
        self, images: UInt8[np.ndarray, "items height width 3"], labels: UInt8[np.ndarray, "items height width"]
    ) -> ContextForest:
        """Fit to images of one size. Raises what check_labelled raises, and ValueError if no pixel counts."""
        check_pictures(images, labels, self.classes)
        self.weights_ = median_frequency(labels, self.classes, self.balance)
        rng = np.random.default_rng(self.seed)
        cells = grid(*labels.shape[1:], self.coarse)
        own, coarse, answers, places = [], [], [], []
        for image, label in zip(images, labels, strict=True):
            features = describe(image)
            counted = np.flatnonzero(label != IGNORE)
            place = np.unravel_index(rng.permutation(counted)[: self.pixels], label.shape)
            own.append(features[:, *place].T)
            coarse.append(features[:, *cells].reshape(len(features), -1).T)
            answers.append(label[place])
            places.append(place)
        image_of = np.repeat(np.arange(len(images)), [len(part) for part in answers])
        own, answers = np.concatenate(own), np.concatenate(answers)
        self.first_ = self._forest(own, answers, 0)
        if self.context:
            maps = self._unseen(own, answers, image_of, np.stack(coarse)).reshape(len(images), *cells[0].shape, -1)
            around = [self._context(first, *place) for first, place in zip(maps, places, strict=True)]
            self.second_ = self._forest(np.concatenate([own, np.concatenate(around)], axis=1), answers, 1)
        return self

    def _unseen(
        self,
        own: Float32[np.ndarray, "pixels features"],
        answers: UInt8[np.ndarray, "pixels"],
        image_of: Int[np.ndarray, "pixels"],
        coarse: Float32[np.ndarray, "items cells features"],
    ) -> Float32[np.ndarray, "items cells classes"]:
        """Predictions of forests on images that they were not fitted to; with a single image, those of its own forest.

        Folds are blocks of frames: neighbouring frames are almost equal, so they must not be split between fit and
        prediction.
        """
        n, folds = len(coarse), min(self.folds, len(coarse))
        fold = np.arange(n) * folds // n
        maps = np.empty((*coarse.shape[:2], self.classes), np.float32)
        for number in range(folds):
            others = fold[image_of] != number if folds > 1 else np.ones(len(own), bool)
            forest = self._forest(own[others], answers[others], 2 + number)
            maps[fold == number] = self._answers(forest, coarse[fold == number])
        return maps

    def _forest(
        self, inputs: Float32[np.ndarray, "pixels features"], answers: UInt8[np.ndarray, "pixels"], number: int
    ) -> ExtraTreesClassifier:
        state = int(np.random.SeedSequence([self.seed, number]).generate_state(1)[0])
        forest = ExtraTreesClassifier(self.trees, min_samples_leaf=self.leaf, random_state=state)
        return forest.fit(inputs, answers, sample_weight=self.weights_[answers])

    def _answers(
        self, forest: ExtraTreesClassifier, inputs: Float32[np.ndarray, "*pixels features"]
    ) -> Float32[np.ndarray, "*pixels classes"]:
        """Probabilities of all classes: 0 for a class that did not occur in the forest's pixels."""
        found = np.zeros((*inputs.shape[:-1], self.classes), np.float32)
        found[..., forest.classes_] = forest.predict_proba(inputs.reshape(-1, inputs.shape[-1])).reshape(
            *inputs.shape[:-1], -1
        )
        return found

    def _context(
        self, maps: Float32[np.ndarray, "rows columns classes"], row: Int[np.ndarray, "n"], column: Int[np.ndarray, "n"]
    ) -> Float32[np.ndarray, "n answers"]:
        """The context of the coarse cells in which the pixels lie."""
        rows, columns, _ = maps.shape
        return context(maps, (row // self.coarse).clip(0, rows - 1), (column // self.coarse).clip(0, columns - 1))

    def probabilities(self, image: Image) -> Float32[np.ndarray, "rows columns classes"]:
        """The class probabilities of the pixels of the fine grid."""
        features = describe(image)
        at, cells = grid(*image.shape[:2], self.fine), grid(*image.shape[:2], self.coarse)
        own = features[:, *at].reshape(len(features), -1).T
        if not self.context:
            return self._answers(self.first_, own).reshape(*at[0].shape, -1)
        maps = self._answers(self.first_, features[:, *cells].transpose(1, 2, 0))
        around = self._context(maps, at[0].ravel(), at[1].ravel())
        return self._answers(self.second_, np.concatenate([own, around], axis=1)).reshape(*at[0].shape, -1)

    def predict(self, images: UInt8[np.ndarray, "items height width 3"]) -> UInt8[np.ndarray, "items height width"]:
        """The most probable class of each pixel."""
        labels = np.empty(images.shape[:3], np.uint8)
        for label, shares in zip(labels, self.interpolated(images), strict=True):
            label[:] = with_bias(shares, self.bias)[0]
        return labels

    def interpolated(
        self, images: UInt8[np.ndarray, "items height width 3"]
    ) -> Iterator[Float32[Tensor, "1 classes height width"]]:
        """The probabilities of all pixels, image by image, interpolated from the grid."""
        for image in images:
            coarse = torch.from_numpy(self.probabilities(image)).permute(2, 0, 1)[None]
            yield functional.interpolate(coarse, image.shape[:2], mode="bilinear")

    def choose_bias(self, part: SegmentedImages, options: Sequence[float]) -> float:
        """Set the background's bias to the option with the best mean IoU on the part, which must not be a test part."""
        self.bias = best_bias(self.interpolated(part.images), part.labels, self.classes, options)
        return self.bias

    @property
    def estimators_(self) -> list[Any]:
        """The trees used in prediction, which common.model_size counts."""
        return [*self.first_.estimators_, *(self.second_.estimators_ if self.context else [])]
