"""Selective search as detectors call it: proposals for one image, and for many on several processors."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from common.data.checked_inputs import Given, colour_picture, colour_pictures
from common.pools import map_chunks
from common.proposals.hierarchy import FAST, QUALITY, Settings, proposals, proposals_of_each

__all__ = ["FAST", "QUALITY", "Settings", "propose", "propose_all"]


def propose(image: Given, settings: Settings = FAST, seed: int = 0) -> Float[Tensor, "n 4"]:
    """Boxes xyxy in pixels that may hold an object, the best first. Uijlings et al. 2013.

    Raises Problem for an image that is too small, or of the wrong kind.
    """
    return torch.tensor(proposals(colour_picture(image), settings, seed), dtype=torch.float32)


def propose_all(
    images: Given,
    settings: Settings = FAST,
    workers: int = 2,
    seed: int = 0,
    pool: ProcessPoolExecutor | None = None,
) -> list[Tensor]:
    """propose for each image, in so many processes (pools.map_chunks).

    Raises Problem for images that are too small, or of the wrong kind.
    """
    propose_some = partial(proposals_of_each, settings=settings, seed=seed)
    found = map_chunks(propose_some, colour_pictures(images), workers=workers, pool=pool)
    return [torch.tensor(boxes, dtype=torch.float32) for boxes in found]
