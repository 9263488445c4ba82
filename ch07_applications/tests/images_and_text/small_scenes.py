"""A few captioned scenes with their regions, for the tests of this folder."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from ch07_applications.images_and_text.captioned_scenes import CaptionedComposer
from ch07_applications.images_and_text.picture_regions import RegionedScenes
from common.console import Console
from common.data import Scale
from common.data.scenes import composers
from common.record import LessonRecord
from common.run import Run


def run_of(folder: Path) -> Run:
    """A silent run at smoke."""
    return Run("images_and_text/alignments", 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True))


@cache
def regioned(n: int = 24, objects: tuple[int, int] = (3, 3)) -> RegionedScenes:
    """The first scenes of the test garments."""
    composer = composers(Scale("smoke"))[1]
    maker = CaptionedComposer(composer, np.flatnonzero(composer.items.labels > 0), objects=objects)
    return RegionedScenes.of(maker.compose(n, 0), 0)
