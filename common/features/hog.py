"""HOG: which way the edges of an image run, cell by cell, and how strong each is beside its neighbours.

Question   What of a picture stays when brightness, contrast and a shift by a pixel or two are taken away?
Method     Dalal & Triggs 2005, "Histograms of Oriented Gradients for Human Detection", §6: the gradient of every
           pixel; its vote into the orientation histogram of its cell; histograms normalised over blocks of cells.
Differs    As scikit-image's `hog` does, with which this agrees to 1e-6, and unlike the paper: a vote goes whole to one
           bin of one cell (§6.3 shares it among the nearest bins and cells); all pixels of a block count the same (§6.4
           has a Gaussian window); the gradient at the border is zero; a cell holds the mean of its votes, not the sum;
           pixels enter without a square root unless asked (§6.1); a block has 3×3 cells (§6.4 finds this best, with
           cells of 6×6 pixels; the paper's detector has blocks of 2×2 cells of 8×8 pixels).
Costs      A 28×28 digit of uint8 takes 6 to 9 µs on one core, a 512×512 photo 4 ms; other pixels up to twice that.
"""

from __future__ import annotations

from functools import cache
from math import prod
from numbers import Integral

import numpy as np
from jaxtyping import Float, Float32, Float64, Shaped, UInt8, UInt16
from numpy.lib.stride_tricks import sliding_window_view

from common.features.image_rows import ImageTransformer, is_shape

BLOCK_NORMS = ("L1", "L1-sqrt", "L2", "L2-Hys")
EPS = 1e-5  # an empty block stays zero, instead of 0/0
CLIP = 0.2  # L2-Hys: the most that one bin may hold of its block's length, lest one strong edge drown the others
HUGE = 1e16  # votes: single precision holds their squares, and the sum of those of a block
CHUNK = 1 << 17  # pixels at work at a time: the arrays of a step stay in the processor's cache, and memory is bounded


def central_difference(
    images: Shaped[np.ndarray, "batch height width *channels"], axis: int
) -> Shaped[np.ndarray, "batch height width *channels"]:
    """The mask [−1 0 1] along an axis, zero at the border; a colour has one for each channel."""
    if images.dtype.kind in "bu" or images.dtype == np.int8:  # which a difference could leave
        images = images.astype(np.promote_types(images.dtype, np.int16))
    # On the flat array, where the neighbour is `step` further on: one long run is faster than many short ones.
    step = prod(images.shape[axis + 1 :])
    pixels, difference = images.reshape(-1), np.zeros(images.shape, images.dtype)
    np.subtract(pixels[2 * step :], pixels[: -2 * step], out=difference.reshape(-1)[step:-step])
    difference.swapaxes(0, axis)[[0, -1]] = 0  # where a run went from one row, or image, into the next
    return difference


def gradients(
    images: Shaped[np.ndarray, "batch height width *channels"], transform_sqrt: bool = False
) -> tuple[Shaped[np.ndarray, "batch height width"], Shaped[np.ndarray, "batch height width"]]:
    """(gx, gy) of every pixel, a colour pixel's being the longest of its channels'. §6.2: the plainest mask did best.

    transform_sqrt takes the root of the pixels first (§6.1), which evens out the light. Pixels of uint8 without it have
    gradients of int16, small and exact; all else is floating point.
    """
    floating = np.float32 if images.dtype in (np.float16, np.float32) else np.float64
    exact = images.dtype == np.uint8 and not transform_sqrt
    images = images.astype(np.int16 if exact else floating, copy=False)
    if transform_sqrt:
        images = np.sqrt(images)

    gx, gy = central_difference(images, axis=2), central_difference(images, axis=1)
    if images.ndim == 3:
        return gx, gy

    # hypot, not a sum of squares: of two channels that tie, scikit-image keeps the one that hypot's last bit favours
    if exact:
        length = length_ranks().take((np.abs(gx).astype(np.uint16) << 8) + np.abs(gy).astype(np.uint16))
    else:
        length = np.hypot(gx, gy, dtype=floating)
    x, y, longest = gx[..., 0], gy[..., 0], length[..., 0]
    for channel in range(1, images.shape[-1]):
        longer = length[..., channel] > longest
        x, y = np.where(longer, gx[..., channel], x), np.where(longer, gy[..., channel], y)
        longest = np.maximum(longest, length[..., channel])
    return x, y


@cache
def length_ranks() -> UInt16[np.ndarray, "pairs"]:
    """Which place hypot(gx, gy) has among all lengths that gradients of uint8 can have; found at 256·|gx| + |gy|."""
    lengths = np.hypot(*np.mgrid[:256, :256].reshape(2, -1).astype(np.float64))
    return np.unique(lengths, return_inverse=True)[1].astype(np.uint16)


