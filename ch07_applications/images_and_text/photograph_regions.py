"""Photographs with captions by people, and regions of them by a frozen network.

Method     The last maps of MobileNetV2 (Sandler et al. 2018), trained on ImageNet, are 7 × 7 for a photograph of 224
           pixels. A region is a window of 3 × 3 of them, nine in all, and the tenth is the whole photograph; its
           features are the window's mean. Only a linear map of these features is learned (Eq. 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int64
from torch import Tensor, nn

from ch07_applications.images_and_text.aligned_batches import Pairs
from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.picture_regions import Regions, places_of
from ch07_applications.images_and_text.vocabulary import MARKS, UNKNOWN, Vocabulary, words_of
from common.data.flickr8k import CaptionedImages, flickr8k_or_none
from common.data.weights import imagenet_inputs, mobilenet_v2_or_none
from common.run import Run
from common.train import half_pays

WINDOW, STRIDE = 3, 2  # cells of the last maps
SEEN, UNSAID = 3, 0.2  # the least number of training captions with a word; the share of words dropped in training


@dataclass(frozen=True, eq=False)
class Photographs:
    """Photographs with features of their regions, and the captions of each. part: their source."""

    regions: Regions
    captions: tuple[tuple[Caption, ...], ...]
    part: CaptionedImages

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def sentences(self) -> list[Caption]:
        """All captions, photograph by photograph."""
        return [caption for own in self.captions for caption in own]

    @property
    def owners(self) -> Int64[np.ndarray, "sentences"]:
        """The photograph of each caption."""
        return np.repeat(np.arange(len(self)), [len(own) for own in self.captions])

    def first(self, n: int) -> Photographs:
        """The first n photographs."""
        regions = Regions(*(value[:n] for value in vars(self.regions).values()))
        return Photographs(regions, self.captions[:n], self.part.take(slice(n)))

    def vocabulary(self) -> Vocabulary:
        """The words of at least SEEN captions."""
        return Vocabulary.of((set(caption.words) for caption in self.sentences), SEEN)


@dataclass(frozen=True, eq=False)
class PhotographSets:
    """train; validation, for choosing settings; test, for scoring."""

    train: Photographs
    validation: Photographs
    test: Photographs


def photographs_or_none(run: Run) -> PhotographSets | None:
    """Flickr8k by MobileNetV2's maps; None if either is unavailable, with a note that says so."""
    found = flickr8k_or_none(run.scale, run.note)
    trunk = found and mobilenet_v2_or_none(run.scale, run.note)
    if trunk is None:
        return None
    return PhotographSets(*(look_at(part, trunk, run.device) for part in (found.train, found.validation, found.test)))


def regions_of(maps: Float[Tensor, "n features rows columns"]) -> Float[Tensor, "n regions features"]:
    """The mean of each window, row by row, and then of everything."""
    windows = nn.functional.avg_pool2d(maps, WINDOW, STRIDE).flatten(2)
    return torch.cat([windows, maps.mean(dim=(2, 3))[:, :, None]], dim=2).transpose(1, 2)


def boxes_in(rows: int, columns: int, side: int) -> Float32[np.ndarray, "regions 4"]:
    """The boxes of the regions in a photograph, for maps of this size: xyxy in pixels."""
    tops, lefts = (range(0, size - WINDOW + 1, STRIDE) for size in (rows, columns))
    windows = [(left, top, left + WINDOW, top + WINDOW) for top, left in product(tops, lefts)]
    scale = np.array([side / columns, side / rows] * 2)
    return np.float32(np.array([*windows, (0, 0, columns, rows)]) * scale)


def look_at(part: CaptionedImages, trunk: nn.Module, device: torch.device) -> Photographs:
    """Compute the regions of photographs from the trunk's last maps."""
    found, trunk = [], trunk.features.to(device, memory_format=torch.channels_last).eval()
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half_pays(device)):
        for at in range(0, len(part), 32):
            maps = trunk(imagenet_inputs(part.images[at : at + 32]).to(device))
            found.append(regions_of(maps.float()).cpu())
    features, side = torch.cat(found).clone(), part.images.shape[1]  # cloned, so that gradients are allowed
    boxes = np.repeat(boxes_in(*maps.shape[2:], side)[None], len(part), axis=0)
    regions = Regions(boxes, np.full(boxes.shape[:2], -1), features, places_of(boxes, side))
    sentences = ([words_of(text) for text in captions] for captions in part.captions)
    captions = tuple(tuple(Caption(words, (-1,) * len(words)) for words in own) for own in sentences)
    return Photographs(regions, captions, part)


class FeatureNetwork(nn.Module):
    """A vector of each region: v = W [features, position] + b, Eq. 1, with a frozen CNN.

    mean, deviation: of the training photographs' features, by which all are standardised.
    """

    def __init__(self, features: Float[Tensor, "n regions features"], shared: int) -> None:
        super().__init__()
        self.register_buffer("mean", features.mean(dim=(0, 1)))
        self.register_buffer("deviation", features.std(dim=(0, 1)).clamp(min=1e-6))
        self.drop, self.enter = nn.Dropout(0.5), nn.Linear(features.shape[2] + 4, shared)

    def forward(
        self, features: Float[Tensor, "n regions features"], places: Float[Tensor, "n regions 4"]
    ) -> Float[Tensor, "n regions shared"]:
        looks = (features - self.mean) / self.deviation
        return self.enter(torch.cat([self.drop(looks), 2 * places - 1], dim=2))


@dataclass
class DescribedPhotographs:
    """Photographs with a random caption of each, of which some words are dropped, and the whole caption, as
    common.train.Batches.
    """

    photographs: Photographs
    numbers: Int64[Tensor, "n captions words"]
    lengths: Int64[Tensor, "n captions"]

    @classmethod
    def of(cls, photographs: Photographs, vocabulary: Vocabulary) -> DescribedPhotographs:
        """Use the same number of captions for each: that of the photograph with the fewest."""
        count = min(len(own) for own in photographs.captions)
        every = [caption.words for own in photographs.captions for caption in own[:count]]
        numbers, lengths = vocabulary.batch(every, marked=False)
        return cls(photographs, *(each.unflatten(0, (-1, count)) for each in (numbers, lengths)))

    def __len__(self) -> int:
        return len(self.photographs)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Pairs, Tensor]:
        drawn = torch.randint(self.lengths.shape[1], (len(index),), generator=generator)
        numbers, regions = self.numbers[index, drawn], self.photographs.regions
        left_out = (torch.rand(numbers.shape, generator=generator) < UNSAID) & (numbers >= len(MARKS))
        given = torch.where(left_out, UNKNOWN, numbers)
        return Pairs(regions.crops[index], regions.places[index], given, self.lengths[index, drawn]), numbers
