"""Interpolation between two samples, and arithmetic of classes in latent space. Radford et al. 2015, §6.1, 6.3.

Walks      A generator that copies has sharp images at some points and none between them. So the middle of two samples
           is drawn in two ways: G((z + z')/2), and as a cross-fade of the images, (G(z) + G(z'))/2. Precision measures
           which of the two belongs to the real images.
Arithmetic The mean noise of samples of one class, minus that of another, plus the noise of a third's: with pullovers,
           T-shirts and dresses, do dresses get long sleeves? Sleeves are ink beside the lower half of the body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ch07_applications.synthesis.drawn_dcgan import draw_arithmetic, draw_walks
from ch07_applications.synthesis.fashion_parts import Grey, uniform_noise
from ch07_applications.synthesis.sample_judge import SampleJudge, belongs
from common.paper_claims import PaperClaims
from common.run import Run

T_SHIRT, PULLOVER, DRESS = 0, 2, 3  # labels of Fashion-MNIST
STEPS = 9  # of a walk
ROWS, COLUMNS = (12, 24), (3, 4, 5, 6, 7, 20, 21, 22, 23, 24)  # of a 28 × 28 image, where long sleeves are
LEAST = 3  # least number of samples per class for a mean: the paper's
WALKS, FADES = "precision of walks' middles", "precision of cross-fades"
BEFORE, AFTER = "grey level of dresses' sleeves", "grey level of dresses' sleeves, pullovers − T-shirts added"


@runtime_checkable
class Drawing(Protocol):
    """A generator of images from noise. latent: noise dimensions per image."""

    latent: int

    def draw(self, noise: Float[Tensor, "n latent"]) -> Grey: ...


@runtime_checkable
class Recognising(Protocol):
    """A classifier of images."""

    def predict(self, images: Grey) -> Int[np.ndarray, "n"]: ...


def middles(gan: Drawing, pairs: int, seed: int) -> tuple[Grey, Grey]:
    """For `pairs` pairs of samples: the images of the mean noise, and the means of the images."""
    noise = uniform_noise(2 * pairs, gan.latent, torch.Generator().manual_seed(seed))
    ends = gan.draw(noise).reshape(2, pairs, 28, 28)
    between = gan.draw((noise[:pairs] + noise[pairs:]) / 2)
    return between, ends.astype(np.uint16).mean(axis=0).round().astype(np.uint8)


def precisions_between(gan: Drawing, judge: SampleJudge, real: Grey, pairs: int, seed: int) -> tuple[float, float]:
    """The precision of walks' middles and of cross-fades, in %."""
    members = judge.features(real)
    return tuple(100 * float(belongs(judge.features(each), members).mean()) for each in middles(gan, pairs, seed))


def walks(gan: Drawing, rows: int, seed: int) -> Grey:
    """Images along straight lines between noise, (rows · STEPS, 28, 28), row by row."""
    ends = uniform_noise(2 * rows, gan.latent, torch.Generator().manual_seed(seed)).reshape(2, rows, 1, -1)
    share = torch.linspace(0, 1, STEPS)[None, :, None]
    return gan.draw(((1 - share) * ends[0] + share * ends[1]).flatten(0, 1))


def sleeves(images: Grey) -> Float[np.ndarray, "n"]:
    """The mean grey level where long sleeves are, of each image."""
    return images[:, slice(*ROWS)][:, :, list(COLUMNS)].mean(axis=(1, 2))


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """Dresses before and after pullovers minus T-shirts are added to their noise, and their predicted classes."""

    before: Grey
    after: Grey
    taken: Int[np.ndarray, "n"]
    means: Grey  # from the mean noise: pullover, T-shirt, dress, and the sum


def dresses_with_sleeves(gan: Drawing, judge: Recognising, samples: int, seed: int) -> Arithmetic | None:
    """The arithmetic on samples that the judge recognises; None if it finds fewer than LEAST of a class."""
    noise = uniform_noise(samples, gan.latent, torch.Generator().manual_seed(seed))
    classes = torch.tensor(judge.predict(gan.draw(noise)))
    groups = {label: noise[classes == label] for label in (PULLOVER, T_SHIRT, DRESS)}
    if min(len(group) for group in groups.values()) < LEAST:
        return None
    mean = {label: group.mean(dim=0) for label, group in groups.items()}
    moved = groups[DRESS] + (mean[PULLOVER] - mean[T_SHIRT])
    means = torch.stack([*mean.values(), mean[PULLOVER] - mean[T_SHIRT] + mean[DRESS]])
    after = gan.draw(moved)
    return Arithmetic(gan.draw(groups[DRESS]), after, judge.predict(after), gan.draw(means))


def look_between(run: Run, claims: PaperClaims, judge: SampleJudge, gan: Drawing, real: Grey) -> None:
    """Measure and draw walks and arithmetic, and compare them with the paper's claims."""
    precisions = precisions_between(gan, judge, real, run.pick(smoke=20, lecture=1000), run.seed)
    for name, value in zip((WALKS, FADES), precisions, strict=True):
        run.fact(name, value, "%")
    claims.measured(
        "Between two samples lie samples, not mixtures", source="§6.1, Fig. 4", paper="pictures",
        ours=WALKS, against=FADES, expects="higher",
    )  # fmt: skip
    run.figure(
        "walks", draw_walks, walks(gan, 5, run.seed), STEPS,
        caption="Images along straight lines between two points of noise, the first five pairs.",
    )  # fmt: skip
    found = dresses_with_sleeves(gan, judge, run.pick(smoke=400, lecture=2000), run.seed)
    if found is None:
        run.note(f"Left out: arithmetic, as the samples do not show each of the classes {LEAST} times.")
        return
    run.fact(BEFORE, float(sleeves(found.before).mean()))
    run.fact(AFTER, float(sleeves(found.after).mean()))
    run.fact("with sleeves, still taken for dresses", 100 * float((found.taken == DRESS).mean()), "%")
    claims.measured(
        "Noise adds up: dresses + pullovers − T-shirts have sleeves", source="§6.3.2, Fig. 7", paper="pictures",
        ours=AFTER, against=BEFORE, expects="higher",
    )  # fmt: skip
    run.figure(
        "arithmetic", draw_arithmetic, found.means, found.before, found.after,
        caption="Above, images of mean noise: pullovers − T-shirts + dresses, and the sum. Below, the first dresses "
        "among the samples, without and with the difference of pullovers and T-shirts added to their noise.",
    )  # fmt: skip
