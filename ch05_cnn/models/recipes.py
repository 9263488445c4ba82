"""The recipes of this chapter's networks on each of the three sets, in one place, so that all lessons train alike.

Settings were chosen on the last fifth of the training packs, which the networks of that search had not seen: the peak
of the learning rate (0.003, 0.01, 0.03), the widths, the augmentation, the epochs. Test images were not used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import nn

from ch05_cnn.models.networks import LeNet5, Modern
from common import data
from common.augment import Crops, Cutout, InTurn, Poses
from common.data import Dataset
from common.image_classifier import Augmentation, ImageClassifier
from common.run import Run
from common.train import Training

MOST_EPOCHS = 40  # for any number of images

optimiser = partial(torch.optim.AdamW, weight_decay=0.05)
smoothed = nn.CrossEntropyLoss(label_smoothing=0.05)


@dataclass(frozen=True)
class Recipe:
    """A set of images, and its training.

    widths: of the network's stages. augment: changes that keep the class. mirrored: whether mirroring keeps the class.
    images, epochs: this number of epochs suffices for that number of training images.
    """

    name: str
    load: Callable[..., Dataset]
    widths: tuple[int, ...]
    augment: Augmentation
    mirrored: bool
    images: int
    epochs: int

    def epochs_of(self, n: int) -> int:
        """The number of epochs for n images: fewer images are seen more often, but in fewer steps in total."""
        return max(1, min(MOST_EPOCHS, round(self.epochs * (self.images / n) ** 0.35)))


DIGITS = Poses(shift=2, angle=12, scale=0.12, shear=12)
RECIPES = {
    "mnist": Recipe("MNIST", data.mnist, (16, 32, 64), DIGITS, False, 7291, 7),
    "fashion_mnist": Recipe("Fashion-MNIST", data.fashion_mnist, (16, 32, 64), Crops(1), True, 10_000, 11),
    "cifar10": Recipe("CIFAR-10", data.cifar10, (16, 32, 64, 128), InTurn((Crops(4), Cutout(8))), True, 5000, 10),
}


def as_rows(images: UInt8[np.ndarray, "n height width *channels"]) -> Float[np.ndarray, "n values"]:
    """Images as rows of numbers from 0 to 1, for methods that take vectors."""
    return images.reshape(len(images), -1) / 255.0


def modern(run: Run, key: str, n: int, epochs: int | None = None, checkpoint: str | None = None) -> ImageClassifier:
    """The small modern network, untrained, for n images of the set of this key.

    epochs: by default the recipe's. checkpoint: the name of its file, if it writes one.
    """
    recipe = RECIPES[key]
    training = Training(
        epochs or run.pick(smoke=1, lecture=recipe.epochs_of(n), full=max(recipe.epochs, recipe.epochs_of(n))),
        learning_rate=0.01,
        batch_size=min(64, max(16, n // 8)),
        optimiser=optimiser,
        loss=smoothed,
        device=run.device,
        checkpoint=run.checkpoint(checkpoint) if checkpoint else None,
        say=run.say_step,
    )
    build = partial(Modern, widths=recipe.widths)
    return ImageClassifier(build, training, recipe.augment, recipe.mirrored, run.seed)


def lenet5(run: Run, key: str, n: int) -> ImageClassifier:
    """LeNet-5 on unchanged images, with Adam and one cycle: no augmentation, like a first attempt."""
    epochs = run.pick(smoke=1, lecture=max(1, RECIPES[key].epochs_of(n) // 2))
    training = Training(epochs, 0.003, min(64, max(16, n // 8)), torch.optim.Adam, device=run.device, say=run.say_step)
    return ImageClassifier(LeNet5, training, seed=run.seed)
