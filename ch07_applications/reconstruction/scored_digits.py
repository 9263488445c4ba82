"""Scores of binary digits: nats per digit, and of its lower half given the upper one."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from ch07_applications.reconstruction.binarised_digits import BinarisedDigits
from common.run import Method

NATS, SMALL_NATS, LOWER = "nats", "nats at 14 × 14", "nats of the lower half"


def network_nats(network: nn.Module, part: BinarisedDigits) -> Float[np.ndarray, "digits height width"]:
    """−log p of every pixel given those before it, by a network that returns logits; in single precision."""
    device, found = next(network.parameters()).device, []
    network.eval()
    with torch.no_grad():
        for images in torch.from_numpy(part.inputs).float()[:, None].split(100):
            images = images.to(device)
            nats = nn.functional.binary_cross_entropy_with_logits(network(images), images, reduction="none")
            found.append(nats[:, 0].cpu())
    return torch.cat(found).numpy()


def score(method: Method, part: BinarisedDigits, nats: Float[np.ndarray, "digits height width"], small: bool) -> None:
    """Nats per digit; for large digits also of the lower half given the upper one, by the chain rule."""
    method.score_items(SMALL_NATS if small else NATS, nats.sum(axis=(1, 2), dtype=np.float64), part)
    if not small:
        method.score_items(LOWER, nats[:, nats.shape[1] // 2 :].sum(axis=(1, 2), dtype=np.float64), part)
