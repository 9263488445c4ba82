"""A small convolutional network of our own layers, and its twin in PyTorch with the same initial weights.

Method     28×28 → 8 kernels of 5×5, ReLU, max pooling → 16 kernels of 5×5, ReLU, average pooling → 10 classes; softmax
           and cross-entropy; momentum. Weights as He et al. 2015. Both start from the same weights and use the same
           batches, so that their losses must agree step by step, up to rounding.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from torch import nn

from ch05_cnn.layers.conv2d import conv2d, conv2d_backward
from ch05_cnn.layers.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from common.answers import check_labels
from common.features.image_kinds import check_bytes

LEARNING_RATE, MOMENTUM, BATCH = 0.02, 0.9, 50
SHAPES = ((8, 1, 5, 5), (16, 8, 5, 5), (10, 256))  # out × in, and the kernel


def as_input(images: Shaped[np.ndarray, "..."], dtype: type | np.dtype) -> Float[np.ndarray, "n 1 28 28"]:
    """Grey images as NCHW, from −1 to 1. Raises ValueError unless they are uint8."""
    check_bytes(images, channels=())
    return (images[:, None] / 127.5 - 1).astype(dtype)


class SmallNetwork:
    """The network. Forward stores what backward needs. weights: kernels and biases alternately, layer by layer."""

    def __init__(self, rng: np.random.Generator, dtype: type = np.float64) -> None:
        self.dtype, self.weights = dtype, []
        for shape in SHAPES:
            kernel = np.sqrt(2 / np.prod(shape[1:])) * rng.standard_normal(shape)
            self.weights += [kernel.astype(dtype), np.zeros(shape[0], dtype)]
        self.velocity = [np.zeros_like(weight) for weight in self.weights]

    def parameters(self) -> list[np.ndarray]:
        return self.weights

    def forward(self, x: Float[np.ndarray, "n 1 28 28"]) -> Float[np.ndarray, "n 10"]:
        w1, b1, w2, b2, w3, b3 = self.weights
        a1 = np.maximum(conv2d(x, w1, b1), 0)
        p1, switches = max_pool2d(a1)
        a2 = np.maximum(conv2d(p1, w2, b2), 0)
        p2 = avg_pool2d(a2).reshape(len(x), -1)
        self.kept = x, a1, switches, p1, a2, p2
        return p2 @ w3.T + b3

    def backward(self, delta: Float[np.ndarray, "n 10"]) -> list[np.ndarray]:
        """The gradient of each of weights from δ = ∂C/∂outputs: the lines of forward, last line first."""
        w1, _, w2, _, w3, _ = self.weights
        x, a1, switches, p1, a2, p2 = self.kept
        dw3, db3, dp2 = delta.T @ p2, delta.sum(axis=0), (delta @ w3).reshape(len(x), 16, 4, 4)
        da2 = avg_pool2d_backward(dp2, a2.shape[2:]) * (a2 > 0)
        dp1, dw2, db2 = conv2d_backward(da2, p1, w2)
        da1 = max_pool2d_backward(dp1, switches, a1.shape[2:]) * (a1 > 0)
        _, dw1, db1 = conv2d_backward(da1, x, w1)
        return [dw1, db1, dw2, db2, dw3, db3]

    def loss_and_gradients(
        self, x: Float[np.ndarray, "n 1 28 28"], labels: Shaped[np.ndarray, "..."]
    ) -> tuple[float, list[np.ndarray]]:
        """C = −(1/N) Σ log softmax(z)_y, whose δ is (softmax(z) − [k = y]) / N.

        Raises ValueError unless there is a label from 0 to 9 for each image.
        """
        z, rows = self.forward(x), np.arange(len(x))
        labels = check_labels(labels, z.shape, z.shape[1], ("labels", "scores"))
        z -= z.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        delta = np.exp(log_p)
        delta[rows, labels] -= 1
        return float(-log_p[rows, labels].mean()), self.backward(delta / len(x))

    def step(self, x: Float[np.ndarray, "n 1 28 28"], labels: Shaped[np.ndarray, "..."]) -> float:
        """v ← μ v + ∂C/∂θ; θ ← θ − η v. Returns the loss before the step."""
        loss, gradients = self.loss_and_gradients(x, labels)
        for weight, velocity, gradient in zip(self.weights, self.velocity, gradients, strict=True):
            velocity *= MOMENTUM
            velocity += gradient
            weight -= LEARNING_RATE * velocity
        return loss

    def predict(self, images: UInt8[np.ndarray, "n 28 28"]) -> Int[np.ndarray, "n"]:
        return self.forward(as_input(images, self.dtype)).argmax(axis=1)


class TorchTwin:
    """The same network, from the same weights, in PyTorch's layers, gradients and optimiser."""

    def __init__(self, network: SmallNetwork) -> None:
        self.dtype = network.dtype
        convolutions = [nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 5), nn.ReLU(), nn.AvgPool2d(2)]
        self.module = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(256, 10))
        for parameter, weight in zip(self.module.parameters(), network.weights, strict=True):
            parameter.data = torch.tensor(weight)
        self.optimiser = torch.optim.SGD(self.module.parameters(), LEARNING_RATE, momentum=MOMENTUM)

    def parameters(self) -> list[nn.Parameter]:
        return list(self.module.parameters())

    def step(self, x: Float[np.ndarray, "n 1 28 28"], labels: Int[np.ndarray, "n"]) -> float:
        loss = nn.functional.cross_entropy(self.module(torch.from_numpy(x)), torch.from_numpy(labels))
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.item()

    @torch.no_grad()
    def predict(self, images: UInt8[np.ndarray, "n 28 28"]) -> Int[np.ndarray, "n"]:
        return self.module(torch.from_numpy(as_input(images, self.dtype))).argmax(dim=1).numpy()


def twins(seed: int, dtype: type = np.float64) -> tuple[SmallNetwork, TorchTwin]:
    """Our network and PyTorch's, with the same initial weights."""
    network = SmallNetwork(np.random.default_rng(seed), dtype)
    return network, TorchTwin(network)


def train(
    network: SmallNetwork | TorchTwin,
    images: UInt8[np.ndarray, "n 28 28"],
    labels: Int[np.ndarray, "n"],
    epochs: int,
    seed: int,
) -> list[float]:
    """The loss of every step. The same seed gives the same batches."""
    x, rng, losses = as_input(images, network.dtype), np.random.default_rng(seed), []
    for _ in range(epochs):
        order = rng.permutation(len(x))
        losses += [network.step(x[some], labels[some]) for some in np.split(order, range(BATCH, len(x), BATCH))]
    return losses
