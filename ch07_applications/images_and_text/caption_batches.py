"""Pictures' vectors with sentences: what a caption generator learns from, and batches of it.

Fading     The picture is added to every input at first, and its share falls to 0 in the middle of the training. So the
           network first learns to look up in the picture what belongs together, and then to remember it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from ch07_applications.images_and_text.vocabulary import Vocabulary
from common.errors import Problem

FADING = (0.35, 0.65)  # shares of the training: between them, the picture is taken away from all inputs but the first
Words = tuple[str, ...]


class AddsPicture(Protocol):
    """A network that adds this share of the picture to every word that it reads."""

    share: float


@dataclass(frozen=True, eq=False)
class CaptionedVectors:
    """Pictures' vectors and a sentence of each, sliceable as a batch.

    words: their numbers, from BEGIN to END, padded behind. lengths: how many numbers each has.
    """

    vectors: Float[Tensor, "n numbers"]
    words: Int64[Tensor, "n longest"]
    lengths: Int64[Tensor, "n"]

    def __getitem__(self, which: slice) -> CaptionedVectors:
        return CaptionedVectors(*(part[which] for part in vars(self).values()))

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def of(
        cls, vectors: Float[Tensor, "n numbers"], sentences: Sequence[Sequence[str]], vocabulary: Vocabulary
    ) -> CaptionedVectors:
        """A sentence of each picture, by its numbers. Raises Problem for another number of sentences."""
        if len(vectors) != len(sentences):
            raise Problem(f"{len(vectors)} pictures but {len(sentences)} sentences")
        return cls(vectors, *vocabulary.batch(sentences))


@dataclass
class CaptionBatches:
    """Pictures with a sentence drawn from each one's own, as common.train.Batches."""

    vectors: Float[Tensor, "n numbers"]
    words: Int64[Tensor, "n captions longest"]
    lengths: Int64[Tensor, "n captions"]

    @classmethod
    def of(
        cls, vectors: Float[Tensor, "n numbers"], sentences: Sequence[Sequence[Words]], vocabulary: Vocabulary
    ) -> CaptionBatches:
        """Of as many sentences each as the picture with the fewest has. Raises Problem as CaptionedVectors.of does."""
        if len(vectors) != len(sentences):
            raise Problem(f"{len(vectors)} pictures but sentences of {len(sentences)}")
        count = min(map(len, sentences))
        numbers = vocabulary.batch([words for own in sentences for words in own[:count]])
        return cls(vectors, *(each.unflatten(0, (-1, count)) for each in numbers))

    def __len__(self) -> int:
        return len(self.vectors)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[CaptionedVectors]:
        drawn = torch.randint(self.lengths.shape[1], (len(index),), generator=generator)
        lengths = self.lengths[index, drawn]
        return (CaptionedVectors(self.vectors[index], self.words[index, drawn, : int(lengths.max())], lengths),)


def remaining(done: float) -> float:
    """The picture's share in later inputs when so much of the training is done: 1, then less and less, then 0."""
    begin, end = FADING
    return min(1.0, max(0.0, (end - done) / (end - begin)))


@dataclass
class FadingPictures(CaptionBatches):
    """Batches for a training of so many steps; each of them sets the network's share of the picture first."""

    network: AddsPicture
    steps: int
    taken: int = 0

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[CaptionedVectors]:
        self.network.share = remaining(self.taken / self.steps)
        self.taken += 1
        return super().batch(index, generator)
