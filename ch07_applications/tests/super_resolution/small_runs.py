"""A run at smoke in a folder of its own, and small pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torchvision.models import squeezenet1_1

from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


def a_run(folder: Path, lesson: str = "super_resolution/lapsrn", **changes: object) -> Run:
    data = folder / "data"
    return Run(lesson, 0, Scale("smoke", data), LessonRecord("", ""), folder, Console(quiet=True), **changes)


def picture(seed: int = 0, size: tuple[int, int] = (48, 64)) -> np.ndarray:
    """Flat squares of random colours."""
    small = np.random.default_rng(seed).integers(0, 256, (-(-size[0] // 8), -(-size[1] // 8), 3))
    return small.repeat(8, axis=0).repeat(8, axis=1)[: size[0], : size[1]].astype(np.uint8)


def small_judge() -> torch.nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return squeezenet1_1().eval().requires_grad_(False)
