"""Judges of drawn pictures: a reader of each thing's class and colour, and R-precision by a separate model.

Both are trained on real scenes that no generator has seen, in which every class comes in every colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64, UInt8
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS
from ch07_applications.images_and_text.placed_scenes import CROP, PlacedScenes, crops_of
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.images_and_text.word_region_matching import (
    SimilarityModel,
    encode,
    match_wholes,
    pixels_of,
    train_similarity,
)
from common.image_classifier import outputs
from common.method import Method
from common.run import Run
from common.train import Training

BINDING, CLASS, COLOUR, PRECISION = "things as stated", "classes as stated", "colours as stated", "R-precision"
REAL = "real pictures"
EPOCHS = (8, 3)  # of the reader; of the matcher
CANDIDATES = 100  # sentences per picture, one of them its own: the paper's number
WIDTHS, RATE, BATCH, SHIFT = (32, 64, 96), 4e-3, 64, 1  # SHIFT: the largest shift of crops in training, in pixels
MATCHER_SEED = 1000  # added to the run's: the judge differs from the model that trains generators
Pictures = UInt8[np.ndarray, "n side side 3"]


class Reader(nn.Module):
    """Maps a square of 16 × 16 pixels to logits of classes and of colours, concatenated."""

    def __init__(self) -> None:
        super().__init__()
        layers = []
        for inputs, width in zip((3, *WIDTHS), WIDTHS, strict=False):
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            layers += [nn.MaxPool2d(2)]
        self.maps = nn.Sequential(*layers, nn.Flatten())
        self.last = nn.Linear(WIDTHS[-1] * (CROP // 8) ** 2, len(NOUNS) + len(COLOURS))

    def forward(self, crops: Float[Tensor, "n 3 16 16"]) -> Float[Tensor, "n both"]:
        return self.last(self.maps(crops))


def reading_loss(logits: Float[Tensor, "n both"], answers: Int64[Tensor, "n 2"]) -> Float[Tensor, ""]:
    """The sum of the cross-entropies of class and of colour."""
    both = logits.float().split([len(NOUNS), len(COLOURS)], dim=1)
    return sum(functional.cross_entropy(each, answer) for each, answer in zip(both, answers.unbind(1), strict=True))


@dataclass
class ReadBatches:
    """Squares with class and colour, as common.train.Batches: shifted a little, half of them mirrored, half smoothed.

    Generated pictures are softer than photographs; a reader trained on sharp things only would penalise softness, not
    content.
    """

    crops: Float[Tensor, "n 3 16 16"]
    answers: Int64[Tensor, "n 2"]

    def __len__(self) -> int:
        return len(self.crops)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        across, down = torch.randint(-SHIFT, SHIFT + 1, (2,), generator=generator).tolist()
        crops = self.crops[index].roll((down, across), (2, 3))
        mirrored, smoothed = torch.rand(2, len(index), 1, 1, 1, generator=generator) < 0.5
        crops = torch.where(mirrored, crops.flip(3), crops)
        return torch.where(smoothed, smooth(crops), crops), self.answers[index]


def smooth(crops: Float[Tensor, "n 3 height width"]) -> Float[Tensor, "n 3 height width"]:
    """The mean of each pixel and its eight neighbours; the border is continued outwards."""
    return functional.avg_pool2d(functional.pad(crops, (1, 1, 1, 1), mode="replicate"), 3, stride=1)


@dataclass(frozen=True, eq=False)
class Judges:
    """reader: recognises things. matcher: compares sentences and pictures, with its vocabulary."""

    reader: Reader
    matcher: SimilarityModel
    vocabulary: Vocabulary

    def parameters(self) -> list[nn.Parameter]:
        """The weights of both models, which common.model_size counts."""
        return [*self.reader.parameters(), *self.matcher.parameters()]

    def read(self, images: Pictures, places: Int64[np.ndarray, "n 2"]) -> Int64[np.ndarray, "n 2 2"]:
        """Class and colour (last axis) of the thing at each place of each picture; −1 for places without a thing."""
        found = np.full((*places.shape, 2), -1)
        logits = outputs(self.reader, pixels_of(crops_of(images, places))).float()
        both = [each.argmax(dim=1).numpy() for each in logits.split([len(NOUNS), len(COLOURS)], dim=1)]
        found[places >= 0] = np.stack(both, axis=1)
        return found


def ranked_first(
    matcher: SimilarityModel, vocabulary: Vocabulary, images: Pictures, scenes: PlacedScenes
) -> Bool[np.ndarray, "n"]:
    """Whether each picture's sentence ranks before 99 random ones with another meaning: R-precision, §4.

    A tie is a miss: a matcher that scores everything alike finds nothing.
    """
    _, _, sentences = encode(matcher, vocabulary, scenes.inputs)
    matcher.eval()
    with torch.inference_mode():
        parts = pixels_of(images).to(sentences.device).split(250)
        scores = match_wholes(sentences, torch.cat([matcher.image(part)[1] for part in parts])).cpu().numpy()
    rng, meanings, ahead = np.random.default_rng(0), scenes.meanings, []
    for own, row in enumerate(scores):
        others = np.flatnonzero(meanings != meanings[own])
        others = rng.choice(others, min(CANDIDATES - 1, len(others)), replace=False)
        ahead.append(bool(row[own] > row[others].max()))
    return np.array(ahead)


def train_judges(run: Run, scenes: PlacedScenes, vocabulary: Vocabulary, epochs: tuple[int, int]) -> Judges:
    """Train both judges. epochs: of the reader and of the matcher."""
    there = scenes.places >= 0
    answers = torch.tensor(np.stack([scenes.labels[there], scenes.colours[there]], axis=1))
    batches = ReadBatches(pixels_of(crops_of(scenes.images, scenes.places)), answers)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed + MATCHER_SEED)
        reader = Reader()
    how = {"loss": reading_loss, "device": run.device, "checkpoint": run.checkpoint("reader"), "say": run.say_step}
    Training(epochs[0], RATE, BATCH, **how)(reader, batches, run.seed + MATCHER_SEED)
    return Judges(reader, train_similarity(run, scenes, vocabulary, epochs[1], run.seed + MATCHER_SEED), vocabulary)


def learn_to_judge(run: Run, scenes: PlacedScenes, vocabulary: Vocabulary, parts: Mapping[str, PlacedScenes]) -> Judges:
    """Train reader and matcher, and score them on the real pictures of some parts, beside which drawn ones stand.

    parts: by the suffix of the method's name.
    """
    judges = None
    for suffix, part in parts.items():
        with run.method(REAL + suffix, kind="reference") as method:
            epochs = run.pick(smoke=(1, 1), lecture=EPOCHS, full=(20, 20))
            method.model = judges = judges or method.time(train_judges, run, scenes, vocabulary, epochs)
            judge(method, judges, part.images, part)
    return judges


def judge(method: Method, judges: Judges, images: Pictures, scenes: PlacedScenes) -> None:
    """Score pictures of the scenes' first captions, scene by scene.

    A scene counts as stated if the reader finds the class, the colour, or both of every thing at its place. Raises
    ValueError unless there is one picture per scene.
    """
    if len(images) != len(scenes):
        raise ValueError(f"{len(images)} pictures of {len(scenes)} scenes")
    right = judges.read(images, scenes.places) == np.stack([scenes.labels, scenes.colours], axis=2)
    shares = {BINDING: right.all(axis=(1, 2)), CLASS: right[..., 0].all(axis=1), COLOUR: right[..., 1].all(axis=1)}
    shares[PRECISION] = ranked_first(judges.matcher, judges.vocabulary, images, scenes)
    for metric, each in shares.items():
        method.score_items(metric, 100.0 * each, scenes, unit="%", higher_is_better=True)
