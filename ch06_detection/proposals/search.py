"""Proposals of many images: selective search runs once per image, and all lessons of a run share its results."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from ch06_detection.proposals.labelled import evenly_spaced
from ch06_detection.trunk.crops import Pictures
from ch06_detection.trunk.pretraining import PretrainedDetector
from common.data.checked_inputs import Given, colour_pictures
from common.proposals.grouping import FAST, Settings, propose_all
from common.run import Run


@dataclass
class Proposals:
    """Selective search that runs once per image. Called with images, it returns their boxes.

    propose: computes boxes of images, the best first. most: boxes used per image. kept: boxes by image.
    """

    propose: Callable[[Pictures], list[Tensor]]
    most: int = 150
    kept: dict[tuple, Tensor] = field(default_factory=dict, repr=False)
    cost: dict[tuple, float] = field(default_factory=dict, repr=False)

    def __call__(self, images: Given) -> list[Tensor]:
        """The boxes of the images. Raises Problem for pictures of the wrong kind."""
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
        """The seconds that these images' proposals took when they were computed."""
        self(images)
        return self.spent(images)

    def spent(self, images: Pictures) -> float:
        """The same without computing any: images without proposals count 0."""
        return sum(self.cost.get(name, 0.0) for name in self.names(images))

    def names(self, images: Pictures) -> list[tuple]:
        """The key of each image: two checksums of its pixels, and its shape."""
        return [(zlib.crc32(image), zlib.adler32(image), image.shape) for image in map(np.ascontiguousarray, images)]


class ProposalDetector(PretrainedDetector):
    """A detector that classifies proposals. searched: the number of training images with proposals; None: all."""

    proposals: Proposals
    searched: int | None

    def seconds_before(self, images: Given) -> float:
        """The seconds of its trunk, and of its training proposals, as far as they have been computed."""
        return super().seconds_before(images) + self.proposals.spent(images[evenly_spaced(len(images), self.searched)])

    def seconds_for_proposals(self, images: Given) -> float:
        """The seconds to compute these images' proposals, whichever detector requested them first."""
        return self.proposals.seconds(images)


def shared_proposals(run: Run, settings: Settings = FAST, most: int = 150) -> Proposals:
    """The proposals that all lessons of a run share, at each seed: no image is searched twice."""

    def propose(images: Pictures) -> list[Tensor]:
        return propose_all(images, settings, workers=run.pick(smoke=1, lecture=2), seed=run.seed)

    new = Proposals(propose, most=run.pick(smoke=30, lecture=most))
    return run.shared.setdefault((f"selective search, {most} of {settings}", run.seed), (new, 0.0))[0]
