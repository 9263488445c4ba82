"""Colorful image colorization: colour as a distribution over bins, with rare colours weighted up.

Question   Which colours does a grey photograph have? Many are possible: a car is red or blue. A network trained by
           squared error predicts their mean, which is brown or grey. What does it take to predict colours?
Method     Zhang, Isola & Efros 2016, §2. The plane of chroma is cut into Q bins of 10 × 10. The target Z of a pixel is
           a Gaussian over the 5 bins nearest to its chroma; the network predicts a distribution Ẑ over all:

               L = −Σ_hw v(Z_hw) Σ_q Z_hwq log Ẑ_hwq                               (2)
               v = w of the nearest bin,   w ∝ ((1 − λ) p̃ + λ/Q)⁻¹,   Σ p̃ w = 1     (3), (4)
               a, b = Σ_q c_q f_T(Ẑ)_q,   f_T(z) = z^(1/T) / Σ z^(1/T)              (5)

           p̃ is the smoothed frequency of bins in training pictures. The annealed mean, with T = 0.38, lies between the
           mean of the distribution (T = 1) and its mode (T → 0).
Rival      The same network with squared error, also with its chroma times 1.5; nearest neighbours (Welsh 2002), ridge
           and trees on hand-crafted features of pixels (luminance_rivals.py), trees also on rebalanced pixels.
Differs    32 × 32 pixels and 4000 training pictures in place of 224 × 224 and 1.3 million; ten 3×3 convolutions in
           place of 21; and Q = 261, because the paper's text does not determine its 313 bins. Bins are predicted at
           half the resolution in place of a quarter.
Costs      150 s on two cores, 90 of them to train the three networks.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.colour.ab_bins import Colours, centres
from ch07_applications.colour.drawn_colour import draw_gallery, draw_planes, draw_trade_off
from ch07_applications.colour.lab_pictures import Chroma, ColourParts, Pictures, colour_parts, doubled, rgb_of
from ch07_applications.colour.luminance_rivals import PIXELS, PixelColouriser, rivals, trees
from ch07_applications.colour.network_colouriser import NetworkColouriser, colour_training, network_inputs
from ch07_applications.colour.photographs import recolour_own, tiled
from ch07_applications.colour.scoring import AUC, BALANCED, BALANCED_AUC, ERROR, WITHIN, Judgement
from common.claims import beats
from common.image_classifier import outputs
from common.paper_claims import PaperClaims
from common.run import Run

NEIGHBOURS, SIGMA = 5, 5.0  # of the soft encoding: bins, and the deviation of its Gaussian. §2.2
UNIFORM = 0.5  # λ: the share of the uniform distribution in the mixture whose inverse gives the weights
TEMPERATURE = 0.38
TEMPERATURES = (1.0, 0.77, 0.58, TEMPERATURE, 0.29, 0.14, 0.0)  # the paper's Fig. 4
CHROMA = 25.0  # the unit of the regression's outputs
MORE = 1.5  # the factor of chroma in the cheap rival
WIDTH = 32
SHOWN = 6  # validation pictures
GREY, L2, VIVID = "grey", "squared error", f"squared error × {MORE}"
PLAIN, OURS = "bins", "bins, rebalanced"
TREES = "trees, rebalanced"
Pixels = Float[Tensor, "n 2 rows columns"]


# --- From chroma to a distribution over bins and back ----------------------------------------------------------------


def soft_encode(
    chroma: Float[Tensor, "pixels 2"], bins: Float[Tensor, "bins 2"], k: int = NEIGHBOURS
) -> tuple[Int[Tensor, "pixels k"], Float[Tensor, "pixels k"]]:
    """The k nearest bins of each colour by distance, and Z there. Elsewhere Z is 0; it sums to 1. §2.2."""
    distance, bin_ = torch.cdist(chroma, bins).topk(k, largest=False)
    weight = torch.exp(-distance.square() / (2 * SIGMA**2))
    return bin_, weight / weight.sum(dim=1, keepdim=True)


def smoothed(shares: Float[np.ndarray, "bins"]) -> Float[np.ndarray, "bins"]:
    """p̃: each bin's share spread over the bins around it by a Gaussian. §2.2."""
    apart = ((centres()[:, None] - centres()[None]) ** 2).sum(axis=2)
    kernel = np.exp(-apart / (2 * SIGMA**2))
    return kernel / kernel.sum(axis=0) @ shares


