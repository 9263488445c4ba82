"""Speed of matching and of the multibox loss beside torchvision's SSD, on 8732 default boxes of 32 images.

torchvision's matcher gives matched indices, image by image, and its loss makes labels and offsets of them; ours gives
labels and offsets at once. So there is a row for matching alone, where ours does more, and one for all that a training
step needs: matching, loss and its gradient. No two objects want the same default box here: there the rules differ.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import torch
from side_by_side import row
from threadpoolctl import threadpool_limits
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from ch06_detection.default_boxes import SSD300_GRIDS, SSD300_RATIOS, SSD300_SIZES, default_boxes
from ch06_detection.multibox import match_batch, multibox_loss

BATCH, CLASSES = 32, 21


def targets(defaults: torch.Tensor) -> list[dict[str, torch.Tensor]]:
    """One to eight objects an image, each with a best box of its own."""
    generator, made = torch.Generator().manual_seed(0), []
    while len(made) < BATCH:
        n = 1 + len(made) % 8
        corner, size = torch.rand((2, n, 2), generator=generator)
        size = 20 + 200 * size**2
        boxes = torch.cat([corner * (300 - size), corner * (300 - size) + size], dim=1)
        best = box_iou(boxes, defaults).argmax(dim=1)
        if len(best.unique()) == n:
            made.append({"boxes": boxes, "labels": torch.randint(1, CLASSES, (n,), generator=generator)})
    return made


def theirs(told: SimpleNamespace, images: list[dict], defaults: torch.Tensor) -> list[torch.Tensor]:
    """Matched indices, as SSD.forward finds them."""
    return [told.proposal_matcher(box_iou(image["boxes"], defaults)) for image in images]


def our_step(images: list[dict], defaults: torch.Tensor, offsets: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """The loss, its gradient computed."""
    labels, wanted = match_batch(images, defaults)
    loss = multibox_loss(offsets, logits, wanted, labels)
    torch.autograd.grad(loss, [offsets, logits])
    return loss.detach()


def their_step(
    told: SimpleNamespace, images: list[dict], defaults: torch.Tensor, offsets: torch.Tensor, logits: torch.Tensor
) -> torch.Tensor:
    """The loss, its gradient computed."""
    outputs = {"bbox_regression": offsets, "cls_logits": logits}
    losses = SSD.compute_loss(told, images, outputs, [defaults] * BATCH, theirs(told, images, defaults))
    loss = losses["bbox_regression"] + losses["classification"]
    torch.autograd.grad(loss, [offsets, logits])
    return loss.detach()


def measure() -> list[dict]:
    """Rows for run.py, on one thread; both must say the same before they are timed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    defaults = default_boxes((300, 300), SSD300_GRIDS, SSD300_SIZES, SSD300_RATIOS)
    images = targets(defaults)
    told = SimpleNamespace(
        box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), proposal_matcher=SSDMatcher(0.5), neg_to_pos_ratio=3.0
    )
    matched = torch.stack(theirs(told, images, defaults))
    assert torch.equal(match_batch(images, defaults)[0] > 0, matched >= 0)
    generator = torch.Generator().manual_seed(0)
    offsets, logits = (torch.randn((BATCH, len(defaults), k), generator=generator) for k in (4, CLASSES))
    step = images, defaults, offsets.requires_grad_(), logits.requires_grad_()
    assert torch.allclose(our_step(*step), their_step(told, *step), rtol=1e-5)
    size = f"{BATCH} images, {len(defaults)} default boxes"
    with threadpool_limits(1):
        rows = [
            row(
                f"matching: {size}",
                partial(match_batch, images, defaults),
                "torchvision's SSDMatcher and box_iou",
                partial(theirs, told, images, defaults),
                1,
                9,
            ),
            row(
                f"matching, multibox loss and gradient: {size}",
                partial(our_step, *step),
                "torchvision's SSD.compute_loss",
                partial(their_step, told, *step),
                1,
                5,
            ),
        ]
    torch.set_num_threads(threads)
    return rows
