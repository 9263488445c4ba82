"""The change of a picture's features when the picture is shifted or rotated.

Method     Zeiler & Fergus 2014, "Feature Invariance": the distance between the features of an image and those of the
           same image shifted or rotated, layer by layer.
Differs    The unit is the mean distance between two different images, so that layers of different sizes can be
           compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from ch05_cnn.drawings.deconvnet import draw_invariance
from ch05_cnn.seeing.units import Stack
from common.features.hog import HOG
from common.image_classifier import Pixels
from common.run import Run

SHIFTS = (0, 1, 2, 3, 4, 6, 8)  # pixels
ANGLES = (0, 10, 20, 30, 45, 60, 90)  # degrees

Features = Callable[[Tensor], Tensor]


def move(images: Stack, down: float = 0.0, degrees: float = 0.0) -> Stack:
    """Square images shifted down (pixels) and rotated clockwise (degrees); the border is repeated."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    shift = (
        -2 * down / images.shape[2]
    )  # the grid gives the place in the old image of each new pixel; the image is [-1, 1]
    matrix = torch.tensor([[cos, sin, 0.0], [-sin, cos, shift]]).expand(len(images), 2, 3)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def distances(features: Features, images: Stack, copies: Sequence[Stack]) -> list[float]:
    """The mean distance of the features of images and their moved copies, relative to that of different images."""
    base = features(images).flatten(1)
    others = (base - base.roll(1, dims=0)).norm(dim=1).mean()
    return [float((features(copy).flatten(1) - base).norm(dim=1).mean() / others) for copy in copies]


def measure_invariance(
    features: dict[str, Features], images: Stack
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The distances of every kind of features, by SHIFTS and by ANGLES."""
    shifted = [move(images, down=pixels) for pixels in SHIFTS]
    turned = [move(images, degrees=angle) for angle in ANGLES]
    with torch.inference_mode():
        by_shift, by_angle = (
            {name: distances(of, images, copies) for name, of in features.items()} for copies in (shifted, turned)
        )
    return by_shift, by_angle


def compare_invariance(
    run: Run, network: nn.Module, layers: dict[str, nn.Sequential], images: Stack, pixels: Pixels
) -> None:
    """Compare pixels, HOG, three of the layers and the network's output: facts and the picture."""
    mean, deviation, hog = pixels.mean[0], pixels.deviation[0], HOG(pixels_per_cell=(4, 4))
    features = {
        "pixels": lambda x: x,
        "HOG": lambda x: torch.tensor(hog.fit_transform((x[:, 0] * deviation + mean).round().byte().numpy())),
        **{name: layers[name] for name in ("layer 1", "layer 3", "layer 5")},
        "output": network,
    }
    by_shift, by_angle = measure_invariance(features, images)
    for name in features:
        run.fact(f"distance after a shift by 2 pixels, {name}", by_shift[name][SHIFTS.index(2)])
    run.figure(
        "invariance",
        draw_invariance,
        by_shift,
        by_angle,
        SHIFTS,
        ANGLES,
        caption="The distance between the features of a picture and of the same picture, shifted or rotated; 1 is "
        "the distance to another picture.",
    )
