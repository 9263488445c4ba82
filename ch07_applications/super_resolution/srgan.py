"""SRGAN: a network that is trained to look right in place of being right on average, and what it pays for that.

Question   Minimising squared error yields the mean of all plausible pictures, which is blurred. If a picture has to
           deceive a second network instead, does a third one, which judged neither, find it nearer to the truth?
Method     Ledig et al. 2017. SRResNet, residual blocks on the coarse grid, is trained by squared error (§2.1, 2.2.1).
           Then it becomes the generator G of SRGAN, whose loss compares features φ of VGG and adds a discriminator D:

               l = Σ (φ(high) − φ(G(low)))² / size − 10⁻³ log D(G(low))                           (3), (5), (6)

           The training loop of both is ch07_applications/adversarial/alternating.py. Interpolated weights,
           (1 − share) · SRResNet + share · SRGAN, trade accuracy for looks (Wang et al. 2018, §3.4). The share is
           chosen on training photographs that were held out of both trainings. Scores are PSNR, a distance in
           SqueezeNet and the radial spectrum: the plane of perception and distortion (Blau and Michaeli 2018).
Rival      Bicubic, A+, and bicubic with an unsharp mask, which sharpens without having learned anything.
Differs    144,000 parameters, not 1.5 million; luma, as a residual of the bicubic enlargement that starts at zero; no
           BatchNorm. The first three blocks of VGG-16 in place of the fifth of VGG-19, their features normalised at
           every place. A squared error keeps luma in place. The discriminator's input is the difference from bicubic.
Costs      75 s on two cores.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, softplus

from ch07_applications.adversarial.alternating import AdversarialTraining
from ch07_applications.super_resolution.bicubic import enlarge, enlarge_maps
from ch07_applications.super_resolution.drawn_super_resolution import LOOKS, draw_crops, draw_plane, draw_spectra
from ch07_applications.super_resolution.full_srgan import count_full_size
from ch07_applications.super_resolution.lapsrn import Block, Maps, enlarged, new, pyramid_loss, train
from ch07_applications.super_resolution.looks import (
    BSDS,
    CROPS,
    SIDE,
    SPECTRUM,
    choose_amount,
    crops_of,
    crops_of_bsds,
    distances_of,
    mean_psnr,
    score_all,
    sharpened,
)
from ch07_applications.super_resolution.luma_chroma import Grey
from ch07_applications.super_resolution.patches import Patches
from ch07_applications.super_resolution.perceptual_judge import DISTANCE, Judge
from ch07_applications.super_resolution.picture_pairs import (
    Pairs,
    every_fourth_held_out,
    judged_pairs,
    judged_photographs,
)
from ch07_applications.super_resolution.rivals import A_PLUS, BICUBIC, fit_a_plus
from ch07_applications.super_resolution.shown_crops import hardest_crops
from common.data.squeezenet import squeezenet_or_none
from common.data.vgg import Vgg, vgg_or_none
from common.data.weights import imagenet_statistics
from common.paper_claims import PaperClaims
from common.run import Run
from common.tuning import choose

FEATURES = ("relu1_2", "relu2_2", "relu3_3")  # layers of VGG
ADVERSARIAL, PIXELS = 1e-3, 5.0  # weights of the losses; that of features is 1
GAN_RATE, GAN_BATCH = 3e-4, 8
DETAIL = 0.05  # a typical deviation of luma from its bicubic enlargement
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of SRGAN's weights
LOSS = 0.4  # dB: the largest loss of PSNR by the chosen share
SRRESNET, SRGAN, WHOLE, UNSHARP = "SRResNet", "SRGAN", "SRGAN, share 1", "bicubic, unsharp mask"
Luma = Float[Tensor, "batch 1 _ _"]  # from 0 to 1
Logits = Float[Tensor, "batch 1"]


# --- The networks ----------------------------------------------------------------------------------------------------


class SRResNet(nn.Module):
    """The small SRResNet: luma enlarged four times, as a residual of the bicubic enlargement that starts at zero."""

    factors = (4,)

    def __init__(self, blocks: int = 6, width: int = 32) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, width, 5, padding=2)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(blocks)), nn.Conv2d(width, width, 3, padding=1))
        half, quarter = width // 2, width // 4
        self.doublings = nn.Sequential(
            nn.Conv2d(width, 4 * half, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.2),
            nn.Conv2d(half, 4 * quarter, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.last = nn.Conv2d(quarter, 1, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, low: Luma) -> tuple[Luma]:
        maps = self.first(low)
        return (enlarge_maps(low, 4) + self.last(self.doublings(maps + self.blocks(maps))),)


class Discriminator(nn.Module):
    """The small discriminator: a logit per patch, positive for true ones. Strides replace pooling, no BatchNorm.

    Its input is the difference of a picture from the bicubic enlargement of its low resolution, so that no training
    time is spent on what both have in common. The last map is averaged, whatever its size.
    """

    def __init__(self, widths: Sequence[int] = (24, 48, 96, 96)) -> None:
        super().__init__()
        pairs = zip((1, *widths), widths, strict=False)
        layers = [(nn.Conv2d(inputs, width, 4, 2, padding=1), nn.LeakyReLU(0.2)) for inputs, width in pairs]
        self.layers = nn.Sequential(*(each for pair in layers for each in pair), nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, lumas: Luma, low: Luma) -> Logits:
        return self.layers((lumas - enlarge_maps(low, 4)) / DETAIL).mean(dim=(2, 3))


# --- The losses -------------------------------------------------------------------------------------------------------


class Features(nn.Module):
    """Activations of VGG for luma, from 16/255 to 235/255, treated as grey pictures. §2.2.1."""

    def __init__(self, network: Vgg, layers: Sequence[str] = FEATURES) -> None:
        super().__init__()
        self.places = [network.layers[name] for name in layers]
        self.stack = network.features[: max(self.places) + 1]
        self.mean, self.deviation = (torch.tensor(values)[:, None, None] for values in imagenet_statistics())

    def forward(self, lumas: Luma) -> list[Maps]:
        grey = (255 * lumas - 16) / 219
        x, found = (grey - self.mean.to(grey)) / self.deviation.to(grey), []
        for place, layer in enumerate(self.stack):
            x = layer(x)
            if place in self.places:
                found.append(x)
        return found


def feature_loss(features: Features, found: Luma, truth: Luma) -> Float[Tensor, ""]:
    """Σ_c (φ − φ')², averaged over places and layers, for features normalised to length 1 at every place. Eq. (5).

    So a texture of low contrast counts as much as an edge. Zhang et al. 2018, Eq. (1).
    """
    with torch.no_grad():
        wanted = [unit(maps) for maps in features(truth)]
    errors = [(unit(maps) - own).square().sum(dim=1) for maps, own in zip(features(found), wanted, strict=True)]
    return torch.stack([each.mean() for each in errors]).mean()


def unit(maps: Maps) -> Maps:
    """Divide maps by their length at every place; where hardly anything responds, they stay short."""
    squares = maps.square().sum(dim=1, keepdim=True)
    return maps / (squares + 1e-6 * squares.mean()).sqrt()


@dataclass(frozen=True)
class Fool:
    """The generator's loss. Eq. (3), with a squared error that keeps luma in place.

    features: None if there is no VGG. adversarial, pixels: weights, relative to the feature loss.
    """

    features: Features | None
    adversarial: float = ADVERSARIAL
    pixels: float = PIXELS

    def __call__(self, discriminator: nn.Module, fakes: Luma, low: Luma, high: Luma) -> Float[Tensor, ""]:
        loss = self.adversarial * softplus(-discriminator(fakes, low)).mean()  # −log D, Eq. (6)
        loss = loss + self.pixels * mse_loss(fakes, high)
        return loss if self.features is None else loss + feature_loss(self.features, fakes, high)


def distinguish(discriminator: nn.Module, fakes: Luma, low: Luma, high: Luma) -> Float[Tensor, ""]:
    """The discriminator's loss: cross-entropy of true patches against fakes. Eq. (2)."""
    return (softplus(-discriminator(high, low)) + softplus(discriminator(fakes, low))).mean()


def make(generator: nn.Module, low: Luma, high: Luma) -> Luma:
    """The generator's outputs for a batch."""
    return generator(low)[0]


def train_srresnet(run: Run) -> SRResNet:
    """Train the network by squared error on three quarters of the training photographs."""
    images = [each.image for each in every_fourth_held_out(run)[0]]
    loss, steps = partial(pyramid_loss, penalty=mse_loss), run.pick(smoke=2, lecture=2400, full=100_000)
    return train(run, new(run, SRResNet), images, steps, loss)


def train_adversarial(run: Run, start: SRResNet, network: Vgg | None) -> SRResNet:
    """Train SRGAN from SRResNet's weights. Returns the moving average of the generator."""
    images = [each.image for each in every_fourth_held_out(run)[0]]
    side, epochs = run.pick(smoke=8, lecture=16), run.pick(smoke=1, lecture=4)
    steps = run.pick(smoke=2, lecture=400, full=50_000)
    patches = Patches.of(images, side, GAN_BATCH * (steps // epochs), start.factors)
    features = None if network is None else Features(network).to(run.device)
    generator, average, discriminator = copy.deepcopy(start), copy.deepcopy(start), new(run, Discriminator)
    training = AdversarialTraining(
        epochs, make, Fool(features), distinguish, learning_rate=GAN_RATE, batch_size=GAN_BATCH, decay=0.99,
        device=run.device, say=run.say_step,
    )  # fmt: skip
    training(generator, discriminator, patches, run.seed, average)
    return average


def interpolated(start: SRResNet, end: SRResNet, share: float) -> SRResNet:
    """(1 − share) · start + share · end, weight by weight. Wang et al. 2018, §3.4."""
    network = copy.deepcopy(start)
    with torch.no_grad():
        for weight, other in zip(network.parameters(), end.parameters(), strict=True):
            weight.lerp_(other, share)
    return network.eval()


# --- The lesson -------------------------------------------------------------------------------------------------------


def choose_share(run: Run, start: SRResNet, end: SRResNet, judge: Judge | None, pairs: Pairs) -> float:
    """The share with the least perceptual distance among those that cost at most LOSS dB, on held-out photographs.

    Without a judge, it is the middle one.
    """
    if judge is None:
        return SHARES[len(SHARES) // 2]
    found = [interpolated(start, end, share) for share in SHARES]
    lumas = [[enlarged(network, low)[0] for low in pairs.lumas] for network in found]
    values = np.array([distances_of(judge, pairs, each).mean() for each in lumas])
    psnr = np.array([mean_psnr(pairs, each) for each in lumas])
    for share, value, decibels in zip(SHARES, values, psnr, strict=True):
        run.fact(f"held-out distance at share {share:g}", value)
        run.fact(f"held-out PSNR at share {share:g}", decibels, "dB")
    return choose(SHARES, np.where(psnr >= psnr[0] - LOSS, values, np.inf))


def held_out_crops(run: Run) -> Pairs:
    """Crops of the training photographs held out of both trainings."""
    return crops_of(every_fourth_held_out(run)[1], side=run.pick(smoke=64, lecture=SIDE))


def train_srgan(run: Run, start: SRResNet) -> SRResNet:
    """Train SRGAN with its chosen share, for a lesson that reuses it if this one has not run."""
    judge, network = (load(run.scale, run.note) for load in (squeezenet_or_none, vgg_or_none))
    end = train_adversarial(run, start, network)
    return interpolated(start, end, choose_share(run, start, end, Judge.of(judge), held_out_crops(run)))


def shared(name: str) -> str:
    """The name under which a network of this lesson is shared."""
    return f"{name} of the photographs"


def state_verdicts(claims: PaperClaims, judge: Judge | None, parts: Sequence[Pairs]) -> None:
    """Test the paper's claims on every part of crops."""
    for pairs in parts:
        rows = [("Adversarial training costs PSNR", "Table 2", "2.65 dB on Set5", SRRESNET, SRGAN, "PSNR")]
        if judge is not None:
            opinions = "opinions 3.58 against 3.37"
            rows += [("… and looks more like the truth", "Table 2", opinions, SRGAN, SRRESNET, DISTANCE)]
            rows += [("… which a sharpened picture does not", "not compared", "–", SRGAN, UNSHARP, DISTANCE)]
            rows += [("… nor does A+", "not compared", "–", SRGAN, A_PLUS, DISTANCE)]
        rows += [("… and has the truth's frequencies", "§3.4, Fig. 2", "pictures", SRGAN, SRRESNET, SPECTRUM)]
        for text, source, paper, ours, rival, metric in rows:
            sides = {"ours": ours, "against": rival, "metric": pairs.metric(metric)}
            claims.compared(f"{text} ({pairs.where})", source=source, paper=paper, **sides)


def draw_all(run: Run, crops: Pairs, shown: dict[str, list[Grey]]) -> None:
    """Draw parts of the first crops, and the spectra over all of them."""
    few = hardest_crops(crops, shown, most=9)[::3]  # one of each photograph
    credits_ = f"Pictures: {'; '.join(crops.credits[:9:3])}."
    run.figure("crops", draw_crops, few, caption=LOOKS["crops"] + credits_)
    run.figure("spectra", draw_spectra, crops.truths, shown, caption=LOOKS["spectra"])


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    count_full_size(run, claims)
    judge, network = Judge.of(squeezenet_or_none(run.scale, run.note)), vgg_or_none(run.scale, run.note)
    if network is None:
        run.note("Left out: the loss of features, without VGG. SRGAN is trained by pixels and its discriminator.")
    side, held_out = run.pick(smoke=64, lecture=SIDE), held_out_crops(run)
    parts = [*judged_pairs(run, 4), crops_of(judged_photographs(run), side=side), *crops_of_bsds(run, side)]
    crops, shown = [pairs for pairs in parts if pairs.where in (CROPS, BSDS)], {}

    with run.method(SRRESNET, kind="deep") as method:
        method.model = start = method.time(train_srresnet, run)
        method.share(shared(SRRESNET), start)
        shown[SRRESNET] = score_all(method, judge, parts, lambda low: enlarged(start, low)[0])
    with run.method(WHOLE, kind="deep") as method:
        method.fit_seconds = run.methods[SRRESNET].fit_seconds  # whose weights it starts from
        method.model = end = method.time(train_adversarial, run, start, network)
        score_all(method, judge, parts, lambda low: enlarged(end, low)[0])
    with run.method(SRGAN, kind="deep") as method:
        method.fit_seconds = run.methods[WHOLE].fit_seconds
        share = run.fact("share of SRGAN", method.time(choose_share, run, start, end, judge, held_out))
        method.model = between = interpolated(start, end, share)
        method.share(shared(SRGAN), between)
        shown[SRGAN] = score_all(method, judge, parts, lambda low: enlarged(between, low)[0])
    with run.method(BICUBIC, kind="classical") as method:
        shown[BICUBIC] = score_all(method, judge, parts, lambda low: enlarge(low, 4))
    with run.method(UNSHARP, kind="classical") as method:
        amount = run.fact("amount of the unsharp mask", method.time(choose_amount, judge, held_out))
        shown[UNSHARP] = score_all(method, judge, parts, lambda low: sharpened(enlarge(low, 4), amount))
    with run.method(A_PLUS, kind="classical") as method:
        model = fit_a_plus(run, method, (4,))[4]
        shown[A_PLUS] = score_all(method, judge, parts, model.enlarge)
    state_verdicts(claims, judge, crops)
    run.floor(SRRESNET, "PSNR ×4", at_least=28.0)
    shown = {name: shown[name] for name in (BICUBIC, UNSHARP, A_PLUS, SRRESNET, SRGAN)}
    draw_all(run, crops[0], shown)
    if judge is not None:
        metrics = crops[-1].metric(DISTANCE), crops[-1].metric("PSNR")
        run.figure_over_seeds("plane", draw_plane, (SRRESNET, SRGAN, WHOLE), metrics, caption=LOOKS["plane"])
