"""Scoring looks: crops of photographs, distances in a network that was not trained on, spectra, and a cheap trick."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float64, UInt8
from scipy.ndimage import gaussian_filter

from ch07_applications.super_resolution.bicubic import enlarge, reduce
from ch07_applications.super_resolution.luma_chroma import Grey, recoloured
from ch07_applications.super_resolution.perceptual_judge import DISTANCE, Judge, spectral_distance, upper_power
from ch07_applications.super_resolution.picture_pairs import Pairs, clipped, score
from common.data.bsds import bsds500_or_none
from common.data.photo_pack import Photograph
from common.metrics.super_resolution import psnr_by_image
from common.run import Method, Run
from common.tuning import choose

FACTOR = 4
SIDE = 192  # side of a crop in pixels: a carried photograph has three of them
CROPS, BSDS = "crops", "BSDS500"
MOST = 32  # photographs of BSDS500, a crop of each
SPECTRUM, POWER = "spectral distance", "power above the cutoff"
BLUR, AMOUNTS = 1.5, (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # of the unsharp mask: pixels, and the options


def squares(picture: UInt8[np.ndarray, "height width 3"], side: int, most: int) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """`most` squares at most along the longer axis, from end to end, in the middle of the shorter one.

    A single one lies in the middle. Raises ValueError if the picture is too small.
    """
    height, width = picture.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"a picture of {height} × {width} pixels has no square of {side} × {side}")
    n = min(most, max(height, width) // side)
    shares = np.linspace(0, 1, n) if n > 1 else [0.5]
    tall = height > width
    found = []
    for share in shares:
        top = int((height - side) * (share if tall else 0.5))
        left = int((width - side) * (0.5 if tall else share))
        found.append(picture[top : top + side, left : left + side])
    return found


def crops_of(pictures: Sequence[Photograph], where: str = CROPS, side: int = SIDE) -> Pairs:
    """Three crops of each photograph; crops of one author's photographs are a group."""
    cut = [(each, crop) for each in pictures for crop in squares(each.image, side, 3)]
    high = tuple(np.ascontiguousarray(crop) for _, crop in cut)
    _, groups = np.unique([each.author for each, _ in cut], return_inverse=True)
    low, names = tuple(reduce(crop, FACTOR) for crop in high), tuple(each.name for each, _ in cut)
    return Pairs(FACTOR, low, high, names, groups.astype(np.int64), where, tuple(each.credit for each, _ in cut))


def crops_of_bsds(run: Run, side: int = SIDE) -> list[Pairs]:
    """The middle of MOST validation photographs of BSDS500, if it is in the data folder; they may not be shown."""
    kept = bsds500_or_none(run.scale, run.note)
    if kept is None:
        return []
    most = run.pick(smoke=2, lecture=MOST)
    high = tuple(np.ascontiguousarray(squares(each, side, 1)[0]) for each in kept.validation.images[:most])
    low = tuple(reduce(each, FACTOR) for each in high)
    return [Pairs(FACTOR, low, high, kept.validation.names[:most], np.arange(len(high)), BSDS)]


def sharpened(picture: Grey, amount: float, blur: float = BLUR) -> Grey:
    """Unsharp masking: the detail that a blur removes is added `amount` times. It uses no other picture."""
    return picture + amount * (picture - gaussian_filter(picture, blur, mode="nearest"))


def distances_of(judge: Judge, pairs: Pairs, estimates: Sequence[Grey]) -> Float64[np.ndarray, "pairs"]:
    """The judge's distance of each picture with this luma and bicubic chroma."""
    return judge.distances([recoloured(*both) for both in zip(estimates, pairs.inputs, strict=True)], pairs.answers)


def choose_amount(judge: Judge | None, pairs: Pairs) -> float:
    """The best amount of the unsharp mask, by the same judge on the same photographs."""
    if judge is None:
        return AMOUNTS[len(AMOUNTS) // 2]
    large = [enlarge(low, FACTOR) for low in pairs.lumas]
    values = [distances_of(judge, pairs, [sharpened(each, amount) for each in large]).mean() for amount in AMOUNTS]
    return choose(AMOUNTS, values)


def score_looks(method: Method, judge: Judge | None, pairs: Pairs, estimates: Sequence[Grey]) -> None:
    """Score PSNR, SSIM, the judge's distance (if any), and the spectrum above the low resolution's frequencies."""
    score(method, pairs, estimates)
    both = list(zip([clipped(each) for each in estimates], pairs.truths, strict=True))
    if judge is not None:
        method.score_items(pairs.metric(DISTANCE), distances_of(judge, pairs, estimates), pairs)
    spectra = np.array([spectral_distance(ours, truth, FACTOR) for ours, truth in both])
    method.score_items(pairs.metric(SPECTRUM), spectra, pairs, unit="dB")
    powers = np.mean([upper_power(ours, FACTOR) - upper_power(truth, FACTOR) for ours, truth in both])
    method.measure(pairs.metric(POWER), powers, n=len(pairs), unit="dB", higher_is_better=None)


def mean_psnr(pairs: Pairs, estimates: Sequence[Grey]) -> float:
    """The mean PSNR in dB."""
    return float(psnr_by_image(pairs.truths, [clipped(each) for each in estimates], pairs.factor).mean())


def score_all(method: Method, judge: Judge | None, parts: Sequence[Pairs], work: Callable[[Grey], Grey]) -> list:
    """Score PSNR and SSIM on every part, and looks on crops. Returns the lumas of the first part of crops."""
    shown = []
    for pairs in parts:
        lumas = [work(low) for low in pairs.lumas]
        if pairs.where in (CROPS, BSDS):
            score_looks(method, judge, pairs, lumas)
            shown = shown or lumas
        else:
            score(method, pairs, lumas)
    return shown
