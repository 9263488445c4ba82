"""A network as a segmenter: crops of labelled pictures to learn from, the loss per pixel, fit and predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int, Integer, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.segmentation.background_bias import best_bias, with_bias
from ch07_applications.segmentation.checked_pictures import Pictures, check_pictures
from ch07_applications.segmentation.class_balance import median_frequency
from common.augment import in_other_light
from common.data.segmented import IGNORE, SegmentedImages
from common.image_classifier import Pixels
from common.train import Batches, History, Training

TRIES = 8  # random centres tried per crop
CHUNK = 25  # pictures predicted at once
Maps = Sequence[Float[Tensor, "batch classes height width"]]


def score_maps(outputs: Tensor | Maps) -> Maps:
    """A network's score maps as a sequence, also if it returns only one."""
    return (outputs,) if isinstance(outputs, Tensor) else tuple(outputs)


def pixel_loss(
    outputs: Tensor | Maps,
    labels: Int[Tensor, "batch height width"],
    weights: Float[Tensor, "classes"] | None = None,
    shares: Sequence[float] = (1.0,),
    every: int = 1,
) -> tuple[Tensor, Tensor]:
    """The sum of the pixels' weighted cross-entropies, and the sum of their weights, by which it has to be divided.

    outputs: score maps of the images' size; shares: the weights of the last maps in the loss. every: only every n-th
    row and column counts, from a random offset, because neighbouring pixels have nearly the same gradient.
    """
    row, column = torch.randint(every, (2,)).tolist()
    labels = labels[:, row::every, column::every]
    outputs = score_maps(outputs)
    weights = torch.ones(outputs[-1].shape[1]) if weights is None else weights
    weights = weights.to(outputs[-1].device, torch.float32)
    total = sum(
        share * functional.cross_entropy(
            scores.float()[:, :, row::every, column::every].contiguous(memory_format=torch.channels_last),
            labels, weights, ignore_index=IGNORE, reduction="sum",
        )
        for scores, share in zip(outputs[-len(shares) :], shares, strict=True)
    )  # fmt: skip
    return total / sum(shares), weights[labels[labels != IGNORE]].sum()


@dataclass(frozen=True)
class PixelCrops:
    """Crops of pictures and of their labels, randomly mirrored, with random light.

    size: height and width; None: the whole picture. around: the share of crops centred near a pixel of an object, whose
    label is above 0. light: the largest deviation of the gain from 1, and the largest shift, per colour, in standard
    deviations.
    """

    size: tuple[int, int] | None = None
    around: float = 0.0
    mirror: bool = True
    light: float = 0.2

    def corners(
        self, labels: UInt8[Tensor, "batch height width"], size: tuple[int, int], generator: torch.Generator
    ) -> Int[Tensor, "batch 2"]:
        """The upper left corners (row, column) of the crops: within the picture, some of them around objects."""
        n, limits = len(labels), torch.tensor(labels.shape[1:])
        free = limits - torch.tensor(size)
        anywhere = (torch.rand((n, 2), generator=generator) * (free + 1)).long()
        places = (torch.rand((n, TRIES, 2), generator=generator) * limits).long()
        seen = labels[torch.arange(n)[:, None], places[..., 0], places[..., 1]]
        objects = (seen > 0) & (seen != IGNORE)
        middle = places[torch.arange(n), objects.int().argmax(1)]
        away = ((torch.rand((n, 2), generator=generator) - 0.5) * torch.tensor(size) / 2).long()
        near = torch.minimum((middle + away - torch.tensor(size) // 2).clamp(min=0), free)
        use = objects.any(1) & (torch.rand(n, generator=generator) < self.around)
        return torch.where(use[:, None], near, anywhere)

    def __call__(
        self,
        images: UInt8[Tensor, "batch height width 3"],
        labels: UInt8[Tensor, "batch height width"],
        pixels: Pixels,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, "batch 3 rows columns"], Int[Tensor, "batch rows columns"]]:
        """The standardised crops, and their labels."""
        n, whole = len(images), tuple(labels.shape[1:])
        size = self.size or whole
        if size[0] > whole[0] or size[1] > whole[1]:
            raise ValueError(f"crops of {size} do not fit into pictures of {whole}")
        corner = self.corners(labels, size, generator)
        rows, columns = corner[:, :1] + torch.arange(size[0]), corner[:, 1:] + torch.arange(size[1])
        if self.mirror:
            columns = torch.where(torch.rand((n, 1), generator=generator) < 0.5, columns.flip(1), columns)
        at = torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None]
        inputs = (images[at].float() - torch.tensor(pixels.mean)) / torch.tensor(pixels.deviation)
        return in_other_light(inputs.permute(0, 3, 1, 2), self.light, generator), labels[at].long()


