"""Loaders of the sets of images."""

from __future__ import annotations

import numpy as np

from common.data import embedded, full
from common.data.dataset import Dataset, drawn
from common.data.image_sets import CIFAR10, FASHION_MNIST, MNIST, ImageSet
from common.data.parts import Images
from common.data.scale import LECTURE, Scale

SMOKE_TRAIN, SMOKE_TEST = 1000, 300


def mnist(scale: Scale = LECTURE) -> Dataset:
    """Handwritten digits, 28 × 28, grey: 7291 + 2007 as in LeCun et al. 1989, or all 60000 + 10000."""
    return _load(MNIST, scale)


def fashion_mnist(scale: Scale = LECTURE) -> Dataset:
    """Articles of clothing, 28 × 28, grey: 10000 + 2000, or all 60000 + 10000."""
    return _load(FASHION_MNIST, scale)


def cifar10(scale: Scale = LECTURE) -> Dataset:
    """Photos of ten kinds of animals and vehicles, 32 × 32, colour: 5000 + 1000, or all 50000 + 10000."""
    return _load(CIFAR10, scale)


def digits(seed: int = 0) -> Dataset:
    """scikit-learn's 1797 handwritten digits, 8 × 8, grey: uint8, but from 0 to 16 only. A quarter is the test part."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    whole = Images(bunch.images.astype(np.uint8), bunch.target.astype(np.int64))
    source = (
        "scikit-learn, load_digits: Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, CC BY 4.0"
    )
    return drawn("digits", whole, classes=tuple("0123456789"), target="digit", source=source, seed=seed)


def _load(images: ImageSet, scale: Scale) -> Dataset:
    """The set at this scale. Raises Problem for a damaged pack, or where no source can serve the full set."""
    if scale.preset == "full":
        train, test, source = full.load(images, scale.cache)
    else:
        train, test = embedded.load(images.key)
        source = f"{images.origin}; the embedded pack, drawn as common/data/packs/PROVENANCE.md says"
        if scale.preset == "smoke":
            train, test = train.take(slice(SMOKE_TRAIN)), test.take(slice(SMOKE_TEST))
    return Dataset(images.name, train, test, images.classes, images.target, source)
