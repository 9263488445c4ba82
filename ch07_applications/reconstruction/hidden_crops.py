"""Crops of photographs with holes for choosing settings and for scoring, and the scores.

Settings are chosen on crops of every fourth carried training photograph, which are not used for training. Scores use
crops of the carried test photographs and of scikit-image's, which are not used for training either; and of BSDS500's
validation images, if the reader has them. Every crop has a hole of each band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8
from skimage.transform import resize_local_mean

from ch07_applications.reconstruction.holes import BANDS, draw_hole, name_band
from ch07_applications.reconstruction.smooth_fills import fill_smoothly
from common.data.bsds import bsds500_or_none
from common.data.photo_pack import photographs
from common.data.photos import photo
from common.method import Method
from common.run import Run

SIDE = 64
BUNDLED = {  # scikit-image's colour photographs, and who made them
    "astronaut": "NASA", "chelsea": "Stéfan van der Walt", "coffee": "Rachel Michetti", "rocket": "SpaceX",
    "motorcycle": "Daniel Scharstein and others",
}  # fmt: skip
WIDEST = 5  # its index in BANDS
CEILING = 60.0  # dB: the maximum, reached by a hole filled without error
PSNR, POOLED = "PSNR in holes", "pooled PSNR"
BSDS, BSDS_CHANGES, HELD_OUT = "BSDS500", "BSDS500 training images", "held-out photographs"
THIRD = "every third crop"
Crops = UInt8[np.ndarray, "crops side side 3"]
Holes = Bool[np.ndarray, "crops side side"]
Picture = UInt8[np.ndarray, "_ _ 3"]


@dataclass(frozen=True, eq=False)
class HiddenCrops:
    """Crops and a hole in each: a part (common.data.parts.Part) whose answers are the crops.

    bands: each hole's index in BANDS. groups: of crops by one photographer. where: the part's name in metrics, "" for
    the part that may be shown. credits: of each crop, for captions.
    """

    answers: Crops
    holes: Holes
    bands: Int64[np.ndarray, "crops"]
    groups: Int64[np.ndarray, "crops"]
    credits: tuple[str, ...] = ()
    where: str = ""

    def __len__(self) -> int:
        return len(self.answers)

    @property
    def ids(self) -> Int64[np.ndarray, "crops"]:
        return np.arange(len(self))

    @cached_property
    def inputs(self) -> Crops:
        """The crops with hidden pixels black: all that a method may see."""
        return np.where(self.holes[..., None], 0, self.answers).astype(np.uint8)

    @cached_property
    def fills(self) -> Float32[np.ndarray, "crops side side 6"]:
        """The harmonic and the biharmonic fill of each crop, in grey levels."""
        both = zip(self.inputs, self.holes, strict=True)
        return np.stack([np.concatenate(fill_smoothly(*each), axis=2) for each in both]).astype(np.float32)

    def take(self, index: Int64[np.ndarray, "taken"]) -> HiddenCrops:
        """The items with these indices."""
        own = (each[index] for each in (self.answers, self.holes, self.bands, self.groups))
        return HiddenCrops(*own, tuple(self.credits[k] for k in index) if self.credits else (), self.where)

    @property
    def every_third(self) -> HiddenCrops:
        """Every third crop, with its holes of all bands: for methods that are slow."""
        return replace(self.take(self.thirds), where=THIRD)

    @property
    def thirds(self) -> Int64[np.ndarray, "taken"]:
        """The indices of the items of every third crop."""
        return np.flatnonzero(np.arange(len(self)) % (len(self) // len(BANDS)) % 3 == 0)

    def metric(self, name: str, band: int | None = None) -> str:
        """The metric's name on the scoreboard: "PSNR in holes, 50–60 % on BSDS500"."""
        return name + ("" if band is None else f", {name_band(BANDS[band])}") + (f" on {self.where}" * bool(self.where))


# --- The scored crops ------------------------------------------------------------------------------------------------


