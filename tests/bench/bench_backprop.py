"""Speed of chapter 4's networks beside PyTorch's and scikit-learn's."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from side_by_side import row
from sklearn.neural_network import MLPClassifier
from torch import nn

from ch04_backprop.moons import PENALTY, POINTS, SIZES, STEPS, MultilayerPerceptron, moons
from ch04_backprop.networks.training import Pixels, accuracy, minibatches, mlp
from ch04_backprop.optimisers import Nesterov
from ch04_backprop.three_times import by_autograd, by_deltas, by_pytorch
from common import data

BATCH = 256
HELD_OUT, TARGET = 1000, 94.5  # % of held-out digits
PATIENCE = 60  # epochs


def torch_moons(x: torch.Tensor, sign: torch.Tensor) -> None:
    """The steps of moons.py once more, in PyTorch."""
    layers = [nn.Linear(*sizes, dtype=x.dtype) for sizes in pairwise(SIZES)]
    network = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])
    optimiser = torch.optim.SGD(network.parameters(), 1.0)
    for step in range(STEPS):
        loss = (1 - network(x)[:, 0] * sign).relu().mean()
        loss = loss + PENALTY * sum((p * p).sum() for p in network.parameters())
        optimiser.zero_grad()
        loss.backward()
        optimiser.param_groups[0]["lr"] = 1 - 0.9 * step / STEPS
        optimiser.step()


def until_target() -> tuple:
    """Two functions that train a 784-128-10 network until it knows TARGET % of held-out digits, ours and the peer's."""
    digits = data.mnist().train
    order = np.random.default_rng(0).permutation(len(digits))
    x, y = Pixels.of(digits.images)(digits.images)[order], digits.labels[order]
    (x, x_left), (y, y_left) = (np.split(array, [-HELD_OUT]) for array in (x, y))

    def ours() -> None:
        rng = np.random.default_rng(0)
        network = mlp((784, 128, 10), rng)
        optimiser = Nesterov(network.parameters(), 0.03)
        for _ in range(PATIENCE):
            for batch in minibatches(len(x), 64, rng):
                network.gradient(x[batch], y[batch])
                optimiser.step()
            if accuracy(network, x_left, y_left) >= TARGET:
                return
        raise AssertionError(f"ours did not reach {TARGET} %")

    def peer() -> None:
        network = MLPClassifier((128,), random_state=0)
        for _ in range(PATIENCE):
            network.partial_fit(x, y, classes=np.arange(10))
            if 100 * network.score(x_left, y_left) >= TARGET:
                return
        raise AssertionError(f"MLPClassifier did not reach {TARGET} %")

    return ours, peer


def measure() -> list[dict]:
    """Rows for run.py: a training step, a hundred steps of a tiny network, and the time to an accuracy."""
    rng = np.random.default_rng(0)
    batch = rng.normal(size=(BATCH, 784)).astype(np.float32), rng.integers(0, 10, BATCH)
    weights = [p.data for p in mlp((784, 128, 10), rng).parameters()]
    (by_hand, _), autograd, pytorch = by_deltas(weights), by_autograd(weights), by_pytorch(weights)
    points = moons(POINTS, seed=0)
    x, sign = torch.tensor(points.features), torch.tensor(2.0 * points.targets - 1)
    ours, peer = until_target()
    step = f"a step of 784-128-10, batch {BATCH}"
    return [
        row(f"{step}: deltas by hand", lambda: by_hand(batch), "PyTorch", lambda: pytorch(batch), 0.83, 301),
        row(f"{step}: our autograd", lambda: autograd(batch), "PyTorch", lambda: pytorch(batch), 0.5, 301),
        row(
            "100 steps of 2-16-16-1 on 100 points: our autograd",
            lambda: MultilayerPerceptron(np.random.default_rng(0)).fit(points.features, points.targets),
            "PyTorch",
            lambda: torch_moons(x, sign),
            0.5,
            15,
        ),
        row(f"784-128-10 until {TARGET} % of held-out digits: ours", ours, "scikit-learn's MLPClassifier", peer, 2, 5),
    ]
