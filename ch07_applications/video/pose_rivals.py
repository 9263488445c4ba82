"""Pose without a network, the person's box given: the mean pose, regression from HOG, and pictorial structures.

All are fitted to squares around the boxes (views.py) and to their mirror images, and their settings are chosen on
validation pictures. Kernel ridge regression predicts all coordinates at once from HOG with two sizes of cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8

from ch07_applications.video.pictorial_structures import PictorialStructure
from ch07_applications.video.posed_people import KINDS, MIRRORED, PCK, Joints, PosedPeople, pck
from ch07_applications.video.views import SIZE, Views, around_boxes, bytes_of, cut, into_pictures, into_views
from common.features.hog import HOG
from common.method import Method
from common.run import Run
from common.tuning import choose

CELLS = (8, 16)  # pixels
PENALTIES, GAMMAS = (0.001, 0.01, 0.1), (0.5, 1.0, 2.0)  # of ridge; of the kernel, by the mean squared distance
TYPES, WEIGHTS = (8, 16), (0.125, 0.25, 0.5)  # of pictorial structures
MOST = 4000  # training pictures, as at the lecture preset: with more crops, kernel matrices exceed the memory
TUNED_ON = 1500  # training crops of kernel ridge regression in the choice of settings
EVERY = 4  # every fourth validation picture is used to choose the structures' settings: one frame per film
PARTS, RIDGE, MEAN = "pictorial structures", "HOG + kernel ridge", "mean pose"
Pixels = UInt8[np.ndarray, "items side side 3"]


@dataclass(frozen=True, eq=False)
class BoxCrops:
    """Squares around people's boxes, with the joints in pixels of the squares."""

    crops: Pixels
    points: Joints
    seen: Bool[np.ndarray, "items 14"]
    views: Views

    @classmethod
    def of(cls, people: PosedPeople) -> BoxCrops:
        views = around_boxes(people.boxes, people.side)
        crops = bytes_of(cut(torch.tensor(people.images), views))
        points = into_views(torch.tensor(people.joints), views).numpy()
        return cls(crops, points, people.visible, views)

    def with_mirrors(self) -> BoxCrops:
        """These crops and their mirror images, in which left and right are exchanged."""
        points = self.points[:, MIRRORED] * np.float32([-1, 1]) + np.float32([SIZE, 0])
        arrays = (self.crops, self.crops[:, :, ::-1]), (self.points, points), (self.seen, self.seen[:, MIRRORED])
        return BoxCrops(*(np.concatenate(pair) for pair in arrays), torch.cat([self.views, self.views]))

    def in_pictures(self, points: Joints) -> Joints:
        """Convert pixels of the squares to pixels of the pictures."""
        return into_pictures(torch.tensor(points), self.views).numpy()


@dataclass
class MeanPose:
    """Predicts every joint's mean place, without using pixels."""

    pose: Float32[np.ndarray, "14 2"] | None = None

    def fit(self, part: BoxCrops) -> MeanPose:
        counts = part.seen.sum(axis=0)[:, None]
        self.pose = ((part.points * part.seen[..., None]).sum(axis=0) / counts.clip(min=1)).astype(np.float32)
        return self

    def predict(self, crops: Pixels) -> Joints:
        return np.repeat(self.pose[None], len(crops), axis=0)

    def parameters(self) -> list[np.ndarray]:
        """All stored numbers, which common.model_size counts."""
        return [self.pose]


@dataclass
class KernelRidge:
    """Coordinates as a weighted sum of Gaussian kernels of HOG, one at each training crop; ridge regression.

    Joints of training people outside the picture are replaced by their mean place.
    """

    penalty: float = 0.1
    gamma: float = 1.0
    mean: MeanPose = field(default_factory=MeanPose)
    model: Any = None

    def fit(self, part: BoxCrops) -> KernelRidge:
        from sklearn.kernel_ridge import KernelRidge as Regression

        pose, rows = self.mean.fit(part).pose, hog_rows(part.crops)
        points = np.where(part.seen[..., None], part.points, pose) - pose
        spread = 2 * float(rows.var(axis=0).sum())  # the mean squared distance of two rows
        self.model = Regression(alpha=self.penalty, kernel="rbf", gamma=self.gamma / spread)
        self.model.fit(rows, points.reshape(len(points), -1))
        return self

    def predict(self, crops: Pixels) -> Joints:
        found = self.model.predict(hog_rows(crops)).reshape(len(crops), -1, 2)
        return (found + self.mean.pose).astype(np.float32)

    def parameters(self) -> list[np.ndarray]:
        """All stored numbers, including every training row, which common.model_size counts."""
        return [self.model.X_fit_, self.model.dual_coef_, *self.mean.parameters()]


