"""A pool of old translations, of which a discriminator is shown some beside the newest.

Method     Shrivastava et al. 2017, §2.3. A discriminator that saw the newest fakes alone would forget what a generator
           did before, and the generator could go back to it: the two would circle.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

Pixels = Float[Tensor, "n channels height width"]


class Pool(nn.Module):
    """So many old translations, in buffers, which checkpoints keep.

    While it is filling, it keeps and gives back what comes. Afterwards each image is, half of the time, kept in place
    of an old one, which is given back.
    """

    def __init__(self, size: int, channels: int, side: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(size, channels, side, side))
        self.register_buffer("filled", torch.tensor(0))

    @torch.no_grad()
    def forward(self, fakes: Pixels) -> Pixels:
        fakes, given = fakes.to(self.images), fakes.to(self.images).clone()
        room = min(len(self.images) - int(self.filled), len(fakes))
        self.images[self.filled : self.filled + room] = fakes[:room]
        full = int(self.filled)  # a batch gets none of its own images back
        self.filled += room
        swapped = torch.nonzero(torch.rand(len(fakes)) < 0.5).flatten()
        swapped = swapped[swapped >= room][:full]
        places = torch.randperm(full)[: len(swapped)]
        given[swapped] = self.images[places]
        self.images[places] = fakes[swapped]
        return given
