"""The quality of samples: near to real images, as varied as they are, and none of them a copy.

Features   The features of a network that was trained to recognise the real images, like Inception's in the literature.
           All are divided by one number, so that a feature's variance over training images is 1 on average.
Distance   Heusel et al. 2017, Eq. (6): for two Gaussians with the means and covariances of the features of real images
           and of samples, d² = ‖μ − μ'‖² + Tr(Σ + Σ' − 2 (Σ Σ')^½). Few images give too large a value, because the
           covariances are estimated: distances are compared at the same n, beside the distance of real from real.
Manifolds  Kynkäänniemi et al. 2019, Eq. (1), (2): a point belongs to a set if it is as near to one of its members as
           that member's third neighbour. Precision: the share of samples that belong to the real images. Recall: the
           share of real images that belong to the samples.
Copies     Copies of training images do well by all three. So each sample's nearest training image is found, in pixels,
           and its distance is compared with that of test images, which are certainly not copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Integer, UInt8
from torch import Tensor, nn

from common.image_classifier import ImageClassifier, in_chunks
from common.train import Training

NEIGHBOURS = 3  # k of precision and recall, the paper's value
Grey = UInt8[np.ndarray, "_ height width"]
Features = Float[np.ndarray, "_ features"]


class Recogniser(nn.Module):
    """Three pairs of convolutions, 28² → 14² → 7², global average pooling, and a linear layer."""

    def __init__(self, channels: int, classes: int = 10, widths: tuple[int, ...] = (24, 48, 64)) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((channels, *widths), widths, strict=False):
            layers += [nn.MaxPool2d(2)] if before != channels else []
            for inputs in (before, width):
                layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        self.maps = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.last = nn.Linear(widths[-1], classes)

    def forward(self, images: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n classes"]:
        return self.last(self.maps(images))


def recogniser(channels: int, side: int, classes: int) -> Recogniser:
    """Build the recogniser, for ImageClassifier."""
    return Recogniser(channels, classes)


@dataclass
class SampleJudge:
    """A recogniser of real images, with scikit-learn's fit and predict, which also returns its last features."""

    epochs: int = 6
    seed: int = 0
    say: Callable[[str], None] = field(default=lambda text: None)
    device: torch.device | str = "cpu"

    def fit(self, images: Grey, labels: Integer[np.ndarray, "_"]) -> SampleJudge:
        """Fit to labelled images. Raises ValueError if a class below the largest label has no image."""
        classes = int(labels.max()) + 1 if len(labels) else 0
        if len(missing := np.setdiff1d(np.arange(classes), labels)):
            raise ValueError(f"no training image shows class {missing[0]}")
        training = Training(self.epochs, learning_rate=3e-3, batch_size=64, device=self.device, say=self.say)
        build = partial(recogniser, classes=classes)
        self.classifier_ = ImageClassifier(build, training, seed=self.seed).fit(images, labels)
        self.scale_ = 1.0
        self.scale_ = float(np.sqrt(self.features(images).var(axis=0).mean()))
        return self

    def features(self, images: Grey) -> Features:
        """The inputs of the last layer, a row per image."""
        network = self.classifier_.network_.maps
        inputs = self.classifier_.pixels_(images)
        return torch.cat(list(in_chunks(network, inputs))).float().numpy() / self.scale_

    def predict(self, images: Grey) -> Int[np.ndarray, "_"]:
        """The predicted class of each image."""
        return self.classifier_.predict(images)


def frechet_distance(real: Features, samples: Float[np.ndarray, "_ features"]) -> float:
    """Eq. (6), squared, as usually reported. Raises ValueError for fewer than two rows of either, and for NaN."""
    if min(len(real), len(samples)) < 2:
        raise ValueError(
            f"{len(real)} real images and {len(samples)} samples have no covariances: two of each are needed"
        )
    if not (np.isfinite(real).all() and np.isfinite(samples).all()):
        raise ValueError("features are not finite")
    (mean, covariance), (other, second) = (
        (rows.mean(axis=0, dtype=np.float64), np.atleast_2d(np.cov(rows.astype(np.float64), rowvar=False)))
        for rows in (real, samples)
    )
    root = square_root(covariance)
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ second @ root), 0, None)).sum()  # Tr (Σ Σ')^½
    return float(((mean - other) ** 2).sum() + np.trace(covariance) + np.trace(second) - 2 * cross)


def square_root(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


def distances(a: Float[np.ndarray, "a features"], b: Float[np.ndarray, "b features"]) -> Float[Tensor, "a b"]:
    """The Euclidean distance of every pair."""
    return torch.cdist(torch.tensor(a), torch.tensor(b))


def belongs(
    points: Features, members: Float[np.ndarray, "members features"], k: int = NEIGHBOURS
) -> Bool[np.ndarray, "_"]:
    """Whether each point is as near to a member as that member's k-th neighbour among the members. Eq. (1), (2).

    Raises ValueError for a set with no more than k members.
    """
    if len(members) <= k:
        raise ValueError(f"{len(members)} members have no {k}-th neighbours")
    radii = distances(members, members).kthvalue(k + 1, dim=1).values  # the first is the member itself
    return (distances(points, members) <= radii).any(dim=1).numpy()


def nearest(
    images: Grey, training: UInt8[np.ndarray, "m height width"]
) -> tuple[Int[np.ndarray, "_"], Float[np.ndarray, "_"]]:
    """Each image's nearest training image, and the root mean square difference from it in grey levels."""
    flat, others = (each.reshape(len(each), -1).astype(np.float32) for each in (images, training))
    found, index = distances(flat, others).min(dim=1)
    return index.numpy(), found.numpy() / flat.shape[1] ** 0.5
