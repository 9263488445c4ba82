"""Deep colorization: a dense network from hand-crafted features of a pixel to its colour, refined along edges.

Question   If every method is given the same features of a pixel, does a network colour better than ridge or trees?
Method     Cheng, Yang & Sheng 2015. A pixel is described at three levels: the 7 × 7 luminances around it (49 numbers),
           DAISY, histograms of gradients around it and on a ring (32), and scores of what is shown (47). A network of
           dense layers, each half as wide as the description, predicts two chroma values; all weights are learned by
           squared error (Eq. (1)). As each pixel is predicted by itself, chroma is then smoothed, but not across edges
           of luminance, by a joint bilateral filter (§3.3):

               C'(p) = Σ_q g(|p − q| / σ_s) g(|Y(p) − Y(q)| / σ_r) C(q) / Σ_q g(…) g(…),   g(x) = exp(−x²/2)

Rival      Ridge and extremely randomised trees on the same features of the same pixels.
Differs    What is shown comes from a linear classifier of HOG with 10 classes, the same for all pixels of a picture;
           the paper has 47 categories of a segmentation network at each pixel. Chroma is a and b of Lab, not U and V,
           so that all lessons of this task can be compared. One network; the paper of 2016 has one per cluster of
           similar pictures.
Costs      40 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.colour.ab_bins import Colours
from ch07_applications.colour.colorful import GREY, shared
from ch07_applications.colour.drawn_colour import draw_gallery
from ch07_applications.colour.lab_pictures import (
    Chroma,
    ColourParts,
    LabPictures,
    Lightness,
    colour_parts,
    doubled,
    halved,
    rgb_of,
)
from ch07_applications.colour.luminance_rivals import trees
from ch07_applications.colour.pixel_features import GROUPS, PixelFeatures, eight_bits, rows_of
from ch07_applications.colour.scoring import ERROR, PSNR, Judgement
from common.paper_claims import PaperClaims
from common.run import Run
from common.train import Training

PATCH, DAISY, SEMANTIC = 49, 32, 47  # numbers that describe a pixel in the paper
HIDDEN, LAYERS = 46, 3  # half of the 91 features, as in the paper; 64, 128 and 256 units did worse on validation
CHROMA = 25.0  # the unit of the network's outputs
PIXELS = 100_000  # of training pictures, for all methods
RADIUS, SIGMA_SPACE, SIGMA_LIGHT = 5, 3.0, 10.0  # of the filter: pixels, pixels, units of L; chosen on validation
NETWORK, REFINED, RIDGE, TREES = "dense network", "dense network, refined", "ridge", "trees"
Rows = Float[Tensor, "pixels features"]


def dense_network(features: int, hidden: int = HIDDEN, layers: int = LAYERS) -> nn.Sequential:
    """`layers` hidden layers with ReLU, and two outputs. The paper's: 128 features, three layers of 64. §3.2."""
    sizes = [features, *[hidden] * layers]
    hidden_layers = [layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*hidden_layers, nn.Linear(sizes[-1], 2))


@dataclass
class PixelBatches:
    """Rows of features and their chroma, as common.train.Batches."""

    rows: Rows
    chroma: Float[Tensor, "pixels 2"]

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Int[Tensor, "batch"], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return self.rows[index], self.chroma[index]


class DenseRegressor(RegressorMixin, BaseEstimator):
    """The network as scikit-learn's regressors are used. Features are standardised by their training rows."""

    def __init__(self, training: Training, hidden: int = HIDDEN, seed: int = 0) -> None:
        self.training, self.hidden, self.seed = training, hidden, seed

    def fit(self, X: Float[np.ndarray, "pixels features"], y: Float[np.ndarray, "pixels 2"]) -> DenseRegressor:
        self.mean_, self.deviation_ = X.mean(axis=0), np.maximum(X.std(axis=0), 1e-6)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            self.network_ = dense_network(X.shape[1], self.hidden)
        data = PixelBatches(self.standardised(X), torch.tensor(y / CHROMA, dtype=torch.float32))
        self.training(self.network_, data, self.seed)
        return self

    def predict(self, X: Float[np.ndarray, "pixels features"]) -> Float[np.ndarray, "pixels 2"]:
        device = next(self.network_.parameters()).device
        with torch.inference_mode():
            return CHROMA * self.network_(self.standardised(X).to(device)).float().cpu().numpy()

    def parameters(self) -> Iterator[nn.Parameter]:
        """The network's, for common.model_size."""
        return self.network_.parameters()

    def standardised(self, X: Float[np.ndarray, "pixels features"]) -> Rows:
        """With a mean of 0 and a deviation of 1 over training rows."""
        return torch.tensor((X - self.mean_) / self.deviation_, dtype=torch.float32)


