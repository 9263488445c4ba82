"""The embedded packs: a fair sample of each set of images, committed with the code and checked at every load."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from common.data.parts import Images, fingerprint
from common.data.sprites import decode
from common.errors import Problem, first_line

FOLDER = Path(__file__).parent / "packs"


def manifest(folder: Path = FOLDER) -> dict:
    """What the packs should be: the checksum of each file, and of each pack the sizes and the decoded content."""
    path = folder / "manifest.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Problem(f"{path} can't be read ({error}): {restore(path)}") from error


def checked(name: str, folder: Path = FOLDER) -> bytes:
    """The content of one embedded file. Raises Problem where it is missing or differs from its checksum."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem(f"{path} can't be read ({error.strerror}): {restore(path)}") from error
    files = manifest(folder).get("files")
    if not isinstance(files, dict) or hashlib.sha256(content).hexdigest() != files.get(name):
        raise Problem(f"{path} is damaged (its SHA-256 differs from the one in manifest.json): {restore(path)}")
    return content


def restore(path: Path) -> str:
    """How to get a committed file back."""
    return f"restore it with `git checkout -- {path}`, or install the project again"


def load(key: str, folder: Path = FOLDER) -> tuple[Images, Images]:
    """The train and test parts of a pack. Raises Problem where a file of it is missing or damaged.

    Items are stored in stratified order, so that every head of a part is a fair sample of it.
    """
    with described(key, folder) as pack:
        with np.load(BytesIO(checked(pack["labels"], folder))) as stored:
            labels = np.concatenate([stored["train"], stored["test"]]).astype(np.int64)
        images = decode(checked(pack["images"], folder), len(labels), *pack["size"])
        n = pack["train"]
        train, test = Images(images[:n], labels[:n]), Images(images[n:], labels[n:])
        confirm(pack, fingerprint(train, test))
        return train, test


@contextmanager
def described(key: str, folder: Path = FOLDER) -> Iterator[dict]:
    """A pack's entry in the manifest, to read the pack by.

    The files have checksums, the manifest has none: so whatever goes wrong inside the block, but for a Problem, is a
    manifest that says what isn't so, and becomes a Problem that says how to restore it.
    """
    try:
        yield manifest(folder)["packs"][key]
    except Problem:
        raise
    except Exception as error:
        path = folder / "manifest.json"
        raise Problem(
            f"{path} is damaged (its entry {key!r} doesn't fit: {first_line(error)}): {restore(path)}"
        ) from error


def confirm(pack: dict, found: str) -> None:
    """Raises ValueError where what was read out of a pack is not the content that its entry names."""
    if found != pack["content"]:
        raise ValueError("another content")


def content(*arrays: Shaped[np.ndarray, "..."]) -> str:
    """SHA-256 of decoded arrays: equal for the same content, however it was stored or compressed."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()
