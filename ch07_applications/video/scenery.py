"""The background of people: a part of a photograph, seen by a camera that shakes."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, Float32

from ch07_applications.video.draws import Draws
from common.data.photo_pack import Photograph, photographs

LEARNED = 10  # of the 13 training photographs: those of the part "train"; the others are for validation
MARGIN, SHAKE = 0.3, 0.03  # shares of the picture's side


def camera_path(
    side: int, draws: Draws, time: Float[np.ndarray, "frames"], follows: Float[np.ndarray, "films frames"]
) -> Float[np.ndarray, "films frames 2"]:
    """The camera's displacement in pixels: it shakes by a slow and a fast wave per axis, and follows walkers."""
    path = np.zeros((*follows.shape, 2))
    for axis in (0, 1):
        for low, high in ((0.5, 1.5), (2.0, 4.0)):
            rate, phase, reach = draws.between(low, high), draws.between(0, 1), draws.between(0, SHAKE / max(1, low))
            path[..., axis] += side * reach * np.sin(2 * np.pi * (rate * time + phase))
    path[..., 0] += follows
    return path


def scenery(
    part: str, side: int, draws: Draws, camera: Float[np.ndarray, "films frames 2"]
) -> Float32[np.ndarray, "3 films frames side side"]:
    """The background of every film, part of a photograph, shifted against the camera by bilinear interpolation."""
    margin, pictures = int(np.ceil(MARGIN * side)), backgrounds(part)
    chosen, places, gain = draws.among(len(pictures)), draws.between(0, 1, 4), draws.between(0.7, 1.1)
    each = zip(chosen, places, strict=True)
    views = np.stack([view_of(pictures[picture], place, side + 2 * margin) for picture, place in each])
    views *= gain[:, :, None, None].astype(np.float32)
    shift = np.clip(camera, -margin, margin - 1) + margin
    whole = np.floor(shift).astype(np.int64)
    right, down = np.moveaxis((shift - whole).astype(np.float32)[..., None, None], 2, 0)
    planes = np.ascontiguousarray(np.moveaxis(views, -1, 0))
    windows = np.lib.stride_tricks.sliding_window_view(planes, (side + 1, side + 1), axis=(2, 3))
    seen = windows[:, np.arange(len(views))[:, None], whole[..., 1], whole[..., 0]]
    rows = seen[..., :-1, :] + down * (seen[..., 1:, :] - seen[..., :-1, :])
    return np.ascontiguousarray(rows[..., :-1] + right * (rows[..., 1:] - rows[..., :-1]))  # contiguous, for painting


@cache
def backgrounds(part: str) -> tuple[Photograph, ...]:
    """The background photographs of a part."""
    pack = photographs()
    return {"train": pack.train[:LEARNED], "validation": pack.train[LEARNED:], "test": pack.test}[part]


def view_of(picture: Photograph, place: Float[np.ndarray, "4"], side: int) -> Float32[np.ndarray, "side side 3"]:
    """A square of a photograph, reduced to `side` pixels. place: size, left, top and mirrored, from 0 to 1."""
    from PIL import Image

    height, width = picture.image.shape[:2]
    edge = min(height, width) * (0.4 + 0.6 * place[0])
    left, top = (width - edge) * place[1], (height - edge) * place[2]
    small = Image.fromarray(picture.image).resize(
        (side, side), Image.Resampling.BILINEAR, box=(left, top, left + edge, top + edge)
    )
    view = np.asarray(small, np.float32)
    return view[:, ::-1] if place[3] < 0.5 else view
