"""Images that depend on each other, as groups: drawn together with replacement, and left out together.

Frames of one second of film show nearly the same; intervals that took them for independent would be too narrow. What is
resampled is therefore the group (Efron and Tibshirani 1993, §8.3).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64


class Groups:
    """The groups of n images. numbers: equal within a group; None: each image is a group of its own.

    Raises ValueError where there are not n numbers.
    """

    def __init__(self, numbers: Int64[np.ndarray, "images"] | None, n: int) -> None:
        if numbers is not None and len(numbers) != n:
            raise ValueError(f"{n} images but {len(numbers)} numbers of groups")
        numbers = np.arange(n) if numbers is None else numbers
        self.member = np.unique(numbers, return_inverse=True)[1]  # of each image, its group, from 0
        self.sizes = np.bincount(self.member)

    def __len__(self) -> int:
        return len(self.sizes)

    def draw(
        self, resamples: int, seed: int = 0, needed: Bool[np.ndarray, "images"] | None = None
    ) -> Float64[np.ndarray, "resamples images"]:
        """How often each image is there when as many groups as there are get drawn with replacement.

        needed: images of which a draw has to have one; a draw without is drawn again (none needed at all: kept).
        """
        n, rng = len(self), np.random.default_rng(seed)
        if not n:
            return np.zeros((resamples, 0))
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
        useful = np.ones(n, bool)
        if needed is not None and needed.any():
            useful = np.bincount(self.member, needed) > 0
        while (missing := ~drawn[:, useful].any(axis=1)).any():
            drawn[missing] = rng.multinomial(n, np.full(n, 1 / n), size=int(missing.sum()))
        return drawn[:, self.member].astype(float)

    def each_left_out(self) -> Float64[np.ndarray, "groups images"]:
        """Weights of images with one group after the other left out."""
        return 1.0 - np.eye(len(self))[:, self.member]

    def pseudo_deviations(self, without: Float[np.ndarray, "groups"]) -> Float64[np.ndarray, "images"]:
        """How far each image's pseudo-value lies from the statistic. without: the statistic with each group left out.

        A group's deviation d is (groups − 1) (mean of without − its without). Its images share it so that the mean over
        resampled groups of images of any size moves as the mean of the groups' d does: each has d n / (groups · size).
        """
        count = len(self)
        deviation = (count - 1) * (without.mean() - without) if count else without
        share = len(self.member) / (max(count, 1) * self.sizes)
        return (deviation * share)[self.member]
