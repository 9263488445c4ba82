"""The embedded packs: what they hold, how fast they load, and what is said when one is damaged."""

import hashlib
import shutil
import time

import numpy as np
import pytest

from common import data
from common.data import embedded
from common.data.parts import fingerprint
from common.errors import Problem

MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]  # digits in the original files
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
LOADERS = {"mnist": data.mnist, "fashion_mnist": data.fashion_mnist, "cifar10": data.cifar10}
PACKS = pytest.mark.parametrize("key", LOADERS)


@pytest.mark.parametrize(
    ("key", "train", "test"),
    [
        ("mnist", (7291, 28, 28), (2007, 28, 28)),
        ("fashion_mnist", (10000, 28, 28), (2000, 28, 28)),
        ("cifar10", (5000, 32, 32, 3), (1000, 32, 32, 3)),
    ],
)
def test_sizes_and_types(key, train, test):
    dataset = LOADERS[key]()
    assert dataset.train.images.shape == train
    assert dataset.test.images.shape == test
    for part in (dataset.train, dataset.test):
        assert part.images.dtype == np.uint8
        assert part.labels.dtype == np.int64
        assert not part.images.flags.writeable
        assert not part.labels.flags.writeable
    assert len(dataset.classes) == len(np.unique(dataset.train.labels)) == len(np.unique(dataset.test.labels)) == 10


@PACKS
def test_every_pixel_and_label_is_as_it_was_packed(key):
    assert fingerprint(*embedded.load(key)) == embedded.manifest()["packs"][key]["content"]


def test_mnist_is_stratified():
    for part, counts in zip(embedded.load("mnist"), (MNIST_TRAIN, MNIST_TEST), strict=True):
        share = np.array(counts) / sum(counts)
        assert np.abs(np.bincount(part.labels) - share * len(part)).max() <= 1


@pytest.mark.parametrize("key", ["fashion_mnist", "cifar10"])
def test_balanced_sets_stay_exactly_balanced(key):
    for part in embedded.load(key):
        assert np.bincount(part.labels).tolist() == [len(part) // 10] * 10


@PACKS
def test_the_smoke_preset_is_a_fair_head_of_the_pack(key):
    pack, smoke = LOADERS[key](), LOADERS[key](data.Scale("smoke"))
    for part, whole, size in ((smoke.train, pack.train, 1000), (smoke.test, pack.test, 300)):
        assert len(part) == size
        assert np.array_equal(part.images, whole.images[:size])
        share = np.bincount(whole.labels) / len(whole)
        assert np.abs(np.bincount(part.labels) - share * size).max() < 2


@PACKS
def test_train_and_test_share_no_image(key):
    train, test = embedded.load(key)
    seen = {image.tobytes() for image in train.images}
    assert sum(image.tobytes() in seen for image in test.images) == 0


def test_the_images_look_like_their_classes():
    """Means that a wrong reshape, a wrong order of channels or shuffled labels would not leave standing."""
    train, _ = embedded.load("mnist")
    ink = [train.images[train.labels == digit].mean() for digit in range(10)]
    assert np.argmin(ink) == 1, "a one needs the least ink"
    assert np.argmax(ink) == 0, "a zero needs the most"
    train, _ = embedded.load("cifar10")
    assert np.allclose(train.images.mean(axis=(0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.01)
    red, _, blue = np.moveaxis(train.images[np.isin(train.labels, [0, 8])].astype(float), -1, 0)
    assert blue[:, :8].mean() > red[:, :8].mean() + 5, "the sky above airplanes and ships is blue"
    neighbours = np.abs(np.diff(train.images.astype(int), axis=2)).mean()
    assert neighbours < 15, "neighbouring pixels are alike"


@PACKS
def test_a_pack_loads_in_half_a_second(key):
    seconds = []
    for _ in range(5):
        start = time.process_time()  # of this process alone: other tests run beside it
        LOADERS[key]()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def files():
    """The names of all files in the folder of the packs."""
    folder = embedded.FOLDER
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_packs_are_small():
    sizes = {name: (embedded.FOLDER / name).stat().st_size for name in files()}
    assert sum(sizes.values()) < 26e6
    later = ("photographs/", "watch", "head", "average_head")
    assert sum(size for name, size in sizes.items() if name.startswith(later)) < 9e6


def test_every_file_has_its_checksum_in_the_manifest_and_in_the_provenance():
    listed = embedded.manifest()["files"]
    provenance = (embedded.FOLDER / "PROVENANCE.md").read_text(encoding="utf-8")
    prose = {"manifest.json", "PROVENANCE.md", ".gitattributes"}
    assert files() - prose == set(listed)
    for name, checksum in listed.items():
        content = (embedded.FOLDER / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
        assert f"| `{name}` | `{checksum}` |" in provenance
        assert f"{len(content)}" in provenance


@pytest.fixture
def copies(tmp_path):
    """A copy of the packs that a test may spoil."""
    return shutil.copytree(embedded.FOLDER, tmp_path / "packs")


@pytest.mark.parametrize("name", ["mnist.png", "mnist_labels.npz"])
def test_one_flipped_bit_is_noticed(copies, name):
    content = bytearray((copies / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copies / name).write_bytes(content)
    with pytest.raises(Problem) as caught:
        embedded.load("mnist", copies)
    assert "\n" not in str(caught.value)
    for said in (str(copies / name), "damaged", "SHA-256", "git checkout -- "):
        assert said in str(caught.value)


def test_a_file_cut_short_is_noticed(copies):
    (copies / "cifar10.webp").write_bytes((copies / "cifar10.webp").read_bytes()[:-1])
    with pytest.raises(Problem, match=r"cifar10\.webp is damaged"):
        embedded.load("cifar10", copies)


def test_a_missing_file_is_named(copies):
    (copies / "auto_mpg.csv").unlink()
    with pytest.raises(Problem, match=r"auto_mpg.csv can't be read \(No such file.*git checkout"):
        embedded.checked("auto_mpg.csv", copies)


@pytest.mark.parametrize("content", ["", "{ not JSON"])
def test_a_damaged_manifest_is_named(copies, content):
    (copies / "manifest.json").write_text(content)
    with pytest.raises(Problem, match=r"manifest.json can't be read.*git checkout"):
        embedded.load("mnist", copies)
