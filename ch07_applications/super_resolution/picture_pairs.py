"""Training and test data of super-resolution: carried photographs, and pairs of low and high resolution.

Training photographs give patches; test photographs are reduced by 2 and by 4, as the protocol reduces them. Set5 and
similar sets have their own low resolution, MATLAB's, in the data folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, UInt8

from ch07_applications.super_resolution.bicubic import check_factor, cropped, reduce
from ch07_applications.super_resolution.luma_chroma import Grey
from common.data.photo_pack import Photograph, photographs
from common.data.super_resolution_sets import super_resolution_set_or_none
from common.metrics.super_resolution import luma, psnr_by_image, ssim_by_image
from common.run import Method, Run

HELD_OUT = 6  # training photographs, the last ones, on which settings are chosen
SETS = ("Set5", "Set14", "BSD100", "Urban100")
Picture = UInt8[np.ndarray, "..."]  # (H, W) or (H, W, 3)


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures in low resolution (inputs) and in high (answers): a part (common.data.parts.Part) whose items are pairs.

    where: the part's name in metrics, "" for the carried photographs. groups: of pictures by one photographer. credits:
    who made each picture, for captions; empty if the pictures may not be shown.
    """

    factor: int
    inputs: tuple[Picture, ...]
    answers: tuple[Picture, ...]
    names: tuple[str, ...]
    groups: Int64[np.ndarray, "pairs"]
    where: str = ""
    credits: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def ids(self) -> Int64[np.ndarray, "pairs"]:
        return np.arange(len(self))

    @property
    def lumas(self) -> tuple[Grey, ...]:
        """Y of the low resolution, which methods enlarge."""
        return tuple(luma(picture) for picture in self.inputs)

    @property
    def truths(self) -> tuple[Grey, ...]:
        """Y of the high resolution."""
        return tuple(luma(picture) for picture in self.answers)

    def credit(self, most: int | None = None) -> str:
        """Who made the first pictures, for a caption."""
        return f"Pictures: {'; '.join(self.credits[:most])}."

    def metric(self, name: str) -> str:
        """The metric's name on the scoreboard: "PSNR ×4", or "PSNR ×4 on Set5"."""
        return f"{name} ×{self.factor}" + (f" on {self.where}" if self.where else "")


def pairs_of(pictures: Sequence[Photograph], factor: int, where: str = "") -> Pairs:
    """Photographs, cropped to multiples of 4, and their reductions. Raises ValueError unless factor is 2 or 4."""
    check_factor(factor)
    high = tuple(cropped(each.image, 4) for each in pictures)
    _, groups = np.unique([each.author for each in pictures], return_inverse=True)
    low, names = tuple(reduce(each, factor) for each in high), tuple(each.name for each in pictures)
    return Pairs(factor, low, high, names, groups.astype(np.int64), where, tuple(each.credit for each in pictures))


def training_photographs(run: Run) -> tuple[Photograph, ...]:
    """All photographs for training."""
    return photographs().train[: run.pick(smoke=2, lecture=None)]


def held_out_photographs(run: Run) -> tuple[tuple[Photograph, ...], tuple[Photograph, ...]]:
    """The training photographs in two parts: for training, and the last HELD_OUT, by others, for choosing settings."""
    learned, chosen_on = photographs().train[:-HELD_OUT], photographs().train[-HELD_OUT:]
    most = run.pick(smoke=2, lecture=None)
    return learned[:most], chosen_on[:most]


def every_fourth_held_out(run: Run) -> tuple[tuple[Photograph, ...], tuple[Photograph, ...]]:
    """The same with fewer held-out photographs: every fourth."""
    every, most = photographs().train, run.pick(smoke=2, lecture=None)
    return tuple(each for k, each in enumerate(every) if k % 4 != 3)[:most], every[3::4][:most]


def judged_photographs(run: Run) -> tuple[Photograph, ...]:
    """The test photographs, which are scored once."""
    return photographs().test[: run.pick(smoke=2, lecture=None)]


def judged_pairs(run: Run, factor: int) -> list[Pairs]:
    """The test photographs, and every set of the data folder with this factor; a note says if Set5 is missing."""
    found = [pairs_of(judged_photographs(run), factor)]
    for name in SETS:
        kept = super_resolution_set_or_none(run.scale, run.note if (name, factor) == ("Set5", 4) else ignore, name)
        if kept is not None and factor in kept.pairs:
            own = kept.pairs[factor][: run.pick(smoke=2, lecture=None)]
            high, low, names = zip(*((pair.high, pair.low, pair.name) for pair in own), strict=True)
            found.append(Pairs(factor, low, high, names, np.arange(len(own)), name))
    return found


def ignore(text: str) -> None:
    """Discard the message about a missing set that no reader needs."""


def score(method: Method, pairs: Pairs, estimates: Sequence[Grey]) -> dict[str, Float64[np.ndarray, "pairs"]]:
    """Score PSNR and SSIM of a method's enlarged luma. Returns the values picture by picture."""
    found = {
        "PSNR": psnr_by_image(pairs.truths, [clipped(each) for each in estimates], pairs.factor),
        "SSIM": ssim_by_image(pairs.truths, [clipped(each) for each in estimates], pairs.factor),
    }
    for name, values in found.items():
        unit = "dB" if name == "PSNR" else ""
        method.score_items(pairs.metric(name), values, pairs, unit=unit, higher_is_better=True)
    return found


def clipped(estimate: Grey) -> Float64[np.ndarray, "rows columns"]:
    """Luma clipped to 0 … 255, the range of pixels."""
    return np.clip(np.asarray(estimate, float), 0, 255)
