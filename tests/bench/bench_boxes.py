"""Speed of IoU and of non-maximum suppression beside torchvision's: the same boxes, one thread.

torchvision's suppression is compiled and knows but one thread; pieces as small as ours gain nothing from a second.
"""

from __future__ import annotations

from functools import partial

import torch
from side_by_side import row
from torchvision import ops

from ch06_detection.boxes import iou, nms, nms_by_class


def random_boxes(n: int, seed: int) -> torch.Tensor:
    """Of 10 to 200 pixels in a picture of 1000."""
    rng = torch.Generator().manual_seed(seed)
    corner = 1000 * torch.rand(n, 2, generator=rng)
    return torch.cat([corner, corner + 10 + 190 * torch.rand(n, 2, generator=rng)], dim=1)


def measure() -> list[dict]:
    """Rows for run.py: IoU of 2000×2000 pairs, and suppression of few and of many boxes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    a, b = random_boxes(2000, 0), random_boxes(2000, 1)
    assert torch.allclose(iou(a, b), ops.box_iou(a, b))
    title = "IoU: 2000 × 2000 boxes"
    rows = [row(title, partial(iou, a, b), "torchvision.ops.box_iou", partial(ops.box_iou, a, b), 1, runs=9)]
    for n, at_least in [(1000, 0.34), (10_000, 1)]:
        boxes, scores = random_boxes(n, 2), torch.rand(n, generator=torch.Generator().manual_seed(3))
        assert torch.equal(nms(boxes, scores, 0.5), ops.nms(boxes, scores, 0.5))
        ours, peer = (partial(way, boxes, scores, 0.5) for way in (nms, ops.nms))
        rows.append(row(f"suppression: {n} boxes", ours, "torchvision.ops.nms", peer, at_least))
    labels = torch.arange(3000) % 20
    ours, peer = (partial(way, boxes[:3000], scores[:3000], labels, 0.5) for way in (nms_by_class, ops.batched_nms))
    assert torch.equal(ours(), peer())
    rows.append(row("suppression: 3000 boxes of 20 classes", ours, "torchvision.ops.batched_nms", peer, 0.2))
    torch.set_num_threads(threads)
    return rows
