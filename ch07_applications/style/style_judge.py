"""The distances of a restyled picture from its photograph and from its style, in a network that was not optimised.

A picture whose Gram matrices in VGG were minimised has small errors in VGG: that proves that the search works, not that
the style is there. So distances are measured in SqueezeNet (Iandola et al. 2016), which has another architecture and
was trained by others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from ch07_applications.style.colour_transfer import colour_distance
from ch07_applications.style.pixels import Picture, inputs_of
from ch07_applications.style.styles import Pairs
from common.run import Method

STYLE = (1, 4, 7, 9, 12)  # indices in SqueezeNet's stack: the first rectifier and the ends of fire modules
CONTENT = (12,)  # the end of the last one, from which ImageNet's classes are predicted
TO_COLOURS, TO_STYLE, TO_CONTENT = "colour distance", "style distance", "content distance"


class Judge:
    """Distances in a network. style, content: indices in its stack of layers."""

    def __init__(self, network: nn.Module, style: Sequence[int] = STYLE, content: Sequence[int] = CONTENT) -> None:
        self.layers, self.style, self.content = network.features.eval(), style, content

    @classmethod
    def of(cls, network: nn.Module | None) -> Judge | None:
        """A judge if there is a network, else None."""
        return None if network is None else cls(network)

    def activations(self, picture: Picture) -> dict[int, Float[Tensor, "filters places"]]:
        """The activations of the layers that are used."""
        found, x = {}, inputs_of(picture)
        with torch.inference_mode():
            for place, layer in enumerate(self.layers[: max(*self.style, *self.content) + 1]):
                x = layer(x)
                found[place] = x[0].flatten(1).clone()
        return {place: found[place] for place in {*self.style, *self.content}}

    def content_distance(self, picture: Picture, photograph: Picture) -> float:
        """1 minus the cosine of the angle between F and P, averaged over layers: 0 for the photograph itself.

        The lengths of F and P do not count: they fall with contrast, which belongs to the style.
        """
        ours, theirs = self.activations(picture), self.activations(photograph)
        cosines = [cosine_similarity(ours[place].ravel(), theirs[place].ravel(), dim=0) for place in self.content]
        return float(1 - torch.stack(cosines).mean())

    def style_distance(self, picture: Picture, style: Picture) -> float:
        """‖G − A‖ / ‖A‖ of Gram matrices, each divided by its number of places, averaged over layers."""
        ours, theirs = (
            {place: maps @ maps.T / maps.shape[1] for place, maps in self.activations(each).items()}
            for each in (picture, style)
        )
        return float(np.mean([(ours[place] - theirs[place]).norm() / theirs[place].norm() for place in self.style]))


def score(method: Method, judge: Judge | None, pairs: Pairs, pictures: Sequence[Picture]) -> None:
    """The distances of a method's pictures, pair by pair; without a judge only the distance of colours."""
    distances = {TO_COLOURS: (colour_distance, pairs.answers)}
    if judge is not None:
        distances |= {
            TO_STYLE: (judge.style_distance, pairs.answers),
            TO_CONTENT: (judge.content_distance, pairs.inputs),
        }
    for metric, (distance, wanted) in distances.items():
        method.score_items(metric, np.array([distance(*both) for both in zip(pictures, wanted, strict=True)]), pairs)
