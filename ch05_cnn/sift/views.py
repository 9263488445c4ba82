"""Keypoints, and views of a photo: rotated, from the side, smaller, darker. Computed, so that true matches are known.

Question   How would a camera see this photo from elsewhere, and where does each of its points go?
Method     An affine map for the geometry, as for a flat object at some distance; then less light, and noise. Two
           keypoints mean the same if the map takes one to the other, after Mikolajczyk & Schmid 2005, whose regions
           have to overlap; here place and scale have to agree.
Differs    There is no occlusion and no defocus.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.distance import cdist

from common.features.image_kinds import check_unit_range

SIDE = 352  # of a view, in pixels: at any rotation, a scale of 0.7, or 45° aside, it lies in a photo of 512
NOISE = 0.01  # of a view's pixels, which lie in 0 … 1; independent of darkness
SAME_PLACE, SAME_SCALE = 1.0, 1.4  # the same spot: largest distance in σ, and largest factor between scales


@dataclass(frozen=True)
class Keypoints:
    """Keypoints: place (row, column; pixels), scale (σ, pixels), angle (radians, counter-clockwise from the right)."""

    places: Float[np.ndarray, "n 2"]
    sigmas: Float[np.ndarray, "n"]
    angles: Float[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.sigmas)

    def take(self, item: int) -> Keypoints:
        """The keypoint with this index."""
        return Keypoints(self.places[[item]], self.sigmas[[item]], self.angles[[item]])


class View(NamedTuple):
    """A photo rotated (degrees), seen from aside (degrees), scaled, and darkened (1: not at all)."""

    turn: float = 0.0
    aside: float = 0.0
    scale: float = 1.0
    light: float = 1.0

    def matrix(self) -> Float[np.ndarray, "2 2"]:
        """The map from (row, column) about the middle of the view to (row, column) about the middle of the photo."""
        cos, sin = np.cos(np.radians(self.turn)), np.sin(np.radians(self.turn))
        return np.array([[cos, -sin], [sin, cos]]) / (self.scale, self.scale * np.cos(np.radians(self.aside)))

    def of(self, photo: Shaped[np.ndarray, "..."], rng: np.random.Generator) -> Float[np.ndarray, "side side"]:
        """The view as a camera image with a little noise. Raises ValueError unless it is grey, from 0 to 1."""
        check_unit_range(photo)
        matrix, middle = self.matrix(), (np.array(photo.shape) - 1) / 2
        finest = 0.5 * np.sqrt(np.maximum(np.linalg.norm(matrix, axis=0) ** 2 - 1, 0))  # else fine detail would alias
        seen = affine_transform(
            gaussian_filter(photo, finest), matrix, middle - matrix @ np.full(2, (SIDE - 1) / 2), (SIDE, SIDE)
        )
        return np.clip(self.light * seen + rng.normal(0, NOISE, seen.shape), 0, 1)

    def in_photo(self, seen: Keypoints, shape: tuple[int, int]) -> Keypoints:
        """The view's keypoints at their true places in the photo; angles stay unchanged."""
        matrix = self.matrix()
        places = (seen.places - (SIDE - 1) / 2) @ matrix.T + (np.array(shape) - 1) / 2
        return Keypoints(places, seen.sigmas * np.sqrt(np.linalg.det(matrix)), seen.angles)


def same_spot(a: Keypoints, b: Keypoints) -> Bool[np.ndarray, "a b"]:
    """Whether each of a has the place and the scale of each of b."""
    factor = np.abs(np.log(a.sigmas[:, None] / b.sigmas))
    return (cdist(a.places, b.places) <= SAME_PLACE * b.sigmas) & (factor <= np.log(SAME_SCALE))