@dataclass(frozen=True)
class LabelledPixels:
    """Pictures and labels in memory, as common.train.Batches; crops are made on demand."""

    images: UInt8[np.ndarray, "n height width 3"]
    labels: UInt8[np.ndarray, "n height width"]
    pixels: Pixels
    crops: PixelCrops

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        images, labels = (torch.from_numpy(part[index.numpy()]) for part in (self.images, self.labels))
        return self.crops(images, labels, self.pixels, generator)


@dataclass
class Segmenter:
    """A network that is built in fit, when its data are known.

    build: makes it, given the number of classes. It returns one or several score maps of the images' size; the last is
    the prediction. training: its loss may take class weights. items: makes the training items, given pictures, labels
    and their standardisation. balance: the power of the class weights (class_balance.py); None: the loss has its own.
    pixels: the standardisation; None: that of the training pictures. mirrored: predict from the picture and its mirror
    image together. bias: added to the logit of the background, label 0.
    """

    build: Callable[[int], nn.Module]
    classes: int
    training: Training
    items: Callable[[UInt8[np.ndarray, "n height width 3"], UInt8[np.ndarray, "n height width"], Pixels], Batches]
    balance: float | None = None
    pixels: Pixels | None = None
    mirrored: bool = True
    bias: float = 0.0
    seed: int = 0
    network_: nn.Module | None = field(default=None, init=False, repr=False)

    def fit(self, images: Pictures, labels: Integer[np.ndarray, "..."]) -> Segmenter:
        """Train on pictures of one size. Raises what check_pictures raises."""
        check_pictures(images, labels, self.classes)
        self.pixels_ = self.pixels or Pixels.of(images[:: -(-len(images) // 500)])  # 500: float64 copies are large
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            network = self.build(self.classes)
        parts = (part.astype(np.uint8, copy=False) for part in (images, labels))
        training = self.training
        if self.balance is not None:
            weights = torch.tensor(median_frequency(labels, self.classes, self.balance), dtype=torch.float32)
            training = replace(training, loss=partial(training.loss, weights=weights))
        self.history_: History = training(network, self.items(*parts, self.pixels_), self.seed)
        self.network_ = network
        return self

    def probabilities(self, images: Pictures) -> Iterator[Float[Tensor, "skips chunk classes height width"]]:
        """Class probabilities for each of the network's score maps, some pictures at a time, without the bias."""
        check_pictures(images)
        self.network_.eval()
        device = next(self.network_.parameters()).device
        for start in range(0, len(images), CHUNK):
            inputs = self.pixels_(images[start : start + CHUNK]).to(device, memory_format=torch.channels_last)
            views = [inputs, inputs.flip(3)] if self.mirrored else [inputs]
            with torch.inference_mode():
                own, *other = (torch.stack(score_maps(self.network_(view))).softmax(dim=2) for view in views)
            yield ((own + other[0].flip(4)) / 2 if other else own).cpu()

    def predict(self, images: Pictures) -> UInt8[np.ndarray, "n height width"]:
        """The class with the highest score per pixel."""
        return self.predict_all(images)[-1]

    def predict_all(self, images: Pictures) -> UInt8[np.ndarray, "skips n height width"]:
        """The same for each of the network's score maps."""
        return np.concatenate([with_bias(shares, self.bias) for shares in self.probabilities(images)], axis=1)

    def choose_bias(self, part: SegmentedImages, options: Sequence[float]) -> float:
        """Set the background's bias to the option with the best mean IoU on the part, which must not be a test part."""
        shares = (found[-1] for found in self.probabilities(part.images))
        self.bias = best_bias(shares, part.labels, self.classes, options)
        return self.bias

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's weights, which common.model_size counts."""
        return self.network_.parameters()
