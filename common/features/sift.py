"""Dense SIFT: what surrounds each point of a grid, as 4×4 histograms of which way the edges run.

Question   How is a patch described so that light, contrast and a small shift change the description little?
Method     Lowe 2004, "Distinctive Image Features from Scale-Invariant Keypoints", §6: gradients vote for 8 orientations
           in 4×4 spatial bins, with a Gaussian's weight and trilinear interpolation; normalise, clip, normalise again.
           On a grid, upright and of one size, as words of images want it: no keypoint has to be found first.
Differs    A patch is not turned to its dominant orientation (§5): a 6 must not look like a 9. The values are those of
           OpenCV's SIFT before it rounds them to bytes, in its order. RootSIFT (Arandjelović & Zisserman 2012) is a
           parameter. Pixels at the border have no gradient, as in OpenCV.
Costs      A 28×28 digit with 36 keypoints takes 30 µs on one core, a 512×512 photo with 16,000 keypoints 17 ms.
"""

from __future__ import annotations

from math import ceil, floor, isfinite, prod
from numbers import Real

import numpy as np
from jaxtyping import Float, Float32, Shaped
from scipy.ndimage import gaussian_filter

from common.features.hog import central_difference
from common.features.image_rows import ImageTransformer, is_shape

BINS, ORIENTATIONS = 4, 8  # a patch is 4×4 bins, each a histogram of 8 orientations: 128 numbers
DIRECTIONS = np.array([0, 1, 2, 3, -4, -3, -2, -1], np.float32)  # in eighths of a turn, as arctan2 has them
CLIP = 0.2  # the most that one of the 128 may hold of the descriptor's length, lest one strong edge drown the others
BIN_PER_SCALE = 3  # a bin is 3σ wide, with σ the scale of the keypoint: OpenCV's choice, and Lowe's program's
CAMERA_BLUR = 0.5  # σ in pixels that every photo has already, §3.3
LUMA = (0.299, 0.587, 0.114)  # how bright red, green and blue look, as in OpenCV
CHUNK = 1 << 15  # pixels at work at a time: the arrays of a step stay in the processor's cache, and memory is bounded
GROUP = 8  # neighbouring keypoints that share one matrix product, much of which is their overlap


def near_one(images: Shaped[np.ndarray, "batch height width *channels"]) -> np.ndarray:
    """The images; floats beyond 1e±6 are divided by a power of two: SIFT does not mind, and no square overflows."""
    if images.dtype.kind != "f" or not images.size:
        return images
    axes = tuple(range(1, images.ndim))
    largest = np.maximum(images.max(axis=axes), -images.min(axis=axes))
    extreme = (largest > 1e6) | ((largest < 1e-6) & (largest > 0))
    if not extreme.any():
        return images
    powers = np.where(extreme, -np.frexp(largest)[1], 0)
    return np.ldexp(images, powers.reshape(-1, *[1] * len(axes)))


def grey(images: Shaped[np.ndarray, "batch height width *channels"]) -> Float32[np.ndarray, "batch height width"]:
    """Images without colour: the luma of three channels, the mean of any other number."""
    images = near_one(images).astype(np.float32, copy=False)
    if images.ndim == 3:
        return images
    channels = images.shape[-1]
    weights = LUMA if channels == 3 else [1 / channels] * channels
    return sum(np.float32(weight) * images[..., c] for c, weight in enumerate(weights))


def blurred(
    images: Float32[np.ndarray, "batch height width"], sigma: float
) -> Float32[np.ndarray, "batch height width"]:
    """The images at scale sigma, in pixels, of which the camera has seen to some. §3.3."""
    missing = max(sigma**2 - CAMERA_BLUR**2, 0) ** 0.5
    return gaussian_filter(images, (0, missing, missing), mode="mirror") if missing else images


