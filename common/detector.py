"""What a detector is asked by those who judge it, besides fit and predict: how long its ready-made parts took."""

from __future__ import annotations

import numpy as np
from jaxtyping import UInt8


class Detector:
    """A detector has fit(images, targets) and predict(images). One that is given nothing ready-made inherits zeros."""

    def seconds_before(self, images: UInt8[np.ndarray, "n height width 3"]) -> float:
        """What has been spent for it before it learns from these images: on a shared trunk, on proposals of theirs."""
        return 0.0

    def seconds_for_proposals(self, images: UInt8[np.ndarray, "n height width 3"]) -> float:
        """What computing these images' proposals cost, whichever detector it was first done for."""
        return 0.0
