"""AttnGAN's sizes, the weights of its losses, and its batches: captions, encoded once, with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor
from torch.nn.functional import avg_pool2d

from ch07_applications.images_and_text.placed_scenes import PlacedScenes
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.images_and_text.word_region_matching import WORD, SimilarityModel, encode, pixels_of

Pixels = Float[Tensor, "n 3 _ _"]


@dataclass(frozen=True)
class Plan:
    """The sizes of the networks.

    sides: of the pictures of all stages, in pixels. width: channels of a stage's maps. judging: channels of a
    discriminator's first layer. noise, condition, words: dimensions of z, of the condition around ē, of a word's
    vector. residual: blocks of each stage but the first.
    """

    sides: tuple[int, ...] = (8, 16, 32)
    width: int = 24
    judging: int = 16
    noise: int = 16
    condition: int = 32
    words: int = WORD
    residual: int = 1

    def __post_init__(self) -> None:
        """Raises ValueError unless each stage doubles the side, and the first side is a power of two above 4."""
        first = self.sides[0]
        if first < 8 or first & (first - 1) or self.sides != tuple(first << k for k in range(len(self.sides))):
            raise ValueError(f"sides begin with 8, 16, 32, … and double from stage to stage, got {self.sides}")


@dataclass(frozen=True)
class Weights:
    """Weights of the generator's losses relative to the adversarial one. matching: DAMSM's (λ). picture: of the squared
    differences from the true pictures (ρ). condition: of the divergence of the conditioning distribution from N(0,
    I).
    """

    matching: float = 0.1
    picture: float = 60.0
    condition: float = 0.02


@dataclass(frozen=True)
class Recipe:
    """The training of a generator. pretraining: epochs with the differences from the true pictures only, at first_rate.
    epochs: with all losses, at the other two rates.
    """

    pretraining: int = 6
    epochs: int = 1
    attentive: bool = True
    plan: Plan = Plan()
    weights: Weights = Weights()
    first_rate: float = 0.01
    learning_rate: float = 3e-4
    discriminator_rate: float = 1e-3
    batch_size: int = 32

    @property
    def name(self) -> str:
        """What tells a lesson's recipes apart, for the names of checkpoints."""
        return f"{'words' if self.attentive else 'sentence'}{'' if self.weights.matching else ', unmatched'}"


PAPER = Plan((64, 128, 256), width=32, judging=64, noise=100, condition=100, words=256, residual=2)


@dataclass(frozen=True, eq=False)
class Sentences:
    """Encoded captions. words: 0 after a shorter sentence's last word. there: which words are not padding."""

    words: Float[Tensor, "n words width"]
    there: Bool[Tensor, "n words"]
    whole: Float[Tensor, "n width"]

    @classmethod
    def of(cls, similarity: SimilarityModel, vocabulary: Vocabulary, captions: Sequence) -> Sentences:
        """Encode captions by a frozen text encoder."""
        return cls(*encode(similarity, vocabulary, captions))

    def take(self, which: Int[Tensor, "m"] | slice) -> Sentences:
        """The sentences at these indices."""
        return Sentences(*(part[which] for part in vars(self).values()))


@dataclass
class PaintedBatches:
    """Noise, a random sentence of each picture, its meaning, and the picture at every stage's side."""

    captions: int
    sentences: Sentences
    meanings: Int64[Tensor, "n"]
    pixels: tuple[Pixels, ...]
    noise: int

    @classmethod
    def of(
        cls, scenes: PlacedScenes, similarity: SimilarityModel, vocabulary: Vocabulary, plan: Plan
    ) -> PaintedBatches:
        """All captions of the scenes, each encoded once, as the text encoder is frozen.

        Raises ValueError for pictures of another side than the last stage's.
        """
        if scenes.images.shape[1] != plan.sides[-1]:
            raise ValueError(f"pictures of {scenes.images.shape[1]} pixels, but the last stage makes {plan.sides[-1]}")
        every = [caption for captions in scenes.captions for caption in captions]
        sentences, full = Sentences.of(similarity, vocabulary, every), pixels_of(scenes.images)
        pixels = tuple(avg_pool2d(full, full.shape[-1] // side) for side in plan.sides)
        captions = len(every) // len(scenes)
        return cls(captions, sentences, torch.tensor(scenes.meanings), pixels, plan.noise + plan.condition)

    def __len__(self) -> int:
        return len(self.meanings)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, ...]:
        noise = torch.randn(len(index), self.noise, generator=generator)
        drawn = index * self.captions + torch.randint(self.captions, (len(index),), generator=generator)
        some = self.sentences.take(drawn.to(self.sentences.whole.device))
        pixels = (part[index] for part in self.pixels)
        return noise, some.words, some.there, some.whole, self.meanings[index], *pixels
