"""Features that k-means learns from unlabelled patches, for comparison with the discriminator's.

Method     Coates, Ng & Lee 2011. Patches of 6 × 6 pixels are normalised in brightness and contrast, whitened (§3.1.1),
           and clustered. A patch's code is "triangle" (§3.1.2): how much nearer a centre is than the average centre,

               f_k = max(0, μ(z) − z_k),   z_k = ‖x − c_k‖

           Codes of all patches of an image, one pixel apart, are summed over its four quadrants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn import functional

SIDE = 6  # of a patch, in pixels
Grey = UInt8[np.ndarray, "n height width"]
Patches = Float[np.ndarray, "patches pixels"]


def normalised(patches: Patches) -> Patches:
    """Normalise brightness to 0 and contrast to 1; flat patches stay flat. The 10 is the paper's, for grey levels."""
    centred = patches - patches.mean(axis=1, keepdims=True)
    return centred / np.sqrt(centred.var(axis=1, keepdims=True) + 10)


@dataclass
class PatchFeatures:
    """k-means features of grey images, with scikit-learn's fit and transform.

    centres: their number. patches: number of training patches. ridge: added to the variances by which whitening
    divides.
    """

    centres: int = 200
    patches: int = 20_000
    ridge: float = 0.1
    seed: int = 0

    def fit(self, images: Grey, labels: Any = None) -> PatchFeatures:
        """Fit whitening and centres to patches of images. Raises ValueError for images smaller than a patch."""
        if min(images.shape[1:]) < SIDE:
            raise ValueError(f"images of {images.shape[1:]} pixels hold no patch of {SIDE} × {SIDE}")
        rng, (height, width) = np.random.default_rng(self.seed), images.shape[1:]
        which = rng.integers(0, len(images), self.patches)
        tops, lefts = rng.integers(0, height - SIDE + 1, self.patches), rng.integers(0, width - SIDE + 1, self.patches)
        windows = np.lib.stride_tricks.sliding_window_view(images, (SIDE, SIDE), axis=(1, 2))
        rows = normalised(windows[which, tops, lefts].reshape(self.patches, -1).astype(np.float64))
        self.mean_ = rows.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(rows, rowvar=False))
        self.whitening_ = (vectors / np.sqrt(values.clip(0) + self.ridge)) @ vectors.T
        clusters = MiniBatchKMeans(self.centres, batch_size=2048, n_init=1, random_state=self.seed)
        self.centres_ = clusters.fit((rows - self.mean_) @ self.whitening_).cluster_centers_
        return self

    def transform(self, images: Grey) -> Float[np.ndarray, "n features"]:
        """The sums of codes per image, one for each of four quadrants."""
        chunks = [self._codes(torch.tensor(images[start : start + 250])) for start in range(0, len(images), 250)]
        return torch.cat(chunks).numpy()

    def _codes(self, images: Tensor) -> Float[Tensor, "n features"]:
        rows = functional.unfold(images[:, None].float(), SIDE).transpose(1, 2)  # n × places × pixels
        centred = rows - rows.mean(dim=2, keepdim=True)
        rows = centred / (centred.var(dim=2, correction=0, keepdim=True) + 10).sqrt()
        whitened = (rows - torch.tensor(self.mean_).float()) @ torch.tensor(self.whitening_).float()
        away = torch.cdist(whitened, torch.tensor(self.centres_).float()[None])
        codes = (away.mean(dim=2, keepdim=True) - away).clamp(min=0)
        height, width = (length - SIDE + 1 for length in images.shape[1:])
        maps = codes.transpose(1, 2).reshape(len(images), -1, height, width)
        quarters = [half for rows in maps.tensor_split(2, dim=2) for half in rows.tensor_split(2, dim=3)]
        return torch.cat([each.sum(dim=(2, 3)) for each in quarters], dim=1)