def cut_crops(image: Picture, count: int, side: int = SIDE) -> list[Picture]:
    """`count` squares at equal distances along the longer side; across it, in the middle of each third in turn.

    The picture is reduced to twice the side along its shorter one first, so that a crop shows a part of a scene.
    """
    share = 2 * side / min(image.shape[:2])
    size = [max(2 * side, round(share * length)) for length in image.shape[:2]]
    small = reduce_to(image, (size[0], size[1]))
    long = int(small.shape[1] >= small.shape[0])
    starts = np.linspace(0, small.shape[long] - side, count).round().astype(int)
    across = [(0, side // 2, side)[k % 3] for k in range(count)]
    corners = [(b, a) if long else (a, b) for a, b in zip(starts, across, strict=True)]
    return [np.ascontiguousarray(small[y : y + side, x : x + side]) for y, x in corners]


def reduce_to(image: Picture, size: tuple[int, int]) -> Picture:
    """The image resized by averages over areas, rounded."""
    if image.shape[:2] == size:
        return image
    return resize_local_mean(image, size, preserve_range=True, channel_axis=2).round().astype(np.uint8)


def hide(
    crops: Sequence[Picture], groups: Int64[np.ndarray, "n"], credits_: Sequence[str], seed: int, where: str
) -> HiddenCrops:
    """Give every crop a hole of each band: all crops of the first band, then all of the second, …"""
    rng, count = np.random.default_rng([seed, len(crops)]), len(crops)
    holes = [draw_hole(crop.shape[:2], band, rng) for band in BANDS for crop in crops]
    bands = np.repeat(np.arange(len(BANDS)), count)
    times = len(BANDS)
    return HiddenCrops(
        np.tile(np.stack(crops), (times, 1, 1, 1)), np.stack(holes), bands, np.tile(groups, times),
        tuple(credits_) * times, where,
    )  # fmt: skip


def judged_crops(run: Run) -> list[HiddenCrops]:
    """The test parts: photographs that may be shown; and BSDS500's validation images, if available."""
    carried = photographs().test
    sources = [(each.image, each.author, each.credit) for each in carried]
    sources += [(photo(name), author, f"{name} by {author}, of scikit-image") for name, author in BUNDLED.items()]
    each, most = run.pick(smoke=1, lecture=5), run.pick(smoke=3, lecture=None)
    cut = [(crop, author, credit) for image, author, credit in sources[:most] for crop in cut_crops(image, each)]
    crops, authors, credits_ = zip(*cut, strict=True)
    _, groups = np.unique(authors, return_inverse=True)
    found, kept = [hide(crops, groups.astype(np.int64), credits_, 0, "")], bsds500_or_none(run.scale, run.note)
    return (
        found if kept is None else [*found, middles(kept.validation.images[: run.pick(smoke=2, lecture=100)], 1, BSDS)]
    )


def middles(images: Sequence[Picture], seed: int, where: str) -> HiddenCrops:
    """A crop of the middle of each image; each image counts as another photographer's."""
    return hide([cut_crops(image, 3)[1] for image in images], np.arange(len(images)), (), seed, where)


def ablation_crops(run: Run) -> list[HiddenCrops]:
    """The parts that score changes of a network: held-out crops, and BSDS500's training images, if available."""
    kept = bsds500_or_none(run.scale, ignore)
    more = [] if kept is None else [middles(kept.train.images[: run.pick(smoke=2, lecture=60)], 3, BSDS_CHANGES)]
    return [held_out_crops(run), *more]


def ignore(text: str) -> None:
    """Discard the text: what is missing has been reported already."""


def held_out_crops(run: Run) -> HiddenCrops:
    """Crops of every fourth training photograph, on which settings are chosen."""
    held_out = photographs().train[3::4]
    each = run.pick(smoke=1, lecture=12)
    crops = [crop for photograph in held_out for crop in cut_crops(photograph.image, each)]
    groups = np.repeat(np.arange(len(held_out)), each)
    return hide(crops, groups, [""] * len(crops), 2, HELD_OUT)


def psnr_in_holes(truths: Crops, found: Crops, holes: Holes) -> Float64[np.ndarray, "crops"]:
    """10 log₁₀(255² / MSE), with the mean over hidden pixels and colours only; at most CEILING."""
    errors = np.square(truths.astype(float) - found).mean(axis=3)
    means = np.where(holes, errors, 0).sum(axis=(1, 2)) / holes.sum(axis=(1, 2))
    return np.minimum(10 * np.log10(255**2 / np.maximum(means, 1e-9)), CEILING)


def score(method: Method, part: HiddenCrops, found: Crops) -> Float64[np.ndarray, "crops"]:
    """Score the PSNR in holes, the mean over all bands. Returns the values crop by crop.

    Test parts are also scored for the widest band, and by the error pooled over all crops.
    """
    values = psnr_in_holes(part.answers, found, part.holes)
    better = {"unit": "dB", "higher_is_better": True}
    method.score_items(part.metric(PSNR), values, part, **better)
    if part.where in ("", BSDS):
        index = np.flatnonzero(part.bands == WIDEST)
        method.score_items(part.metric(PSNR, WIDEST), values[index], part.take(index), **better)
        pooled = 10 * np.log10(255**2 / np.mean(255**2 / 10 ** (values / 10)))
        method.measure(part.metric(POOLED), float(pooled), n=len(part), **better)
    return values


def psnr_by_band(part: HiddenCrops, found: Crops) -> list[float]:
    """The mean PSNR in holes of each band."""
    values = psnr_in_holes(part.answers, found, part.holes)
    return [float(values[part.bands == band].mean()) for band in range(len(BANDS))]


def shown_crop(part: HiddenCrops, values: Float64[np.ndarray, "crops"]) -> Int64[np.ndarray, "bands"]:
    """The items, band by band, of the crop whose mean value over bands is the median."""
    by_crop = values.reshape(len(BANDS), -1)
    order = by_crop.mean(axis=0).argsort()
    return np.arange(len(BANDS)) * by_crop.shape[1] + order[len(order) // 2]
