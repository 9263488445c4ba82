"""Small trainings for test_train.py, and the programs that it starts: one to be killed, one to run as two processes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from common.augment import Poses
from common.errors import LossNotFinite
from common.image_classifier import LabelledImages
from common.processes import meet
from common.train import Training
from tests.two_processes import leave

CLASSES, SIDE = 3, 6
EXACT = {"half": False}
POSES = Poses(shift=1, angle=20)
EPOCHS, BATCH = 4, 16  # four batches of 50 images an epoch


def images(n: int = 50, augment=None) -> LabelledImages:
    """n noisy images with a bright row that tells the class."""
    generator = torch.Generator().manual_seed(n)
    labels = torch.randint(CLASSES, (n,), generator=generator)
    pixels = torch.randn((n, 1, SIDE, SIDE), generator=generator)
    pixels[torch.arange(n), 0, 2 * labels] += 2
    return LabelledImages(pixels, labels, augment)


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, CLASSES))


def convolutional(seed: int = 0) -> nn.Module:
    """With all that keeps a state or draws: BatchNorm, dropout."""
    torch.manual_seed(seed)
    layers = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(64, CLASSES)
    return nn.Sequential(*layers)


def together(seed: int = 0) -> nn.Module:
    """A network that looks at one image at a time and draws nothing."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, CLASSES))


def accuracy(data: LabelledImages):
    def of(network: nn.Module) -> float:
        assert not network.training
        with torch.inference_mode():
            return float((network(data.images).argmax(1) == data.labels).float().mean())

    return of


def resumable(checkpoint=None, **changes) -> Training:
    settings = {"learning_rate": 0.05, "batch_size": BATCH, "checkpoint": checkpoint, **EXACT}
    return Training(**{"epochs": EPOCHS, **settings, **changes})


def shared(size: int, optimiser, loss=cross_entropy) -> Training:
    return Training(2, 0.05, batch_size=size, optimiser=optimiser, loss=loss, **EXACT)


def of_few(outputs: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of two classes' images alone, and how many these are: shares of a batch have not equally many."""
    some = labels > 0
    return cross_entropy(outputs, labels, reduction="none")[some].sum(), some.sum()


SPLITS = {  # images, batch size, optimiser, and the loss where it is another
    "even": (48, 16, torch.optim.SGD),
    "uneven": (45, 15, torch.optim.AdamW),
    "last of three": (35, 16, torch.optim.AdamW),
    "one at a time": (5, 1, torch.optim.SGD),  # the second process has nothing to do
    "a sum and a count": (45, 15, torch.optim.SGD, of_few),
    "a sum and a count, one at a time": (5, 1, torch.optim.SGD, of_few),
}


def killed(checkpoint: Path) -> None:
    """Says of every epoch that it is done, and waits for the end."""

    def slowly(network: nn.Module) -> float:
        time.sleep(0.02)
        return accuracy(images(60))(network)

    training = resumable(checkpoint, validate=slowly, say=lambda text: print(text, flush=True))
    training(convolutional(), images(50, POSES), seed=3)


def assert_equal_everywhere(values: torch.Tensor, world: int) -> None:
    everywhere = [torch.zeros_like(values) for _ in range(world)]
    torch.distributed.all_gather(everywhere, values)
    assert all(torch.equal(values, other) for other in everywhere), "the processes differ"


def two(path: Path) -> None:
    """Trains as one of two processes; the first writes what came out."""
    rank, world = meet()
    kept = {}
    for name, (n, *how) in SPLITS.items():
        network = together(seed=rank)  # all are given the first one's weights
        history = shared(*how)(network, images(n, POSES), seed=2)
        assert_equal_everywhere(network[3].weight.detach(), world)
        kept[name] = {key: value.tolist() for key, value in network.state_dict().items()} | {"losses": history.losses}

    # BatchNorm sees another half in each process; yet all must judge the same network, and stop after the same epoch.
    network, seen = convolutional(seed=rank), []
    training = resumable(path.with_suffix(".kept"), validate=lambda network: seen.append(state(network)) or 0.5)
    training(network, images(50, POSES))
    for values in (*seen, state(network)):
        assert_equal_everywhere(values, world)

    def bad(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return cross_entropy(outputs, labels) * (float("nan") if rank else 1)

    try:
        resumable(loss=bad)(together(), images(20))
    except LossNotFinite as problem:
        kept["step of a nan in the other"] = problem.step
    if rank == 0:
        path.write_text(json.dumps(kept))
    leave()


def state(network: nn.Module) -> torch.Tensor:
    return torch.cat([value.double().flatten() for value in network.state_dict().values()])


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"killed": killed, "two": two}[sys.argv[1]](Path(sys.argv[2]))
