"""Keypoints, and what is around them: cut out at one size, turned the same way up, ready to be described.

Question   A thing has come nearer and lies on its side. How can its surroundings give the same numbers as before?
Method     Lowe 2004: take the patch 3σ a bin wide, from the picture blurred to σ (§6), turned by the orientation that
           most gradients around the keypoint have (§5). What is left for the descriptor is an upright patch.
Differs    scikit-image finds keypoints, scales and orientations; the latter lie 5° beyond the peak, half a bar of the
           histogram, but do so in every picture. Lowe turns the gradients, which have the resolution of the photo; here
           the photo itself is turned, 4 pixels a bin. Blobs wider than σ = 12 stay out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import map_coordinates

from common import plots
from common.features.sift import BIN_PER_SCALE, BINS, ORIENTATIONS, blurred, dense_descriptors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BIN_SIZE, SIDE = 4, 23  # in the patch's own pixels: a spatial bin, and 5 of them (all have a say) with a border
LEVELS = 0.8 * 2 ** (np.arange(13) / 3)  # the blurs that patches are cut from, in pixels
WIDEST = 12.0  # σ in pixels
DIRECTIONS = 36  # of the histogram that finds the orientation


@dataclass(frozen=True)
class Keypoints:
    """Where (row, column; pixels), how large (σ, pixels), which way up (radians, counter-clockwise from the right)."""

    places: Float[np.ndarray, "n 2"]
    sigmas: Float[np.ndarray, "n"]
    angles: Float[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.sigmas)

    def take(self, item: int) -> Keypoints:
        """One of them."""
        return Keypoints(self.places[[item]], self.sigmas[[item]], self.angles[[item]])


def found(
    image: Float[np.ndarray, "height width"], upsampling: int = 2
) -> tuple[Keypoints, Float32[np.ndarray, "n 128"]]:
    """scikit-image's keypoints and descriptors. It measures angles from downwards on, we from the right."""
    from skimage.feature import SIFT

    sift = SIFT(upsampling=upsampling)
    sift.detect_and_extract(image)
    small = sift.sigmas <= WIDEST
    places, sigmas, angles = (a[small].astype(float) for a in (sift.positions, sift.sigmas, sift.orientations))
    return Keypoints(places, sigmas, angles - np.pi / 2), sift.descriptors[small].astype(np.float32)


