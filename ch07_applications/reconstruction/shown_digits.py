"""Digits that are drawn from scratch, and digits whose lower half is drawn given the upper one."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, UInt8

from ch07_applications.reconstruction.bernoulli_mixture import BernoulliMixture
from ch07_applications.reconstruction.binarised_digits import BinarisedDigits
from ch07_applications.reconstruction.boosted_pixels import BoostedPixels
from ch07_applications.reconstruction.cached_sampling import Network, sample
from ch07_applications.reconstruction.drawn_pixel_rnn import CAPTIONS, draw_rows
from common.run import Run

HIDDEN = 0.45  # grey level of hidden pixels
Images = UInt8[np.ndarray, "images height width"]


def hide_below(images: Images, rows: int) -> Float[np.ndarray, "images height width"]:
    """The images with grey below their first rows."""
    hidden = images.astype(float)
    hidden[:, rows:] = HIDDEN
    return hidden


def sampler(network: Network, seed: int) -> Callable[..., Images]:
    """A function of images and a number of given rows, which draws the other rows by the network."""
    generator = torch.Generator().manual_seed(seed)

    def draw(images: Images, given_rows: int = 0) -> Images:
        drawn = sample(network, torch.from_numpy(images).float()[:, None], generator, given_rows)
        return drawn[:, 0].byte().numpy()

    return draw


def show_digits(
    run: Run, part: BinarisedDigits, network: Network, mixture: BernoulliMixture, trees: BoostedPixels
) -> None:
    """Show two figures: digits drawn by mixture and network, and one digit of each class completed by all three."""
    draw, height = sampler(network, run.seed), part.inputs.shape[1]
    rows = run.pick(smoke=height - 2, lecture=height // 2)  # given rows; many at smoke, because trees draw slowly
    nothing = np.zeros_like(part.inputs[:10])
    shown = {"test digits": part.inputs[:10], "mixture": mixture.sample(nothing, run.rng), "PixelCNN": draw(nothing)}
    run.figure("samples", draw_rows, shown, caption=CAPTIONS["samples"])
    first = part.inputs[np.unique(part.answers, return_index=True)[1]]
    shown = {"test digits": first, "given": hide_below(first, rows), "mixture": mixture.sample(first, run.rng, rows)}
    shown |= {"trees": trees.sample(first, run.rng, rows)}
    shown |= {"PixelCNN": draw(first, rows), "PixelCNN, again": draw(first, rows)}
    run.figure("completions", draw_rows, shown, caption=CAPTIONS["completions"])
