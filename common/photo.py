"""A reader's own picture, --photo FILE, as an array."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8

from common.errors import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

MEGAPIXELS = 50  # at most: such a picture takes 150 MB


def read_photo(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """The picture in RGB, the way up that its EXIF data says; what is transparent lies over white.

    Its size is read before its pixels. Raises Problem for a file that is no picture, can't be read, or is too large.
    """
    from PIL import Image, ImageOps

    too_large = f"--photo {path} has more than {MEGAPIXELS} megapixels: make it smaller"
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # of odd metadata, and of a large picture, which is judged here
            picture = Image.open(file)
            if picture.width * picture.height > MEGAPIXELS * 1e6:
                raise Problem(too_large)
            return np.asarray(_rgb(ImageOps.exif_transpose(picture)))
    except Problem:
        raise
    except Image.DecompressionBombError as error:
        raise Problem(too_large) from error
    except Image.UnidentifiedImageError as error:
        raise Problem(f"--photo {path} is no picture") from error
    except OSError as error:
        raise Problem(f"--photo {path} can't be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file may end in any of Pillow's readers in any way
        raise Problem(f"--photo {path} is damaged, or of a kind that can't be read here ({error})") from error


def _rgb(picture: Image) -> Image:
    """Red, green and blue with 8 bits each."""
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_eight_bits(np.asarray(picture).astype(np.float64), picture.mode))
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        above = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    return picture.convert("RGB")


def _eight_bits(
    grey: np.ndarray,
    mode: str,
) -> UInt8[np.ndarray, "height width"]:
    """Grey of 16 bits or more, or of floats, from 0 to 255. Pillow says in `mode` what it is."""
    grey = np.nan_to_num(grey)
    if mode == "F" and grey.max() <= 1:
        grey = 255 * grey
    elif mode.startswith("I;16") or grey.max() > 255:
        grey = grey / 257  # 65535 is white
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)
