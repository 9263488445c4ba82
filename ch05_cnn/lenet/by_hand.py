"""The network of 1989 trained by hand, one digit at a time: forward and backward in some fifty array operations.

Method     A neighbourhood is gathered by a table of indices, and a layer of maps is then one matrix product (im2col).
           Backward, gathered values are scattered and added by the table's transpose. All weights are in one vector, so
           that a step of gradient descent is one line. PyTorch takes about ten times as long, mostly in overhead.
Differs    The paper gives each weight its own rate, from an estimate of the error's curvature. Here all have the same.
           Connections that the paper does not have are present in H2, with weights fixed at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int
from torch import nn

from ch05_cnn.lenet.plan import (
    BACKGROUND,
    BEFORE,
    CLASSES,
    HIDDEN,
    KERNEL,
    MAPS,
    SEEN_BY_H2,
    SIDE,
    STRIDE,
    A,
    S,
)
from common.errors import LossNotFinite

TAPS, H1_UNITS, H2_UNITS = KERNEL**2, (SIDE // 2) ** 2, (SIDE // 4) ** 2  # of a kernel; in a map
H2, H2_INPUTS = MAPS * H2_UNITS, TAPS * MAPS
SHAPES = (  # of weights and biases of H1, H2, H3 and the output
    *((TAPS, MAPS), (H1_UNITS, MAPS)),
    *((H2_INPUTS, MAPS), (H2_UNITS, MAPS)),
    *((H2, HIDDEN), (HIDDEN,)),
    *((HIDDEN, CLASSES), (CLASSES,)),
)


def connected_cells(side: int) -> Int[np.ndarray, "units taps"]:
    """The cells of a map of side × side connected to each unit of the next layer; the last index is the border."""
    seen = STRIDE * np.arange(side // STRIDE)[:, None] - BEFORE + np.arange(KERNEL)
    inside = (seen >= 0) & (seen < side)
    cells = side * seen[:, None, :, None] + seen[None, :, None, :]
    return np.where(inside[:, None, :, None] & inside[None, :, None, :], cells, side**2).reshape(-1, TAPS)


def connection_mask() -> Bool[np.ndarray, "inputs maps"]:
    """A mask of H2's weights that exist in the network, tap by tap and map by map."""
    there = np.zeros((TAPS, MAPS, MAPS), bool)
    there[:, SEEN_BY_H2, np.arange(MAPS)[:, None]] = True
    return there.reshape(-1, MAPS)


def views(vector: Float32[np.ndarray, "n"]) -> list[Float32[np.ndarray, "..."]]:
    """The vector, cut into the weights and biases of the layers."""
    ends = np.cumsum([0, *map(np.prod, SHAPES)])
    return [vector[a:b].reshape(shape) for (a, b), shape in zip(pairwise(ends), SHAPES, strict=True)]


def add_border(images: Float32[np.ndarray, "n side side"]) -> Float32[np.ndarray, "n cells"]:
    """Images as rows; after the last pixel comes the one that represents all beyond the border."""
    return np.pad(images.reshape(len(images), -1), ((0, 0), (0, 1)), constant_values=BACKGROUND)


