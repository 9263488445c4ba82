"""Scenes: articles of clothing pasted on photographs, with exact boxes and masks. They are composed, not photographed.

An item of Fashion-MNIST is enlarged one to three times, turned a little, perhaps mirrored, coloured between two tints
of its own, and pasted where it may lie partly outside the picture and partly under another item. A scene of 128×128
pixels has one to six of them. Training scenes are made of training items and training photographs, test scenes of
others.

Nothing is to be had cheaply. Items are dark where they end, for there Fashion-MNIST has blended them with black: their
rim takes on the brightness of what lies inside. Outlines are about as sharp at every size. Shapes that are no clothing,
but of the same cloth, are pasted in just the same way. Blur and noise come over everything.

What things are pasted: scene_items.py. Where: scene_places.py. How: scene_composer.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import UInt8

from common.data.boxed import BoxedImages
from common.data.images import fashion_mnist
from common.data.photos import photo
from common.data.scale import LECTURE, Scale
from common.data.scene_composer import Composer
from common.data.scene_items import clothes, with_distractors
from common.data.scene_places import SIZE

TRAIN_PHOTOS = (
    "astronaut", "motorcycle", "rocket", "gravel", "retina", "camera", "immunohistochemistry", "colorwheel",
    "moon", "page", "text",
)  # fmt: skip
TEST_PHOTOS = ("cat", "coffee", "brick", "grass", "coins", "hubble_deep_field", "clock", "cell")
TRAIN_SEED, VALIDATION_SEED, TEST_SEED = 1, 2, 3


@dataclass(frozen=True, eq=False)
class SceneSet:
    """Scenes to learn from, to choose on, and to be judged on. The first two are made of the same items and photos."""

    train: BoxedImages
    validation: BoxedImages
    test: BoxedImages
    classes: tuple[str, ...]
    source: str


@cache
def composers(scale: Scale = LECTURE) -> tuple[Composer, Composer]:
    """The composer of training scenes, and that of test scenes: other items, upon other photographs."""
    fashion = fashion_mnist(scale)
    pairs = []
    for part, names, seed in [(fashion.train, TRAIN_PHOTOS, 0), (fashion.test, TEST_PHOTOS, 1)]:
        pictures = tuple(in_colour(photo(name)) for name in names)
        large = [number for number, picture in enumerate(pictures) if min(picture.shape[1:]) > 3 * SIZE]
        pictures += tuple(pictures[number][:, ::2, ::2] for number in large)
        originals = (*range(len(names)), *large)
        pairs.append(Composer(with_distractors(clothes(part), seed), pictures, fashion.classes, originals=originals))
    return pairs[0], pairs[1]


def in_colour(picture: UInt8[np.ndarray, "height width *channels"]) -> UInt8[np.ndarray, "3 height_less width_less"]:
    """Red, green and blue, of a grey picture all the same; the larger ones reduced to about 512 pixels."""
    picture = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=2)
    step = max(1, min(picture.shape[:2]) // 400)
    return np.ascontiguousarray(picture[::step, ::step].transpose(2, 0, 1))


@cache
def scenes(scale: Scale = LECTURE, train_masks: bool = False) -> SceneSet:
    """Scenes of Fashion-MNIST, 128 × 128: 8000 + 300 + 500; at smoke 96 + 16 + 8, at full 16000 + 500 + 2000.

    A scene's group is its photograph: its place in TRAIN_PHOTOS, and in TEST_PHOTOS for test scenes.
    train_masks: whether the training scenes have masks, too: at the lecture preset 131 MB more than the 440 MB of all.
    """
    sizes = {"smoke": (96, 16, 8), "lecture": (8000, 300, 500), "full": (16_000, 500, 2000)}[scale.preset]
    training, testing = composers(scale)
    source = "composed of Fashion-MNIST's items (Xiao et al. 2017, MIT) and photographs that come with scikit-image"
    return SceneSet(
        training.compose(sizes[0], TRAIN_SEED, masks=train_masks),
        training.compose(sizes[1], VALIDATION_SEED),
        testing.compose(sizes[2], TEST_SEED),
        training.classes,
        source,
    )
