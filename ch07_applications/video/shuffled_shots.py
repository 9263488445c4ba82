"""Films as batches for a network that scores frames: padded to one length, their shots reshuffled every time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass
class ShuffledShots:
    """Films for common.train, with the importance of their frames and the lengths of their shots.

    The shots of a film are shuffled every time, because their importance does not depend on the order. Shorter films
    of a batch, and their importance, end with NaN.
    """

    rows: list[Float[Tensor, "_ numbers"]]
    important: list[Float[Tensor, "_"]]
    lengths: list[list[int]]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(
        self, index: Int[Tensor, "batch"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "batch frames numbers"], Float[Tensor, "batch frames"]]:
        picked, answers = [], []
        for film in index.tolist():
            order = shuffled_frames(self.lengths[film], generator)
            picked.append(self.rows[film][order])
            answers.append(self.important[film][order])
        return padded(picked), padded(answers)


def shuffled_frames(lengths: list[int], generator: torch.Generator) -> Int[Tensor, "frames"]:
    """The indices of a film's frames with its shots in random order; within a shot, the order is kept."""
    shots = torch.arange(sum(lengths)).split(lengths)
    return torch.cat([shots[shot] for shot in torch.randperm(len(shots), generator=generator)])


def padded(films: list[Float[Tensor, "_ *numbers"]]) -> Float[Tensor, "batch frames *numbers"]:
    """Films in one array, padded with NaN."""
    return pad_sequence(films, batch_first=True, padding_value=torch.nan)
