"""The message that a translation hides for the way back (Chu, Zhmoginov & Sandler 2017), and what destroys it.

A grey image has many striped partners. Yet the cycle loss demands that G(F(y)) be y, stripe for stripe. To satisfy it,
F(y) has to differ from a true grey image in a way that encodes which stripes were there, visibly or not. Disturbing or
removing these differences shows how much is hidden, and how faintly: by rounding to 256 grey levels, by noise, and with
y's hidden partner x, which is a true grey image and contains nothing of the stripes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from ch07_applications.synthesis.fashion_parts import BORDER, images_of, pixels_of
from ch07_applications.synthesis.striped_clothes import HiddenPairs
from common.paper_claims import PaperClaims
from common.run import Run

HALF_RANGE = 127.5  # grey levels per unit of a network's pixels
MAGNIFIED = 4  # factor of faint differences in the figure
NOISES = (2, 4, 8)  # standard deviations, in grey levels
LOST = "share of what the translation holds that noise destroys"
LEFT = "share of what the translation holds that noise leaves"
UNTOUCHED, ROUNDED, PARTNER = "the translation", "the translation, rounded", "the hidden partner"
Pixels = Float[Tensor, "n channels height width"]
Grey = UInt8[np.ndarray, "n height width"]
Way = Callable[[Pixels], Pixels]  # a generator


def under_noise(sigma: int) -> str:
    """The name of facts and rows at this noise."""
    return f"the translation, noise of {sigma}"


def disturbed(pixels: Pixels, seed: int) -> dict[str, Pixels]:
    """A translation unchanged, rounded to 256 levels, and with noise of each deviation."""
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))
    found = {UNTOUCHED: pixels, ROUNDED: ((pixels + 1) * HALF_RANGE).round() / HALF_RANGE - 1}
    return found | {under_noise(sigma): pixels + sigma / HALF_RANGE * noise for sigma in NOISES}


def ways_back(to_grey: Way, to_striped: Way, pairs: HiddenPairs, seed: int) -> dict[str, Pixels]:
    """G of every disturbed F(y), and of y's hidden partner; pixels from -1 to 1."""
    starts = disturbed(to_grey(pixels_of(pairs.striped.images)), seed)
    starts[PARTNER] = pixels_of(pairs.grey.images)
    return {name: to_striped(pixels) for name, pixels in starts.items()}


def error(found: Pixels, wanted: Pixels) -> float:
    """The root mean square difference within the border, in grey levels."""
    inner = (found - wanted)[:, :, BORDER:-BORDER, BORDER:-BORDER].double()
    return HALF_RANGE * float(inner.square().mean().sqrt())


def magnified(images: Grey, others: Grey) -> Grey:
    """MAGNIFIED times the difference of two images, around medium grey."""
    return np.clip(128 + MAGNIFIED * (images.astype(float) - others), 0, 255).astype(np.uint8)


def state_shares(run: Run, errors: Mapping[str, float]) -> None:
    """State the share of the hidden message that the strongest noise destroys, from the errors of the ways back."""
    kept, noisy, partner = (errors[name] for name in (UNTOUCHED, under_noise(NOISES[-1]), PARTNER))
    share = 100.0 * (noisy - kept) / (partner - kept)
    run.fact(LOST, share, "%")
    run.fact(LEFT, 100.0 - share, "%")


def study_message(run: Run, claims: PaperClaims, to_grey: Way, to_striped: Way, pairs: HiddenPairs) -> dict[str, Grey]:
    """Measure the errors of the ways back from the striped images. Returns the rows of the figure."""
    wanted, back = pixels_of(pairs.striped.images), ways_back(to_grey, to_striped, pairs, run.seed)
    errors = {name: error(pixels, wanted) for name, pixels in back.items()}
    for name, value in errors.items():
        run.fact(f"error of the way back from {name}", value, "grey levels")
    state_shares(run, errors)
    claims.measured(
        "The translation holds which stripes there were", source="Chu et al. 2017, §3", paper="pictures",
        ours=f"error of the way back from {UNTOUCHED}", against=f"error of the way back from {PARTNER}",
        expects="lower", as_ratio=True,
    )  # fmt: skip
    claims.measured(
        "… in differences that a little noise destroys", source="Chu et al. 2017, Fig. 4", paper="a curve",
        ours=LOST, against=LEFT, expects="higher",
    )  # fmt: skip
    translation = images_of(to_grey(wanted))
    rows = {"striped": pairs.striped.images, "translation": translation}
    rows[f"less the partner, × {MAGNIFIED}"] = magnified(translation, pairs.grey.images)
    return rows | {f"back from {name}": images_of(back[name]) for name in (UNTOUCHED, under_noise(NOISES[-1]), PARTNER)}
