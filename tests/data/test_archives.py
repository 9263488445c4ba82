"""Members of archives: read into memory, and nothing else touched."""

import io
import shutil
import subprocess
import tarfile
import zipfile

import pytest

from common.data.archives import read_members


def a_tgz(path, members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def test_members_come_in_the_asked_order(tmp_path):
    archive = a_tgz(tmp_path / "set.tgz", {"package/a": b"1", "package/b": b"22", "package/c": b"333"})
    assert list(read_members(archive, ["package/c", "package/a"]).items()) == [
        ("package/c", b"333"),
        ("package/a", b"1"),
    ]


def test_a_wheel_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.whl", "w") as wheel:
        wheel.writestr("data/a", b"1")
    assert read_members(tmp_path / "set.whl", ["data/a"]) == {"data/a": b"1"}


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_a_debian_package_is_read(tmp_path):
    (tmp_path / "tree/DEBIAN").mkdir(parents=True)
    (tmp_path / "tree/DEBIAN/control").write_text(
        "Package: set\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a set\n"
    )
    (tmp_path / "tree/usr").mkdir()
    (tmp_path / "tree/usr/a").write_bytes(b"1")
    archive = tmp_path / "set.deb"
    subprocess.run(["dpkg-deb", "-b", tmp_path / "tree", archive], check=True, capture_output=True)
    assert read_members(archive, ["./usr/a"]) == {"./usr/a": b"1"}
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(OSError, match=r"set\.deb"):
        read_members(archive, ["./usr/a"])


def test_no_path_leaves_the_archive(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    members = {"../evil": b"x", str(tmp_path / "absolute"): b"x", "package/a": b"1"}
    archive = a_tgz(inside / "set.tgz", members)
    assert read_members(archive, ["../evil", "package/a"])["package/a"] == b"1"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inside", "set.tgz"]


def test_a_link_is_no_member(tmp_path):
    with tarfile.open(tmp_path / "set.tgz", "w:gz") as tar:
        info = tarfile.TarInfo("package/a")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(info)
    with pytest.raises(OSError, match="lacks a file"):
        read_members(tmp_path / "set.tgz", ["package/a"])


@pytest.mark.parametrize("suffix", [".tgz", ".whl"])
def test_a_missing_member_or_a_damaged_archive_is_an_os_error(tmp_path, suffix):
    archive = tmp_path / f"set{suffix}"
    archive.write_bytes(b"neither tar nor zip")
    with pytest.raises(OSError, match="is damaged"):
        read_members(archive, ["a"])
    with pytest.raises(OSError, match="lacks a file"):
        read_members(a_tgz(tmp_path / "other.tgz", {"a": b"1"}), ["b"])


def test_an_archive_cut_short_is_an_os_error(tmp_path):
    archive = a_tgz(tmp_path / "set.tgz", {"a": bytes(range(256)) * 1000})
    archive.write_bytes(archive.read_bytes()[:500])
    with pytest.raises(OSError, match="is damaged"):
        read_members(archive, ["a"])
