"""A convolutional layer learns edge filters from photos and their filtered versions.

Method     Gradient descent with momentum on ½ the mean of Σ_f (y_f − t_f)², by conv2d_backward. The same kernels at
           once: linear least squares on the patches, for a layer with a squared error is a linear regression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.lib.stride_tricks import sliding_window_view
from scipy import signal

from ch05_cnn.convolution import conv2d, conv2d_backward
from ch05_cnn.filters import EMBOSS, LAPLACIAN, SOBEL_X
from common import data, plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TAUGHT = {"Sobel, x": SOBEL_X, "Sobel, y": SOBEL_X.T, "Laplacian": LAPLACIAN, "emboss, convolved": EMBOSS}
TILE, LEARNING_RATE, MOMENTUM, BATCH = 34, 0.04, 0.97, 8
LEVELS = 64  # of grey, between two edges that differ by 1: what is taught is stored as an image

Pixels = Float[np.ndarray, "height width"]
Tiles = Float[np.ndarray, "n 1 tile_height tile_width"]
Kernels = Float[np.ndarray, "4 3 3"]


def normalised(name: str) -> Pixels:
    """A grey photo with mean 0 and deviation 1."""
    photo = data.photo(name)
    return (photo - photo.mean()) / photo.std()


def edges(photo: Pixels) -> Float[np.ndarray, "4 rows columns"]:
    """The targets: outputs of the four known filters for a photo, by scipy; three correlate, the last one convolves."""
    makers = [signal.convolve2d if "convolved" in name else signal.correlate2d for name in TAUGHT]
    return np.stack([make(photo, k, mode="valid") for make, k in zip(makers, TAUGHT.values(), strict=True)])


def pairs(photo: Pixels, tiles: int, rng: np.random.Generator) -> tuple[Tiles, Float[np.ndarray, "n 4 rows columns"]]:
    """Tiles from anywhere in the photo, and the edges of each, stored in steps of 1 / LEVELS."""
    corners = rng.integers(0, np.array(photo.shape) - TILE, (tiles, 2))
    x = np.stack([photo[i : i + TILE, j : j + TILE] for i, j in corners])
    return x[:, None], np.round(LEVELS * np.stack([edges(tile) for tile in x])) / LEVELS


def learned(
    x: Tiles,
    t: Float[np.ndarray, "n 4 rows columns"],
    steps: int,
    rng: np.random.Generator,
) -> list[Kernels]:
    """The kernels before each step of descent on ½ the mean of Σ_f (y − t)², and after the last."""
    theta, bias = 0.3 * rng.normal(size=(4, 1, 3, 3)), np.zeros(4)
    speed, path = np.zeros_like(theta), [theta[:, 0].copy()]
    for _ in range(steps):
        some = rng.integers(0, len(x), BATCH)
        delta = conv2d(x[some], theta, bias) - t[some]
        _, slope, bias_slope = conv2d_backward(delta / delta[:, 0].size, x[some], theta)
        speed = MOMENTUM * speed + slope
        theta, bias = theta - LEARNING_RATE * speed, bias - LEARNING_RATE * bias_slope
        path.append(theta[:, 0].copy())
    return path


def least_squares(x: Tiles, t: Float[np.ndarray, "n 4 rows columns"]) -> Kernels:
    """The kernels that descent is looking for, from all patches at once, and a bias that is not kept."""
    patches = sliding_window_view(x[:, 0], (3, 3), axis=(1, 2)).reshape(-1, 9)
    design = np.column_stack([patches, np.ones(len(patches))])
    return np.linalg.lstsq(design, t.swapaxes(0, 1).reshape(4, -1).T)[0][:9].T.reshape(4, 3, 3)


def edge_error(kernels: Kernels, photo: Pixels) -> float:
    """How far the kernels' edges of a photo are from the true ones, in % of those, over all four."""
    wanted = edges(photo)
    return float(100 * np.linalg.norm(conv2d(photo[None, None], kernels[:, None])[0] - wanted) / np.linalg.norm(wanted))


def draw_learned(path: list[Kernels]) -> Figure:
    """The four kernels on their way, and below them those that made the examples."""
    figure, axes = plots.panels(4, 4, width=1.5, height=1.45)
    middle = len(path) // 8
    rows = {"start": path[0], f"{middle} steps": path[middle], f"{len(path) - 1} steps": path[-1]}
    rows["by hand"] = np.array(list(TAUGHT.values()))
    for line, (when, kernels) in zip(axes, rows.items(), strict=True):
        for axis, kernel, name in zip(line, kernels, TAUGHT, strict=True):
            limit = np.abs(TAUGHT[name]).max()
            axis.imshow(kernel, cmap="coolwarm", vmin=-limit, vmax=limit)
            for (i, j), value in np.ndenumerate(kernel):
                number = f"{value:.2f}".replace("-", "" if abs(value) < 0.005 else "−")
                colour = "white" if abs(value) > 0.7 * limit else plots.INK
                axis.text(j, i, number, ha="center", va="center", fontsize=7, color=colour)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
        line[0].set_ylabel(when)
    for axis, name in zip(axes[0], TAUGHT, strict=True):
        axis.set_title(name, fontsize=9)
    return figure
