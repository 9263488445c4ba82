"""The weights of the last run: each detector that a run has trained is stored in a file, and another run loads it.

A file states which code trained the detector: the digest of the lesson that trains it. Weights from other code are not
loaded, and neither is a damaged file.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ch06_detection.fast_rcnn import FastRCNN, build_scenes_fast_rcnn
from ch06_detection.kept.states import put_back, state_of
from ch06_detection.pedestrians import (
    PROPOSED,
    build_pedestrians_fast_rcnn,
    build_pedestrians_rcnn,
    build_pedestrians_ssd,
)
from ch06_detection.proposals.search import Proposals, shared_proposals
from ch06_detection.proposals.template_windows import template_windows
from ch06_detection.rcnn import RCNN, build_scenes_rcnn
from ch06_detection.sliding_window import build_scenes_hog
from ch06_detection.ssd import SceneSSD, SSDDetector, build_scenes_ssd
from ch06_detection.still_camera import build_template
from common.checkpoints import load_weights
from common.data.image_sets import FASHION_MNIST
from common.digest import COMMON, digest
from common.errors import Problem
from common.files import write_whole
from common.run import Run
from common.train import Training

CLASSES = FASHION_MNIST.classes  # of the scenes; scenes() has them, too, but composes thousands of scenes first


@dataclass(frozen=True)
class Kept:
    """A detector that is stored. name: by which lessons share it. lesson: that trains it, whose digest its file states.

    build: as in that lesson. empty: the same for loading weights, without a scene. kind: of the method.
    """

    name: str
    lesson: str
    build: Callable[[Run], Any]
    empty: Callable[[Run], Any]
    kind: str = "deep"

    def path(self, run: Run) -> Path:
        """The detector's file for this preset and seed."""
        folder = run.checkpoints.parent if run.checkpoints else run.folder
        file = re.sub(r"\W+", "_", self.name.lower())
        return folder / "weights" / f"{file}-{run.scale.preset}-seed{run.seed}.pt"

    @property
    def kept_as(self) -> str:
        """The name under which a run shares the model in its file."""
        return f"{self.name}, as kept"

    def keep(self, run: Run, code: str) -> None:
        """Write the detector to its file if the run has trained it and not written it yet. code: the digest."""
        model, seconds = run.shared.get((self.name, run.seed), (None, 0.0))
        if model is None or run.shared.get((self.kept_as, run.seed), (None,))[0] is model:
            return
        file = io.BytesIO()
        torch.save({"code": code, "seconds": seconds, "state": state_of(model)}, file)
        write_whole(self.path(run), file.getvalue())
        run.shared[self.kept_as, run.seed] = model, seconds

    def load(self, run: Run) -> Any | None:
        """The detector of this run, or else from its file; None if there is neither.

        A note explains why a file is not used.
        """
        if (self.name, run.seed) in run.shared:
            return run.shared[self.name, run.seed][0]
        path = self.path(run)
        if not path.exists():
            return None
        try:
            kept = load_weights(path)
            if kept.get("code") != digest_of(self.lesson):
                run.note(f"{path.name} holds weights that other code has trained: they are not used.")
                return None
            model, seconds = self.empty(run), float(kept["seconds"])
            put_back(model, kept["state"])
        except (Problem, LookupError, TypeError, ValueError) as problem:
            run.note(f"Not used: {path.name} ({problem}).")
            return None
        for name in (self.name, self.kept_as):
            run.shared[name, run.seed] = model, seconds
        return model


def empty_ssd(run: Run) -> SSDDetector:
    """The scenes' SSD, without weights."""
    recipe, training = SceneSSD(), Training(1, device=run.device)
    return SSDDetector(recipe.network, training, recipe.shapes(), len(CLASSES))


def empty_rcnn(run: Run) -> RCNN:
    """The scenes' R-CNN, without weights."""
    return RCNN(shared_proposals(run), Training(1, device=run.device), len(CLASSES))


def empty_fast_rcnn(run: Run) -> FastRCNN:
    """The scenes' Fast R-CNN, without weights."""
    return FastRCNN(shared_proposals(run), Training(1, device=run.device), len(CLASSES))


SCENES = {
    "HOG + SVM": Kept("HOG + SVM, scenes", "sliding_window", build_scenes_hog, build_scenes_hog, "classical"),
    "R-CNN": Kept("R-CNN, scenes", "rcnn", build_scenes_rcnn, empty_rcnn),
    "Fast R-CNN": Kept("Fast R-CNN, scenes", "fast_rcnn", build_scenes_fast_rcnn, empty_fast_rcnn),
    "SSD": Kept("SSD, scenes", "ssd", build_scenes_ssd, empty_ssd),
}
RANDOM_SSD = partial(build_pedestrians_ssd, pretrained=False)
PRETRAINED_SSD = partial(build_pedestrians_ssd, pretrained=True)
TEMPLATE = Kept("HOG + SVM, pedestrians", "pedestrians", build_template, build_template, "classical")


def build_people_rcnn(run: Run) -> RCNN:
    """The pedestrians' R-CNN, without weights."""
    return build_pedestrians_rcnn(run, windows_of_template(run))


def build_people_fast_rcnn(run: Run) -> FastRCNN:
    """The pedestrians' Fast R-CNN, without weights."""
    return build_pedestrians_fast_rcnn(run, windows_of_template(run))


def windows_of_template(run: Run) -> Proposals:
    """The windows that both classify. Raises Problem if no template is stored."""
    template = TEMPLATE.load(run)
    if template is None:
        raise Problem("the template whose windows it classifies is not there")
    return template_windows(template, PROPOSED)


PEOPLE = {
    "HOG + SVM": TEMPLATE,
    "R-CNN": Kept("R-CNN, pedestrians", "pedestrians", build_people_rcnn, build_people_rcnn),
    "Fast R-CNN": Kept("Fast R-CNN, pedestrians", "pedestrians", build_people_fast_rcnn, build_people_fast_rcnn),
    "SSD, from random weights": Kept("SSD, from random weights, pedestrians", "pedestrians", RANDOM_SSD, RANDOM_SSD),
    "SSD, pretrained trunk": Kept("SSD, pretrained trunk, pedestrians", "pedestrians", PRETRAINED_SSD, PRETRAINED_SSD),
}


def digest_of(lesson: str) -> str:
    """The digest of a lesson of this chapter, for the present code."""
    folder = Path(__file__).parents[1]
    return digest(f"{folder.name}.{lesson}", {"common": COMMON, folder.name: folder})


def keep(run: Run, digests: Mapping[str, str]) -> None:
    """Store all detectors that the run has trained. digests: of the lessons, at the start of the run."""
    for each in (*SCENES.values(), *PEOPLE.values()):
        each.keep(run, digests[each.lesson])
