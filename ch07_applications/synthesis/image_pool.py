"""A pool of old translations, some of which a discriminator sees beside the newest.

Method     Shrivastava et al. 2017, §2.3. A discriminator that saw only the newest fakes would forget what the generator
           did before, and the generator could return to it: the two would oscillate.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

Pixels = Float[Tensor, "n channels height width"]


class Pool(nn.Module):
    """A number of old translations, in buffers, which checkpoints store.

    While the pool is filling, it stores and returns each image. Afterwards, half of the time an image replaces an old
    one, which is returned instead.
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
        full = int(self.filled)  # a batch never gets its own images back
        self.filled += room
        swapped = torch.nonzero(torch.rand(len(fakes)) < 0.5).flatten()
        swapped = swapped[swapped >= room][:full]
        places = torch.randperm(full)[: len(swapped)]
        given[swapped] = self.images[places]
        self.images[places] = fakes[swapped]
        return given
