"""Files that are written whole or not at all, and folders that one process at a time changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from common.errors import Problem


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary neighbour of path for writing; rename it to path if the block ends well, delete it if not.

    The neighbour lies in the same folder, so that the rename is atomic. Raises Problem where the folder can't be
    written or the disk is full; any other exception of the block passes through.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise Problem(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        # Gone already if all went well; after a failure the folder itself may be what can't be reached.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes | str) -> None:
    """Write content to path, whole or not at all. Text is encoded as UTF-8. Raises Problem as whole_file does."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder, made if need be, while the block runs: another process that wants it waits.

    Where the system or its file system has no locks, nothing is held. Raises Problem where the folder can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Problem(f"cannot write {folder}: {error.strerror or error}") from error
    with ExitStack() as held:
        with suppress(OSError):
            held.enter_context(_held(folder))
        yield


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    if os.name == "nt":  # no folder can be opened there: a file in it stands for it
        import msvcrt

        lock = folder / ".lock"
        try:
            with lock.open("wb") as file:
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
                yield
                msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)
        finally:
            with suppress(OSError):  # another process waits for it
                lock.unlink()
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
