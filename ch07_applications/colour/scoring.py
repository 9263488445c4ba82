"""The errors of predicted colours: the plain mean, and a mean in which every common colour has the same weight.

Most pixels of photographs are nearly grey. Predicting grey everywhere therefore gives a low plain error, and a picture
without colours. So errors are also averaged by colour: within each bin of the *true* chroma first, then over the bins
that are common in training pictures. Zhang et al. 2016, §3.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, UInt8
from skimage.metrics import peak_signal_noise_ratio

from ch07_applications.colour.ab_bins import Colours, nearest_bin, shares
from ch07_applications.colour.lab_pictures import Chroma, LabPictures, rgb_of
from common.method import Method

WITHIN = 15.0  # units of Lab: the distance up to which a colour counts as right, a bin and a half
FARTHEST = 150.0  # the last threshold of AuC
ERROR, BALANCED, AUC, BALANCED_AUC = "RMSE", "balanced accuracy", "AuC", "balanced AuC"
HISTOGRAM, COLOURFULNESS, PSNR = "histogram distance", "colourfulness", "PSNR"


@dataclass(frozen=True, eq=False)
class Judgement:
    """The data for scoring: a part with the truth, and the colours common in training pictures."""

    part: LabPictures
    colours: Colours

    @cached_property
    def weights(self) -> Float[np.ndarray, "n height width"]:
        """Pixel weights such that every common colour has the same total weight; their mean is 1; 0 for rare colours.

        The weighted mean over all pixels is the mean over common bins of the mean within a bin.
        """
        bins = nearest_bin(self.part.chroma)
        counts = np.bincount(bins.ravel(), minlength=len(self.colours.shares))
        of_bin = np.where(self.colours.common & (counts > 0), 1 / np.maximum(counts, 1), 0)
        return of_bin[bins] * bins.size / of_bin[bins].sum()

    def balanced(self, values: Float[np.ndarray, "n height width"]) -> Float[np.ndarray, "n"]:
        """A value per picture whose mean B is the balanced mean of a value per pixel.

        A picture with many rare colours weighs more. Its value is B + mean(w (x − B)), the effect on B of drawing it
        again. So the bootstrap and the paired tests see a ratio of two sums, not a sum with random weights.
        """
        mean = (self.weights * values).mean()
        return mean + (self.weights * (values - mean)).mean(axis=(1, 2))

    def score(self, method: Method, chroma: Chroma, *, auc: bool = False) -> UInt8[np.ndarray, "n height width 3"]:
        """Score the predicted chroma, picture by picture; returns the coloured pictures. auc: the paper's measure, too.

        Raises ValueError unless there is one colour per pixel.
        """
        if chroma.shape != self.part.chroma.shape:
            raise ValueError(f"{method.name}: chroma {chroma.shape} for pictures {self.part.chroma.shape}")
        difference, pictures = chroma.astype(float) - self.part.chroma, rgb_of(self.part.lightness, chroma)
        distance = np.linalg.norm(difference, axis=-1)
        method.score_items(ERROR, (distance**2).mean(axis=(1, 2)) / 2, self.part)
        better = {"unit": "%", "higher_is_better": True}
        method.score_items(BALANCED, self.balanced(100.0 * (distance < WITHIN)), self.part, **better)
        if auc:
            under = 100 * (1 - np.minimum(distance, FARTHEST) / FARTHEST)
            method.score_items(AUC, under.mean(axis=(1, 2)), self.part, **better)
            method.score_items(BALANCED_AUC, self.balanced(under), self.part, **better)
        with np.errstate(divide="ignore"):  # a grey picture left grey has error 0
            psnr = [peak_signal_noise_ratio(*both) for both in zip(self.part.images, pictures, strict=True)]
        method.score_items(PSNR, np.minimum(psnr, 100.0), self.part, unit="dB", higher_is_better=True)
        method.measure(HISTOGRAM, histogram_distance(chroma, self.part.chroma), n=len(self.part))
        method.measure(COLOURFULNESS, colourfulness(pictures).mean(), n=len(self.part), higher_is_better=None)
        return pictures


def histogram_distance(predicted: Chroma, true: Chroma) -> float:
    """½ Σ |share − true share| over bins of chroma: from 0 for the same colours, wherever they are, to 1."""
    return float(np.abs(shares(predicted) - shares(true)).sum() / 2)


def colourfulness(pictures: UInt8[np.ndarray, "n height width 3"]) -> Float[np.ndarray, "n"]:
    """σ + 0.3 μ of rg = R − G and yb = (R + G)/2 − B, lengths over both. Hasler & Süsstrunk 2003, Eq. (9)."""
    r, g, b = np.moveaxis(pictures.astype(float), -1, 0)
    opponents = np.stack([r - g, (r + g) / 2 - b])
    deviation, mean = opponents.std(axis=(2, 3)), opponents.mean(axis=(2, 3))
    return np.linalg.norm(deviation, axis=0) + 0.3 * np.linalg.norm(mean, axis=0)
