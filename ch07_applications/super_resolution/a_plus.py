"""A+: adjusted anchored neighbourhood regression, the strongest rival without a network.

Method     Timofte, De Smet and Van Gool 2014, §2–3. The target is the difference of the high resolution from the
           bicubic enlargement, patch by patch. A patch's features are gradients of first and second order of the
           enlargement, reduced by a principal component analysis: x, of length 1. Anchors a_k are the centres of a
           k-means of such features. Each has its own linear map, from the training patches X, Y that correlate most
           with it (§3: from all patches, not from the dictionary as in ANR; this is what makes it A+):

               P_k = Y Xᵀ (X Xᵀ + λ 1)⁻¹                                                                  (6), (8)
               y = P_k x   with the anchor of the largest |a_kᵀ x|

           Maps have no constant term: a patch and its negative are one neighbourhood. Overlapping patches are averaged.
Differs    k-means in place of K-SVD, which gives an equivalent dictionary of centres; photographs at three sizes.
Costs      Fitting 13 photographs takes 5 to 10 s; enlarging to 512 × 512 pixels, a tenth of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike
from scipy.ndimage import correlate1d
from sklearn.base import BaseEstimator
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ch07_applications.super_resolution.bicubic import check_factor, enlarge
from ch07_applications.super_resolution.luma_chroma import Grey
from ch07_applications.super_resolution.patches import SHARES, shrunk, sizes_of
from common.metrics.super_resolution import luma

WINDOW = 3  # low-resolution pixels along a patch
MOST = 400_000  # training patches
FOR_CENTRES = 40_000  # patches that are clustered into anchors
Features = Float32[np.ndarray, "patches _"]


@dataclass(frozen=True, eq=False)
class Examples:
    """Luma in low resolution (inputs) and in high (answers): a part (common.data.parts.Part) of several sizes."""

    inputs: list[Grey]
    answers: list[Grey]

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def ids(self) -> Int[np.ndarray, "items"]:
        return np.arange(len(self))

    @classmethod
    def of(cls, images: Sequence[np.ndarray], factor: int, shares: Sequence[float] = SHARES) -> Examples:
        """Examples from photographs (H, W, 3), each at these shares of its size."""
        high = [each.astype(np.float32) for image in images for each in sizes_of(luma(image), shares)]
        return cls([np.rint(shrunk(each, factor)) for each in high], high)


def gradients(middle: Float32[np.ndarray, "height width"], factor: int) -> Float32[np.ndarray, "4 height width"]:
    """f(x) − f(x + s) and f(x − s)/2 − f(x) + f(x + s)/2 along both axes, for pixels s = factor apart. §2.1."""
    gap = [0] * (factor - 1)
    first, second = np.array([1, *gap, 0, *gap, -1], float), np.array([1, *gap, -2, *gap, 1], float) / 2
    found = [correlate1d(middle, line, axis, mode="mirror") for line in (first, second) for axis in (0, 1)]
    return np.stack(found)


def cut(maps: Float32[np.ndarray, "channels height width"], factor: int) -> Features:
    """All patches of 3 × 3 low-resolution pixels, a row each, one low-resolution pixel apart."""
    side = WINDOW * factor
    views = sliding_window_view(maps, (side, side), axis=(1, 2))[:, ::factor, ::factor]
    return views.transpose(1, 2, 0, 3, 4).reshape(-1, len(maps) * side * side)


def averaged(
    patches: Float32[np.ndarray, "patches pixels"], factor: int, size: tuple[int, int]
) -> Float32[np.ndarray, "height width"]:
    """The inverse of cut: the picture of this size whose pixels are the means of all patches over them.

    Each patch is 3 × 3 blocks of factor × factor pixels; blocks at one place of all patches do not overlap.
    """
    rows, columns = (length // factor - WINDOW + 1 for length in size)
    blocks = patches.reshape(rows, columns, WINDOW, factor, WINDOW, factor).transpose(2, 4, 0, 3, 1, 5)
    total = np.zeros((size[0] // factor, factor, size[1] // factor, factor), np.float32)
    count = np.zeros((size[0] // factor, 1, size[1] // factor, 1), np.float32)
    for i, j in product(range(WINDOW), repeat=2):
        total[i : i + rows, :, j : j + columns] += blocks[i, j]
        count[i : i + rows, :, j : j + columns] += 1
    return (total / count).reshape(size)


def principal_axes(features: Features, components: int) -> Float32[np.ndarray, "_ axes"]:
    """The directions of the largest variance, as columns, at most `components`."""
    _, directions = np.linalg.eigh(np.cov(features.T))
    return directions[:, ::-1][:, :components].astype(np.float32)


def ridge_maps(
    x: Float32[np.ndarray, "anchors near d"], y: Float32[np.ndarray, "anchors near pixels"], penalty: float
) -> Float32[np.ndarray, "anchors d pixels"]:
    """P_k of every anchor, transposed, so that y = x P. Eq. (6)."""
    gram = x.transpose(0, 2, 1) @ x + penalty * np.eye(x.shape[2], dtype=np.float32)
    return np.linalg.solve(gram, x.transpose(0, 2, 1) @ y)


class APlus(BaseEstimator):
    """Enlarges luma. fit(low, high) takes lists of pictures (H, W) from 0 to 255; predict(low) returns a list.

    factor: 2 or 4. anchors: number of linear maps. neighbours: patches to which each is fitted. penalty: λ. components:
    number of features. random_state: of the sample of patches and of k-means.
    """

    def __init__(  # noqa: PLR0917
        self,
        factor: int = 4,
        anchors: int = 1024,
        neighbours: int = 2048,
        penalty: float = 0.01,
        components: int = 32,
        random_state: int | None = 0,
    ) -> None:
        self.factor = factor
        self.anchors = anchors
        self.neighbours = neighbours
        self.penalty = penalty
        self.components = components
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike) -> APlus:
        """Fit to pairs of pictures. Raises ValueError unless they are pairs of pictures of this factor."""
        low, high = self._checked(X), [np.asarray(each, np.float32) for each in y]
        if len(low) != len(high) or not low:
            raise ValueError(f"{len(low)} pictures in low resolution, but {len(high)} in high")
        for one, other in zip(low, high, strict=True):
            if other.shape != tuple(self.factor * length for length in one.shape):
                raise ValueError(f"the factor is {self.factor}, but {one.shape} pixels come with {other.shape}")
        rng = check_random_state(self.random_state)
        few, _ = self._sample(low, high, FOR_CENTRES, rng)
        self.axes_ = principal_axes(few, self.components)
        x, wanted = self._sample(low, high, MOST, rng, self.axes_)
        length = np.linalg.norm(x, axis=1, keepdims=True).clip(1e-3)
        seen = length[:, 0] >= np.quantile(length, 0.1)  # flat patches contain nothing but rounding
        x, wanted = x[seen] / length[seen], wanted[seen] / length[seen]
        centres = MiniBatchKMeans(min(self.anchors, len(x)), batch_size=4096, n_init=1, random_state=rng)
        found = centres.fit(x[:FOR_CENTRES]).cluster_centers_
        self.anchors_ = (found / np.linalg.norm(found, axis=1, keepdims=True).clip(1e-10)).astype(np.float32)
        self.maps_ = self._regress(x, wanted)
        return self

    def _regress(self, x: Features, wanted: Features) -> Float32[np.ndarray, "anchors _ _"]:
        """The linear map of every anchor, some anchors at a time."""
        near, maps = min(self.neighbours, len(x)), []
        for start in range(0, len(self.anchors_), 32):
            likeness = np.abs(self.anchors_[start : start + 32] @ x.T)
            nearest = np.argpartition(likeness, -near, axis=1)[:, -near:]
            maps.append(ridge_maps(x[nearest], wanted[nearest], self.penalty))
        return np.concatenate(maps)

    def _sample(
        self,
        low: list[Grey],
        high: list[Grey],
        most: int,
        rng: np.random.RandomState,
        axes: Float32[np.ndarray, "_ components"] | None = None,
    ) -> tuple[Features, Features]:
        """Features on these axes and missing pixels of about `most` patches at most, in random order."""
        counts = [(one.shape[0] - WINDOW + 1) * (one.shape[1] - WINDOW + 1) for one in low]
        share, parts = min(1.0, most / sum(counts)), []
        for one, other, count in zip(low, high, counts, strict=True):
            chosen = rng.permutation(count)[: max(1, round(share * count))]
            middle = enlarge(one, self.factor).astype(np.float32)
            maps = gradients(middle, self.factor), other[None] - middle
            features, missing = (cut(each, self.factor)[chosen] for each in maps)
            parts.append((features if axes is None else features @ axes, missing))
        order = rng.permutation(sum(len(part[0]) for part in parts))
        return tuple(np.concatenate(part)[order] for part in zip(*parts, strict=True))

    def predict(self, X: ArrayLike) -> list[Float[np.ndarray, "height width"]]:
        """Each picture, factor times as large per side. Raises ValueError for pictures below 3 × 3 pixels."""
        check_is_fitted(self)
        return [self.enlarge(picture) for picture in self._checked(X)]

    def enlarge(self, low: Grey) -> Float32[np.ndarray, "height width"]:
        """Enlarge one picture."""
        middle = enlarge(low, self.factor).astype(np.float32)
        x = cut(gradients(middle, self.factor), self.factor) @ self.axes_
        return middle + averaged(self.missing(x), self.factor, middle.shape)

    def missing(self, x: Features) -> Features:
        """The missing detail of each patch: its features times its anchor's map, one product per anchor."""
        nearest = self.nearest(x)
        order = np.argsort(nearest, kind="stable")
        ends = np.searchsorted(nearest[order], np.arange(len(self.anchors_) + 1))
        sorted_, found = x[order], np.empty((len(x), self.maps_.shape[2]), np.float32)
        for k in np.unique(nearest):
            own = slice(ends[k], ends[k + 1])
            found[own] = sorted_[own] @ self.maps_[k]
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return found[back]

    def nearest(self, x: Features) -> Int[np.ndarray, "patches"]:
        """The anchor that correlates most with each patch, whatever the sign; some patches at a time."""
        parts = [np.abs(x[k : k + 8192] @ self.anchors_.T).argmax(axis=1) for k in range(0, len(x), 8192)]
        return np.concatenate(parts)

    def _checked(self, pictures: ArrayLike) -> list[Float32[np.ndarray, "_ _"]]:
        """The pictures as arrays. Raises ValueError for another factor, or unless they are luma of at least 3 × 3."""
        check_factor(self.factor)
        found = [np.asarray(each) for each in pictures]
        for each in found:
            if each.ndim != 2 or min(each.shape) < WINDOW or not np.issubdtype(each.dtype, np.number):
                raise ValueError(
                    f"a picture is luma, (H, W) with at least {WINDOW} × {WINDOW} pixels, not {each.shape}"
                )
            if not np.isfinite(each).all():
                raise ValueError("a picture has values that are no finite numbers")
        return [each.astype(np.float32) for each in found]
