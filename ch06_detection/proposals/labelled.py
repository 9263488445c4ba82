"""Proposals of training images with their labels, and balanced samples of them.

Method     Girshick et al. 2014, §2.3: a proposal belongs to the object that it overlaps most, if the IoU is large
           enough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ch06_detection.boxes import Boxes, iou
from common.data.boxed import Target
from common.data.checked_inputs import precise
from common.errors import Problem

FOREGROUND = 0.5  # least IoU with an object for a positive proposal


@dataclass(frozen=True, eq=False)
class LabelledProposals:
    """Proposals of a training set, image after image, and the object that each overlaps most.

    image: its index. overlap: IoU with that object; 0 if the image has none. label, truth: the object's.
    """

    image: Int64[Tensor, "n"]
    boxes: Boxes
    overlap: Float[Tensor, "n"]
    label: Int64[Tensor, "n"]
    truth: Boxes

    @classmethod
    def of(cls, proposals: Sequence[Tensor], targets: Sequence[Target], with_truths: bool = True) -> LabelledProposals:
        """Label the proposals, preceded by the objects' own boxes if with_truths. Raises Problem if there is no box."""
        parts: list[tuple[Tensor, ...]] = []
        for number, (proposed, target) in enumerate(zip(proposals, targets, strict=True)):
            truths = precise(target["boxes"])
            boxes = torch.cat([truths, proposed]) if with_truths else proposed
            overlap, best = torch.zeros(len(boxes)), torch.zeros(len(boxes), dtype=torch.long)
            if len(truths):
                overlap, best = iou(boxes, truths).max(dim=1)
                label, truth = target["labels"][best], truths[best]
            else:
                label, truth = best, boxes
            parts.append((torch.full_like(best, number), boxes, overlap, label, truth))
        if not sum(len(boxes) for _, boxes, *_ in parts):
            raise Problem("there is nothing to learn from: no image has an object or a proposal")
        return cls(*(torch.cat(column) for column in zip(*parts, strict=True)))

    def labels(self) -> Int64[Tensor, "n"]:
        """The object's label if a proposal is positive, 0 for background."""
        return self.label * (self.overlap >= FOREGROUND)

    def __len__(self) -> int:
        return len(self.image)


def evenly_spaced(n: int, wanted: int | None) -> slice:
    """The searched images among n: the wanted number, evenly spaced; all if it is None or larger than n."""
    return slice(None) if wanted is None or wanted >= n else slice(0, wanted * (n // wanted), n // wanted)


def sample_balanced(
    foreground: Int64[Tensor, "f"], background: Int64[Tensor, "b"], n: int, share: float, generator: torch.Generator
) -> Int64[Tensor, "n"]:
    """n of these numbers: a share of foreground, if there are enough, the rest background.

    Each is drawn once while there are enough. Background is drawn repeatedly if it has too few, and so is foreground if
    there is no background. Raises ValueError if both are empty.
    """
    if not len(foreground) + len(background):
        raise ValueError("nothing to sample from")
    most = round(share * n) if len(background) else n
    objects = foreground[torch.randperm(len(foreground), generator=generator)[:most]]
    rest, source = n - len(objects), background if len(background) else foreground
    order = torch.randperm(len(source), generator=generator)[:rest]
    again = torch.randint(len(source), (rest - len(order),), generator=generator)
    return torch.cat([objects, source[order], source[again]])