def squash(a: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """A tanh(S a), in place."""
    a *= np.float32(S)
    np.tanh(a, out=a)
    a *= np.float32(A)
    return a


def slope(h: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """The derivative at the output h of squash: A S (1 − tanh²) = (A² − h²) S / A."""
    return (np.float32(A * A) - h * h) * np.float32(S / A)


class DigitByDigit:
    """A LeNet1989's weights, and the gradient of ½ Σ (o − t)² for one digit. weights, gradient: vectors."""

    def __init__(self, network: nn.Module) -> None:
        total = sum(map(np.prod, SHAPES))
        self.weights, self.gradient = np.zeros(total, np.float32), np.zeros(total, np.float32)
        self.layers, self.slopes = views(self.weights), views(self.gradient)
        self.H1_sees, self.H2_sees = connected_cells(SIDE), connected_cells(SIDE // STRIDE)
        self.connected = connection_mask().astype(np.float32)
        reached = np.eye(H1_UNITS + 1, dtype=np.float32)[:H1_UNITS, self.H2_sees.ravel()]
        self.reached = np.ascontiguousarray(reached)  # (unit of H1, gathered value of H2): 1 if gathered from it
        self.h1 = np.full((H1_UNITS + 1, MAPS), BACKGROUND, np.float32)  # its last row is beyond the border
        self.x1 = np.empty((H1_UNITS, TAPS), np.float32)
        self.x2 = np.empty((H2_UNITS, TAPS, MAPS), np.float32)
        self.read(network)

    def _pairs(self, network: nn.Module) -> Iterator[tuple[np.ndarray, Any, np.ndarray]]:
        """Triples (our array, index into it, the network's weights in our order: positions first, maps last)."""
        H1, H2, H3, out = network.H1, network.H2, network.H3, network.output
        W1, B1, W2, B2, W3, B3, W4, B4 = self.layers
        everywhere, those = ..., (slice(None), np.transpose(SEEN_BY_H2), np.arange(MAPS))
        yield W1, everywhere, H1.weight.detach().numpy().reshape(MAPS, TAPS).T
        yield B1, everywhere, H1.bias.detach().numpy().reshape(MAPS, -1).T
        yield W2.reshape(TAPS, MAPS, MAPS), those, H2.weight.detach().numpy().reshape(MAPS, -1, TAPS).T
        yield B2, everywhere, H2.bias.detach().numpy().reshape(MAPS, -1).T
        yield W3.reshape(-1, MAPS, HIDDEN), everywhere, H3.weight.detach().numpy().reshape(HIDDEN, MAPS, -1).T
        yield B3, everywhere, H3.bias.detach().numpy()
        yield W4, everywhere, out.weight.detach().numpy().T
        yield B4, everywhere, out.bias.detach().numpy()

    def read(self, network: nn.Module) -> None:
        """Read the network's weights."""
        for ours, where, theirs in self._pairs(network):
            ours[where] = theirs

    def write(self, network: nn.Module) -> None:
        """Write the weights to the network."""
        for ours, where, theirs in self._pairs(network):
            theirs[...] = ours[where]

    def backpropagate(self, x: Float32[np.ndarray, "cells"], target: Float32[np.ndarray, "10"]) -> None:
        """Forward, then backward: stores the gradient. Capital letters are weights, D their gradients, d the deltas."""
        W1, B1, W2, B2, W3, B3, W4, B4 = self.layers
        D1, d1, D2, d2, D3, d3, D4, d4 = self.slopes  # a bias's gradient is its unit's delta
        x1, x2, h1 = self.x1, self.x2.reshape(H2_UNITS, H2_INPUTS), self.h1[:H1_UNITS]

        x.take(self.H1_sees, out=x1, mode="clip")
        np.matmul(x1, W1, out=h1)
        h1 += B1
        squash(h1)
        self.h1.take(self.H2_sees, axis=0, out=self.x2, mode="clip")
        h2 = squash(x2 @ W2 + B2)
        h2_row = h2.ravel()
        h3 = squash(h2_row @ W3 + B3)
        o = squash(h3 @ W4 + B4)

        np.multiply(o - target, slope(o), out=d4)
        np.multiply(W4 @ d4, slope(h3), out=d3)
        np.multiply((W3 @ d3).reshape(h2.shape), slope(h2), out=d2)
        np.multiply(self.reached @ (d2 @ W2.T).reshape(-1, MAPS), slope(h1), out=d1)
        np.multiply(h3[:, None], d4, out=D4)
        np.multiply(h2_row[:, None], d3, out=D3)
        np.matmul(x2.T, d2, out=D2)
        D2 *= self.connected
        np.matmul(x1.T, d1, out=D1)  # a sum over the units of the map, which share weights

    def one_pass(
        self, x: Float32[np.ndarray, "n cells"], wanted: Float32[np.ndarray, "n 10"], learning_rate: float
    ) -> None:
        """θ ← θ − η ∇E, digit by digit, in the given order. Raises LossNotFinite after restoring the weights."""
        rate, before = np.float32(learning_rate), self.weights.copy()
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            for digit, target in zip(x, wanted, strict=True):
                self.backpropagate(digit, target)
                self.gradient *= rate
                self.weights -= self.gradient
        if not np.isfinite(self.weights).all():
            self.weights[...] = before
            raise LossNotFinite(np.nan, len(x))
