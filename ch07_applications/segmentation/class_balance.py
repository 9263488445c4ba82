"""Class weights: what keeps a loss over pixels from learning road and sky alone.

Method     Median frequency balancing, Eigen and Fergus 2015, §6.3.2: the weight of class c is median(f) / f(c), where
           f(c) is the share of its pixels in the images that contain it.
Differs    The weights are raised to a power, which is 1 in the paper. With 0 all classes weigh the same; values between
           trade accuracy on rare classes against accuracy over all pixels.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Integer

from common.data.segmented import IGNORE


def median_frequency(
    labels: Integer[np.ndarray, "items height width"], classes: int, power: float = 1.0
) -> Float64[np.ndarray, "classes"]:
    """Weights of classes in the loss: (median of all frequencies / own frequency) ** power. Eigen and Fergus, §6.3.2.

    A class's frequency is its share of the counted pixels in images that contain it. So a class that occurs in few
    images gets a smaller weight than one that is small in every image. A class without pixels has the weight 0. Raises
    ValueError if no pixel counts.
    """
    counts = np.stack([np.bincount(image.ravel(), minlength=IGNORE + 1)[:classes] for image in labels])
    there = counts > 0
    own, among = counts.sum(axis=0), (there * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    if not own.any():
        raise ValueError(f"none of the {labels.size} pixels has a class that counts")
    frequency = own / np.maximum(among, 1)
    median = np.median(frequency[own > 0])
    return np.where(own > 0, (median / np.where(own > 0, frequency, 1)) ** power, 0.0)