def votes(
    gx: Shaped[np.ndarray, "*pixels"], gy: Shaped[np.ndarray, "*pixels"], orientations: int
) -> tuple[Float64[np.ndarray, "*pixels"], UInt8[np.ndarray, "*pixels"]]:
    """A pixel votes with √(gx² + gy²) for the bin of its angle mod 180°: light on dark is dark on light. §6.3.

    A bin is closed below and open above. Real gradients sit right on the edges of bins (0°, 45°, 90°), where the last
    bit decides, so angles and edges are rounded just as in scikit-image. Its quirk comes along: an angle a rounding
    error below 0° becomes 180.0° and finds no bin; here its bin has the number `orientations`.
    """
    gx, gy = gx.astype(np.float64, copy=False), gy.astype(np.float64, copy=False)
    angle = np.rad2deg(np.arctan2(gy, gx))
    angle -= 180 * np.floor(angle / 180)  # angle % 180 to the last bit, in a tenth of its time
    bins = np.zeros(angle.shape, np.uint8)
    for upper_edge in 180 / orientations * np.arange(1, orientations + 1):
        bins += angle >= upper_edge
    return np.sqrt(gx * gx + gy * gy), bins


@cache
def bin_table(orientations: int) -> UInt8[np.ndarray, "pairs"]:
    """The bins of all 511² gradients that pixels of uint8 can have: (gx, gy) is found at 511·(gx + 255) + gy + 255."""
    gx, gy = np.mgrid[-255:256, -255:256].reshape(2, -1)
    return votes(gx, gy, orientations)[1]


def cell_histograms(
    images: Shaped[np.ndarray, "batch height width *channels"],
    orientations: int = 9,
    pixels_per_cell: tuple[int, int] = (8, 8),
    transform_sqrt: bool = False,
) -> Float64[np.ndarray, "batch cell_rows cell_columns orientations"]:
    """The votes of each cell for each orientation, over its pixels. Bin k is 180°·[k, k + 1) / orientations. §6.3.

    The angle is the gradient's, from the x-axis towards the y-axis, which points down; the edge itself runs across it.
    Pixels left over at the right and at the bottom, too few for a cell, do not vote.
    """
    gx, gy = gradients(images, transform_sqrt)
    height, width = pixels_per_cell
    rows, columns = gx.shape[1] // height, gx.shape[2] // width
    gx, gy = gx[:, : rows * height, : columns * width], gy[:, : rows * height, : columns * width]

    if gx.dtype == np.int16:
        gx, gy = gx.astype(np.int32), gy.astype(np.int32)
        magnitude = np.sqrt(gx * gx + gy * gy, dtype=np.float32)  # exact up to here, and fine for a mean of votes
        bins = bin_table(orientations).take(511 * gx + gy + (511 * 255 + 255), mode="wrap")  # spares the range check
    else:
        magnitude, bins = votes(gx, gy, orientations)

    # All histograms of all images are one long histogram: a pixel's slot in it is (image, cell row, cell column, bin).
    slots = orientations + 1  # the last one of a cell takes the votes without a bin, and is dropped
    cell = np.arange(rows * height)[:, None] // height * columns + np.arange(columns * width) // width
    slot = slots * cell + slots * rows * columns * np.arange(len(gx))[:, None, None]
    slot += bins
    total = np.bincount(slot.ravel(), magnitude.ravel(), minlength=len(gx) * rows * columns * slots)
    return total.reshape(len(gx), rows, columns, slots)[..., :orientations] / (height * width)


def normalised_blocks(
    cells: Float[np.ndarray, "batch cell_rows cell_columns orientations"],
    cells_per_block: tuple[int, int] = (3, 3),
    block_norm: str = "L2-Hys",
) -> Float[np.ndarray, "batch features"]:
    """Each block of neighbouring cells is a vector v, divided by its length; the next block is one cell on. §6.4.

    L1: v / (‖v‖₁ + ε)   L1-sqrt: √ of that   L2: v / √(‖v‖₂² + ε²)   L2-Hys: L2, clipped at 0.2, then L2 once more.
    Features run over (block row, block column, cell row, cell column, orientation).
    """
    windows = np.moveaxis(sliding_window_view(cells, cells_per_block, axis=(1, 2)), 3, -1)
    v = windows.reshape(-1, prod(cells_per_block) * cells.shape[-1])
    if block_norm in ("L1", "L1-sqrt"):
        v = v / (v.sum(axis=1, keepdims=True) + EPS)
        return (np.sqrt(v) if block_norm == "L1-sqrt" else v).reshape(len(cells), -1)
    v = v / np.sqrt(np.einsum("ij,ij->i", v, v) + EPS**2)[:, None]
    if block_norm == "L2-Hys":
        v = np.minimum(v, CLIP)
        v /= np.sqrt(np.einsum("ij,ij->i", v, v) + EPS**2)[:, None]
    return v.reshape(len(cells), -1)


