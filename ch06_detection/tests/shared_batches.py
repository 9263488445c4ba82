"""A program for test_shared_batches.py: both losses of chapter 6 as one of two processes that share each batch."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ch06_detection.default_boxes import boxes_of_shapes
from ch06_detection.fast_rcnn import FastRCNNNetwork, RoiBatches, multi_task_sum
from ch06_detection.proposals.labelled import LabelledProposals
from ch06_detection.ssd import SSD, BoxedBatches, detection_loss
from common.image_classifier import Pixels
from common.processes import meet
from common.train import History, Training
from tests.two_processes import leave

SIDE, IMAGES = 48, 7
LOSSES = {"multibox": detection_loss, "multi-task": multi_task_sum}


def pictures() -> tuple[np.ndarray, list[dict[str, torch.Tensor]]]:
    """Noise, and in image k as many objects as k: shares of a batch have not equally many."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (IMAGES, SIDE, SIDE, 3), dtype=np.uint8)
    corners = [torch.tensor(rng.uniform(0, 20, (k, 2)), dtype=torch.float32) for k in range(IMAGES)]
    boxes = [torch.cat([corner, corner + 8 + corner.flip(0)], dim=1) for corner in corners]
    return images, [{"boxes": own, "labels": 1 + torch.arange(len(own)) % 2} for own in boxes]


def train(name: str) -> tuple[nn.Module, History]:
    """A network without BatchNorm after two epochs, three images at a time."""
    images, targets = pictures()
    torch.manual_seed(0)
    if name == "multibox":
        stages = [nn.Sequential(nn.Conv2d(3, 8, 3, 8, padding=1), nn.ReLU()), nn.Conv2d(8, 8, 3, 2, padding=1)]
        network, shapes = SSD(stages, [1, 1], classes=2), [torch.tensor([[12.0, 12]]), torch.tensor([[24.0, 24]])]
        defaults = boxes_of_shapes((SIDE, SIDE), network.grids((SIDE, SIDE)), shapes)
        data = BoxedBatches(images, targets, Pixels.of(images), defaults)
    else:
        network = without_batchnorm(FastRCNNNetwork(classes=2, width=4))
        proposals = [target["boxes"] + 3 for target in targets]  # of the first image none: its windows do not count
        data = RoiBatches(images, LabelledProposals.of(proposals, targets), Pixels.of(images), rois=4)
    training = Training(2, 0.1, 3, torch.optim.SGD, loss=LOSSES[name], half=False)
    return network, training(network, data, seed=1)


def without_batchnorm(network: nn.Module) -> nn.Module:
    """Nothing in its place: it looks at a batch as a whole."""
    for parent in list(network.modules()):
        for key, layer in parent.named_children():
            if isinstance(layer, nn.BatchNorm2d):
                setattr(parent, key, nn.Identity())
    return network


def main(path: Path) -> None:
    rank, _ = meet()
    kept = {}
    for name in LOSSES:
        network, history = train(name)
        weights = {key: value.tolist() for key, value in network.state_dict().items()}
        kept[name] = {"losses": history.losses, "weights": weights}
    if rank == 0:
        path.write_text(json.dumps(kept))
    leave()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
