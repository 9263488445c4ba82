"""Carried photographs: to train on, to test on, and a painting; free licences, each with who took it."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data.embedded import FOLDER, checked, confirm, content, described
from common.data.parts import read_only


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture, read-only, and who made it. name: the file's. title: the author's."""

    name: str
    image: UInt8[np.ndarray, "height width 3"]
    title: str
    author: str
    licence: str

    @property
    def credit(self) -> str:
        """What has to stand beside the picture wherever it is shown."""
        return f"“{self.title}” by {self.author}, {self.licence}, reduced"


@dataclass(frozen=True, eq=False)
class Photographs:
    """Photographs split into train and test, and paintings (for style). Sizes differ; the longer side has 576 pixels.

    All pictures of test, and all but one of train ("facade"), have colour.
    """

    train: tuple[Photograph, ...]
    test: tuple[Photograph, ...]
    paintings: tuple[Photograph, ...]
    source: str


def photographs(folder: Path = FOLDER) -> Photographs:
    """13 photographs to train on, 7 to test on, one painting. Raises Problem where a file is missing or damaged."""
    parts, images = {"train": [], "test": [], "paintings": []}, []
    with described("photographs", folder) as pack:
        for entry in pack["pictures"]:
            words = (entry[key] for key in ("title", "author", "licence"))
            image = decoded(checked(entry["file"], folder))
            parts[entry["part"]].append(Photograph(entry["name"], read_only(image), *words))
            images.append(image)
        confirm(pack, content(*images))
    source = "photographs under free licences, named in common/data/packs/PROVENANCE.md"
    return Photographs(**{part: tuple(pictures) for part, pictures in parts.items()}, source=source)


def decoded(stored: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """The pixels of a picture that is known to be sound."""
    from PIL import Image

    with Image.open(BytesIO(stored)) as picture:
        return np.asarray(picture.convert("RGB"))
