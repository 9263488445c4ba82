"""tmp"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ch04_backprop.layers import Layer, Parameter


class BatchNorm(Layer):
    def __init__(self, units: int, momentum: float = 0.1, epsilon: float = 1e-5, dtype: type = np.float32) -> None:
        self.gamma, self.beta = Parameter(np.ones(units, dtype)), Parameter(np.zeros(units, dtype))
        self.running_mean, self.running_variance = np.zeros(units, dtype), np.ones(units, dtype)
        self.momentum, self.epsilon = momentum, epsilon

    def parameters(self) -> list[Parameter]:
        return [self.gamma, self.beta]

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        mean, variance = self.running_mean, self.running_variance
        if self.training:
            n = len(z)
            mean = z.mean(axis=0)
            variance = z.var(axis=0)
            self.running_mean += self.momentum * (mean - self.running_mean)
            self.running_variance += self.momentum * (n / (n - 1) * variance - self.running_variance)
        self.scale = 1 / np.sqrt(variance + self.epsilon)
        self.normal = (z - mean) * self.scale
        return self.gamma.data * self.normal + self.beta.data

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        d = delta * self.gamma.data
        return self.scale * (d - d.mean(axis=0) - self.normal * (d * self.normal).mean(axis=0))

    def parameter_gradients(self, delta: Float[np.ndarray, "n units"]) -> None:
        self.gamma.grad = (delta * self.normal).sum(axis=0)
        self.beta.grad = delta.sum(axis=0)
