"""Reading single members of an archive straight into memory: no path of an archive ever meets the file system."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from common.errors import first_line


def read_members(archive: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The content of these members of a .tgz, .whl or .deb, in this order.

    Raises OSError where one is missing or the archive can't be read: it is damaged, or cut short. One wrong byte can
    make zipfile, tarfile and the decompressors below them raise almost anything (NotImplementedError for a method of
    compression that doesn't exist, LZMAError, struct.error, …), so everything they raise counts as damage.
    """
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                return {name: wheel.read(name) for name in names}
        with tar_file(archive) as tar:
            members = {name: tar_member(tar, name) for name in names}
            while tar.fileobj.read(1 << 20):  # to the end, where the checksum of a compressed stream stands
                pass
            return members
    except FileNotFoundError:
        raise
    except Exception as error:
        raise OSError(f"{archive.name} lacks a file or is damaged ({first_line(error)})") from error


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
