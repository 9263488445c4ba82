"""What stands between two linear layers decides what a network can bend, and whether it learns.

Question   Sigmoid, tanh, or one of ReLU's family: which hidden unit, and is the lecture's advice right on digits?
Method     ReLU (Nair and Hinton 2010), leaky ReLU (Maas et al. 2013), ELU (Clevert et al. 2016), concatenated ReLU
           (Shang et al. 2016), sigmoid, tanh, maxout (Goodfellow et al. 2013), each with its derivative, in one network.
Rival      No hidden unit at all, which makes the network a linear classifier; the RBF-SVM.
Differs    Concatenated ReLU doubles the units it hands on and maxout halves them: the layers beside them fit themselves
           to that, and the number of weights is shown.
Costs      x s on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ch04_backprop.layers import Layer
from common.run import Run

if TYPE_CHECKING:
    pass


class ReLU(Layer):
    """max(0, z): half of the line is flat, and the other half hands delta on unchanged."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = np.maximum(z, 0)
        return self.out

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = [z > 0]."""
        return delta * (self.out > 0)


class LeakyReLU(Layer):
    """z where z > 0, else slope · z: never quite flat."""

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = slope

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.rise = np.where(z > 0, z.dtype.type(1), z.dtype.type(self.slope))
        return z * self.rise

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1 or slope."""
        return delta * self.rise


class ELU(Layer):
    """z where z > 0, else α (e^z − 1): bends smoothly towards −α, so that a layer's mean can be near 0."""

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = np.where(z > 0, z, self.alpha * np.expm1(np.minimum(z, 0)))
        return self.out

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1, or α e^z, which is the output plus α."""
        return delta * np.where(self.out > 0, 1, self.out + self.alpha).astype(delta.dtype)


class ConcatenatedReLU(Layer):
    """(max(0, z), max(0, −z)) side by side: twice the units, and what one of the two drops the other keeps."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n 2*units"]:
        self.out = np.maximum(np.concatenate([z, -z], axis=1), 0)
        return self.out

    def backward(self, delta: Float[np.ndarray, "n 2*units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = [z > 0] for the first half and −[z < 0] for the second."""
        positive, negative = np.split(delta * (self.out > 0), 2, axis=1)
        return positive - negative


class Tanh(Layer):
    """(e^z − e^−z) / (e^z + e^−z): a sigmoid from −1 to 1, 2σ(2z) − 1."""

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        self.out = np.tanh(z)
        return self.out

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """∂/∂z = 1 − tanh² z."""
        return delta * (1 - self.out * self.out)


class Maxout(Layer):
    """The largest of each `pieces` neighbouring inputs: a convex function in that many straight pieces, learned."""

    def __init__(self, pieces: int = 2) -> None:
        self.pieces = pieces

    def forward(self, z: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "n units"]:
        groups = z.reshape(len(z), -1, self.pieces)
        self.winner = np.eye(self.pieces, dtype=z.dtype)[groups.argmax(axis=2)]
        return groups.max(axis=2)

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n inputs"]:
        """∂/∂z = 1 for the largest of each group, 0 for the others."""
        return (delta[:, :, None] * self.winner).reshape(len(delta), -1)


def lesson(run: Run) -> None:
    raise NotImplementedError
