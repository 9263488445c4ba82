"""The pictures of `keypoints`: circles with hands, one descriptor, lines between matches, shares of correct ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy.ndimage import gaussian_filter

from ch05_cnn.sift.views import Keypoints
from common import plots
from common.features.sift import BINS, ORIENTATIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Grey = Float[np.ndarray, "_ _"]


def draw_backdrop(axis: Axes, image: Float[np.ndarray, "height width"], left: float = 0) -> None:
    """The picture, pale and in few greys, so that lines stand out and the file stays small."""
    height, width = image.shape
    coarse = np.round(9 * gaussian_filter(image, 1.5)[::2, ::2]) / 9
    axis.imshow(coarse, vmin=-1, vmax=1, extent=(left, left + width, height, 0), interpolation="nearest")


def draw_circles(axis: Axes, keypoints: Keypoints, which: Bool[np.ndarray, "n"], colour: str) -> None:
    """A circle of radius 3σ round each keypoint, a bin of its patch, with a hand that shows its orientation."""
    from matplotlib.collections import LineCollection

    turn = keypoints.angles[which, None] + np.linspace(0, 2 * np.pi, 25)
    rim = np.stack([np.cos(turn), -np.sin(turn)], axis=-1)  # x, and y downwards
    hands = np.concatenate([np.zeros_like(rim[:, :1]), rim], axis=1)
    middle = keypoints.places[which, None, ::-1]
    axis.add_collection(LineCollection(middle + 3 * keypoints.sigmas[which, None, None] * hands, color=colour, lw=0.8))


def draw_keypoints(
    photo: tuple[Grey, Keypoints], view: tuple[Grey, Keypoints], again: Bool[np.ndarray, "n"], least: float = 3.5
) -> Figure:
    """The photo's keypoints, and a view's: those that were found again, and those that were not."""
    figure, axes = plots.panels(2, width=2.6, height=2.9)
    shown = photo[1].sigmas >= least
    draw_circles(axes[0], photo[1], shown, plots.ORANGE)
    shown = view[1].sigmas >= least
    draw_circles(axes[1], view[1], shown & ~again, plots.RED)
    draw_circles(axes[1], view[1], shown & again, plots.BLUE)
    for axis, picture, title in zip(axes, (photo, view), ("the photo", "a view of it"), strict=True):
        draw_backdrop(axis, picture[0])
        axis.set(title=title, xticks=[], yticks=[])
    return figure


def draw_matches(
    photo: Grey, view: Grey, ends: Float[np.ndarray, "n 2 2"], right: Bool[np.ndarray, "n"], most: int = 40
) -> Figure:
    """Draw lines from the view to the photo, for some of the matches.

    ends: each match's place in the photo and in the view. right: whether they are the same spot.
    """
    figure, axis = plots.panels(width=6.2, height=3.7)
    gap = photo.shape[1] + 16
    draw_backdrop(axis, photo)
    draw_backdrop(axis, view, gap)
    axis.set(xlim=(0, gap + view.shape[1]), ylim=(photo.shape[0], 0))
    axis.axis("off")
    for item in range(0, len(ends), max(1, len(ends) // most)):
        (y0, x0), (y1, x1) = ends[item]
        axis.plot([x0, x1 + gap], [y0, y1], color=plots.BLUE if right[item] else plots.RED, lw=0.8)
    return figure


def draw_shares(
    shares: dict[str, list[float]],
    names: list[str],
    matches: dict[str, tuple[Float[np.ndarray, "n"], Bool[np.ndarray, "n"]]],
    threshold: float,
) -> Figure:
    """Correct matches by view and descriptor; and among those kept by the ratio test, at any threshold.

    shares: by descriptor, in %, for each view. matches: by descriptor, the ratios and which of them are right.
    """
    figure, axes = plots.panels(2, width=4.8, height=3.4)
    for k, (descriptor, (ratio, right)) in enumerate(matches.items()):
        axes[0].bar(np.arange(len(names)) + 0.2 * (k - 1.5), shares[descriptor], width=0.18, color=plots.CYCLE[k])
        kept = np.arange(1, len(ratio) + 1)
        correct = 100 * np.cumsum(right[np.argsort(ratio)]) / kept
        at = np.count_nonzero(ratio < threshold) - 1
        axes[1].plot(100 * kept[50:] / len(ratio), correct[50:], color=plots.CYCLE[k], label=descriptor)
        axes[1].plot(100 * kept[at] / len(ratio), correct[at], "o", color=plots.CYCLE[k])
    axes[0].set(title="Correct matches", ylabel="% of keypoints found again", ylim=(0, 105))
    axes[0].set_xticks(np.arange(len(names)), names)
    axes[1].set(title="With the ratio test", xlabel="kept, % of all keypoints", ylabel="correct among them (%)")
    axes[1].legend(loc="lower left")
    return figure


def draw_patch(
    patch: Float32[np.ndarray, "side side"],
    upright: Float32[np.ndarray, "side side"],
    angle: float,
    histogram: Float[np.ndarray, "_"],
    numbers: Float32[np.ndarray, "128"],
) -> Figure:
    """One keypoint: its patch and gradients, the histogram of their directions, the upright patch, the descriptor."""
    figure, (gradients, directions, bins, descriptor) = plots.panels(4, width=2.6, height=2.8)

    (down, right), (row, column), middle = np.gradient(patch), np.indices(patch.shape), len(patch) // 2
    gradients.imshow(patch)
    gradients.quiver(column, row, right, -down, color=plots.SKY, scale=10 * np.hypot(right, down).max())
    gradients.quiver(middle, middle, np.cos(angle), np.sin(angle), color=plots.ORANGE, scale=2.5, width=0.02)
    gradients.set(title="gradients", xticks=[], yticks=[])

    count = len(histogram)
    directions.bar(np.arange(count) * 360 / count, histogram / histogram.max(), width=8, color=plots.SKY)
    directions.axvline(np.degrees(angle) % 360, color=plots.ORANGE)
    directions.set(title="orientation", xlabel="direction, °", ylabel="votes / most", xticks=[0, 90, 180, 270])

    bin_size = len(upright) // (BINS + 1)
    edges = middle + bin_size * (np.arange(BINS + 1) - BINS / 2)
    bins.imshow(upright)
    bins.hlines(edges, edges[0], edges[-1], color=plots.ORANGE, lw=1)
    bins.vlines(edges, edges[0], edges[-1], color=plots.ORANGE, lw=1)
    bins.set(title="upright, 4×4 bins", xticks=[], yticks=[])

    row, column, direction = (a.ravel() for a in np.indices((BINS, BINS, ORIENTATIONS)))
    length, turn = numbers, direction * 2 * np.pi / ORIENTATIONS
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
