"""Class-conditional densities of images without a network: a mixture per class, and trees with the class as a feature.

Mixtures   Mixtures of Bernoulli distributions, one for the digits of each class (bernoulli_mixture.py).
Trees      Boosted trees that predict a pixel from those before it (boosted_pixels.py), with the class as one more
           feature, declared as categorical, because its values have no order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int64, UInt8
from sklearn.base import BaseEstimator
from sklearn.ensemble import HistGradientBoostingClassifier

from ch07_applications.reconstruction.bernoulli_mixture import BernoulliMixture
from ch07_applications.reconstruction.binarised_digits import check_binary, draw
from ch07_applications.reconstruction.boosted_pixels import REACH, causal_offsets, every_place, features
from ch07_applications.synthesis.labelled_digits import CLASSES, LabelledSets, drawn_at_places
from common.tuning import choose

Binary = UInt8[np.ndarray, "images height width"]
Labels = Int64[np.ndarray, "images"]


@dataclass
class ClassMixtures:
    """A mixture of `components` components for each class."""

    components: int
    rounds: int = 30
    seed: int = 0
    mixtures: list[BernoulliMixture] = field(default_factory=list)

    def fit(self, images: Binary, labels: Labels) -> ClassMixtures:
        """Raises ValueError if a class has fewer images than components."""
        self.mixtures = [
            BernoulliMixture(self.components, rounds=self.rounds, seed=self.seed).fit(images[labels == y])
            for y in range(CLASSES)
        ]
        self.weights_, self.means_ = (
            np.stack([getattr(each, name) for each in self.mixtures]) for name in ("weights_", "means_")
        )
        return self

    def class_nats(self, images: Binary) -> Float[np.ndarray, "images classes"]:
        """−log p(x | y) for every y."""
        return np.column_stack([mixture.nats(images) for mixture in self.mixtures])

    def sample(self, labels: Labels, size: tuple[int, int], rng: np.random.Generator) -> Binary:
        """Draw an image of each label's class."""
        drawn = np.zeros((len(labels), *size), np.uint8)
        for y in np.unique(labels):
            drawn[labels == y] = self.mixtures[y].sample(drawn[labels == y], rng)
        return drawn


@dataclass
class ClassTrees(BaseEstimator):
    """pixels: number of training pixels. trees: their maximum. leaves: the most per tree. rate: the step per tree."""

    pixels: int = 300_000
    trees: int = 300
    leaves: int = 31
    rate: float = 0.1
    seed: int = 0

    def fit(self, greys: Float[np.ndarray, "images height width"], labels: Labels) -> ClassTrees:
        """Fit to pixels of one binarisation of the digits."""
        rng = np.random.default_rng(self.seed)
        images = draw(greys, rng)
        chosen = rng.choice(images.size, min(self.pixels, images.size), replace=False)
        places = np.stack(np.unravel_index(chosen, images.shape), axis=1).astype(np.int64)
        rows = with_class(features(images, places, causal_offsets(REACH)), labels[places[:, 0]])
        self.model_ = HistGradientBoostingClassifier(
            max_iter=self.trees, max_leaf_nodes=self.leaves, learning_rate=self.rate, early_stopping=False,
            min_samples_leaf=min(20, max(1, len(places) // 10)), random_state=self.seed,
            categorical_features=[rows.shape[1] - 1],
        )  # fmt: skip
        self.model_.fit(rows, images[tuple(places.T)])
        return self

    def class_nats(self, images: Binary, classes: Sequence[int] = range(CLASSES)) -> Float[np.ndarray, "images _"]:
        """−log p(x | y) for each of these y. Raises ValueError for pixels other than 0 and 1."""
        check_binary(images)
        seen, on = features(images, every_place(images), causal_offsets(REACH)), images.ravel() == 1
        found = []
        for y in classes:
            ones = self.model_.predict_proba(with_class(seen, np.full(len(seen), y)))[:, 1]
            nats = -np.log(np.where(on, ones, 1 - ones).clip(1e-12))
            found.append(nats.reshape(len(images), -1).sum(axis=1))
        return np.column_stack(found)

    def sample(self, labels: Labels, size: tuple[int, int], rng: np.random.Generator) -> Binary:
        """Draw an image of each label's class. Independent pixels are drawn at the same time.

        A pixel depends on pixels at most REACH to its right in the rows above: those with the same (REACH + 1) · row +
        column do not depend on each other.
        """
        images, uniform = np.zeros((len(labels), *size), np.uint8), rng.random((len(labels), *size))
        rows, columns = (each.ravel() for each in np.indices(size))
        turns = (REACH + 1) * rows + columns
        for turn in np.unique(turns):
            row, column = rows[turns == turn], columns[turns == turn]
            image = np.repeat(np.arange(len(images)), len(row))
            places = np.column_stack([image, np.tile(row, len(images)), np.tile(column, len(images))]).astype(np.int64)
            seen = with_class(features(images, places, causal_offsets(REACH)), labels[image])
            images[tuple(places.T)] = uniform[tuple(places.T)] < self.model_.predict_proba(seen)[:, 1]
        return images


def with_class(
    seen: UInt8[np.ndarray, "pixels features"], labels: Int64[np.ndarray, "pixels"]
) -> UInt8[np.ndarray, "pixels _"]:
    """The features with the class as the last one."""
    return np.column_stack([seen, labels.astype(np.uint8)])


def fit_mixtures(sets: LabelledSets, components: Sequence[int], rounds: int, seed: int) -> ClassMixtures:
    """The mixtures with the best number of components on validation digits of known class.

    They are fitted to five binarisations of the training digits, each at a different place.
    """
    images, labels = drawn_at_places(sets, 5, seed)
    models = [ClassMixtures(k, rounds, seed).fit(images, labels) for k in components]
    held_out, of_each = sets.validation, np.arange(len(sets.validation))
    return choose(models, [model.class_nats(held_out.inputs)[of_each, held_out.answers].mean() for model in models])
