"""Complex slices of two heads as a scanner would measure them: training, held-out and test slices, and another head.

A magnitude image in which every phase is 0 has a symmetric k-space: one half determines the other, and a scan of half
the lines would lose nothing. Real scans have phases, from the field's inhomogeneity and the coil. So every slice gets a
smooth synthetic phase, a random polynomial of third degree. The measurement is band-limited: k-space of the fine slice
is cropped to the size of the scan, which differs from downsampling the magnitude.

Slices of one head depend on each other. Of every 12 slices of the person's head, 2 are test slices and 6 training
slices, with 2 unused ones between them: test and training slices are at least 6 mm apart. Two neighbours are a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Complex, Float, Int64
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, pad

from ch07_applications.reconstruction.k_space import cropped, draw_mask, inverse, measure, transform
from common import data

FIELD = 216  # mm and pixels: the side of the square field of view at full resolution
PERIOD, PERIODS = 12, 6  # slices; those above 72 show next to nothing
OTHER = range(6, 46, 4)  # slices of the other head, 12 mm apart
SHARE, MIDDLE, NOISE = 1 / 4, 1 / 13, 0.02  # of measured lines; of those around 0; σ relative to the head's peak
DEGREE, PHASE = 3, 0.6  # of the phase's polynomial; radians, the deviation of each coefficient
TURN, SCALE, SHEAR, GAMMA = 0.25, 0.12, 0.08, 0.2  # deviations of augmentations: radians, shares, exponent


@dataclass(frozen=True, eq=False)
class Scans:
    """A part (common.data.parts.Part) whose items are slices: their measurements and their true images.

    peak: the largest magnitude of the reference volume, which is the data range of metrics. groups: of slices that
    depend on each other.
    """

    inputs: Complex[Tensor, "slices height width"]
    answers: Complex[Tensor, "slices height width"]
    mask: Bool[Tensor, "width"]
    groups: Int64[np.ndarray, "slices"]
    peak: float
    where: str = ""

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def ids(self) -> Int64[np.ndarray, "slices"]:
        return np.arange(len(self))

    def metric(self, name: str) -> str:
        """The metric's name on the scoreboard: "PSNR", or "PSNR, other head"."""
        return f"{name}, {self.where}" if self.where else name


def places(kind: str) -> Int64[np.ndarray, "slices"]:
    """The indices of the person's slices of a kind: "train", "test", "learned" or "held out".

    The last two divide the training slices: every third block is held out. Raises ValueError for another kind.
    """
    first = {"test": 0, "train": 4, "learned": 4, "held out": 4}
    if kind not in first:
        raise ValueError(f"{kind!r} is none of {', '.join(first)}")
    blocks = [k for k in range(PERIODS) if kind in ("test", "train") or (k % 3 == 1) == (kind == "held out")]
    length = 2 if kind == "test" else 6
    return np.array([PERIOD * k + first[kind] + j for k in blocks for j in range(length)])


def magnitudes(slices: np.ndarray) -> Float[Tensor, "slices _ _"]:
    """Slices of a head in the middle of the field of view, divided by the head's largest value."""
    height, width = slices.shape[1:]
    top, left = (FIELD - height) // 2, (FIELD - width) // 2
    whole = torch.from_numpy(slices.astype(np.float32) / float(slices.max()))
    return pad(whole, (left, FIELD - width - left, top, FIELD - height - top))


def draw_phases(n: int, generator: torch.Generator) -> Complex[Tensor, "n _ _"]:
    """exp(iφ) with a random polynomial φ of the place: smooth, with a range of a few radians."""
    axis = torch.linspace(-1, 1, FIELD)
    powers = [(i, j) for i in range(DEGREE + 1) for j in range(DEGREE + 1 - i)]
    terms = torch.stack([axis[:, None] ** i * axis**j for i, j in powers])
    angles = PHASE * torch.randn(n, len(powers), generator=generator) @ terms.flatten(1)
    return torch.polar(torch.ones(()), angles).reshape(n, FIELD, FIELD)


