"""Two domains with hidden pairs: grey clothes, and the same clothes striped.

Stripes    A shade is applied to a garment: pixel x becomes x · (1 − DEPTH · s), s = ½ + ½ sin(2π u / period + phase),
           where u runs across the stripes. Period, angle and phase are random per image. On an even garment the shade
           has every tone between the cloth's own and 1 − DEPTH of it, so that no map of single tones removes it: the
           same tone is bright cloth in a dark stripe and dark cloth in a bright one.
Pairs      A striped image has one grey partner. A grey one has as many striped partners as there are stripes: the
           right one cannot be known, so only the translation from striped to grey can be scored pixel by pixel.
Unpaired   Every training image belongs to one domain only. Partners of test images serve for scoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Int64, UInt8
from torch import Tensor

from ch07_applications.synthesis.fashion_parts import FashionParts, pixels_of
from common.data import Images

DEPTH = 0.8  # share of the light removed at the darkest place of a stripe
PERIODS = (4.0, 8.0)  # pixels: the range of random periods
Grey = UInt8[np.ndarray, "n height width"]
Domain = Float[Tensor, "_ channels height width"]


def draw_stripes(ids: Int64[np.ndarray, "n"], seed: int) -> Float[np.ndarray, "n 3"]:
    """Period in pixels, angle and phase of each image's stripes, which depend only on its id and the seed."""
    draws = (
        np.stack([np.random.default_rng((seed, int(each))).random(3) for each in ids]) if len(ids) else np.ones((0, 3))
    )
    low, high = PERIODS
    return draws * (high - low, np.pi, 2 * np.pi) + (low, 0, 0)


def shade(stripes: Float[np.ndarray, "n 3"], height: int, width: int) -> Float[np.ndarray, "n height width"]:
    """The share of its light that every pixel keeps, from 1 − DEPTH to 1."""
    period, angle, phase = stripes.T[:, :, None, None]
    rows, columns = np.mgrid[:height, :width]
    across = columns * np.cos(angle) + rows * np.sin(angle)
    return 1 - DEPTH * (0.5 + 0.5 * np.sin(2 * np.pi * across / period + phase))


def lay_stripes(images: Grey, ids: Int64[np.ndarray, "n"], seed: int) -> Grey:
    """The striped partners of grey images."""
    light = shade(draw_stripes(ids, seed), *images.shape[1:])
    return np.rint(images * light).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class HiddenPairs:
    """Partners side by side, for scoring: grey, with labels, and the same garments striped."""

    grey: Images
    striped: Images


@dataclass(frozen=True, eq=False)
class StripedClothes:
    """grey, striped: for training, of different garments. validation, test: pairs, for choosing and for scoring."""

    grey: Images
    striped: Images
    validation: HiddenPairs
    test: HiddenPairs


def striped_clothes(parts: FashionParts, seed: int) -> StripedClothes:
    """Half of the training images, drawn at random, are grey, the others striped: no garment is in both domains.

    Taking every other image would not work: in the order of the files, classes alternate, and the domains would differ
    by them.
    """
    order = np.random.default_rng(seed).permutation(len(parts.train))
    grey, plain = (parts.train.take(half) for half in np.array_split(order, 2))
    return StripedClothes(grey, with_stripes(plain, seed), *(
        HiddenPairs(part, with_stripes(part, seed)) for part in (parts.validation, parts.test)
    ))  # fmt: skip


def with_stripes(part: Images, seed: int) -> Images:
    """The part's striped partners, with its labels and ids."""
    return Images(lay_stripes(part.images, part.ids, seed), part.labels, part.ids, part.groups)


def stripes_left(translated: Grey, pairs: HiddenPairs, seed: int) -> float:
    """The contrast of stripes left in translations to grey, in % of their contrast in the striped images.

    It is the median over images of the coefficient of x · (light − its mean) in F(y) − x.
    """
    grey = pairs.grey.images.astype(np.float64)
    light = shade(draw_stripes(pairs.grey.ids, seed), *grey.shape[1:])
    stripes = grey * (light - light.mean(axis=(1, 2), keepdims=True))
    added = (stripes * (translated - grey)).sum(axis=(1, 2)) / np.maximum((stripes**2).sum(axis=(1, 2)), 1.0)
    return 100 * float(np.median(added))


@dataclass
class UnpairedBatches:
    """Images of two domains, as common.train.Batches: a batch is (of the first, of the second), shuffled independently.

    An epoch shows every image of the larger domain once. From the smaller one, each batch draws at random.
    Raises ValueError for an empty domain, and if images of the two differ in size.
    """

    first: Domain
    second: Domain

    def __post_init__(self) -> None:
        if not (len(self.first) and len(self.second)):
            raise ValueError(f"domains of {len(self.first)} and {len(self.second)} images: each needs one or more")
        if self.first.shape[1:] != self.second.shape[1:]:
            raise ValueError(
                f"images of {tuple(self.first.shape[1:])} and of {tuple(self.second.shape[1:])}: not alike"
            )

    def __len__(self) -> int:
        return max(len(self.first), len(self.second))

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """index refers to the larger domain; if both are equal, to the first."""
        sizes = len(self.first), len(self.second)
        others = torch.randint(min(sizes), index.shape, generator=generator)
        places = (others, index) if sizes[0] < sizes[1] else (index, others)
        return self.first[places[0]], self.second[places[1]]


def unpaired(grey: Grey, striped: UInt8[np.ndarray, "_ _ _"]) -> UnpairedBatches:
    """Images of both domains, as pixels from -1 to 1."""
    return UnpairedBatches(pixels_of(grey), pixels_of(striped))