def patches(
    image: Float[np.ndarray, "height width"], keypoints: Keypoints, angles: Float[np.ndarray, "n"]
) -> Float32[np.ndarray, "n side side"]:
    """What is around each keypoint, blurred to its σ and turned until what pointed to its angle points right."""
    across = np.stack([-np.sin(angles), np.cos(angles)], axis=-1)  # one step right in the patch, as (row, column)
    down = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    steps = (np.arange(SIDE) - SIDE // 2) * BIN_PER_SCALE / BIN_SIZE  # in σ
    offsets = steps[:, None, None] * down[:, None, None] + steps[:, None] * across[:, None, None]
    places = keypoints.places[:, None, None] + keypoints.sigmas[:, None, None, None] * offsets

    cut = np.empty(places.shape[:3], np.float32)
    level = np.abs(np.log(keypoints.sigmas[:, None] / LEVELS)).argmin(axis=1)
    for k in np.unique(level):
        smooth = blurred(image[None].astype(np.float32), LEVELS[k])[0]
        cut[level == k] = map_coordinates(smooth, np.moveaxis(places[level == k], -1, 0), order=1, mode="nearest")
    return cut


def sift(cut: Float32[np.ndarray, "n side side"]) -> Float32[np.ndarray, "n 128"]:
    """The SIFT descriptor of each patch's middle; sigma=0, for it has its blur already."""
    return dense_descriptors(cut, [SIDE // 2], [SIDE // 2], BIN_SIZE, sigma=0)[:, 0, 0]


def pixels(cut: Float32[np.ndarray, "n side side"]) -> Float32[np.ndarray, "n 256"]:
    """The pixels of the 4×4 bins, less their mean, divided by their length: brightness and contrast are gone, too."""
    edge, width = (SIDE - BINS * BIN_SIZE) // 2, BINS * BIN_SIZE
    v = cut[:, edge : edge + width, edge : edge + width].reshape(len(cut), -1)
    v = v - v.mean(axis=1, keepdims=True)
    return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-6)


def orientation_histogram(patch: Float32[np.ndarray, "side side"]) -> Float[np.ndarray, "36"]:
    """The gradients of a patch that is not turned yet, by direction, under a Gaussian 1.5 σ wide; smoothed. §5."""
    down, right = np.gradient(patch)
    row, column = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    width = 1.5 * BIN_SIZE / BIN_PER_SCALE
    votes = np.hypot(down, right) * np.exp(-(row**2 + column**2) / (2 * width**2))
    direction = np.round(np.arctan2(-down, right) * DIRECTIONS / (2 * np.pi)).astype(int) % DIRECTIONS
    histogram = np.bincount(direction.ravel(), votes.ravel(), minlength=DIRECTIONS)
    for _ in range(2):
        histogram = (np.roll(histogram, 1) + histogram + np.roll(histogram, -1)) / 3
    return histogram


def draw_patch(image: Float[np.ndarray, "height width"], one: Keypoints) -> Figure:
    """One keypoint: its patch and gradients, the histogram of their directions, the turned patch, the descriptor."""
    patch, turned, angle = patches(image, one, np.zeros(1))[0], patches(image, one, one.angles), one.angles[0]
    figure, (gradients, directions, bins, descriptor) = plots.panels(4, width=2.6, height=2.8)

    (down, right), (row, column), middle = np.gradient(patch), np.mgrid[:SIDE, :SIDE], SIDE // 2
    gradients.imshow(patch)
    gradients.quiver(column, row, right, -down, color=plots.SKY, scale=10 * np.hypot(right, down).max())
    gradients.quiver(middle, middle, np.cos(angle), np.sin(angle), color=plots.ORANGE, scale=2.5, width=0.02)
    gradients.set(title="gradients", xticks=[], yticks=[])

    histogram = orientation_histogram(patch)
    directions.bar(np.arange(DIRECTIONS) * 360 / DIRECTIONS, histogram / histogram.max(), width=8, color=plots.SKY)
    directions.axvline(np.degrees(angle) % 360, color=plots.ORANGE)
    directions.set(title="orientation", xlabel="direction, °", ylabel="votes / most", xticks=[0, 90, 180, 270])

    edges = middle + BIN_SIZE * (np.arange(BINS + 1) - BINS / 2)
    bins.imshow(turned[0])
    bins.hlines(edges, edges[0], edges[-1], color=plots.ORANGE, lw=1)
    bins.vlines(edges, edges[0], edges[-1], color=plots.ORANGE, lw=1)
    bins.set(title="turned, 4×4 bins", xticks=[], yticks=[])

    row, column, direction = (a.ravel() for a in np.indices((BINS, BINS, ORIENTATIONS)))
    length, turn = sift(turned)[0], direction * 2 * np.pi / ORIENTATIONS
    arrow = {
        "scale": 2 * BINS * length.max(),
        "width": 0.01,
        "headwidth": 3,
        "headlength": 3,
        "headaxislength": 3,
        "minlength": 0.3,
    }
    descriptor.quiver(column, row, length * np.cos(turn), length * np.sin(turn), color=plots.BLUE, **arrow)
    inner = np.arange(BINS - 1) + 0.5
    descriptor.set(title="descriptor", xlim=(-0.5, 3.5), ylim=(3.5, -0.5), xticks=inner, yticks=inner, aspect="equal")
    descriptor.tick_params(labelbottom=False, labelleft=False, length=0)
    return figure
