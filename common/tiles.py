"""Work on a large picture tile by tile, with the result of the whole and the memory of a tile.

A pixel of a convolutional network's output depends on the inputs within its receptive field alone. So the picture is
cut into tiles, each is given to the network with a margin of its neighbours, and of what comes out only the middle is
kept. Where the margin reaches as far as the receptive field, no seam is left: every kept pixel has seen all that it
would have seen in the whole picture. At the picture's own border there is no margin, as there is none in the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Shaped

Piece = Shaped[np.ndarray, "..."]  # (H, W) or (H, W, channels)


def in_tiles(
    work: Callable[[Piece], Piece], picture: Piece, *, tile: int = 256, overlap: int = 16, factor: int = 1
) -> Piece:
    """work(picture), computed from tiles of tile × tile pixels and a margin of `overlap` pixels around each.

    work: gives `factor` times as many pixels per side as it gets. overlap: at least the reach of a pixel of work's
    output, in pixels of its input (half of a receptive field); then the result is the whole's. Where work has strides,
    tile and overlap must be multiples of them. Raises ValueError for a tile without pixels, a negative overlap, a
    picture that has no rows or columns, and for work that gives another size.
    """
    if tile < 1 or overlap < 0 or factor < 1:
        raise ValueError(f"tile {tile}, overlap {overlap} and factor {factor}: they must be at least 1, 0 and 1")
    if picture.ndim not in (2, 3) or not min(picture.shape[:2]):
        raise ValueError(f"a picture is (H, W) or (H, W, channels), not {picture.shape}")
    height, width = picture.shape[:2]
    whole = None
    for rows in spans(height, tile, overlap):
        for columns in spans(width, tile, overlap):
            given = picture[rows.given, columns.given]
            found = work(given)
            if found.shape[:2] != (factor * given.shape[0], factor * given.shape[1]):
                raise ValueError(
                    f"{given.shape[:2]} pixels became {found.shape[:2]}, not {factor} times as many per side"
                )
            if whole is None:
                whole = np.empty((factor * height, factor * width, *found.shape[2:]), found.dtype)
            kept = found[rows.within(factor), columns.within(factor)]
            whole[rows.place(factor), columns.place(factor)] = kept
    return whole


class Span:
    """The part start … end of an axis, with a margin as far as the axis reaches."""

    def __init__(self, start: int, end: int, length: int, overlap: int) -> None:
        self.start, self.end = start, end
        self.given = slice(max(start - overlap, 0), min(end + overlap, length))

    def place(self, factor: int) -> slice:
        """Where it lies in the whole output."""
        return slice(factor * self.start, factor * self.end)

    def within(self, factor: int) -> slice:
        """Where it lies in the output for the given part."""
        return slice(factor * (self.start - self.given.start), factor * (self.end - self.given.start))


def spans(length: int, tile: int, overlap: int) -> Iterator[Span]:
    """An axis in parts of `tile` pixels; the last may be shorter."""
    for start in range(0, length, tile):
        yield Span(start, min(start + tile, length), length, overlap)
