"""A run at smoke for the tests of this folder, and a few pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ch07_applications.colour.lab_pictures import LabPictures
from common.console import Console
from common.data import Images, Scale
from common.record import LessonRecord
from common.run import Run


def run_of(lesson: str, folder: Path, **more: Any) -> Run:
    """A lesson's silent run."""
    return Run(lesson, 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True), **more)


def pictures(n: int = 12, seed: int = 0, side: int = 8) -> LabPictures:
    """Pictures of random pixels, of three classes."""
    rng = np.random.default_rng(seed)
    return LabPictures.of(Images(rng.integers(0, 256, (n, side, side, 3)).astype(np.uint8), np.arange(n) % 3))


def coloured_squares(n: int = 40, seed: int = 0, side: int = 16) -> LabPictures:
    """Pictures with orange bright parts and blue dark parts: colours that lightness determines."""
    rng = np.random.default_rng(seed)
    bright = rng.random((n, side // 4, side // 4)).repeat(4, axis=1).repeat(4, axis=2)[..., None] > 0.5
    colours = np.where(bright, (240, 150, 40), (20, 40, 120)) + rng.integers(-12, 13, (n, side, side, 3))
    return LabPictures.of(Images(colours.clip(0, 255).astype(np.uint8), np.arange(n) % 2))
