"""Image quilting: a picture made of blocks of a texture, each chosen to fit its neighbours and a photograph.

Method     Efros and Freeman 2001. Blocks are laid row by row; each overlaps those above and to its left. A block is
           drawn from those blocks of the texture whose overlap fits almost as well as the best one's (§2). Within the
           overlap, the new block is cut along the path with the least sum of squared differences e (§2.1),

               E_ij = e_ij + min(E_i−1,j−1, E_i−1,j, E_i−1,j+1)                                              (1)

           so that the seam runs where both agree. In texture transfer (§3), the error of a block is α times that of
           the overlap plus 1 − α times the difference of its blurred luminance from the photograph's at this place.
           Several passes use smaller and smaller blocks, and the overlap includes what the pass before has laid: α
           grows from 0.1 to 0.9.
Differs    A third of a block overlaps, not a sixth. Candidates of many places are compared at once, as matrix products.
           Luminance is first matched to the texture's: else dark photographs would be its few darkest blocks.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float32, Int
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter

from ch07_applications.style.pixels import Picture

BLOCKS = (18, 12)  # sides, pass by pass
OVERLAP = 3  # a third of a block overlaps with its neighbour
TOLERANCE = 0.1  # a block may fit worse than the best by this share
MOST = 10_000  # candidates per pass
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def cheapest_path(errors: Float[np.ndarray, "rows columns"]) -> Int[np.ndarray, "rows"]:
    """The column of each row on the path from top to bottom with the least sum. Eq. (1)."""
    total = errors.copy()
    for row in range(1, len(total)):
        above = np.pad(total[row - 1], 1, constant_values=np.inf)
        total[row] += np.minimum(np.minimum(above[:-2], above[1:-1]), above[2:])
    path = np.empty(len(errors), int)
    path[-1] = total[-1].argmin()
    for row in range(len(total) - 2, -1, -1):
        low = max(path[row + 1] - 1, 0)
        path[row] = low + total[row, low : path[row + 1] + 2].argmin()
    return path


def new_side(errors: Float[np.ndarray, "rows columns"]) -> Bool[np.ndarray, "rows columns"]:
    """True where an overlap on the left shows the new block: from the path on."""
    return np.arange(errors.shape[1]) >= cheapest_path(errors)[:, None]


def luminance(picture: Picture, sigma: float) -> Float32[np.ndarray, "height width"]:
    """The blurred luminance, from 0 to 255."""
    return gaussian_filter(picture.astype(np.float32) @ LUMA, sigma, mode="nearest")


def matched(
    values: Float32[np.ndarray, "height width"], to: Float32[np.ndarray, "..."]
) -> Float32[np.ndarray, "height width"]:
    """The values with the distribution of others, their order kept: each becomes the quantile of its rank."""
    ranks = values.ravel().argsort(kind="stable").argsort(kind="stable") / max(values.size - 1, 1)
    return np.quantile(to, ranks).astype(np.float32).reshape(values.shape)


def squared_distances(a: Float32[np.ndarray, "m d"], b: Float32[np.ndarray, "n d"]) -> Float32[np.ndarray, "m n"]:
    """‖a − b‖² of all pairs, as one matrix product."""
    return (a * a).sum(axis=1)[:, None] - 2 * a @ b.T + (b * b).sum(axis=1)


def windows(
    picture: Float32[np.ndarray, "height width *channels"], corners: Int[np.ndarray, "n 2"], side: int
) -> Float32[np.ndarray, "n side side *channels"]:
    """The blocks of a picture with these upper left pixels."""
    views = sliding_window_view(picture, (side, side), axis=(0, 1))[corners[:, 0], corners[:, 1]]
    return np.moveaxis(views, 1, -1) if picture.ndim == 3 else views


def draw(errors: Float32[np.ndarray, "candidates"], tolerance: float, rng: np.random.Generator) -> int:
    """A random one of the candidates whose error is at most (1 + tolerance) times the least."""
    return int(rng.choice(np.flatnonzero(errors <= errors.min() * (1 + tolerance))))


class Pass:
    """One pass over the picture with blocks of one side.

    wanted: the photograph's luminance, in the texture's distribution. before: the result of the pass before, or None.
    """

    def __init__(  # noqa: PLR0917
        self,
        texture: Picture,
        tones: Float32[np.ndarray, "texture_height texture_width"],
        wanted: Float32[np.ndarray, "height width"],
        before: Float32[np.ndarray, "height width 3"] | None,
        side: int,
        alpha: float,
        rng: np.random.Generator,
    ) -> None:
        self.side, self.overlap, self.alpha, self.rng = side, max(side // OVERLAP, 1), alpha, rng
        self.step = side - self.overlap
        self.size = wanted.shape
        beyond = [(0, -(length - self.overlap) % self.step) for length in self.size]
        self.rows, self.columns = (
            (length + more[1] - self.overlap) // self.step for length, more in zip(self.size, beyond, strict=True)
        )
        free = [length - side + 1 for length in tones.shape]
        chosen = rng.permutation(free[0] * free[1])[:MOST]
        corners = np.stack(np.unravel_index(chosen, free), axis=1)
        self.candidates = windows(texture.astype(np.float32), corners, side)
        places = self.step * np.stack(
            np.unravel_index(np.arange(self.rows * self.columns), (self.rows, self.columns)), 1
        )
        flat = self.candidates.reshape(len(corners), -1)
        likeness = squared_distances(
            windows(np.pad(wanted, beyond, mode="edge"), places, side).reshape(len(places), -1),
            windows(tones, corners, side).reshape(len(corners), -1),
        )
        self.fixed = (1 - alpha) * likeness
        if before is not None:
            laid = windows(np.pad(before, (*beyond, (0, 0)), mode="edge"), places, side).reshape(len(places), -1)
            self.fixed += alpha * squared_distances(laid, flat) / 3
        self.empty = np.pad(np.zeros((*self.size, 3), np.float32), (*beyond, (0, 0)))
        self.shared = {}  # the overlaps with blocks above and on the left: pixels, and the candidates' there
        for above, left in ((False, True), (True, False), (True, True)):
            pixels = np.zeros((side, side), bool)
            pixels[: self.overlap * above] = True
            pixels[:, : self.overlap * left] = True
            self.shared[above, left] = pixels, self.candidates[:, pixels].reshape(len(corners), -1)

    def __call__(self) -> Float32[np.ndarray, "height width 3"]:
        """Lay all blocks. Blocks with the same 2 · row + column do not touch, so they are compared at once."""
        self.canvas = self.empty.copy()
        for front in range(2 * self.rows + self.columns - 2):
            row = np.arange(max(0, -(-(front - self.columns + 1) // 2)), min(self.rows, front // 2 + 1))
            self.lay(row, front - 2 * row)
        return self.canvas[: self.size[0], : self.size[1]]

    def lay(self, rows: Int[np.ndarray, "places"], columns: Int[np.ndarray, "places"]) -> None:
        """Lay a block at each of these places."""
        there = windows(self.canvas, self.step * np.stack([rows, columns], axis=1), self.side)
        errors = self.fixed[rows * self.columns + columns]
        for (above, left), (shared, new) in self.shared.items():
            own = np.flatnonzero(((rows > 0) == above) & ((columns > 0) == left))
            if len(own):
                errors[own] += self.alpha * squared_distances(there[own][:, shared].reshape(len(own), -1), new) / 3
        for row, column, old, error in zip(rows, columns, there, errors, strict=True):
            block = self.candidates[draw(error.clip(min=0), TOLERANCE, self.rng)]
            differences = ((block - old) ** 2).sum(axis=2)
            seen = np.ones((self.side, self.side), bool)
            if column:
                seen[:, : self.overlap] &= new_side(differences[:, : self.overlap])
            if row:
                seen[: self.overlap] &= new_side(differences[: self.overlap].T).T
            top, left = self.step * row, self.step * column
            self.canvas[top : top + self.side, left : left + self.side][seen] = block[seen]


def quilt(photograph: Picture, texture: Picture, seed: int = 0, sides: tuple[int, ...] = BLOCKS) -> Picture:
    """The photograph as blocks of the texture; every pixel comes from the texture.

    sides: of the blocks, pass by pass. Raises ValueError for a texture that is smaller than a block.
    """
    if min(texture.shape[:2]) < max(sides):
        height, width = texture.shape[:2]
        raise ValueError(f"a texture of {height} × {width} pixels has no block of {max(sides)} × {max(sides)}")
    rng, result = np.random.default_rng(seed), None
    for number, side in enumerate(sides):
        tones = luminance(texture, side / 6)
        wanted = matched(luminance(photograph, side / 6), tones)
        alpha = 0.8 * number / max(len(sides) - 1, 1) + 0.1
        result = Pass(texture, tones, wanted, result, side, alpha, rng)()
    return result.astype(np.uint8)