def orientation_planes(
    images: Float32[np.ndarray, "batch height width"],
) -> Float32[np.ndarray, "8 batch height width"]:
    """The gradient of each pixel, its length shared between the two of 8 orientations that are nearest. §6.1.

    Orientation k is 45°·k, counter-clockwise from the x-axis as one looks at the picture: 2 is brighter upwards.
    """
    gx, gy = central_difference(images, axis=2), central_difference(images, axis=1)
    length = np.sqrt(gx * gx + gy * gy)
    length[:, [0, -1]] = length[:, :, [0, -1]] = 0  # half a gradient, at the border, would point the wrong way
    angle = np.arctan2(-gy, gx) * np.float32(ORIENTATIONS / (2 * np.pi))  # −gy: y points down in a picture

    share = angle - DIRECTIONS[:, None, None, None]
    np.abs(share, out=share)  # 0 to 8 eighths of a turn apart; 8 are none at all, so 4 − |this − 4| counts
    share -= ORIENTATIONS / 2
    np.abs(share, out=share)
    share -= ORIENTATIONS / 2 - 1
    np.maximum(share, 0, out=share)  # 1 − what counts, for directions less than one eighth away
    share *= length
    return share


def spatial_weights(
    centres: Shaped[np.ndarray, "keypoints"], pixels: Shaped[np.ndarray, "near"], bin_size: float
) -> Float32[np.ndarray, "keypoints 4 near"]:
    """How much each pixel along an axis counts for each of the 4 bins along it, for a keypoint at each centre. §6.1.

    With u = (pixel − centre) / bin_size and bins at u_j = −1.5, −0.5, 0.5, 1.5:
    exp(−u² / (2·2²)) · max(0, 1 − |u − u_j|), a Gaussian half as wide as the patch and linear interpolation.
    """
    u = ((pixels - centres[:, None, None]) / bin_size).astype(np.float32)
    bins = np.arange(BINS, dtype=np.float32)[:, None] - (BINS - 1) / 2
    return np.exp(-(u**2) / (2 * (BINS / 2) ** 2)) * np.maximum(0, 1 - np.abs(u - bins))


def grouped_weights(
    centres: Shaped[np.ndarray, "keypoints"], length: int, bin_size: float
) -> list[tuple[slice, Float32[np.ndarray, "bins near"]]]:
    """The weights of GROUP neighbouring keypoints at a time, as a matrix, and the pixels that these reach.

    One pixel more at either end, of weight zero, lets those within reach have their neighbours, and so a gradient.
    """
    groups = []
    for i in range(0, len(centres), GROUP):
        group, reach = centres[i : i + GROUP], (BINS + 1) / 2 * bin_size
        first = min(max(floor(group.min() - reach) - 1, 0), length - 1)
        end = max(min(ceil(group.max() + reach) + 2, length), first + 1)
        weights = spatial_weights(group, np.arange(first, end), bin_size)
        groups.append((slice(first, end), np.concatenate(weights)))
    return groups


def normalised(v: Float32[np.ndarray, "*batch 128"], root: bool = False) -> Float32[np.ndarray, "*batch 128"]:
    """v / ‖v‖, clipped at 0.2, and that once more / its length: contrast goes, and glare matters less. §6.1.

    A flat patch stays zero. root: √(v / ‖v‖₁) after that; of those, distances are Hellinger's between the histograms.
    """
    v = np.minimum(v, CLIP * np.sqrt(np.einsum("...i,...i", v, v))[..., None])  # the first length cancels out later
    length = v.sum(axis=-1) if root else np.sqrt(np.einsum("...i,...i", v, v))
    v /= np.where(length > 0, length, 1)[..., None]
    return np.sqrt(v) if root else v


