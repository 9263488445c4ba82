"""The background's bias: what is added to its logit, so that neither too much nor too little becomes an object.

Class weights and crops around objects change the class frequencies that a system learns from, so that it predicts
objects too often or too seldom. One number, chosen on validation pictures, corrects that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from common.data.segmented import IGNORE
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.tuning import choose


def with_bias(
    shares: Float[Tensor, "*maps classes height width"], bias: float
) -> UInt8[np.ndarray, "*maps height width"]:
    """The most probable class per pixel, the background's logit (label 0) raised by bias."""
    factors = torch.ones(shares.shape[-3])
    factors[0] = float(np.exp(bias))
    return (shares * factors[:, None, None]).argmax(dim=-3).numpy().astype(np.uint8)


def best_bias(
    chunks: Iterable[Float[Tensor, "chunk classes height width"]],
    labels: UInt8[np.ndarray, "n height width"],
    classes: int,
    options: Sequence[float],
) -> float:
    """The option with the best mean IoU. chunks: the classes' probabilities in the pictures, some at a time."""
    matrices, start = [ConfusionMatrix(classes, IGNORE) for _ in options], 0
    for shares in chunks:
        truth = labels[start : start + len(shares)]
        for bias, matrix in zip(options, matrices, strict=True):
            matrix.add(truth, with_bias(shares, bias))
        start += len(shares)
    return choose(options, [float(mean_iou(matrix.total)) for matrix in matrices], highest=True)
