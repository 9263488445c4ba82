"""The conditional Gaussian: the best linear estimate of hidden pixels, for pictures that are all aligned alike.

Let pictures x be normally distributed with the mean μ and covariance Σ of the training pictures. With h hidden and k
known pixels (Bishop 2006, Eq. 2.81),

    E[x_h | x_k] = μ_h + Σ_hk (Σ_kk + λ I)⁻¹ (x_k − μ_k).

In crops of photographs a pixel may show anything, and Σ is the same for any two neighbours. In clothes that are all
photographed alike, a pixel is part of a sleeve or it is not, and Σ contains which pixels depend on that.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64, UInt8
from scipy.linalg import cho_factor, cho_solve

from ch07_applications.reconstruction.hidden_crops import Crops, HiddenCrops, psnr_in_holes
from ch07_applications.reconstruction.holes import BANDS, draw_holes
from common import data
from common.claims import beats
from common.run import Run
from common.tuning import choose

PENALTIES = (10.0, 100.0, 1000.0)  # λ, squared grey levels
GAUSSIAN, MEAN = "conditional Gaussian", "mean of both fills, of clothes"
CLOTHES = "PSNR in holes, Fashion-MNIST"


class ConditionalGaussian:
    """Mean and covariance of training pictures. penalty: λ."""

    def __init__(self, penalty: float) -> None:
        self.penalty = penalty

    def fit(self, pictures: UInt8[np.ndarray, "n height width"]) -> ConditionalGaussian:
        """Estimate the mean and the covariance of all pixels."""
        flat = pictures.reshape(len(pictures), -1).astype(float)
        self.mean_ = flat.mean(axis=0)
        self.covariance_ = np.cov(flat, rowvar=False)
        return self

    def fill(
        self, picture: Float[np.ndarray, "height width"], hole: Bool[np.ndarray, "height width"]
    ) -> Float64[np.ndarray, "height width"]:
        """The picture with the expectation of hidden pixels. Raises ValueError for a hole of another size."""
        if hole.size != len(self.mean_):
            raise ValueError(f"fitted to pictures of {len(self.mean_)} pixels, not {hole.size}")
        hidden = hole.ravel()
        known = ~hidden
        within = self.covariance_[np.ix_(known, known)] + self.penalty * np.eye(known.sum())
        deviation = picture.ravel()[known] - self.mean_[known]
        filled = picture.astype(float).ravel()
        across = self.covariance_[np.ix_(hidden, known)]
        filled[hidden] = self.mean_[hidden] + across @ cho_solve(cho_factor(within), deviation)
        return filled.reshape(picture.shape)


def clothes_with_holes(pictures: UInt8[np.ndarray, "n side side"], seed: int) -> HiddenCrops:
    """Pictures with one hole each, of the bands in turn; grey is three equal colours."""
    holes = draw_holes(len(pictures), pictures.shape[1:], np.random.default_rng([seed, 9]))
    own = np.arange(len(pictures))
    return HiddenCrops(pictures[..., None].repeat(3, axis=3), holes, own % len(BANDS), own)


def fill_clothes(model: ConditionalGaussian, part: HiddenCrops) -> Crops:
    """Every picture with its hole filled, clipped and rounded."""
    filled = [model.fill(each[..., 0].astype(float), hole) for each, hole in zip(part.inputs, part.holes, strict=True)]
    return np.stack(filled).clip(0, 255).round().astype(np.uint8)[..., None].repeat(3, axis=3)


def study_fashion(run: Run) -> None:
    """Fill the same holes in pictures of clothes by mean and covariance, and by the mean of both fills."""
    fashion, count = data.fashion_mnist(run.scale), run.pick(smoke=12, lecture=240)
    test = clothes_with_holes(fashion.test.images[:count], 3)
    learned, chosen_on = fashion.train.images[:-count], clothes_with_holes(fashion.train.images[-count // 2 :], 4)

    def held_out_error(penalty: float) -> float:
        found = fill_clothes(ConditionalGaussian(penalty).fit(learned), chosen_on)
        return -psnr_in_holes(chosen_on.answers, found, chosen_on.holes).mean()

    def fit() -> ConditionalGaussian:
        errors = np.array([held_out_error(penalty) for penalty in PENALTIES])
        return ConditionalGaussian(choose(PENALTIES, errors)).fit(learned)

    with run.method(GAUSSIAN, kind="classical") as method:
        method.model = model = method.time(fit)
        run.fact("λ of the conditional Gaussian", model.penalty)
        score_clothes(run, GAUSSIAN, fill_clothes(model, test), test)
    with run.method(MEAN, kind="classical"):
        both = test.fills[..., :3] + test.fills[..., 3:]
        score_clothes(run, MEAN, (both / 2).clip(0, 255).round().astype(np.uint8), test)
    run.compare(GAUSSIAN, MEAN, CLOTHES)
    run.claim("On clothes the conditional Gaussian beats the mean of both fills.", beats(GAUSSIAN, MEAN, CLOTHES))


def score_clothes(run: Run, name: str, found: Crops, test: HiddenCrops) -> None:
    """Score the PSNR in holes of a method's pictures of clothes."""
    values = psnr_in_holes(test.answers, found, test.holes)
    run.methods[name].score_items(CLOTHES, values, test, unit="dB", higher_is_better=True)