def rebalancing(shares: Float[np.ndarray, "bins"], uniform: float = UNIFORM) -> Float[np.ndarray, "bins"]:
    """w ∝ ((1 − λ) p̃ + λ/Q)⁻¹ with Σ p̃ w = 1, so that the loss keeps its scale. Eq. (4)."""
    likely = smoothed(shares)
    inverse = 1 / ((1 - uniform) * likely + uniform / len(likely))
    return inverse / (likely @ inverse)


def annealed_mean(
    logits: Float[Tensor, "n bins rows columns"], bins: Float[Tensor, "bins 2"], temperature: float = TEMPERATURE
) -> Pixels:
    """Σ_q c_q f_T(Ẑ)_q, Eq. (5): T = 1 is the mean, T = 0 the mode.

    Ẑ^(1/T) / Σ Ẑ^(1/T) is the softmax of log Ẑ / T, and log Ẑ is the logits minus a constant. Dividing *probabilities*
    by T within a softmax is another function, and a common mistake.
    """
    if temperature == 0:
        return bins[logits.argmax(dim=1)].permute(0, 3, 1, 2)
    return torch.einsum("nqhw,qc->nchw", (logits / temperature).softmax(dim=1), bins)


def bin_loss(
    logits: Float[Tensor, "n bins rows columns"],
    chroma: Pixels,
    labels: Int[Tensor, "n"] | None = None,
    weights: Float[Tensor, "bins"] | None = None,
) -> Float[Tensor, ""]:
    """The mean over pixels of Eq. (2). weights: w of each bin; None for 1. Labels are not used."""
    bin_, z = soft_encode(chroma.permute(0, 2, 3, 1).reshape(-1, 2), bins_of_chroma().to(chroma.device))
    log_p = logits.permute(0, 2, 3, 1).reshape(len(bin_), -1).float().log_softmax(dim=1)  # this order is fast
    surprise = -(z * log_p.gather(1, bin_)).sum(dim=1)
    return (surprise if weights is None else weights.to(bin_.device)[bin_[:, 0]] * surprise).mean()


# --- The networks ----------------------------------------------------------------------------------------------------


def convolution(channels: int, out: int, stride: int = 1, dilation: int = 1) -> list[nn.Module]:
    """A 3×3 convolution without a bias, BatchNorm and ReLU."""
    layer = nn.Conv2d(channels, out, 3, stride, padding=dilation, dilation=dilation, bias=False)
    return [layer, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]


