"""The embedded packs: a fair sample of each set of images, committed with the code and checked at every load."""

from __future__ import annotations

import hashlib
import json
from io import BytesIO
from pathlib import Path

import numpy as np

from common.data.parts import Images
from common.data.sprites import decode
from common.errors import Problem

FOLDER = Path(__file__).parent / "packs"


def manifest(folder: Path = FOLDER) -> dict:
    """What the packs should be: the checksum of each file, and of each pack the sizes and the decoded content."""
    path = folder / "manifest.json"
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path} can't be read ({error}): {restore(path)}") from error


def checked(name: str, folder: Path = FOLDER) -> bytes:
    """The content of one embedded file. Raises Problem where it is missing or differs from its checksum."""
    path = folder / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem(f"{path} can't be read ({error.strerror}): {restore(path)}") from error
    if hashlib.sha256(content).hexdigest() != manifest(folder)["files"].get(name):
        raise Problem(f"{path} is damaged (its SHA-256 differs from the one in manifest.json): {restore(path)}")
    return content


def restore(path: Path) -> str:
    """How to get a committed file back."""
    return f"restore it with `git checkout -- {path}`, or install the project again"


def load(key: str, folder: Path = FOLDER) -> tuple[Images, Images]:
    """The train and test parts of a pack. Raises Problem where a file of it is missing or damaged.

    Items are stored in stratified order, so that every head of a part is a fair sample of it.
    """
    pack = manifest(folder)["packs"][key]
    with np.load(BytesIO(checked(pack["labels"], folder))) as stored:
        labels = np.concatenate([stored["train"], stored["test"]]).astype(np.int64)
    images = decode(checked(pack["images"], folder), len(labels), *pack["size"])
    n = pack["train"]
    return Images(images[:n], labels[:n]), Images(images[n:], labels[n:])
