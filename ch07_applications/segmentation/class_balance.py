"""Class weights: what keeps a loss over pixels from learning road and sky alone.

Method     Median frequency balancing, Eigen and Fergus 2015, §6.3.2: a class c weighs median(f) / f(c), where f(c) is
           the share of its pixels in the images that have it.
Differs    A power of the weights, which is 1 in the paper: 0 leaves classes as they are, and between the two accuracy
           is traded between rare classes and all pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Integer

from common.data.segmented import IGNORE


def median_frequency(
    labels: Integer[np.ndarray, "items height width"], classes: int, power: float = 1.0
) -> Float64[np.ndarray, "classes"]:
    """Weights of classes in the loss: (median of all frequencies / own frequency) ** power. Eigen and Fergus, §6.3.2.

    A class's frequency is its share of the counted pixels of those images that have the class at all, so that a class
    that is rare because few images have it is not as heavy as one of which there is little everywhere. A class without
    any pixel weighs 0. Raises ValueError where no pixel counts.
    """
    counts = np.stack([np.bincount(image.ravel(), minlength=IGNORE + 1)[:classes] for image in labels])
    there = counts > 0
    own, among = counts.sum(axis=0), (there * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    if not own.any():
        raise ValueError(f"none of the {labels.size} pixels has a class that counts")
    frequency = own / np.maximum(among, 1)
    median = np.median(frequency[own > 0])
    return np.where(own > 0, (median / np.where(own > 0, frequency, 1)) ** power, 0.0)
