"""One wrong byte, anywhere: an archive or a kept set is called damaged, or still gives the right content."""

import io
import shutil
import subprocess
import tarfile
import warnings
import zipfile

import numpy as np
import pytest

from common.data import Images, cache, embedded
from common.data.archives import read_members
from common.data.parts import fingerprint
from common.errors import Problem

CONTENT = bytes(range(256))
MEMBER = "package/data/a"


def flipped(content, every=1):
    """The content with one byte wrong, at every place (or one in so many), in one of three ways."""
    for place in range(0, len(content), every):
        wrong = content[place] ^ (0x01, 0x80, 0xFF)[place % 3]
        yield place, content[:place] + bytes([wrong]) + content[place + 1 :]


def a_tar(mode):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in ((MEMBER, CONTENT), ("package/other", b"1" * 50)):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


def a_zip(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as wheel:
        wheel.writestr(MEMBER, CONTENT)
        wheel.writestr("package/other", b"1" * 50)
    return file.getvalue()


ARCHIVES = {
    "tgz": (".tgz", lambda: a_tar("w:gz")),
    "txz": (".tar.xz", lambda: a_tar("w:xz")),
    "tbz": (".tar.bz2", lambda: a_tar("w:bz2")),
    "stored wheel": (".whl", lambda: a_zip(zipfile.ZIP_STORED)),
    "deflated wheel": (".whl", lambda: a_zip(zipfile.ZIP_DEFLATED)),
    "lzma wheel": (".whl", lambda: a_zip(zipfile.ZIP_LZMA)),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_wrong_byte_in_an_archive_is_an_os_error_or_changes_nothing(kind, tmp_path):
    suffix, make = ARCHIVES[kind]
    archive, sound = tmp_path / f"set{suffix}", make()
    archive.write_bytes(sound)
    assert read_members(archive, [MEMBER]) == {MEMBER: CONTENT}
    noticed = sounds = 0
    for place, content in flipped(sound):
        archive.write_bytes(content)
        try:
            found = read_members(archive, [MEMBER])
        except OSError as error:
            noticed += archive.name in str(error) and "\n" not in str(error)
        else:
            sounds += 1
            assert found == {MEMBER: CONTENT}, place
    assert noticed + sounds == len(sound)
    assert noticed > len(sound) / 3


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_a_wrong_byte_in_a_debian_package_is_an_os_error_or_changes_nothing(tmp_path):
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    (tmp_path / "tree/DEBIAN/control").write_text(
        "Package: set\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a set\n"
    )
    (tmp_path / "tree/a").write_bytes(CONTENT)
    archive = tmp_path / "set.deb"
    subprocess.run(["dpkg-deb", "-b", tmp_path / "tree", archive], check=True, capture_output=True)
    sound, noticed = archive.read_bytes(), 0
    for place, content in flipped(sound, every=len(sound) // 25):
        archive.write_bytes(content)
        try:
            found = read_members(archive, ["./a"])
        except OSError:
            noticed += 1
        else:
            assert found == {"./a": CONTENT}, place
    assert noticed > 10


@pytest.mark.parametrize("compressed", [False, True])
def test_a_wrong_byte_in_a_kept_set_is_an_os_error_or_changes_nothing(compressed, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    train, test = (Images(rng.integers(0, 256, (n, 5, 4), dtype=np.uint8), np.arange(n)) for n in (4, 3))
    kept, expected = tmp_path / "set.npz", fingerprint(train, test)
    if compressed:
        monkeypatch.setattr(np, "savez", np.savez_compressed)
    cache.keep(kept, train, test, "here")
    sound, noticed, sounds = kept.read_bytes(), 0, 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of headers of Python 2, zipfile of names that stand twice
        for place, content in flipped(sound):
            kept.write_bytes(content)
            try:
                found = cache.read(kept, expected)
            except OSError as error:
                noticed += str(error).startswith("damaged")
            else:
                sounds += 1
                assert fingerprint(*found[:2]) == expected, place
    assert noticed + sounds == len(sound)
    assert noticed > len(sound) / 3


def test_a_wrong_byte_in_a_kept_set_makes_the_next_source_serve(world):
    """The bytes that name the method of compression: zipfile raises NotImplementedError for the unknown one."""
    world.load()
    kept = world.cache / "mnist.npz"
    content = bytearray(kept.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(signature) + offset] = 77
    kept.write_bytes(content)
    train, test, _ = world.load()
    assert fingerprint(train, test) == world.set.fingerprint
    assert len(world.calls()) == 2


PACKS = ("mnist_labels.npz", "head.png", "photographs/facade.webp", "watch.npz")


@pytest.mark.parametrize("name", PACKS)
def test_a_wrong_byte_in_a_pack_is_a_problem(name, tmp_path):
    sound = (embedded.FOLDER / name).read_bytes()
    shutil.copy(embedded.FOLDER / "manifest.json", tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    for place, content in flipped(sound, every=len(sound) // 10):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(Problem, match="is damaged"):
            embedded.checked(name, tmp_path)
        assert place < len(sound)


def test_a_wrong_byte_in_the_manifest_is_a_problem_or_changes_nothing(tmp_path):
    packs = shutil.copytree(embedded.FOLDER, tmp_path / "packs", ignore=shutil.ignore_patterns("cifar*", "fashion*"))
    sound = (packs / "manifest.json").read_bytes()
    start = sound.index(b'"packs"')
    seen = fingerprint(*embedded.load("mnist", packs))
    noticed, places = 0, [*range(0, 60, 4), *range(start, start + 260, 5)]
    for place in places:
        (packs / "manifest.json").write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        try:
            noticed += fingerprint(*embedded.load("mnist", packs)) == seen
        except Problem as problem:
            noticed += "\n" not in str(problem) and "git checkout" in str(problem)
    assert noticed == len(places)


def test_a_manifest_with_another_number_of_training_images_is_a_problem(tmp_path):
    """Sound JSON, sound files: but the two parts would not be those that were packed."""
    packs = shutil.copytree(embedded.FOLDER, tmp_path / "packs", ignore=shutil.ignore_patterns("cifar*", "fashion*"))
    text = (packs / "manifest.json").read_text(encoding="utf-8")
    (packs / "manifest.json").write_text(text.replace('"train": 7291', '"train": 7290'), encoding="utf-8")
    with pytest.raises(Problem, match="another content"):
        embedded.load("mnist", packs)