def images_of(
    fine: Float[Tensor, "n _ _"], size: int, generator: torch.Generator
) -> Complex[Tensor, "n {size} {size}"]:
    """Complex images of size × size pixels: the fine magnitudes with a phase, cropped in k-space to the scan."""
    return inverse(cropped(transform(fine * draw_phases(len(fine), generator)), size, size))


def test_mask(size: int) -> Bool[Tensor, "{size}"]:
    """The fixed mask of the test slices of this size."""
    return random_mask(size, torch.Generator().manual_seed(0))


def random_mask(size: int, generator: torch.Generator) -> Bool[Tensor, "{size}"]:
    """A random mask by the same rule."""
    return draw_mask(size, round(SHARE * size), 2 * round(MIDDLE * size / 2), generator)


def scans(
    fine: Float[Tensor, "n _ _"], size: int, groups: Sequence[int] | np.ndarray, seed: int, where: str = ""
) -> Scans:
    """Measured slices. The same seed gives the same phases and noise."""
    generator = torch.Generator().manual_seed(seed)
    truths = images_of(fine, size, generator)
    mask = test_mask(size)
    measured = measure(truths, mask, NOISE, generator)
    return Scans(measured, truths, mask, np.asarray(groups, np.int64), float(truths.abs().max()), where)


def head_scans(kind: str, size: int, most: int | None = None) -> Scans:
    """The person's slices of a kind (see places). The peak is that of all slices of the kind."""
    every = places(kind)
    groups = np.arange(len(every)) // 2
    found = scans(magnitudes(data.head().slices)[every], size, groups, seed=1 + len(every))
    return found if most is None else first_of(found, most)


def other_scans(size: int, most: int | None = None) -> Scans:
    """Slices of the averaged head, from the cerebellum to the crown; two neighbours are a group."""
    every = np.array(OTHER)
    fine = magnitudes(data.average_head().slices)[every]
    found = scans(fine, size, np.arange(len(every)) // 2, seed=100, where="other head")
    return found if most is None else first_of(found, most)


def first_of(part: Scans, most: int) -> Scans:
    """The first slices of a part; the peak is unchanged."""
    return replace(part, inputs=part.inputs[:most], answers=part.answers[:most], groups=part.groups[:most])


@dataclass(frozen=True)
class Augmented:
    """Training images without end: slices rotated, mirrored, scaled, sheared, with other greys, phases and noise.

    fixed: the share of images measured with the test mask; each of the others has a random mask.
    """

    fine: Float[Tensor, "slices _ _"] = field(repr=False)
    size: int
    fixed: float

    def draw(
        self, index: Int64[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Complex[Tensor, "batch _ _"], Complex[Tensor, "batch _ _"], Bool[Tensor, "batch _"]]:
        """The images, their measurements and their masks."""
        truths = images_of(moved(self.fine[index], generator), self.size, generator)
        same = torch.rand(len(index), generator=generator) < self.fixed
        masks = [test_mask(self.size) if each else random_mask(self.size, generator) for each in same]
        mask = torch.stack(masks)
        return truths, measure(truths, mask, NOISE, generator), mask


def moved(fine: Float[Tensor, "n side side"], generator: torch.Generator) -> Float[Tensor, "n side side"]:
    """Apply a random affine map to each image, mirror half of them, and raise greys to a random power."""
    n = len(fine)
    normal = torch.randn(n, 5, generator=generator)
    angle, scale = TURN * normal[:, 0], torch.exp(SCALE * normal[:, 1])
    mirrored = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    cos, sin, shear = torch.cos(angle) / scale, torch.sin(angle) / scale, SHEAR * normal[:, 2]
    rows = torch.stack([cos * mirrored, -sin + shear, 0.05 * normal[:, 3]], 1)
    columns = torch.stack([sin * mirrored, cos, 0.05 * normal[:, 4]], 1)
    grid = affine_grid(torch.stack([rows, columns], 1), [n, 1, *fine.shape[1:]], align_corners=False)
    turned = grid_sample(fine[:, None], grid, mode="bicubic", align_corners=False)[:, 0].clamp(min=0)
    power = torch.exp(GAMMA * torch.randn(n, 1, 1, generator=generator))
    return turned**power
