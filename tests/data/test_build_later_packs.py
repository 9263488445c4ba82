"""The packs of photographs, recordings and heads are built out of packages: each time the same, and those carried here.

apt-get is played by a shell script that serves made-up packages; the tests that read the real ones need a folder with
them, named in VISION_MIRRORS (the script fetches them).
"""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.data import (
    build_heads,
    build_packs,
    build_photographs,
    build_watch,
    embedded,
    heads,
    photo_pack,
    recordings,
)
from common.errors import Problem
from tests.data.test_heads import nifti

MIRRORS = os.environ.get("VISION_MIRRORS")
KEYS = ("photographs", "watch", "head", "average_head")


@pytest.mark.skipif(not MIRRORS, reason="needs the archives of the mirrors in VISION_MIRRORS")
@pytest.mark.parametrize("key", KEYS)
def test_the_originals_give_the_same_pack(key, monkeypatch):
    monkeypatch.setattr(build_photographs, "webp", lambda image: b"")  # the content is compared, not the encoder
    _, entry = build_packs.makers(Path(MIRRORS))[key]()
    assert entry == embedded.manifest()["packs"][key]


def photograph(seed, size=(300, 240)):
    """A JPEG of soft random shapes, as bytes."""
    small = np.random.default_rng(seed).integers(0, 256, (12, 14, 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(file, "JPEG", quality=60)
    return file.getvalue()


def a_deb(path, members):
    """A Debian package that carries these files."""
    tree = path.parent / f"{path.name}.tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {path.name.partition('_')[0]}\nVersion: 1\nArchitecture: all\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: a set\n"
    )
    for name, content in members.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    subprocess.run(["dpkg-deb", "-b", tree, path], check=True, capture_output=True)


def a_wheel(path, member, content):
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(member, content)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def watch_npy():
    """An .npy of one object, its pickle of protocol 2, as seglearn's is: four recordings of two people."""
    rng = np.random.default_rng(3)
    thing = {
        "X": [rng.normal(0, 1, (n, 6)) for n in (9, 5, 7, 6)],
        "y": np.array([0, 6, 3, 2]),
        "subject": np.array([1, 2, 1, 2]),
        "side": np.array([1.0, 0.0, 0.0, 1.0]),
        "X_labels": list(build_watch.CHANNELS),
        "y_labels": list(build_watch.CLASSES),
    }
    import pickle

    file = BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    return thing, file.getvalue() + pickle.dumps(np.array(thing, dtype=object), protocol=2)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Made-up packages: the Debian ones are served by apt-get, the others lie in the folder of the mirrors already."""
    if shutil.which("dpkg-deb") is None or sys.platform == "win32":
        pytest.skip("needs dpkg-deb and a shell")
    shop, mirrors = tmp_path / "shop", tmp_path / "mirrors"
    for folder in (shop, mirrors, tmp_path / "bin"):
        folder.mkdir()
    (tmp_path / "bin/apt-get").write_text(f"#!/bin/sh\necho \"$2\" >> '{tmp_path}/asked'\ncp '{shop}'/$2_*.deb .\n")
    (tmp_path / "bin/apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    chosen = [s for s in build_photographs.SOURCES if s.name in {"dragonfly", "dogs", "marigold", "boats", "elephants"}]
    pictures = {source.member: photograph(place) for place, source in enumerate(chosen)}
    known = [replace(s, sha256=hashlib.sha256(pictures[s.member]).hexdigest()[:16]) for s in chosen]
    monkeypatch.setattr(build_photographs, "SOURCES", tuple(known))
    monkeypatch.setattr(build_photographs, "LONGER_SIDE", 100)
    for package in build_photographs.FOLDERS:
        members = {s.member: pictures[s.member] for s in chosen if s.package == package}
        a_deb(shop / f"{package.name}_1_all.deb", members)
    scan, average = build_heads.SCANS
    voxels = np.random.default_rng(1).integers(0, 256, (8, 9, 200), dtype=np.uint8)
    a_deb(shop / f"{scan.package.name}_1_all.deb", {scan.member: nifti(voxels, (1.0, 1.0, 1.0))})
    checksum = a_wheel(mirrors / "nilearn-0.14.1-py3-none-any.whl", average.member, nifti(voxels, (1.0, 1.0, 1.0)))
    average = replace(average, package=replace(average.package, sha256=checksum))
    monkeypatch.setattr(build_heads, "SCANS", (scan, average))
    thing, npy = watch_npy()
    checksum = a_wheel(mirrors / "seglearn-1.2.5-py3-none-any.whl", build_watch.MEMBER, npy)
    monkeypatch.setattr(build_watch, "PACKAGE", replace(build_watch.PACKAGE, sha256=checksum))
    return mirrors, pictures, voxels, thing


def build(mirrors, out):
    out.mkdir()
    (out / "manifest.json").write_text('{"files": {"kept.png": "0"}, "packs": {"kept": {}}}')
    build_packs.build(mirrors, out, KEYS)
    return out


def test_what_is_built_is_the_same_each_time_and_leaves_other_packs_alone(served, tmp_path):
    one, two = (build(served[0], tmp_path / name) for name in ("one", "two"))
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 1 + 5 + 3  # the manifest, photographs, and one file for each other pack
    for name in files:
        assert (one / name).read_bytes() == (two / name).read_bytes()
    manifest = embedded.manifest(one)
    assert manifest["files"]["kept.png"] == "0"
    assert list(manifest["packs"]) == ["kept", "photographs", "watch", "head", "average_head"]
    asked = (tmp_path / "asked").read_text().split()
    assert sorted(asked) == sorted([package.name for package in build_photographs.FOLDERS] + ["mricron-data"])


def test_what_is_built_is_what_the_packages_carry(served, tmp_path):
    mirrors, pictures, voxels, thing = served
    out = build(mirrors, tmp_path / "out")
    found = photo_pack.photographs(out)
    assert [len(part) for part in (found.train, found.test, found.paintings)] == [2, 2, 1]
    by_name = {source.name: source for source in build_photographs.SOURCES}
    for photo in (*found.train, *found.test, *found.paintings):
        original = Image.open(BytesIO(pictures[by_name[photo.name].member]))
        assert photo.image.shape == (80, 100, 3)
        expected = original.reduce(3)
        assert np.abs(photo.image.astype(int) - np.asarray(expected)).mean() < 2
    watch = recordings.watch(out)
    for series, original in zip(watch.recordings.series, thing["X"], strict=True):
        assert np.abs(series - original)[:, :3].max() <= 0.5 / 2048 + 1e-6
        assert np.abs(series - original)[:, 3:].max() <= 0.5 / 512 + 1e-6
    assert watch.recordings.labels.tolist() == thing["y"].tolist()
    assert watch.recordings.subjects.tolist() == thing["subject"].tolist()
    assert watch.recordings.right.tolist() == [True, False, False, True]
    assert np.array_equal(heads.head(out).slices, voxels.transpose(2, 1, 0)[20:176:2, ::-1])
    assert np.array_equal(heads.average_head(out).slices, voxels.transpose(2, 1, 0)[6:154:3, ::-1])


def test_another_picture_and_a_small_one_are_refused(served, monkeypatch):
    other = tuple(replace(source, sha256="0" * 16) for source in build_photographs.SOURCES)
    monkeypatch.setattr(build_photographs, "SOURCES", other)
    with pytest.raises(Problem, match="is another picture than the one that was chosen"):
        build_photographs.pack(served[0])
    with pytest.raises(Problem, match="too small"):
        build_photographs.reduced(photograph(0, (199, 80)))


def test_other_channels_are_refused(served, monkeypatch):
    monkeypatch.setattr(build_watch, "CHANNELS", ("x", "y", "z", "wx", "wy", "wz"))
    with pytest.raises(Problem, match="other channels or exercises"):
        build_watch.pack(served[0])


def test_every_photograph_is_reduced_at_least_by_half_so_that_jpeg_leaves_no_trace():
    """A JPEG of quality 60, reduced: nearer to its original reduced than the JPEG is to the original."""
    rng = np.random.default_rng(5)
    coarse = Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).resize(
        (1500, 1000), Image.Resampling.BICUBIC
    )
    noisy = np.clip(np.asarray(coarse) + rng.normal(0, 8, (1000, 1500, 3)), 0, 255).astype(np.uint8)
    file, exact = BytesIO(), BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=60)
    Image.fromarray(noisy).save(exact, "PNG")

    def error(first, second):
        return np.sqrt(np.mean((np.asarray(first).astype(float) - np.asarray(second)) ** 2))

    small = error(build_photographs.reduced(file.getvalue()), build_photographs.reduced(exact.getvalue()))
    assert small < 0.5 * error(Image.open(file), noisy)
