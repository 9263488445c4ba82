"""Pictorial structures: HOG templates of the joints on a tree, and the best pose of all by dynamic programming.

Method     Felzenszwalb & Huttenlocher 2005. The cost of a pose is the cost of its joints at their places plus the cost
           of the tree's springs, each of which pulls the child to μ beside its parent:

               E(l) = Σ_i m_i(l_i) + Σ_(i,j) w_x (l_j − l_i − μ)_x² + w_y (l_j − l_i − μ)_y²                      (§3)

           From the leaves to the root, B_j(l_i) = min over l_j of (m_j + Σ B of j's children + spring) is a generalised
           distance transform (distance_transform.py): the exact minimum of E in time linear in the places. Joints have
           several types, clusters of μ, each with its own template and springs, and a cost for each pair of types
           (Yang & Ramanan 2013, §3). Springs are Gaussians of the training poses. Templates are linear discriminants of
           HOG (Hariharan, Malik & Ramanan 2012), whose scores are log likelihood ratios, like the springs' costs; their
           weight relative to the springs, and the number of types, are chosen on validation pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int, UInt8
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.distance_transform import distance_transform
from common.features.hog import gradients, votes

PARENTS = (1, 2, 12, 12, 3, 4, 7, 8, 12, 12, 9, 10, None, 12)  # of each of bodies.JOINTS; the neck is the root
UPWARDS = (0, 1, 2, 5, 4, 3, 6, 7, 8, 11, 10, 9, 13, 12)  # children before their parents
STEP, CELL, WINDOW, BINS = 2, 4, 5, 9  # pixels between places, and of a cell; cells of a template; directions
PER_PICTURE = 14  # negative places per picture for the templates
NARROW = 0.5  # places: the least standard deviation of a spring
CHUNK = 16  # pictures at a time, so that arrays stay in the cache
Crops = UInt8[np.ndarray, "items side side 3"]
Places = Int[np.ndarray, "items joints 2"]
Costs = Float[np.ndarray, "items _ rows columns"]


def cell_maps(crops: Crops) -> Float[Tensor, "items 9 rows columns"]:
    """HOG with a cell of 4 × 4 pixels around every place, each divided by the energy of its surroundings."""
    magnitude, bins = votes(*gradients(crops), BINS)
    layers = torch.zeros(len(crops), BINS + 1, *crops.shape[1:3])  # the last one counts pixels without a direction
    layers.scatter_(1, torch.tensor(bins).long()[:, None], torch.tensor(magnitude).float()[:, None])
    cells = avg_pool2d(layers[:, :BINS], CELL, STEP, (CELL - STEP) // 2, count_include_pad=False)
    energy = avg_pool2d(cells.square().sum(dim=1, keepdim=True), 5, 1, 2, count_include_pad=False)
    return (cells / (energy + 1.0).sqrt()).clamp(max=1.0)


def described(cells: Float[Tensor, "items 9 rows columns"], places: Places) -> Float32[np.ndarray, "items joints _"]:
    """The cells of a template's window around each place (x, y)."""
    reach = WINDOW // 2 * (CELL // STEP)
    padded = torch.nn.functional.pad(cells, (reach,) * 4)
    offsets = torch.arange(0, 2 * reach + 1, CELL // STEP)
    x, y = torch.tensor(places).unbind(2)
    rows, columns = y[..., None, None] + offsets[:, None], x[..., None, None] + offsets
    item = torch.arange(len(cells))[:, None, None, None]
    return padded.permute(0, 2, 3, 1)[item, rows, columns].transpose(-1, -2).transpose(-2, -3).flatten(2).numpy()


@dataclass(frozen=True)
class Springs:
    """The springs between a joint and its parent: for each type of the joint, μ and w (x, y), in places; and a cost for
    each pair of types of the parent and the joint.
    """

    means: Float[np.ndarray, "types 2"]
    widths: Float[np.ndarray, "types 2"]
    ties: Float[np.ndarray, "parent_types types"]


def best_places(costs: Sequence[Costs], springs: Sequence[Springs | None]) -> Places:
    """The places (x, y) of the joints that minimise E, exactly. costs: m of each joint; springs: None at the root."""
    costs, where = list(costs), {}
    for joint in UPWARDS[:-1]:
        spring, own = springs[joint], costs[joint]
        items, types, rows, columns = own.shape
        each = (np.tile(array, (items, 1)) for array in (spring.widths, spring.means))
        values, from_where = distance_transform(own.reshape(-1, rows, columns), *each)
        total = values.reshape(items, 1, types, rows, columns) + spring.ties[:, :, None, None]
        least, parent = total.min(axis=2), PARENTS[joint]
        kind = (total == least[:, :, None]).argmax(axis=2)  # twice as fast as total.argmin(axis=2)
        where[joint] = kind, from_where.reshape(items, types, rows, columns, 2)
        costs[parent] = costs[parent] + least
    root, (items, _, rows, columns) = UPWARDS[-1], costs[UPWARDS[-1]].shape
    item, best = np.arange(items), costs[root].reshape(items, -1).argmin(axis=1)
    kind, y, x = np.unravel_index(best, costs[root].shape[1:])
    found, kinds = np.empty((items, len(costs), 2), np.int64), {root: kind}
    found[:, root] = np.stack([x, y], axis=1)
    for joint in UPWARDS[-2::-1]:
        x, y = found[:, PARENTS[joint]].T
        types, places = where[joint]
        kinds[joint] = types[item, kinds[PARENTS[joint]], y, x]
        found[:, joint] = places[item, kinds[joint], y, x]
    return found


@dataclass(eq=False)
class PictorialStructure:
    """A tree of templates and springs. types: number per joint, except the root. weight: of the templates' scores."""

    types: int = 6
    weight: float = 1.0
    seed: int = 0
    springs: list[Springs | None] = field(default_factory=list)
    templates: list[Tensor] = field(default_factory=list)
    offsets: list[Tensor] = field(default_factory=list)

    def fit(
        self, crops: Crops, points: Float32[np.ndarray, "items 14 2"], seen: Bool[np.ndarray, "items 14"]
    ) -> PictorialStructure:
        """Fit to crops and their joints in pixels. Joints that are not seen are ignored."""
        kinds = self._fit_springs(points / STEP, seen)
        self._fit_templates(crops, points, seen, kinds)
        return self

    def predict(self, crops: Crops) -> Float32[np.ndarray, "items 14 2"]:
        """Joints in pixels of the crops: the centres of their places."""
        found = []
        for start in range(0, len(crops), CHUNK):
            cells = cell_maps(crops[start : start + CHUNK])
            costs = [-self.weight * score.double().numpy() for score in self.scores(cells)]
            found.append(best_places(costs, self.springs))
        return ((np.concatenate(found) + 0.5) * STEP).astype(np.float32)

    def parameters(self) -> list[np.ndarray | Tensor]:
        """The templates and springs, which common.model_size counts."""
        springs = [array for spring in self.springs if spring for array in vars(spring).values()]
        return [*self.templates, *self.offsets, *springs]

    def scores(self, cells: Float[Tensor, "items 9 rows columns"]) -> list[Float[Tensor, "items _ rows columns"]]:
        """The log likelihood ratio of the window at every place, for each joint and type, to windows anywhere."""
        dilation = CELL // STEP
        pairs = zip(self.templates, self.offsets, strict=True)
        return [
            conv2d(cells, template, offset, padding=WINDOW // 2 * dilation, dilation=dilation)
            for template, offset in pairs
        ]

    def _fit_springs(
        self, points: Float32[np.ndarray, "items 14 2"], seen: Bool[np.ndarray, "items 14"]
    ) -> Int[np.ndarray, "items 14"]:
        """Cluster the joints' offsets from their parents. Returns the type of each joint of each person."""
        from sklearn.cluster import KMeans

        kinds = np.zeros(seen.shape, np.int64)
        self.springs = [None] * len(PARENTS)
        for joint in UPWARDS[-2::-1]:  # parents first
            parent = PARENTS[joint]
            both, away = seen[:, joint] & seen[:, parent], points[:, joint] - points[:, parent]
            if both.sum() < self.types:
                raise ValueError(f"{JOINTS[joint]}: seen in {both.sum()} crops, too few for {self.types} types")
            kinds[:, joint] = KMeans(self.types, n_init=2, random_state=self.seed).fit(away[both]).predict(away)
            groups = [away[both & (kinds[:, joint] == kind)] for kind in range(self.types)]
            means = np.stack([group.mean(axis=0) for group in groups]).astype(float)
            deviations = np.stack([group.std(axis=0) for group in groups]).clip(min=NARROW).astype(float)
            counts = np.ones((1 if PARENTS[parent] is None else self.types, self.types))
            np.add.at(counts, (kinds[both, parent], kinds[both, joint]), 1)
            shares = counts / counts.sum(axis=1, keepdims=True)
            ties = np.log(deviations).sum(axis=1) - np.log(shares)
            self.springs[joint] = Springs(means, 0.5 / deviations**2, ties)
        return kinds

    def _fit_templates(
        self,
        crops: Crops,
        points: Float32[np.ndarray, "items 14 2"],
        seen: Bool[np.ndarray, "items 14"],
        kinds: Int[np.ndarray, "items 14"],
    ) -> None:
        """Fit linear discriminants between windows around joints, by joint and type, and windows anywhere."""
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        side, rng = crops.shape[1] // STEP, np.random.default_rng(self.seed)
        joints = np.clip(np.floor(points / STEP).astype(np.int64), 0, side - 1)
        others = rng.integers(0, side, (len(crops), PER_PICTURE, 2))
        places = np.concatenate([joints, others], axis=1)
        rows = [described(cell_maps(crops[k : k + 500]), places[k : k + 500]) for k in range(0, len(crops), 500)]
        labels = 1 + self.types * np.arange(len(PARENTS)) + kinds  # 0: no joint
        labels = np.concatenate([np.where(seen, labels, 0), np.zeros(others.shape[:2], np.int64)], axis=1)
        taken = np.concatenate([seen, np.ones(others.shape[:2], bool)], axis=1)
        features, labels = np.concatenate(rows)[taken], labels[taken]
        classes = np.unique(labels)
        equal = np.full(len(classes), 1 / len(classes))
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.02, priors=equal).fit(features, labels)
        weights, biases = model.coef_ - model.coef_[0], model.intercept_ - model.intercept_[0]
        self.templates, self.offsets = [], []
        for joint, parent in enumerate(PARENTS):
            own = np.searchsorted(classes, 1 + self.types * joint + np.arange(1 if parent is None else self.types))
            self.templates.append(torch.tensor(weights[own], dtype=torch.float32).reshape(-1, BINS, WINDOW, WINDOW))
            self.offsets.append(torch.tensor(biases[own], dtype=torch.float32))
