"""The frames of a sequence: a folder of stills or a video, and OpenCV's sample video where there is neither.

vtest.avi is PETS 2009 S2.L1, frame for frame. Debian packs it with OpenCV's examples; the video is kept in the folder
of the full sets (Scale.cache), where it may as well be laid by hand. Its SHA-256 is checked every time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from common.data import cache, mirrors
from common.data.archives import read_members
from common.data.full import first_line
from common.data.scale import Scale
from common.errors import Problem
from common.files import sha256, write_whole

VIDEO, VIDEO_SHA256 = "vtest.avi", "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
INSTALLED = "/usr/share/doc/opencv-doc/examples/data/vtest.avi"
OTHERS = {VIDEO, "bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4"}  # clips.py's may lie in the same folder
PACKAGE = mirrors.Package("apt-get", "opencv-doc", None, 95.7, None, ".deb")


def found_film(folder: Path, scale: Scale) -> Path:
    """The sequence's folder of stills or its video: what lies beside the boxes, or OpenCV's sample, fetched once.

    Raises Problem where it can't be had, with the reason of each source.
    """
    if any((folder / "img1").glob("*.jpg")):
        return folder / "img1"
    own = [path for ending in ("*.avi", "*.mp4") for path in sorted(folder.glob(ending)) if path.name not in OTHERS]
    if own:
        return own[0]
    failures = []
    for kept in dict.fromkeys((folder / VIDEO, scale.cache / VIDEO)):
        if kept.exists():
            if sha256(kept) == VIDEO_SHA256:
                return kept
            failures.append(f"{kept}: damaged (its SHA-256 differs from the expected one)")
    if scale.preset == "smoke":
        what = failures[0] if failures else f"neither img1/*.jpg nor a video in {folder}"
        raise Problem(f"no frames of the sequence: {what}, and the smoke preset downloads nothing")
    with cache.working_folder(scale.cache, "vtest") as work:
        for source, fetch in sources(work):
            try:
                content = fetch()
                (work / VIDEO).write_bytes(content)
                if sha256(work / VIDEO) != VIDEO_SHA256:
                    raise OSError(f"the SHA-256 of {VIDEO} differs from the expected one")
            except Exception as error:  # third parties answer a dead network or a broken file with anything
                failures.append(f"{source}: {first_line(error)}")
                continue
            write_whole(scale.cache / VIDEO, content)
            return scale.cache / VIDEO
    raise Problem(
        f"the frames of the sequence can't be had. Tried {'; '.join(failures)}. "
        f"Check the network and run again, or lay OpenCV's {VIDEO} into {scale.cache}"
    )


def sources(work: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """The sources of the video in the order of asking: a name for the reader, and a function that gives its bytes."""
    if Path(INSTALLED).exists():
        yield INSTALLED, Path(INSTALLED).read_bytes
    yield str(PACKAGE), partial(download_package, work)


def download_package(work: Path) -> bytes:
    """The video out of its package, fetched by the package's client."""
    member = f".{INSTALLED}"
    return read_members(mirrors.fetch(PACKAGE, work, f"pedestrians: {PACKAGE}"), [member])[member]


def pictures(
    film: Path, frames: Int64[np.ndarray, "n"], size: tuple[int, int]
) -> UInt8[np.ndarray, "n height width 3"]:
    """These frames, in ascending order, of a folder of stills or a video. Raises Problem where one can't be read."""
    width, height = size
    images = np.empty((len(frames), height, width, 3), np.uint8)
    read = stills if film.is_dir() else video
    for at, (frame, image) in enumerate(zip(frames, read(film, frames), strict=True)):
        if image.shape != images.shape[1:]:
            raise Problem(
                f"{film}, frame {frame}: {image.shape[1]} × {image.shape[0]} pixels; {width} × {height} wanted"
            )
        images[at] = image
    return images


def stills(folder: Path, frames: Int64[np.ndarray, "n"]) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """000001.jpg, 000002.jpg, … Raises Problem where one is missing or damaged."""
    from PIL import Image

    for frame in frames:
        path = folder / f"{frame:06d}.jpg"
        try:
            with Image.open(path) as still:
                yield np.asarray(still.convert("RGB"))
        except FileNotFoundError as error:
            raise Problem(f"{path} is missing: the boxes speak of frame {frame}") from error
        except (OSError, SyntaxError) as error:  # Pillow's word for a broken PNG or JPEG
            raise Problem(f"{path} cannot be read as a picture ({first_line(error)})") from error


def video(path: Path, frames: Int64[np.ndarray, "n"]) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Frames of a video, decoded one after the other: to jump is not exact in every format. Raises Problem."""
    try:
        import cv2
    except ImportError as error:
        raise Problem(f"{path} needs OpenCV to be read: pip install 'vision-by-reading-code[video]'") from error
    film = cv2.VideoCapture(str(path))
    try:
        if not film.isOpened():
            raise Problem(f"{path} cannot be read as a video: it is empty, damaged, or of an unknown kind")
        passed = 0
        for frame in frames:
            while passed < frame:
                if not film.grab():
                    raise Problem(f"{path} ends after frame {passed}, but frame {frame} is asked for")
                passed += 1
            whole, image = film.retrieve()
            if not whole:
                raise Problem(f"{path}: frame {frame} cannot be decoded")
            yield image[..., ::-1]
    finally:
        film.release()
