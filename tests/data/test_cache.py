"""Nothing half-written: damaged copies, broken downloads, folders that can't be written, a full disk."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.data.parts import fingerprint


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other", "altered"])
def test_a_damaged_copy_is_fetched_anew(world, damage):
    world.load()
    kept = world.cache / "mnist.npz"
    content = bytearray(kept.read_bytes())
    if damage == "other":  # a sound file, but of something else
        with kept.open("wb") as file:
            np.savez(file, train_images=np.zeros((2, 5, 4), np.uint8))
    elif damage == "altered":  # a sound file with other labels
        with np.load(kept) as arrays:
            altered = dict(arrays) | {"train_labels": arrays["train_labels"][::-1]}
        with kept.open("wb") as file:
            np.savez(file, **altered)
    else:
        content[150] ^= damage == "flipped"
        kept.write_bytes({"cut": content[:-100], "flipped": content, "empty": b""}[damage])
    train, test, _ = world.load()
    assert fingerprint(train, test) == world.set.fingerprint
    assert len(world.calls()) == 2
    assert world.load()
    assert len(world.calls()) == 2, "the good copy took the place of the damaged one"


def test_an_interrupted_download_leaves_nothing_and_the_next_run_recovers(world):
    world.npm(f"head -c 300 '{world.served}' > set-1.0.tgz; kill -9 $$")
    assert "ended with status -9" in world.failure()
    assert world.left() == []
    world.npm(f"cp '{world.served}' .")
    assert world.load()
    assert world.left() == ["mnist.npz"]


def test_an_archive_cut_short_fails_its_checksum(world):
    world.npm(f"head -c 300 '{world.served}' > set-1.0.tgz")
    assert "SHA-256 of set-1.0.tgz differs" in world.failure()
    assert world.left() == []


def test_an_archive_cut_short_without_a_checksum_is_noticed_too(world):
    world.set = replace(world.set, package=replace(world.set.package, sha256=None))
    world.npm(f"head -c 300 '{world.served}' > set-1.0.tgz")
    assert "damaged" in world.failure()


def test_a_folder_that_cannot_be_written_is_one_line(world):
    world.cache.write_text("a file where the folder should be")
    said = world.failure()
    assert f"cannot write the data folder {world.cache}" in said
    assert "--data" in said
    assert world.calls() == [], "nobody is asked for what can't be kept"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_and_the_next_run_recovers(world, monkeypatch):
    opened = Path.open

    def on_a_full_disk(path, *arguments, **options):
        full_disk = path.name.startswith(".mnist.npz")
        return opened(Path("/dev/full") if full_disk else path, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", on_a_full_disk)
        said = world.failure()
    assert f"cannot write {world.cache / 'mnist.npz'}: No space left on device" in said
    assert world.left() == []
    assert world.load()


def test_what_a_killed_run_left_is_swept_out_a_day_later(world):
    old, young = world.cache / ".mnist.old.partial", world.cache / ".mnist.young.partial"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "set-1.0.tgz").write_bytes(b"half")
    (world.cache / ".mnist.npz.77.partial").write_bytes(b"half")
    for path in (old, world.cache / ".mnist.npz.77.partial"):
        os.utime(path, (0, 0))
    world.load()
    assert world.left() == [".mnist.young.partial", "mnist.npz"], "a young one may be another process at work"