def hog_rows(crops: Pixels) -> Float32[np.ndarray, "items features"]:
    """HOG of every crop, with two sizes of cells."""
    return np.concatenate([HOG(9, (cell, cell), (2, 2)).fit(crops).transform(crops) for cell in CELLS], axis=1)


def held_out_score(model: Any, part: BoxCrops, people: PosedPeople) -> float:
    """The PCK of a fitted model."""
    return float(pck(part.in_pictures(model.predict(part.crops)), people)[0].mean())


def fit_best(
    build: Callable[..., Any], grid: Sequence[dict[str, Any]], train: BoxCrops, few: slice, held_out: PosedPeople
) -> tuple[Any, dict[str, Any]]:
    """The model whose settings have the highest PCK on held-out people, and these settings.

    build: makes a model from settings. few: the training crops for comparing settings; the best model is fitted to all.
    """
    arrays = (array[few] for array in (train.crops, train.points, train.seen, train.views))
    part, tried = BoxCrops(*arrays), BoxCrops.of(held_out)
    scores = [held_out_score(build(**how).fit(part), tried, held_out) for how in grid]
    best = choose(grid, scores, highest=True)
    return build(**best).fit(train), best


def fit_kernel_ridge(train: BoxCrops, held_out: PosedPeople) -> tuple[KernelRidge, dict[str, Any]]:
    """Fit kernel ridge regression with chosen settings."""
    grid = [{"penalty": penalty, "gamma": gamma} for penalty in PENALTIES for gamma in GAMMAS]
    every = max(1, len(train.crops) // TUNED_ON)
    return fit_best(KernelRidge, grid, train, slice(None, None, every), held_out)


def fit_structure(
    train: BoxCrops, held_out: PosedPeople, seed: int, types: Sequence[int] = TYPES, weights: Sequence[float] = WEIGHTS
) -> tuple[PictorialStructure, dict[str, Any]]:
    """Fit pictorial structures with a chosen number of types and weight of the templates."""
    few = held_out.take(slice(None, None, EVERY))
    tried, options, scores = BoxCrops.of(few), [], []
    for count in types:
        model = PictorialStructure(count, seed=seed).fit(train.crops, train.points, train.seen)
        for weight in weights:
            model.weight = weight
            options.append((model, {"types": count, "weight": weight}))
            scores.append(held_out_score(model, tried, few))
    model, best = choose(options, scores, highest=True)
    model.weight = best["weight"]
    return model, best


def score(method: Method, found: Joints, people: PosedPeople, kinds: Iterable[str] = KINDS) -> None:
    """Score the PCK of all joints, and of these kinds."""
    for metric, joints in {PCK: None, **{f"{PCK}, {kind}": KINDS[kind] for kind in kinds}}.items():
        values, part = pck(found, people, joints)
        method.score_items(metric, values, part, unit="%", higher_is_better=True)


def score_rivals(run: Run, people: PosedPeople, held_out: PosedPeople, test: PosedPeople) -> dict[str, Joints]:
    """Score the methods without a network, in given boxes, with settings chosen on validation people."""
    crops, train_part, found = BoxCrops.of(test), BoxCrops.of(people.take(slice(MOST))).with_mirrors(), {}
    for name, kind in ((MEAN, "reference"), (RIDGE, "classical"), (PARTS, "classical")):
        with run.method(name, kind=kind) as method:
            if name == MEAN:
                method.model, best = method.time(MeanPose().fit, train_part), {}
            elif name == RIDGE:
                method.model, best = method.time(fit_kernel_ridge, train_part, held_out)
            else:
                types, weights = run.pick(smoke=((2,), (0.5,)), lecture=(TYPES, WEIGHTS))
                method.model, best = method.time(fit_structure, train_part, held_out, run.seed, types, weights)
            found[name] = crops.in_pictures(method.model.predict(crops.crops))
            score(method, found[name], test)
            for setting, value in best.items():
                run.fact(f"{name}: {setting}", float(value))
    return found