def joint_bilateral(
    chroma: Chroma,
    lightness: Lightness,
    radius: int = RADIUS,
    sigma_space: float = SIGMA_SPACE,
    sigma_light: float = SIGMA_LIGHT,
) -> Chroma:
    """C' of all pictures: a mean over the pixels around that are alike in lightness. §3.3.

    Pixels outside a picture do not count. Raises ValueError where chroma and lightness differ in size.
    """
    if chroma.shape[:3] != lightness.shape:
        raise ValueError(f"chroma of {chroma.shape[:3]} and lightness of {lightness.shape} differ in size")
    height, width = lightness.shape[1:]
    total, weights = np.zeros(chroma.shape), np.zeros(lightness.shape)
    for down in range(-radius, radius + 1):
        for right in range(-radius, radius + 1):
            here, there = shifted(height, down), shifted(width, right)
            own, other = (slice(None), here[0], there[0]), (slice(None), here[1], there[1])
            space = np.exp(-(down**2 + right**2) / (2 * sigma_space**2))
            weight = space * np.exp(-((lightness[own] - lightness[other]) ** 2) / (2 * sigma_light**2))
            total[own] += weight[..., None] * chroma[other]
            weights[own] += weight
    return (total / weights[..., None]).astype(chroma.dtype)


def shifted(length: int, by: int) -> tuple[slice, slice]:
    """The places of a row that have a neighbour so far away, and the places of these neighbours."""
    return slice(max(0, -by), length - max(0, by)), slice(max(0, by), length - max(0, -by))


@dataclass
class DescribedPixels:
    """A regressor from features of pixels to their chroma, as an estimator of pictures.

    features: of the training pictures. groups: which of them it takes. pixels: of training pictures, drawn once each.
    refine: whether predicted chroma is filtered.
    """

    regressor: Any
    features: PixelFeatures
    groups: Sequence[str] = GROUPS
    pixels: int = PIXELS
    seed: int = 0

    def fit(self, lightness: Lightness, chroma: Chroma) -> DescribedPixels:
        """Learn from some pixels of the training pictures, the same for every regressor with this seed."""
        rows, colours = rows_of(self.features.training, self.groups), halved(chroma).reshape(-1, 2)
        drawn = np.random.default_rng(self.seed).choice(len(colours), min(self.pixels, len(colours)), replace=False)
        self.regressor.fit(rows.reshape(len(colours), -1)[drawn], colours[drawn])
        return self

    def predict_described(self, described: Mapping[str, Float[np.ndarray, "n rows columns _"]]) -> Chroma:
        """The chroma of every pixel of pictures that features.describe has described."""
        rows = rows_of(described, self.groups)
        return doubled(self.regressor.predict(rows.reshape(-1, rows.shape[3])).reshape(*rows.shape[:3], 2))

    def predict(self, lightness: Lightness) -> Chroma:
        """The chroma of every pixel, refined along edges."""
        return joint_bilateral(self.predict_described(self.features.describe(lightness)), lightness)

    @property
    def regressor_(self) -> Any:
        """The fitted regressor, under the name by which common.model_size finds it."""
        return self.regressor


def network_regressor(run: Run) -> DenseRegressor:
    """The dense network, unfitted."""
    epochs = run.pick(smoke=1, lecture=6, full=20)
    training = Training(epochs, 3e-3, 500, loss=nn.functional.mse_loss, device=run.device, say=run.say_step)
    return DenseRegressor(training, seed=run.seed)