def dense_descriptors(
    images: Shaped[np.ndarray, "batch height width *channels"],
    ys: Shaped[np.ndarray, "rows"] | list,
    xs: Shaped[np.ndarray, "columns"] | list,
    bin_size: float,
    *,
    sigma: float | None = None,
    root: bool = False,
) -> Float32[np.ndarray, "batch rows columns 128"]:
    """The descriptors of patches centred where the rows ys and the columns xs cross, in pixels; 4·bin_size wide.

    sigma: the scale in pixels that gradients are taken at; None: bin_size / 3, as §6 has it; 0: the pixels as they are.
    Of the 128, document order: spatial row, spatial column, orientation. What sticks out of the image has no gradient.
    """
    sigma = bin_size / BIN_PER_SCALE if sigma is None else sigma
    batch, height, width = images.shape[:3]
    down, across = grouped_weights(np.asarray(ys), height, bin_size), grouped_weights(np.asarray(xs), width, bin_size)
    descriptors = np.empty((batch, len(ys), len(xs), BINS * BINS * ORIENTATIONS), np.float32)
    step = max(1, CHUNK // (height * width))
    for i in range(0, batch, step):
        chunk = blurred(grey(images[i : i + step]), sigma)
        for k, (band, weights) in enumerate(down):
            # A pixel's weight for a bin is that of its row times that of its column, so rows are summed first.
            sums = (weights @ orientation_planes(chunk[:, band])).reshape(-1, width)
            sums = np.concatenate([sums[:, near] @ weights.T for near, weights in across], axis=1)
            sums = sums.reshape(ORIENTATIONS, len(chunk), -1, BINS, len(xs), BINS).transpose(1, 2, 4, 3, 5, 0)
            v = sums.reshape(*sums.shape[:3], -1)
            descriptors[i : i + step, k * GROUP : k * GROUP + v.shape[1]] = normalised(v, root)
    return descriptors


def grid_positions(length: int, step: float, bin_size: float) -> Float[np.ndarray, "keypoints"]:
    """Where the keypoints lie along an axis: `step` apart, about the middle, no further out than a bin from the border.

    So of the 4 bins of an outermost patch at most one lies outside. Where none fits there is one, in the middle.
    """
    count = max(0, int((length - 2 * bin_size) / step + 1e-9)) + 1
    return (length - 1) / 2 + step * (np.arange(count) - (count - 1) / 2)


class DenseSIFT(ImageTransformer):
    """Images (n, height, width) or (n, height, width, channels), or one flattened image a row, to SIFT on a grid.

    step: pixels from a keypoint to the next, down and across; may be a fraction. bin_size: pixels across one of the
    4×4 bins; the patch is 4 times as wide, and one bin of it may stick out of the image. sigma: the scale in pixels
    that gradients are taken at; None: bin_size / 3, as in the paper; 0: the pixels as they are, which tells pictures of
    30 pixels apart much better. root: RootSIFT. Colours become grey: luma of three channels, the mean of other numbers.
    image_shape: of a flattened row, (height, width) or (height, width, channels). None: a square image where the length
    is a square number, else an image one pixel high. A stack of images has its own shape.

    After fit, `grid_` is (rows, columns) of the keypoints and `positions_` where they are, a row (y, x) in pixels each.
    transform gives float32 (n, rows·columns·128), keypoints row by row: reshape it to (n, rows·columns, 128).
    """

    def __init__(self, step=4, bin_size=4, *, sigma=None, root=False, image_shape=None):
        self.step = step
        self.bin_size = bin_size
        self.sigma = sigma
        self.root = root
        self.image_shape = image_shape

    def fit(self, X, y=None) -> DenseSIFT:
        """Check the parameters and lay the grid; there is nothing to learn."""
        self._check_parameters()
        self._fit_images(X)
        ys, xs = (grid_positions(length, self.step, self.bin_size) for length in self.image_shape_[:2])
        self.grid_ = (len(ys), len(xs))
        self.positions_ = np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1).reshape(-1, 2)
        self._n_features_out = prod(self.grid_) * BINS * BINS * ORIENTATIONS
        return self

    def transform(self, X) -> Float32[np.ndarray, "batch features"]:
        """The descriptors of all keypoints, one after the other."""
        images = self._images(X)
        y, x = self.positions_.reshape(*self.grid_, 2).transpose(2, 0, 1)
        descriptors = dense_descriptors(images, y[:, 0], x[0], self.bin_size, sigma=self.sigma, root=self.root)
        return descriptors.reshape(len(images), -1)

    def _check_parameters(self) -> None:
        """Raise ValueError for the first parameter that makes no sense, as scikit-learn words it."""

        def number(value) -> bool:
            return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)

        self._must("step", "a positive number", lambda n: number(n) and n > 0)
        self._must("bin_size", "a positive number", lambda n: number(n) and n > 0)
        self._must("sigma", "None or a number from 0 up", lambda n: n is None or (number(n) and n >= 0))
        self._must("root", "a bool", lambda flag: isinstance(flag, bool | np.bool_))
        self._must("image_shape", "None or two or three positive ints", lambda s: s is None or is_shape(s, 2, 3))