def published_network() -> nn.Sequential:
    """The authors' network: eight blocks of a VGG without pooling, two of them dilated, and 313 bins at a quarter.

    BatchNorm ends each block; the last 1×1 layer, to (a, b), holds the centres of the bins.
    """
    blocks = ((1, 64, 2, 2, 1), (64, 128, 2, 2, 1), (128, 256, 3, 2, 1), (256, 512, 3, 1, 1))
    blocks += ((512, 512, 3, 1, 2), (512, 512, 3, 1, 2), (512, 512, 3, 1, 1))
    layers = []
    for channels, out, count, stride, dilation in blocks:
        for k in range(count):
            step = stride if k == count - 1 else 1
            wide = nn.Conv2d(out if k else channels, out, 3, step, padding=dilation, dilation=dilation)
            layers += [wide, nn.ReLU()]
        layers.append(nn.BatchNorm2d(out))
    layers += [nn.ConvTranspose2d(512, 256, 4, 2, padding=1), nn.ReLU()]
    layers += [layer for _ in range(2) for layer in (nn.Conv2d(256, 256, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*layers, nn.Conv2d(256, 313, 1), nn.Softmax(dim=1), nn.Conv2d(313, 2, 1, bias=False))


class Residual(nn.Module):
    """ReLU(x + f(x)), where f is two 3×3 convolutions. He et al. 2016, Fig. 2."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        layers = convolution(channels, channels, 1, dilation) + convolution(channels, channels, 1, dilation)
        self.f = nn.Sequential(*layers[:-1])

    def forward(self, x: Float[Tensor, "n channels _ _"]) -> Float[Tensor, "n channels _ _"]:
        return functional.relu(x + self.f(x))


class SmallNetwork(nn.Module):
    """Lightness is mapped to `outputs` maps at half resolution: down to a quarter, dilated there, and upsampled once.

    Maps of the encoder are added to those of the decoder, so that edges of colours lie on edges of lightness.
    """

    def __init__(self, outputs: int, width: int = WIDTH) -> None:
        super().__init__()
        self.fine = nn.Sequential(*convolution(1, width, 2), *convolution(width, width))
        coarse = [*convolution(width, 2 * width, 2), Residual(2 * width), Residual(2 * width, 2), Residual(2 * width)]
        self.coarse = nn.Sequential(*coarse, nn.ConvTranspose2d(2 * width, width, 4, 2, padding=1))
        self.merge = nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(inplace=True), *convolution(width, width))
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, lightness: Float[Tensor, "n 1 _ _"]) -> Float[Tensor, "n outputs _ _"]:
        """Raises ValueError for sides that are not multiples of 4."""
        if any(side % 4 for side in lightness.shape[2:]):
            raise ValueError(f"sides must be multiples of 4, got {tuple(lightness.shape[2:])}")
        fine = self.fine(lightness)
        return self.predict(self.merge(fine + self.coarse(fine)))


def squared_error(outputs: Pixels, chroma: Pixels, labels: Int[Tensor, "n"] | None = None) -> Float[Tensor, ""]:
    """The mean squared error over pixels, in units of CHROMA. Eq. (1). Labels are not used."""
    return functional.mse_loss(outputs.float(), chroma / CHROMA)


def regression(run: Run, factor: float = 1.0) -> NetworkColouriser:
    """The network with squared error, unfitted. factor: by which its predicted chroma is multiplied."""
    training = colour_training(run, squared_error, epochs(run), "regression")
    return NetworkColouriser(partial(SmallNetwork, 2), training, lambda found: factor * CHROMA * found, seed=run.seed)


def colorful(run: Run, weights: Float[np.ndarray, "bins"] | None = None) -> NetworkColouriser:
    """The network with bins, unfitted. weights: for rebalancing."""
    w = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    name, bins = "bins" if weights is None else "rebalanced", bins_of_chroma()
    training = colour_training(run, partial(bin_loss, weights=w), epochs(run), name)
    decode = partial(annealed_mean, bins=bins)
    return NetworkColouriser(partial(SmallNetwork, len(bins)), training, decode, seed=run.seed)


def bins_of_chroma() -> Float[Tensor, "bins 2"]:
    """c_q: the centres of the bins."""
    return torch.tensor(centres(), dtype=torch.float32)


def shared(name: str) -> str:
    """The name under which a method of this task is fitted once per run."""
    return f"{name}, colours of cifar10"


def epochs(run: Run) -> int:
    """The number of epochs of each network."""
    return run.pick(smoke=1, lecture=9, full=60)


# --- The lesson ------------------------------------------------------------------------------------------------------


def score_rivals(run: Run, parts: ColourParts, judgement: Judgement) -> dict[str, Pictures]:
    """Score the rivals, fitted once per run. Returns the coloured test pictures by method."""
    pixels = run.pick(smoke=2000, lecture=PIXELS)
    methods, rare = rivals(run.seed, pixels), rebalancing(judgement.colours.shares)
    methods[TREES] = PixelColouriser(trees(run.seed), weights=rare, pixels=pixels, seed=run.seed)
    with run.method(GREY, kind="classical") as method:
        pictures = {GREY: judgement.score(method, np.zeros_like(parts.test.chroma), auc=True)}
    for name, model in methods.items():
        with run.method(name, kind="classical") as method:
            fitted = method.fit_shared(shared(name), lambda model=model: model, parts.train)
            pictures[name] = judgement.score(method, fitted.predict(parts.test.lightness), auc=True)
    return pictures


def study_temperature(run: Run, logits: Tensor, judgement: Judgement, shown: slice) -> dict[str, Pictures]:
    """Score temperatures from the mean to the mode on validation pictures. Returns some pictures by temperature."""
    part, found = judgement.part, {}
    for temperature in TEMPERATURES:
        chroma, name = doubled(annealed_mean(logits, bins_of_chroma(), temperature)), f"T = {temperature:g}"
        distance, pictures = np.linalg.norm(chroma - part.chroma, axis=-1), rgb_of(part.lightness, chroma)
        run.fact(f"{ERROR}, {name}", np.sqrt((distance**2).mean() / 2))
        run.fact(f"{BALANCED}, {name}", 100 * (judgement.weights * (distance < WITHIN)).mean(), "%")
        run.fact(f"saturation, {name}", np.linalg.norm(chroma, axis=-1).mean())
        run.fact(f"roughness, {name}", roughness(chroma))
        found[name] = pictures[shown]
    return {"truth": part.images[shown], **found}


def roughness(chroma: Chroma) -> float:
    """The mean distance in chroma of horizontal neighbours, in units of Lab: how noisy colours are."""
    return float(np.linalg.norm(np.diff(chroma, axis=2), axis=-1).mean())


def state_claims(run: Run, claims: PaperClaims) -> None:
    """The paper's Table 1 and Fig. 4; and the effect of a factor that was not trained."""
    claims.compared(
        "Bins with rebalancing beat squared error where every colour counts the same", source="Table 1",
        paper="67.3 against 64.4 %", ours=OURS, against=L2, metric=BALANCED_AUC,
    )  # fmt: skip
    claims.compared(
        "… and lose to it where every pixel does", source="Table 1", paper="89.5 against 91.2 %", ours=L2,
        against=OURS, metric=AUC,
    )  # fmt: skip
    claims.compared(
        "It is the rebalancing that wins rare colours", source="Table 1", paper="67.3 against 65.1 %", ours=OURS,
        against=PLAIN, metric=BALANCED_AUC,
    )  # fmt: skip
    claims.compared(
        f"More than saturation: ahead of squared error with its chroma × {MORE}", source="not in the paper",
        paper="–", ours=OURS, against=VIVID, metric=BALANCED_AUC,
    )  # fmt: skip
    for what in ("saturation", "roughness"):
        claims.measured(
            f"Lower temperatures: higher {what}", source="Fig. 4", paper="pictures", ours=f"{what}, T = 0.14",
            against=f"{what}, T = 1", expects="higher",
        )  # fmt: skip
    for rival in ("nearest neighbours", "ridge", "trees", TREES):
        run.compare(OURS, rival, BALANCED)
        run.claim(f"{OURS} beats {rival} in balanced accuracy.", beats(OURS, rival, BALANCED))
    run.floor(OURS, BALANCED, at_least=14)


def lesson(run: Run) -> None:
    parts, claims = colour_parts(run), PaperClaims(run)
    colours = Colours.of(parts.train.chroma)
    judgement, rare = Judgement(parts.test, colours), rebalancing(colours.shares)
    run.fact("bins of side 10 in the gamut", len(colours.shares))
    run.fact("bins that occur in training pictures", int(np.count_nonzero(colours.shares)))
    run.fact("share of pixels in the five most frequent bins", 100 * np.sort(colours.shares)[-5:].sum(), "%")
    run.fact("largest weight over smallest weight of a bin", rare.max() / rare.min())
    run.fact("parameters of the published network", parameters_of(published_network()) / 1e6, "million")

    pictures, found, models = score_rivals(run, parts, judgement), {}, {}
    for name, build in {L2: regression, PLAIN: colorful, OURS: partial(colorful, weights=rare)}.items():
        with run.method(name, kind="deep") as method:
            models[name] = method.fit_shared(shared(name), partial(build, run), parts.train)
            found[name] = models[name].predict(parts.test.lightness)
            pictures[name] = judgement.score(method, found[name], auc=True)
    with run.method(VIVID, kind="deep") as method:
        judgement.score(method, MORE * found[L2], auc=True)
    logits = outputs(models[OURS].network_, network_inputs(parts.validation.lightness))
    shown = study_temperature(run, logits, Judgement(parts.validation, colours), slice(SHOWN))
    if run.photo is not None:
        recolour_own(run, {name: tiled(models[name].predict) for name in (L2, OURS)})
    state_claims(run, claims)
    columns = (GREY, "nearest neighbours", TREES, L2, OURS)
    rows = [int(np.flatnonzero(parts.test.labels == k)[0]) for k in np.unique(parts.test.labels)]
    run.figure(
        "gallery", draw_gallery, {**{name: pictures[name] for name in columns}, "truth": parts.test.images}, rows,
        caption="The first test picture of each class: its grey version, coloured by four methods, and the truth.",
    )  # fmt: skip
    run.figure(
        "planes", draw_planes, {"truth": parts.test.chroma, **found},
        caption="How often test pixels have each chroma, on a logarithmic scale: the truth and three losses. The "
        "middle is grey.",
    )  # fmt: skip
    run.figure(
        "temperatures", draw_gallery, shown, range(SHOWN),
        caption="The first validation pictures, coloured at seven temperatures of the annealed mean.",
    )  # fmt: skip
    run.figure_over_seeds(
        "trade_off", draw_trade_off, TEMPERATURES, (ERROR, BALANCED),
        caption="Plain error against balanced accuracy on validation pictures, by temperature: means over seeds.",
    )  # fmt: skip
