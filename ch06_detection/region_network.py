"""A network for windows of an image: a trunk in two stages, and scores from the mean of the second one's map.

Method     Girshick et al. 2014 (R-CNN), §2.3: a network that has learned to classify sees every crop as a picture.
Differs    The papers' networks end in layers that are fully connected; this one in a mean (Lin et al. 2014, §3.2).
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ch06_detection.naming import Taught, score_rows, start_from
from ch06_detection.square_crops import Crops
from ch06_detection.ssd_network import small_trunk, stage_channels

STRIDE = 8  # pixels, a cell of the first stage's map


class RegionNetwork(nn.Module):
    """Called with crops, it gives scores before the softmax, background first. classes: without background."""

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        self.classes = classes
        self.stages = nn.Sequential(*small_trunk(width)[:2])
        self.score = nn.Linear(stage_channels(self.stages), classes + 1)

    def start_from(self, taught: Taught) -> None:
        """Take over what a network has learned that names objects."""
        start_from(taught.stages, self.stages)
        score_rows(self.score, taught.score)

    def forward(self, crops: Crops) -> Float[Tensor, "n scores"]:
        return self.score(self.stages(crops).mean(dim=(2, 3)))
