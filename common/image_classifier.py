"""A network as a classifier of images: fit and predict, on stacks of uint8 images, as scikit-learn's pipelines do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor, nn

from common.train import History, Training

Grey = UInt8[np.ndarray, "n height width"]
Colour = UInt8[np.ndarray, "n height width 3"]
Augmentation = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Pixels:
    """Images outside (uint8, NHW or NHWC) to images in a network: float32, NCHW, mean 0 and variance 1 a channel.

    mean, deviation: of each channel, over all pixels of the training images.
    """

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, images: Grey | Colour) -> Pixels:
        channels = images.reshape(-1, images.shape[3] if images.ndim == 4 else 1)
        mean, deviation = channels.mean(axis=0), channels.std(axis=0)
        return cls(tuple(mean.tolist()), tuple(np.where(deviation > 0, deviation, 1.0).tolist()))

    def __call__(self, images: Grey | Colour) -> Float[Tensor, "n channels height width"]:
        pixels = torch.tensor(np.ascontiguousarray(images if images.ndim == 4 else images[..., None])).float()
        if pixels.shape[3] != len(self.mean):
            raise ValueError(f"images of {pixels.shape[3]} channels, but {len(self.mean)} are expected, as in training")
        return ((pixels - torch.tensor(self.mean)) / torch.tensor(self.deviation)).permute(0, 3, 1, 2)


@dataclass
class LabelledImages:
    """Images and labels in memory, as common.train.Batches. A batch is one indexing, and augmented at once."""

    images: Float[Tensor, "n channels height width"]
    labels: Int[Tensor, "n"]
    augment: Augmentation | None = None

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        images = self.images[index.to(self.images.device)]
        return self.augment(images, generator) if self.augment else images, self.labels[index.to(self.labels.device)]


def in_chunks(
    network: nn.Module, images: Float[Tensor, "n channels height width"], size: int = 500
) -> Iterator[Float[Tensor, "..."]]:
    """The network's outputs in evaluation, a chunk of images at a time, on the network's own device."""
    network.eval()
    device = next(network.parameters()).device
    for chunk in images.split(size):
        with torch.inference_mode():  # not around the yield: it would hold for whoever takes the chunks, too
            said = network(chunk.to(device, memory_format=torch.channels_last))
        yield said


def outputs(network: nn.Module, images: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n *outputs"]:
    """The network's outputs, on the processor."""
    return torch.cat([chunk.cpu() for chunk in in_chunks(network, images)])


@dataclass
class ImageClassifier:
    """A network that is built when it sees its data.

    build: makes the network from the number of channels and the height of an image. training, augment: how it learns.
    mirrored: predicts from the image and its mirror image together. seed: of weights, order and augmentation.
    """

    build: Callable[[int, int], nn.Module]
    training: Training
    augment: Augmentation | None = None
    mirrored: bool = False
    seed: int = 0

    def fit(self, images: Grey | Colour, labels: Integer[np.ndarray, "labels"]) -> ImageClassifier:
        """Learn from images of one size. Raises ValueError where there are none, or not as many labels."""
        if not len(images) or len(labels) != len(images):
            raise ValueError(
                f"{len(images)} images and {len(labels)} labels: there must be some, and as many of either"
            )
        self.pixels_ = Pixels.of(images)
        inputs = self.pixels_(images).to(self.training.device)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = self.build(inputs.shape[1], inputs.shape[2])
        data = LabelledImages(inputs, torch.tensor(labels, device=inputs.device).long(), self.augment)
        self.history_: History = self.training(self.network_, data, self.seed)
        return self

    def decision_function(self, images: Grey | Colour) -> Float[np.ndarray, "n classes"]:
        """The outputs before the softmax."""
        inputs = self.pixels_(images)
        scores = outputs(self.network_, inputs)
        return (scores + outputs(self.network_, inputs.flip(3)) if self.mirrored else scores).numpy()

    def predict(self, images: Grey | Colour) -> Int[np.ndarray, "n"]:
        """The class with the largest output."""
        return self.decision_function(images).argmax(axis=1)

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's parameters. common/model_size.py counts them, as it does those of any network."""
        return self.network_.parameters()
