"""Exemplar-based inpainting: the hole is filled from its rim inwards, with patches of the picture itself.

Method     Criminisi, Pérez and Toyama 2004, §3. Of all patches centred on the rim δΩ of the hole, the one with the
           highest priority is filled next:

               P(p) = C(p) D(p),   C(p) = Σ_(known q in the patch) C(q) / |patch|,   D(p) = |∇I⊥ · n| / α

           C, the confidence, is 1 where the picture is known, and prefers patches with many known pixels. D, the data
           term, is large where an isophote ∇I⊥ (the direction of an edge) meets the rim along its normal n, so that
           edges are continued before surfaces. The patch is completed by the fully known patch with the least squared
           difference in its known pixels; filled pixels get the confidence C(p).
Speed      Sources are the patches that were fully known at the start. As rows of a matrix A, their squared differences
           from a patch t with known pixels m are (A ∘ A) m − 2 A (m ∘ t) + const: two products for all.
Differs    Squared differences of red, green and blue, not of CIE Lab. If a hole is so wide that no patch is fully
           known, patches are smaller. D has a floor, without which flat regions would have priority 0 and no order.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Shaped, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import binary_dilation

from ch07_applications.reconstruction.holes import check_hole

ALPHA, FLOOR = 255.0, 1e-3  # of grey levels; the least data term
MOST = 20_000  # sources: of more, an even selection
Grey = Float[np.ndarray, "height width"]


class Sources:
    """Every fully known patch of a picture as rows, with a side of at most `size` pixels.

    Raises ValueError unless the size is an odd number of at least 1.
    """

    def __init__(self, picture: Float[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"], size: int) -> None:
        if size < 1 or size % 2 == 0:
            raise ValueError(f"patches have an odd number of pixels per side, not {size}")
        size = min(size, *(length - 1 + length % 2 for length in known.shape))
        while not (inside := sliding_window_view(known, (size, size)).all(axis=(2, 3))).any():
            size -= 2
        self.size = size
        y, x = np.nonzero(inside)
        step = -(-len(y) // MOST)
        windows = sliding_window_view(picture, (size, size), axis=(0, 1))[y[::step], x[::step]]
        self.patches = windows.transpose(0, 2, 3, 1).reshape(len(windows), -1).astype(np.float32)
        self.squares = self.patches**2

    def nearest(self, patch: Float[np.ndarray, "size size 3"], known: Bool[np.ndarray, "size size"]) -> int:
        """The source with the least squared difference in the patch's known pixels; the first of several."""
        mask = known[..., None].repeat(3, axis=2).ravel().astype(np.float32)
        return int((self.squares @ mask - 2 * self.patches @ (mask * patch.ravel().astype(np.float32))).argmin())

    def __getitem__(self, index: int) -> Float[np.ndarray, "size size 3"]:
        return self.patches[index].reshape(self.size, self.size, 3)


def gradient(grey: Grey, known: Bool[np.ndarray, "height width"]) -> tuple[Grey, Grey]:
    """Derivatives along rows and columns: central differences of known pixels, one-sided at the rim, 0 elsewhere."""
    found = []
    for axis in (0, 1):
        total, count = np.zeros_like(grey), np.zeros_like(grey)
        pair = [np.s_[1:], np.s_[:-1]]
        low, high = ((*(slice(None),) * axis, each) for each in pair[::-1])
        both = known[low] & known[high]
        step = np.where(both, grey[high] - grey[low], 0)
        for side in (low, high):
            total[side] += step
            count[side] += both
        found.append(total / np.maximum(count, 1))
    return found[0], found[1]


def data_term(grey: Grey, known: Bool[np.ndarray, "height width"]) -> Grey:
    """D(p) = |∇I⊥ · n| / α, with the normal n of the rim; FLOOR at least. §3."""
    down, across = gradient(grey, known)
    strongest = np.where(known, np.hypot(down, across), 0)
    window = np.pad(strongest, 1)
    places = sliding_window_view(window, (3, 3)).reshape(*grey.shape, 9)
    at = places.argmax(axis=2)  # an unknown pixel takes the gradient of its steepest known neighbour
    y, x = (np.indices(grey.shape) + np.stack([at // 3 - 1, at % 3 - 1])).clip(0)
    y, x = np.minimum(y, grey.shape[0] - 1), np.minimum(x, grey.shape[1] - 1)
    normal_down, normal_across = np.gradient(known.astype(float))
    length = np.hypot(normal_down, normal_across)
    along = -across[y, x] * normal_down + down[y, x] * normal_across  # the isophote is the gradient, turned by 90°
    return np.abs(along) / np.maximum(length, 1e-9) / ALPHA + FLOOR


def fill_by_exemplars(
    picture: Shaped[np.ndarray, "height width 3"], hole: Bool[np.ndarray, "height width"], size: int = 9
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with hidden pixels replaced patch by patch. size: of a patch, an odd number of pixels.

    Raises what check_hole and Sources raise.
    """
    check_hole(picture, hole)
    known, image = ~hole, np.where(hole[..., None], 0, picture).astype(float)
    sources = Sources(image, known, size)
    reach = sources.size // 2
    image, known = np.pad(image, ((reach, reach), (reach, reach), (0, 0))), np.pad(known, reach)
    within = np.pad(np.ones(hole.shape, bool), reach)
    confidence = known.astype(float)
    while (remaining := within & ~known).any():
        y, x = choose_place(image, known, remaining, confidence, reach)
        box = np.s_[y - reach : y + reach + 1, x - reach : x + reach + 1]
        certain = confidence[box].mean()
        found = sources[sources.nearest(image[box], known[box])]
        fresh = remaining[box]
        image[box] = np.where(fresh[..., None], found, image[box])
        confidence[box] = np.where(fresh, certain, confidence[box])
        known[box] |= fresh
    inner = np.s_[reach : reach + hole.shape[0], reach : reach + hole.shape[1]]
    return np.where(hole[..., None], image[inner].round(), picture).astype(np.uint8)


def choose_place(
    image: Float[np.ndarray, "h w 3"],
    known: Bool[np.ndarray, "h w"],
    remaining: Bool[np.ndarray, "h w"],
    confidence: Float[np.ndarray, "h w"],
    reach: int,
) -> tuple[int, int]:
    """The pixel of the rim with the highest priority. Eq. (1)."""
    rim = remaining & binary_dilation(known)
    y, x = np.nonzero(rim)
    trust = np.pad(confidence.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    low, high = (y - reach, x - reach), (y + reach + 1, x + reach + 1)
    sums = trust[high[0], high[1]] - trust[low[0], high[1]] - trust[high[0], low[1]] + trust[low[0], low[1]]
    data = data_term(image.mean(axis=2), known)[y, x]
    best = int((sums / (2 * reach + 1) ** 2 * data).argmax())
    return int(y[best]), int(x[best])