def deep_colouriser(run: Run, train: LabPictures) -> DescribedPixels:
    """The system of this lesson, unfitted, for lessons that borrow it."""
    return DescribedPixels(network_regressor(run), PixelFeatures.of(train.lightness, train.labels), seed=run.seed)


# --- The lesson ------------------------------------------------------------------------------------------------------


def study_groups(run: Run, features: PixelFeatures, parts: ColourParts, claims: PaperClaims) -> None:
    """The network with one group of features more each time, on validation pictures. The paper's Fig. 4."""
    described, pixels = features.describe(parts.validation.lightness), run.pick(smoke=2000, lecture=PIXELS)
    names = [f"validation: {' + '.join(GROUPS[: k + 1])}" for k in range(len(GROUPS))]
    for k, name in enumerate(names):
        with run.method(name, kind="deep") as method:
            model = DescribedPixels(network_regressor(run), features, GROUPS[: k + 1], pixels, run.seed)
            method.fit(model, parts.train)
            chroma = model.predict_described(described)
            Judgement(parts.validation, Colours.of(parts.train.chroma)).score(method, chroma)
    for k in (1, 2):
        claims.compared(
            f"Adding {GROUPS[k]} to the levels below lowers the error", source="Fig. 4", paper="pictures",
            ours=names[k], against=names[k - 1], metric=ERROR,
        )  # fmt: skip


def lesson(run: Run) -> None:
    parts, claims, start = colour_parts(run), PaperClaims(run), time.perf_counter()
    features = PixelFeatures.of(parts.train.lightness, parts.train.labels)
    described = features.describe(parts.test.lightness)
    run.fact("seconds for the features of all pictures", time.perf_counter() - start, "s")
    run.fact("features per pixel", rows_of(described).shape[3])
    run.fact("weights and biases of the paper's network", parameters_of(dense_network(PATCH + DAISY + SEMANTIC, 64)))
    judgement, pixels = Judgement(parts.test, Colours.of(parts.train.chroma)), run.pick(smoke=2000, lecture=PIXELS)
    right = features.classifier.predict(eight_bits(parts.test.lightness)) == parts.test.labels
    run.fact("test pictures whose class the linear discriminant finds", 100 * right.mean(), "%")
    found, pictures = {}, {GREY: rgb_of(parts.test.lightness, np.zeros_like(parts.test.chroma))}
    ridge = make_pipeline(StandardScaler(), Ridge(10.0))
    regressors = {RIDGE: ridge, TREES: trees(run.seed), NETWORK: network_regressor(run)}
    for name, regressor in regressors.items():
        with run.method(name, kind="deep" if name == NETWORK else "classical") as method:
            model = DescribedPixels(regressor, features, pixels=pixels, seed=run.seed)
            method.fit(model, parts.train)
            found[name] = model.predict_described(described)
            pictures[name] = judgement.score(method, found[name])
            if name == NETWORK:
                method.share(shared(REFINED), replace(model, features=replace(features, training={})))
    for name, refined in {NETWORK: REFINED, TREES: f"{TREES}, refined"}.items():
        with run.method(refined, kind=run.methods[name].kind) as method:
            pictures[refined] = judgement.score(method, joint_bilateral(found[name], parts.test.lightness))
    study_groups(run, features, parts, claims)

    for rival in (RIDGE, TREES):
        claims.compared(
            f"On the same features the network beats {rival}", source="the lecture's question", paper="not compared",
            ours=NETWORK, against=rival, metric=ERROR,
        )  # fmt: skip
    claims.compared(
        "Refinement improves the picture", source="§3.3", paper="pictures", ours=REFINED, against=NETWORK, metric=PSNR
    )
    run.floor(NETWORK, ERROR, at_most=13.2)
    rows = [int(np.flatnonzero(parts.test.labels == k)[0]) for k in np.unique(parts.test.labels)]
    run.figure(
        "gallery", draw_gallery, {**pictures, "truth": parts.test.images}, rows,
        caption="The first test picture of each class: grey, coloured from the same features by three regressors, with "
        "and without refinement, and the truth.",
    )  # fmt: skip
