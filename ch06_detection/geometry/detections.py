"""The last step of every network of the chapter: from boxes and probabilities to detections.

Method     Girshick et al. 2014, §2.2, and Liu et al. 2016, §3: within each class, the boxes above a score are kept
           unless they overlap a higher-scoring one; of the remaining boxes, the highest-scoring ones.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ch06_detection.boxes import nms_by_class
from common.data.boxed import Target


def select_detections(
    boxes: Float[Tensor, "n *classes 4"],
    scores: Float[Tensor, "n labels"],
    *,
    least: float,
    suppression: float,
    keep: int,
    candidates: int = 400,
) -> Target:
    """An image's detections, the highest score first.

    boxes: (n, 4), or (n, classes, 4) if each class has its own offsets. scores: of the classes, without background.
    least: score above which a box is considered; of each class, the `candidates` best. suppression: IoU above which a
    box removes a lower-scoring one of its class. keep: the most detections.
    """
    best, which = scores.topk(min(candidates, len(scores)), dim=0)
    high = best > least
    label = torch.arange(scores.shape[1], device=scores.device).expand_as(which)[high]
    which, best = which[high], best[high]
    own = boxes[which] if boxes.ndim == 2 else boxes[which, label]
    stays = nms_by_class(own, best, label + 1, suppression)[:keep]
    return {"boxes": own[stays], "labels": label[stays] + 1, "scores": best[stays]}
