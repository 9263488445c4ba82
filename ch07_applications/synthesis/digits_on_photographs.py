"""Two domains with hidden pairs: grey digits, white on black, and the same kind of digits coloured on photographs.

Pairs      A digit's pixels, from 0 to 1, are the share of the photograph that they cover:
           y = (1 − m) · patch + m · colour. So the grey digit m is all that a coloured one shares with its partner.
           Patch and colour, nearly all that a coloured image shows, have no place in a grey one.
Colours    The first of an image's random colours that differs enough from its patch's mean colour: by how much, in
           which channels, and whether to the bright or to the dark side, is random.
Unpaired   Every training digit goes to one domain only. Training, validation and test use different photographs. Digits
           on photographs of one photographer are one group of items, for tests and intervals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from common.data import Images
from common.data.dataset import Dataset
from common.data.photo_pack import Photograph

SIDE, BORDER = 32, 2  # pixels: a digit's 28 and a black border
LEVELS = (1, 2, 4)  # photograph pixels per patch pixel
CONTRAST = 60.0  # grey levels: least root mean square difference of a digit's colour from its patch's mean
TRIES = 16  # colours drawn; if none is far enough, the farthest is used
HELD_OUT = 4  # every fourth training photograph is for validation
Grey = UInt8[np.ndarray, "n 32 32"]
Colour = UInt8[np.ndarray, "n 32 32 3"]
Picture = UInt8[np.ndarray, "_ _ 3"]
Pixels = Float[Tensor, "n 3 32 32"]  # from -1 to 1


@dataclass(frozen=True, eq=False)
class DigitPairs:
    """Partners side by side, for scoring: grey, with labels, and the same digits coloured. groups: by photographer.

    credits: of the photograph behind each.
    """

    grey: Images
    coloured: Images
    credits: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ColouredDigits:
    """grey, coloured: for training, of different digits. validation, test: pairs, for choosing and for scoring.

    readable: all training digits in grey, for a recogniser.
    """

    grey: Images
    coloured: Images
    readable: Images
    validation: DigitPairs
    test: DigitPairs


def digits_on_photographs(
    digits: Dataset, train: Sequence[Photograph], test: Sequence[Photograph], seed: int
) -> ColouredDigits:
    """Four fifths of the training digits, halved between the domains; the last fifth, for validation; the test part.

    Raises ValueError if there are too few photographs to hold one out, or if one is smaller than a patch.
    """
    if len(train) < HELD_OUT or not test:
        raise ValueError(f"{len(train)} training and {len(test)} test photographs: {HELD_OUT} and 1 are needed")
    kept, part = len(digits.train) * 4 // 5, digits.train
    held = [picture for place, picture in enumerate(train, 1) if place % HELD_OUT == 0]
    others = [picture for place, picture in enumerate(train, 1) if place % HELD_OUT]
    grey, plain = part.take(slice(0, kept, 2)), part.take(slice(1, kept, 2))
    return ColouredDigits(
        framed(grey), in_colour(plain, others, seed).coloured, framed(part.take(slice(kept))),
        in_colour(part.take(slice(kept, None)), held, seed), in_colour(digits.test, test, seed),
    )  # fmt: skip


def framed(digits: Images, groups: Int64[np.ndarray, "n"] | None = None) -> Images:
    """Digits with a black border. Raises ValueError for images that are not 28 × 28."""
    if digits.images.shape[1:] != (SIDE - 2 * BORDER,) * 2:
        raise ValueError(f"digits are 28 × 28 pixels, not {digits.images.shape[1:]}")
    around = (BORDER, BORDER)
    return Images(np.pad(digits.images, ((0, 0), around, around)), digits.labels, digits.ids, groups)


def in_colour(digits: Images, photographs: Sequence[Photograph], seed: int) -> DigitPairs:
    """Digits with their coloured partners. Randomness depends only on the seed and a digit's id."""
    draws = [np.random.default_rng((seed, int(each))).random(4 + 3 * TRIES) for each in digits.ids]
    draws = np.stack(draws) if draws else np.ones((0, 4 + 3 * TRIES))
    which = (draws[:, 0] * len(photographs)).astype(np.int64)
    patches = cut([each.image for each in photographs], which, draws[:, 1:4])
    colours = colours_for(patches, draws[:, 4:].reshape(-1, TRIES, 3) * 255)
    authors = np.unique([each.author for each in photographs], return_inverse=True)[1].astype(np.int64)
    grey = framed(digits, authors[which])
    coloured = Images(lay(grey.images, patches, colours), grey.labels, grey.ids, grey.groups)
    return DigitPairs(grey, coloured, tuple(photographs[place].credit for place in which))


def cut(photographs: Sequence[Picture], which: Int64[np.ndarray, "n"], draws: Float[np.ndarray, "n 3"]) -> Colour:
    """Cut patches. which: each one's photograph. draws: its level, row and column, as numbers from 0 to 1."""
    levels = (draws[:, 0] * len(LEVELS)).astype(int)
    patches = np.zeros((len(which), SIDE, SIDE, 3), np.uint8)
    for place, photograph in enumerate(photographs):
        for level, factor in enumerate(LEVELS):
            chosen = np.flatnonzero((which == place) & (levels == level))
            picture = reduce(photograph, factor)
            room = np.array(picture.shape[:2]) - SIDE + 1
            if room.min() < 1:
                raise ValueError(f"a photograph of {photograph.shape[:2]} pixels is too small for patches of {SIDE}")
            rows, columns = (draws[chosen, 1:] * room).astype(int).T
            reach = np.arange(SIDE)
            patches[chosen] = picture[(rows[:, None] + reach)[:, :, None], (columns[:, None] + reach)[:, None, :]]
    return patches


def reduce(picture: Picture, factor: int) -> Picture:
    """The means of squares of factor × factor pixels."""
    height, width = (length // factor for length in picture.shape[:2])
    blocks = picture[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def colours_for(patches: Colour, drawn: Float[np.ndarray, "n tries 3"]) -> Float[np.ndarray, "n 3"]:
    """Each image's first colour at least CONTRAST from its patch's mean, or the farthest."""
    means = patches.mean(axis=(1, 2))
    far = np.sqrt(((drawn - means[:, None]) ** 2).mean(axis=2))
    chosen = np.minimum(far, CONTRAST).argmax(axis=1)  # the first of equals
    return drawn[np.arange(len(drawn)), chosen]


def lay(digits: Grey, patches: Colour, colours: Float[np.ndarray, "n 3"]) -> Colour:
    """Compose y = (1 − m) · patch + m · colour."""
    cover = digits[..., None] / 255
    return np.rint((1 - cover) * patches + cover * colours[:, None, None]).astype(np.uint8)


def pixels_of(images: Grey | Colour) -> Pixels:
    """Convert images for a network: from -1 to 1, with three channels, which are equal for grey ones."""
    pixels = torch.tensor(images if images.ndim == 4 else images[..., None]).float() / 127.5 - 1
    return pixels.permute(0, 3, 1, 2).expand(-1, 3, -1, -1).contiguous()


def grey_of(pixels: Pixels) -> Grey:
    """The mean of the channels, rounded to 256 levels."""
    return ((pixels.mean(dim=1).clamp(-1, 1) + 1) * 127.5).round().byte().numpy().copy()


def colour_of(pixels: Pixels) -> Colour:
    """All channels, rounded to 256 levels."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte()
    return levels.permute(0, 2, 3, 1).contiguous().numpy().copy()