def checked_size(images: Shaped[np.ndarray, "batch ..."]) -> Shaped[np.ndarray, "batch ..."]:
    """The images. Raises ValueError for pixels whose squares overflow in double precision, too."""
    largest = float(np.abs(images).max())
    if largest > HUGE**8:
        raise ValueError(f"pixels of the size of {largest:.1e} are too large: divide them, HOG does not mind")
    return images


class HOG(ImageTransformer):
    """Images (n, height, width) or (n, height, width, channels), or one flattened image a row, to their descriptors.

    orientations (1 to 255), pixels_per_cell, cells_per_block, block_norm, transform_sqrt: as in skimage.feature.hog,
    pairs being (rows, columns). But a cell is never larger than the image, nor a block than its grid of cells, so small
    images have a descriptor too; `pixels_per_cell_` and `cells_per_block_` are the sizes in use.
    image_shape: of a flattened row, (height, width) or (height, width, channels). None: a square image where the length
    is a square number, else an image one pixel high. A stack of images has its own shape.

    Descriptors are float32: their values lie in [0, 1], and those of 60,000 digits have to fit in memory.
    """

    def __init__(
        self,
        orientations=9,
        pixels_per_cell=(8, 8),
        cells_per_block=(3, 3),
        *,
        block_norm="L2-Hys",
        transform_sqrt=False,
        image_shape=None,
    ):
        self.orientations = orientations
        self.pixels_per_cell = pixels_per_cell
        self.cells_per_block = cells_per_block
        self.block_norm = block_norm
        self.transform_sqrt = transform_sqrt
        self.image_shape = image_shape

    def fit(self, X, y=None) -> HOG:
        """Check the parameters and remember the shape of an image; there is nothing to learn."""
        self._check_parameters()
        self._fit_images(X)
        self.pixels_per_cell_ = tuple(map(min, self.pixels_per_cell, self.image_shape_))
        grid = tuple(length // cell for length, cell in zip(self.image_shape_, self.pixels_per_cell_, strict=False))
        self.cells_per_block_ = tuple(map(min, self.cells_per_block, grid))
        blocks = (cells - block + 1 for cells, block in zip(grid, self.cells_per_block_, strict=True))
        self._n_features_out = prod(blocks) * prod(self.cells_per_block_) * self.orientations
        return self

    def transform(self, X) -> Float32[np.ndarray, "batch features"]:
        """The descriptors, a chunk of images at a time."""
        images = self._images(X)
        if self.transform_sqrt and images.min() < 0:
            raise ValueError("transform_sqrt=True takes the square root of the pixels, but X has negative ones.")

        descriptors = np.empty((len(images), self._n_features_out), np.float32)
        step = max(1, CHUNK // prod(self.image_shape_))
        how = self.orientations, self.pixels_per_cell_, self.transform_sqrt
        for i in range(0, len(images), step):
            with np.errstate(over="ignore", invalid="ignore"):
                cells = cell_histograms(images[i : i + step], *how)
            if cells.max() < HUGE:
                cells = cells.astype(np.float32)
            else:  # squares of such votes overflow in single precision, or have done so
                cells = cell_histograms(checked_size(images[i : i + step]).astype(np.float64), *how)
            descriptors[i : i + step] = normalised_blocks(cells, self.cells_per_block_, self.block_norm)
        return descriptors

    def _check_parameters(self) -> None:
        """Raise ValueError for the first parameter that makes no sense, as scikit-learn words it."""

        self._must("orientations", "an int in the range [1, 255]", lambda n: isinstance(n, Integral) and 1 <= n <= 255)
        self._must("pixels_per_cell", "two positive ints", lambda pair: is_shape(pair, 2))
        self._must("cells_per_block", "two positive ints", lambda pair: is_shape(pair, 2))
        self._must("block_norm", f"one of {BLOCK_NORMS}", lambda norm: norm in BLOCK_NORMS)
        self._must("transform_sqrt", "a bool", lambda flag: isinstance(flag, bool | np.bool_))
        self._must("image_shape", "None or two or three positive ints", lambda s: s is None or is_shape(s, 2, 3))
