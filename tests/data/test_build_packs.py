"""Building the packs again gives the packs that are here.

The tests that read the originals need a folder with the archives, named in VISION_MIRRORS (the script fetches them).
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.data import Images, build_packs, embedded
from common.data.image_sets import IMAGE_SETS
from common.data.parts import fingerprint
from common.errors import Problem

MIRRORS = os.environ.get("VISION_MIRRORS")
NEEDS_MIRRORS = pytest.mark.skipif(not MIRRORS, reason="needs the archives of the mirrors in VISION_MIRRORS")


@NEEDS_MIRRORS
@pytest.mark.parametrize("images", IMAGE_SETS, ids=lambda images: images.key)
def test_the_originals_give_the_same_pack(images):
    train, test = build_packs.draw(images, Path(MIRRORS))
    assert fingerprint(train, test) == embedded.manifest()["packs"][images.key]["content"]


@NEEDS_MIRRORS
def test_the_original_gives_the_same_csv():
    assert build_packs.auto_mpg_csv(Path(MIRRORS)) == embedded.checked("auto_mpg.csv")


@NEEDS_MIRRORS
def test_another_content_is_refused():
    with pytest.raises(Problem, match="differs from the official MNIST"):
        build_packs.draw(replace(IMAGE_SETS[0], fingerprint="0" * 64), Path(MIRRORS))


@pytest.fixture
def tiny(monkeypatch):
    """Three made-up sets in place of the real ones, small enough to build in a moment."""

    def parts(images, _):
        rng = np.random.default_rng(len(images.key))
        shape = (32, 32, 3) if images.key == "cifar10" else (28, 28)
        return tuple(
            Images(rng.integers(0, 2, (n, *shape), dtype=np.uint8), np.arange(n, dtype=np.int64) % 10) for n in (30, 20)
        )

    monkeypatch.setattr(build_packs, "draw", parts)
    monkeypatch.setattr(build_packs, "auto_mpg_csv", lambda _: b"mpg\n18.0\n")
    monkeypatch.setattr(build_packs.build_heads, "SCANS", ())  # these packs have tests of their own
    for module in (build_packs.build_photographs, build_packs.build_watch):
        monkeypatch.setattr(module, "pack", lambda _: ({}, {}))
    return parts


def test_what_is_built_can_be_loaded_and_is_the_same_each_time(tiny, tmp_path):
    for name in ("one", "two"):
        build_packs.build(tmp_path, tmp_path / name)
    for images in IMAGE_SETS:
        built, wanted = embedded.load(images.key, tmp_path / "one"), tiny(images, None)
        assert fingerprint(*built) == fingerprint(*wanted)
        assert embedded.manifest(tmp_path / "one")["packs"][images.key]["content"] == fingerprint(*wanted)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(files) == 8
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_out_folder_that_cannot_be_written_is_one_line(tiny, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(Problem, match="cannot write"):
        build_packs.build(tmp_path, tmp_path / "out")


def test_a_mirror_that_cannot_serve_is_one_line(tmp_path):
    """The script, run without any client on the PATH."""
    command = [sys.executable, "-m", "common.data.build_packs", "--mirrors", tmp_path, "--out", tmp_path / "out"]
    environment = os.environ | {"PATH": str(tmp_path)}
    root = Path(build_packs.__file__).parents[2]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "a mirror can't serve: npm isn't installed\n"
    assert not (tmp_path / "out").exists()
