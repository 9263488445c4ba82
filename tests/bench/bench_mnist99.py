"""Time until 99 % of the 10,000 test digits of full MNIST are right, beside PyTorch's basic MNIST example.

The peer is the example's network, settings and loop, written anew: two convolutions, dropout, Adadelta, batches of 64
from torchvision's data set, a test after every epoch. Ours is the modern network, narrow and without its residual
blocks, on batches of one tensor, for one cycle of the learning rate, with a test at its end. A training that ends below
99 % is followed by another, and both count. Scaling images, loading batches and testing count for both; reading the
files for neither. Both run on the processor, once: the peer needs minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import count, pairwise
from pathlib import Path
from time import perf_counter

import torch
from idx_files import write_idx
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from ch05_cnn.models.networks import CLASSES
from common import data
from common.data import Dataset, Scale
from common.errors import Problem
from common.image_classifier import ImageClassifier
from common.residual import convolution
from common.train import Training

TARGET, AT_LEAST = 0.99, 5
WIDTHS, EPOCHS, BATCH, LEARNING_RATE = (8, 16, 48, 96), 2, 128, 0.02  # chosen on 10,000 training digits held out
EXAMPLE_EPOCHS, EXAMPLE_BATCH, TEST_BATCH = 14, 64, 1000


def ours(digits: Dataset) -> float:
    """Trains until the target; the accuracy."""

    def build(channels: int, side: int) -> nn.Module:
        first, *others = (convolution(*widths) for widths in pairwise((channels, *WIDTHS)))
        stages = [layer for stage in others for layer in (stage, nn.MaxPool2d(2))]
        return nn.Sequential(first, *stages, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(WIDTHS[-1], CLASSES))

    for seed in count():
        classifier = ImageClassifier(build, Training(EPOCHS, LEARNING_RATE, BATCH), seed=seed)
        classifier.fit(digits.train.images, digits.train.labels)
        accuracy = (classifier.predict(digits.test.images) == digits.test.labels).mean()
        if accuracy >= TARGET:
            return float(accuracy)


def example(train: MNIST, test: MNIST) -> float:
    """The same in the way of the example."""
    torch.manual_seed(1)
    network = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
        *(nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Dropout(0.5), nn.Linear(128, 10), nn.LogSoftmax(dim=1)),
    )
    batches, test_batches = DataLoader(train, EXAMPLE_BATCH, shuffle=True), DataLoader(test, TEST_BATCH)
    optimiser = torch.optim.Adadelta(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=1, gamma=0.7)
    for _ in range(EXAMPLE_EPOCHS):
        network.train()
        for images, labels in batches:
            optimiser.zero_grad()
            functional.nll_loss(network(images), labels).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            right = sum(int((network(images).argmax(1) == labels).sum()) for images, labels in test_batches)
        if right >= TARGET * len(test):
            return right / len(test)
        schedule.step()
    raise AssertionError(f"the example did not reach {TARGET:.0%} in its {EXAMPLE_EPOCHS} epochs")


def timed(work: Callable, *arguments: object) -> float:
    """Seconds that the work takes."""
    start = perf_counter()
    work(*arguments)
    return perf_counter() - start


def measure() -> list[dict]:
    """One row for run.py; none where full MNIST cannot be had."""
    try:
        digits = data.mnist(Scale("full"))
    except Problem as problem:
        print(f"not measured, the time to {TARGET:.0%} on MNIST: {problem}")
        return []
    # The mean and deviation of the training images, as the example has them as constants.
    pixels = digits.train.images / 255
    scaled = transforms.Compose([transforms.ToTensor(), transforms.Normalize(pixels.mean(), pixels.std())])
    with tempfile.TemporaryDirectory() as folder:
        write_idx(digits, Path(folder))
        parts = [MNIST(folder, train=train, transform=scaled) for train in (True, False)]
    ours_seconds, peer_seconds = timed(ours, digits), timed(example, *parts)
    return [
        {
            "name": f"MNIST, 60,000 digits, until {TARGET:.0%} of the test digits are right",
            "peer": "PyTorch's basic MNIST example",
            "ours_seconds": ours_seconds,
            "peer_seconds": peer_seconds,
            "ratio": peer_seconds / ours_seconds,
            "at_least": AT_LEAST,
            "runs": 1,
        }
    ]
