"""Pictures' vectors with sentences: what a caption generator learns from, and batches of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from ch07_applications.images_and_text.vocabulary import Vocabulary
from common.errors import Problem

Words = tuple[str, ...]


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
