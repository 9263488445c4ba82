"""Batches of digits a second beside torchvision's data set in PyTorch's DataLoader.

A pass over 7291 digits, shuffled, in batches of 64. Both have read their files before. Ours has them as one scaled
tensor, which takes about five passes to make, once; the peer's two workers have started and stay.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from idx_files import write_idx
from side_by_side import row
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import MNIST

from common import data
from common.image_classifier import LabelledImages, Pixels
from common.train import minibatches

BATCH, WORKERS = 64, 2


def measure() -> list[dict]:
    """One row for run.py."""
    digits = data.mnist()
    pixels = Pixels.of(digits.train.images)
    whole = LabelledImages(pixels(digits.train.images), torch.tensor(digits.train.labels))
    generator = torch.Generator().manual_seed(0)
    scaled = transforms.Normalize(*([number / 255 for number in n] for n in (pixels.mean, pixels.deviation)))
    with tempfile.TemporaryDirectory() as folder:
        write_idx(digits, Path(folder))
        singles = MNIST(folder, transform=transforms.Compose([transforms.ToTensor(), scaled]))
    loader = DataLoader(singles, BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)

    def ours() -> int:
        batches = (whole.batch(index, generator) for index in minibatches(len(whole), BATCH, generator))
        return sum(len(labels) for _, labels in batches)

    def peer() -> int:
        return sum(len(labels) for _, labels in loader)

    if ours() != peer():
        raise AssertionError("the two do not load the same number of digits")
    name = f"a pass over {len(whole):,} digits in batches of {BATCH}"
    return [row(name, ours, f"torchvision.datasets.MNIST, DataLoader with {WORKERS} workers", peer, 10, runs=9)]
