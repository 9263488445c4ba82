"""Pictures that a reader lays into the data folder: found in any format, read at any size and reduced."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from common.data.scale import Scale
from common.errors import Problem, first_line

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
SMOKE = 24  # pictures per part at the smoke preset


def found_folder(scale: Scale, places: Sequence[str], holds: Sequence[str], what: str, how: str) -> Path:
    """The first of these places in the data folder that holds all these files or folders ("a|b": a or b).

    Raises Problem, in one line, where none does: what is missing, and how a reader gets it.
    """
    for place in places:
        if not lacking(folder := scale.cache / place, holds):
            return folder
    wanted = scale.cache / next(filter(None, places))
    why = f"lacks {', '.join(lacking(wanted, holds))}" if wanted.exists() else "is not there"
    raise Problem(
        f"no {what}: {wanted} {why}; {how} and lay it there, or name the folder that holds it with --data DIR"
    )


def lacking(folder: Path, holds: Sequence[str]) -> list[str]:
    """What of these a folder does not hold."""
    return [names for names in holds if not any((folder / name).exists() for name in names.split("|"))]


def pictures_in(folder: Path) -> list[Path]:
    """The pictures in a folder by name, hidden files apart. Raises Problem where there is none."""
    try:
        found = sorted(path for path in folder.iterdir() if is_picture(path))
    except OSError as error:
        raise Problem(f"{folder} can't be read ({error.strerror or error})") from error
    if not found:
        raise Problem(f"{folder} has no pictures in it")
    return found


def is_picture(path: Path) -> bool:
    """Whether the name is a picture's."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def spread(paths: list[Path], scale: Scale) -> list[Path]:
    """All paths; at the smoke preset SMOKE of them, evenly spaced."""
    if scale.preset != "smoke" or len(paths) <= SMOKE:
        return paths
    return [paths[i] for i in np.linspace(0, len(paths) - 1, SMOKE).round().astype(int)]


def opened(path: Path):
    """The picture as Pillow has it, decoded and upright. Raises Problem where it is missing or can't be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as picture:
            picture.load()
            upright = ImageOps.exif_transpose(picture)
    except Exception as error:  # a damaged picture can fail in any way
        why = "it is missing" if isinstance(error, FileNotFoundError) else first_line(error)
        raise Problem(f"{path} can't be read as a picture ({why})") from error
    if upright.mode.startswith(("I", "F")):
        raise Problem(f"{path} has more than 8 bits per colour (mode {upright.mode}): save it with 8")
    return upright


def read_picture(
    path: Path, size: tuple[int, int] | None = None, longest: int | None = None
) -> UInt8[np.ndarray, "height width 3"]:
    """A picture as red, green, blue.

    size: height and width to bring it to, whatever its own. longest: reduce it, in proportion, to at most so many
    pixels on the longer side. Reducing averages (a Lanczos window). Raises Problem as opened does.
    """
    from PIL import Image

    picture = opened(path).convert("RGB")
    if longest is not None and max(picture.size) > longest:
        size = tuple(max(1, round(side * longest / max(picture.size))) for side in reversed(picture.size))
    if size is not None and picture.size != size[::-1]:
        picture = picture.resize(size[::-1], Image.Resampling.LANCZOS)
    return np.array(picture)
