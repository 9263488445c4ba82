"""HOG of a whole picture at once, and the scores of a template at every place of it.

Windows overlap, and so do the blocks they are made of: neighbouring windows, a cell apart, share most of them. So
blocks are computed once for a picture (Dalal & Triggs 2005, §6; cells and blocks: common/features/hog.py). A window's
score w·x is a sum over its blocks, w = (w₀, w₁, …): one matrix product gives every block's score as part 0, part 1, …
of a window, and the window at (row, column) adds up what lies where its parts lie.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from common.features.hog import BLOCK_NORMS, cell_histograms, normalised_blocks

Blocks = Float32[np.ndarray, "n rows columns numbers"]
PADDINGS = ("edge", "constant")


@dataclass(frozen=True)
class Cells:
    """How a picture becomes blocks. pixels: the side of a cell. block: the side of a block, in cells.

    padding: cells that are put around the picture, so that windows may reach beyond it; they repeat the outermost
    ("edge") or are empty ("constant").
    """

    pixels: int = 8
    block: int = 2
    orientations: int = 9
    norm: str = "L2-Hys"
    transform_sqrt: bool = False
    padding: int = 0
    outside: str = "edge"

    def __post_init__(self) -> None:
        if self.norm not in BLOCK_NORMS:
            raise ValueError(f"norm must be one of {BLOCK_NORMS}, got {self.norm!r}")
        if self.outside not in PADDINGS:
            raise ValueError(f"outside must be one of {PADDINGS}, got {self.outside!r}")
        if min(self.pixels, self.block, self.orientations) < 1 or self.padding < 0:
            raise ValueError(f"cells, blocks and orientations have to be there, and padding not negative: {self}")

    @property
    def numbers(self) -> int:
        """How many numbers the descriptor of a block has."""
        return self.block**2 * self.orientations

    def histograms(self, images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns bins"]:
        """The cells of pictures, padded. Pixels left over at the right and at the bottom are in no cell."""
        cells = cell_histograms(images, self.orientations, (self.pixels, self.pixels), self.transform_sqrt)
        beside = ((0, 0), (self.padding, self.padding), (self.padding, self.padding), (0, 0))
        mode = self.outside if min(cells.shape[1:3]) else "constant"
        return np.pad(cells.astype(np.float32), beside, mode=mode)

    def blocks(self, images: UInt8[np.ndarray, "n height width 3"]) -> Float32[np.ndarray, "n rows columns numbers"]:
        """The normalised blocks of pictures, one cell apart; none where a picture is too small for one."""
        return self.normalised(self.histograms(images))

    def normalised(
        self, cells: Float32[np.ndarray, "n cell_rows cell_columns bins"]
    ) -> Float32[np.ndarray, "n rows columns numbers"]:
        """Blocks of cells."""
        rows, columns = (max(0, side - self.block + 1) for side in cells.shape[1:3])
        if not rows * columns * len(cells):
            return np.zeros((len(cells), rows, columns, self.numbers), np.float32)
        flat = normalised_blocks(cells, (self.block, self.block), self.norm)
        return flat.reshape(len(cells), rows, columns, self.numbers)


def scores_everywhere(
    blocks: Float32[np.ndarray, "n rows columns numbers"], template: Float32[np.ndarray, "high wide numbers"]
) -> Float32[np.ndarray, "n places_down places_across"]:
    """w·x of every window, whose first block is at (row, column). None where the picture is smaller than the window."""
    high, wide, numbers = template.shape
    n, rows, columns, _ = blocks.shape
    down, across = max(0, rows - high + 1), max(0, columns - wide + 1)
    total = np.zeros((n, down, across), np.float32)
    if not total.size:
        return total
    parts = template.reshape(-1, numbers) @ blocks.reshape(-1, numbers).T
    for part, of_part in enumerate(parts.reshape(-1, n, rows, columns)):
        row, column = divmod(part, wide)
        total += of_part[:, row : row + down, column : column + across]
    return total


def windows_at(
    blocks: Float32[np.ndarray, "n rows columns numbers"],
    shape: tuple[int, int],
    image: Int[np.ndarray, "k"],
    row: Int[np.ndarray, "k"],
    column: Int[np.ndarray, "k"],
) -> Float32[np.ndarray, "k features"]:
    """The descriptors of windows of shape (high, wide) blocks at these places."""
    features = shape[0] * shape[1] * blocks.shape[-1]
    if not len(image):  # the level may be smaller than the window
        return np.empty((0, features), np.float32)
    every = sliding_window_view(blocks, shape, axis=(1, 2))  # n, down, across, numbers, high, wide
    return np.ascontiguousarray(np.moveaxis(every[image, row, column], 1, -1)).reshape(-1, features)
