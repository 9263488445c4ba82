"""A reader's own picture, --photo FILE, as an array; and what is to be filled in of it, --mask FILE."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from common.errors import Problem

if TYPE_CHECKING:
    from PIL.Image import Image

MEGAPIXELS = 50  # at most: such a picture takes 150 MB
SMALLEST = 32  # pixels of the shorter side that every lesson but `pose` can do with


def read_own_photo(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """The picture that --photo names, by read_photo. Raises Problem also for one that is too small, before a lesson
    trains."""
    photo = read_photo(path)
    height, width = photo.shape[:2]
    if min(height, width) < SMALLEST:
        raise Problem(f"--photo {path} has {width}×{height} pixels, lessons need at least {SMALLEST}×{SMALLEST}")
    return photo


def read_photo(path: Path, flag: str = "--photo") -> UInt8[np.ndarray, "height width 3"]:
    """The picture in RGB, the way up that its EXIF data says; what is transparent lies over white.

    Its size is read before its pixels. flag: that named the file, for messages. Raises Problem for a file that is no
    picture, can't be read, or is too large.
    """
    from PIL import Image, ImageOps

    too_large = f"{flag} {path} has more than {MEGAPIXELS} megapixels: make it smaller"
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
        raise Problem(f"{flag} {path} is not an image file") from error
    except OSError as error:
        raise Problem(f"{flag} {path} can't be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged file may end in any of Pillow's readers in any way
        raise Problem(f"{flag} {path} is damaged, or of a kind that can't be read here ({error})") from error


def read_mask(path: Path, size: tuple[int, int]) -> Bool[np.ndarray, "height width"]:
    """True where the picture in the file is nearer to white than to black: there a photograph is to be filled in.

    size: height and width of the photograph. Raises Problem for a file that is no picture or can't be read, for a mask
    of another size, and for one that marks no pixel, or all of them.
    """
    missing = read_photo(path, "--mask").mean(axis=2) >= 128
    if missing.shape != tuple(size):
        (height, width), (rows, columns) = size, missing.shape
        raise Problem(f"--mask {path} has {columns}×{rows} pixels, and --photo {width}×{height}: they must be equal")
    if missing.all() or not missing.any():
        marked = "all of it: nothing is left to fill it in from" if missing.all() else "nothing: no pixel is white"
        raise Problem(f"--mask {path} marks {marked}")
    return missing


def _rgb(picture: Image) -> Image:
    """The picture in RGB with 8 bits per channel; what is transparent is laid over white."""
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
