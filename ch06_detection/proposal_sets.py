"""Proposals of many images: computed once, kept, and labelled by the objects that they overlap.

Method     Girshick et al. 2014, §2.3: a proposal belongs to the object that it overlaps most, if by enough.
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ch06_detection.boxes import Boxes, iou
from ch06_detection.square_crops import Pictures
from common.data.boxed import Target
from common.data.checked_inputs import Given, colour_pictures, precise
from common.errors import Problem
from common.proposals.grouping import FAST, Settings, propose_all
from common.run import Run

FOREGROUND = 0.5  # IoU with an object, from which on a proposal is one
# For frames at half size: people are ten pixels wide, so that each one counts, and nothing larger is a proposal.
PEOPLE = Settings(spaces=("RGB",), ks=(50.0,), min_size=20, step=1, smallest=6, largest=80)


@dataclass
class Proposals:
    """Selective search that looks at each image once, whoever asks. Called with images, it gives their boxes.

    propose: makes boxes of images, the best first. most: boxes of an image that are used. kept: boxes by image.
    """

    propose: Callable[[Pictures], list[Tensor]]
    most: int = 150
    kept: dict[tuple, Tensor] = field(default_factory=dict, repr=False)
    cost: dict[tuple, float] = field(default_factory=dict, repr=False)

    def __call__(self, images: Given) -> list[Tensor]:
        """Raises Problem for pictures of the wrong kind."""
        colour_pictures(images)
        names = self.names(images)
        new = {name: item for item, name in enumerate(names) if name not in self.kept}
        if new:
            start = time.perf_counter()
            found = self.propose(images[list(new.values())])
            each = (time.perf_counter() - start) / len(new)
            self.kept |= {name: boxes[: self.most].clone() for name, boxes in zip(new, found, strict=True)}
            self.cost |= dict.fromkeys(new, each)
        return [self.kept[name] for name in names]

    def seconds(self, images: Pictures) -> float:
        """What these images' proposals have cost when they were made, by the clock."""
        self(images)
        return self.spent(images)

    def spent(self, images: Pictures) -> float:
        """The same, without making any: of images that have none yet, nothing."""
        return sum(self.cost.get(name, 0.0) for name in self.names(images))

    def names(self, images: Pictures) -> list[tuple]:
        """What each image is remembered by: two checksums of its pixels, and its shape."""
        return [(zlib.crc32(image), zlib.adler32(image), image.shape) for image in map(np.ascontiguousarray, images)]


@dataclass(frozen=True, eq=False)
class LabelledProposals:
    """Proposals of a training set, image after image, and of each the object that it overlaps most.

    image: its number. overlap: IoU with that object; 0 where the image has none. label, truth: the object's.
    """

    image: Int64[Tensor, "n"]
    boxes: Boxes
    overlap: Float[Tensor, "n"]
    label: Int64[Tensor, "n"]
    truth: Boxes

    @classmethod
    def of(cls, proposals: Sequence[Tensor], targets: Sequence[Target], with_truths: bool = True) -> LabelledProposals:
        """The proposals, and the objects' own boxes before them, if wanted. Raises Problem where there is no box."""
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
        """The object's label where a proposal lies on one, 0 where it is background."""
        return self.label * (self.overlap >= FOREGROUND)

    def __len__(self) -> int:
        return len(self.image)


def spaced(n: int, wanted: int | None) -> slice:
    """Which of n images are searched: this number, evenly spaced; all, if it is None or larger than n."""
    return slice(None) if wanted is None or wanted >= n else slice(0, wanted * (n // wanted), n // wanted)


def draw(
    foreground: Int64[Tensor, "f"], background: Int64[Tensor, "b"], n: int, share: float, generator: torch.Generator
) -> Int64[Tensor, "n"]:
    """n of these numbers: the share of the foreground, as far as it has so many, the rest background.

    Each at most once while there are enough; the background again and again where it has too few, and the foreground
    where there is no background. Raises ValueError where there is neither.
    """
    if not len(foreground) + len(background):
        raise ValueError("nothing to draw from")
    most = round(share * n) if len(background) else n
    objects = foreground[torch.randperm(len(foreground), generator=generator)[:most]]
    rest, source = n - len(objects), background if len(background) else foreground
    order = torch.randperm(len(source), generator=generator)[:rest]
    again = torch.randint(len(source), (rest - len(order),), generator=generator)
    return torch.cat([objects, source[order], source[again]])


def shared_proposals(run: Run, settings: Settings = FAST, most: int = 150) -> Proposals:
    """Those that all lessons of a run share, at each seed: no image is searched twice."""

    def propose(images: Pictures) -> list[Tensor]:
        return propose_all(images, settings, workers=run.pick(smoke=1, lecture=2), seed=run.seed)

    new = Proposals(propose, most=run.pick(smoke=30, lecture=most))
    return run.shared.setdefault((f"selective search, {most} of {settings}", run.seed), (new, 0.0))[0]
