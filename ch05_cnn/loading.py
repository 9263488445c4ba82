"""How fast do images reach a network, and how fast could it take them?

Question   Training waits for the slower of two: the network's arithmetic, or the loading of its images. Which is it?
Method     Whole batches: all images are in memory as one tensor, scaled once. A batch is one indexing operation, and
           one call augments all its images (common/augment.py).
Rival      PyTorch's DataLoader over single images, each a picture that is converted, scaled and augmented by itself, as
           in torchvision's data sets: within the training process, or by two workers ahead of it.
Differs    No method here is better by accuracy: all of them deliver the same numbers. Decoding files is not measured;
           photos that do not fit into memory do need workers.
Costs      6 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ch05_cnn.drawings.loading import draw_rates
from ch05_cnn.models.networks import LeNet5, Modern
from common import data
from common.augment import Poses
from common.data import Images
from common.image_classifier import LabelledImages, Pixels
from common.run import Run
from common.train import Training, minibatches

BATCH = 64
SHIFT, ANGLE, SCALE, SHEAR = 2, 10, 0.1, 10  # pixels, degrees, a share, degrees
MOVED = Poses(SHIFT, ANGLE, SCALE, SHEAR)
NETWORKS: dict[str, Callable[[], nn.Module]] = {"LeNet-5": LeNet5, "modern network": Modern}


class OneByOne(Dataset):
    """Images as PIL pictures, each transformed on access. At module level, because workers receive a pickled copy."""

    def __init__(self, part: Images, transform: Callable[[Image.Image], Tensor]) -> None:
        self.images, self.labels, self.transform = part.images, part.labels, transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, item: int) -> tuple[Tensor, int]:
        return self.transform(Image.fromarray(self.images[item])), int(self.labels[item])


def transform_singly(part: Images, pixels: Pixels, moved: bool) -> OneByOne:
    """The part with torchvision's transforms; these scale to [0, 1] first, so mean and deviation are divided by 255."""
    from torchvision import transforms

    shift = SHIFT / part.images.shape[1]
    size = 1 - SCALE, 1 + SCALE
    bilinear = transforms.InterpolationMode.BILINEAR
    move = [transforms.RandomAffine(ANGLE, (shift, shift), size, SHEAR, bilinear)] if moved else []
    mean, deviation = ([number / 255 for number in numbers] for numbers in (pixels.mean, pixels.deviation))
    steps = [*move, transforms.ToTensor(), transforms.Normalize(mean, deviation)]
    return OneByOne(part, transforms.Compose(steps))


def one_by_one(part: Images, pixels: Pixels, *, moved: bool = False, workers: int = 0) -> DataLoader:
    """The part's batches, assembled from single images; workers persist over all passes."""
    images = transform_singly(part, pixels, moved)
    return DataLoader(images, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)


class WholeBatches:
    """Batches taken from one tensor."""

    def __init__(self, part: Images, pixels: Pixels, *, moved: bool = False, seed: int = 0) -> None:
        self.all = LabelledImages(pixels(part.images), torch.tensor(part.labels), MOVED if moved else None)
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in minibatches(len(self.all), BATCH, self.generator):
            yield self.all.batch(index, self.generator)


def measure_loading(loader: Iterable, seconds: float) -> float:
    """Images per second of the fastest pass among those that fit into these seconds; other processes only slow it.

    The first batch starts the workers and does not count.
    """
    next(iter(loader))
    rates, end = [], perf_counter() + seconds
    while not rates or perf_counter() < end:
        start = perf_counter()
        count = sum(len(labels) for _, labels in loader)
        rates.append(count / (perf_counter() - start))
    return max(rates)


def measure_training(build: Callable[[], nn.Module], part: Images, pixels: Pixels) -> float:
    """The training speed of this network on whole batches in images per second, as the loop counts them."""
    training = Training(2, batch_size=BATCH)  # the second epoch counts: in the first, kernels are selected
    return training(build(), WholeBatches(part, pixels).all).rate


def lesson(run: Run) -> None:
    part = data.mnist(run.scale).train.take(slice(run.pick(smoke=128, lecture=7291)))
    pixels, seconds, workers = Pixels.of(part.images), run.pick(smoke=0.0, lecture=0.5), run.pick(smoke=0, lecture=2)
    loaders: dict[str, Iterable] = {}
    for end, moved in {"": False, ", moved": True}.items():
        loaders[f"whole batches{end}"] = WholeBatches(part, pixels, moved=moved, seed=run.seed)
        loaders[f"one by one{end}"] = one_by_one(part, pixels, moved=moved)
        if workers:
            loaders[f"{workers} workers{end}"] = one_by_one(part, pixels, moved=moved, workers=workers)
    rates = {name: measure_loading(loader, seconds) for name, loader in loaders.items()}
    few = part.take(slice(run.pick(smoke=32, lecture=1000)))
    trained = {name: measure_training(build, few, pixels) for name, build in NETWORKS.items()}

    whole, single_file = rates["whole batches"], rates["one by one"]
    times = run.fact("whole batches over single images", whole / single_file)
    times_moved = rates["whole batches, moved"] / rates["one by one, moved"]
    run.fact("whole batches over single images, moved", times_moved)
    if workers:
        gain = run.fact("two workers over one process", rates["2 workers"] / single_file)
        run.fact("two workers over one process, moved", rates["2 workers, moved"] / rates["one by one, moved"])
        run.fact("whole batches over two workers", whole / rates["2 workers"])
    shares = {}
    for name, rate in trained.items():
        run.fact(f"{name}: share of its time that whole batches take", 100 * rate / whole, "%")
        shares[name] = run.fact(
            f"{name}: share of its time that single images take", 100 * rate / (rate + single_file), "%"
        )
    run.figure(
        "rates",
        draw_rates,
        rates,
        trained,
        caption="Images per second that each way of loading delivers; dark: unchanged, light: shifted, rotated, scaled "
        "and sheared at random. Dashed: what either network trains on. A dot to the left of a dashed line is too slow "
        "for that network, even if it loads while the network computes.",
    )
    run.note(
        f"Whole batches come {times:.0f} times as fast as single images, {times_moved:.0f} times if they are moved. "
        f"Fed one by one in its own process, LeNet-5 would wait {shares['LeNet-5']:.0f} % of its time, the modern "
        f"network {shares['modern network']:.0f} %."
    )
    if workers:
        run.note(f"Two workers deliver {gain:.1f} times what one process does, on cores that the network needs, too.")
        run.claim(
            "Whole batches are faster than two workers: images that fit into memory are best kept there as one tensor; "
            "workers are for those that do not fit.",
            lambda record: record.findings()["whole batches over two workers"][0].value > 1,
        )
