"""Selective search as detectors call it: proposals for one image, and for many on several processors."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from multiprocessing import get_context

import torch
from jaxtyping import Float
from torch import Tensor

from common.data.checked_inputs import Given, colour_picture, colour_pictures
from common.proposals.hierarchy import FAST, QUALITY, Settings, proposals, proposals_of_each

__all__ = ["FAST", "QUALITY", "Settings", "processes", "propose", "propose_all"]
FEW = 40  # images: so few are not worth the seconds that processes take to start
CHUNK = 16  # images that a process is given at once


def propose(image: Given, settings: Settings = FAST, seed: int = 0) -> Float[Tensor, "n 4"]:
    """Boxes xyxy in pixels that may hold an object, the best first. Uijlings et al. 2013.

    Raises Problem for an image that is too small, or of the wrong kind.
    """
    return torch.tensor(proposals(colour_picture(image), settings, seed), dtype=torch.float32)


def processes(workers: int = 2) -> ProcessPoolExecutor:
    """So many processes for propose_all, where it is called again and again: they take a second or two to start."""
    # spawn, as on macOS and Windows: a forked process may wait for ever for torch's threads
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"))


def propose_all(
    images: Given,
    settings: Settings = FAST,
    workers: int = 2,
    seed: int = 0,
    pool: ProcessPoolExecutor | None = None,
) -> list[Tensor]:
    """propose for each image, in so many processes; in this one for a few images, or where no other can be started.

    pool: processes that are there already. Raises Problem for images that are too small, or of the wrong kind.
    """
    images = colour_pictures(images)
    chunks = [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]
    many = (settings,) * len(chunks), (seed,) * len(chunks)
    found = None
    if workers > 1 and len(images) > FEW:
        try:
            with nullcontext(pool) if pool else processes(workers) as started:
                found = list(started.map(proposals_of_each, chunks, *many))
        except (BrokenProcessPool, OSError):
            found = None
    if found is None:
        found = map(proposals_of_each, chunks, *many)
    return [torch.tensor(boxes, dtype=torch.float32) for chunk in found for boxes in chunk]
