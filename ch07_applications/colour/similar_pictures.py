"""Colours from the most similar training pictures: HOG finds the pictures, and their pixels give the colours.

The method is global, because the whole picture finds its references, and local, because each pixel gets the colours of
similar pixels in them (Welsh, Ashikhmin & Mueller 2002, with ten reference pictures that nobody selected).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from ch07_applications.colour.lab_pictures import Chroma, Lightness, at_size, doubled, halved
from ch07_applications.colour.luminance_rivals import describe
from common.features.hog import HOG

REFERENCES, PIXELS = 10, 20  # pictures, and pixels of them whose colours are averaged; chosen on validation
CHUNK = 50  # pictures at a time: 50 × 256 × 2560 distances are 131 MB


@dataclass
class SimilarPictures:
    """An estimator of pictures' colours. references: training pictures per picture. pixels: of theirs, per pixel."""

    references: int = REFERENCES
    pixels: int = PIXELS

    def fit(self, lightness: Lightness, chroma: Chroma) -> SimilarPictures:
        """Store the training pictures and their descriptions."""
        self.size_ = lightness.shape[1:]
        self.whole_ = torch.tensor(descriptors(lightness))
        self.rows_, self.colours_ = by_picture(lightness), torch.tensor(halved(chroma)).flatten(1, 2)
        return self

    def predict(self, lightness: Lightness) -> Chroma:
        """The mean colour of the nearest pixels in the nearest pictures, for every pixel."""
        n, height, width = lightness.shape
        whole, rows, found = torch.tensor(descriptors(at_size(lightness, self.size_))), by_picture(lightness), []
        for own, pixels in zip(whole.split(CHUNK), rows.split(CHUNK), strict=True):
            pictures = torch.cdist(own, self.whole_).topk(self.references, largest=False).indices
            candidates, colours = self.rows_[pictures].flatten(1, 2), self.colours_[pictures].flatten(1, 2)
            nearest = torch.cdist(pixels, candidates).topk(self.pixels, largest=False).indices
            item = torch.arange(len(own))[:, None, None]
            found.append(colours[item, nearest].mean(dim=2))
        return doubled(torch.cat(found).reshape(n, height // 2, width // 2, 2).numpy())


def descriptors(lightness: Lightness) -> Float[np.ndarray, "n features"]:
    """HOG of each grey picture."""
    grey = np.rint(2.55 * lightness).astype(np.uint8)
    return HOG(pixels_per_cell=(8, 8), cells_per_block=(2, 2)).fit_transform(grey)


def by_picture(lightness: Lightness) -> Float[torch.Tensor, "n pixels features"]:
    """The description of every pixel at half the resolution."""
    rows = torch.tensor(describe(lightness))
    return rows.reshape(len(lightness), -1, rows.shape[1])
