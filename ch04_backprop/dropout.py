"""tmp"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ch04_backprop.layers import Layer


class Dropout(Layer):
    """z^{l+1} = m z^l, m = 0 with probability p and else 1 / (1 − p), for every unit of every image anew.

    The expected output is the input, so that nothing has to be done in use (the paper multiplies by 1 − p there).
    """

    def __init__(self, p: float, rng: np.random.Generator) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"p must be in [0, 1), got {p}")
        self.p, self.rng = p, rng

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        if not self.training:
            return z
        self.mask = (self.rng.random(z.shape, z.dtype) >= self.p) * z.dtype.type(1 / (1 - self.p))
        return z * self.mask

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂z_k^{l+1}/∂z_k^l = m_k: who was not there is not to blame."""
        return delta * self.mask
