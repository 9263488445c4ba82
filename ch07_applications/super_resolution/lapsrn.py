"""LapSRN: a pyramid of residuals that enlarges twice and four times in one pass, with a robust loss at every level.

Question   A picture reduced to a quarter of its height and width has lost fifteen pixels in sixteen. How well can a
           network predict them, and does it help to predict them in two steps?
Method     Lai, Huang, Ahuja and Yang 2017. A level doubles the picture's sides. Its features are computed on the input
           grid, which is cheap, and enlarged last; from them the residual r_s is predicted, the difference from an
           interpolation of the level below (§3.1, Fig. 1):

               y_s = enlarged(y_{s−1}) + r_s                        s = 1, 2; y_0 is the low resolution
               L = 1/N Σ_i Σ_s ρ(ŷ_s − y_s),   ρ(x) = √(x² + ε²),   ε = 10⁻³                              (3)

           ρ is Charbonnier's penalty: quadratic near zero, and linear beyond ε, so that the few unpredictable pixels at
           edges do not outweigh all others. Every level has its own loss; its target is the high resolution, reduced to
           its size by bicubic interpolation. One network gives ×2 and ×4.
Rival      Bicubic interpolation, and A+ (a_plus.py), fitted to the same photographs.
Differs    125,000 parameters, not 872,000. Interpolation is bicubic and fixed, where the paper's transposed convolution
           starts bilinear and learns. Features are enlarged by rearranging channels (Shi et al. 2016); pairs of
           convolutions have a shortcut. The last convolution of a level starts at zero, so training starts from the
           bicubic enlargement. Adam and one cycle in place of momentum; 13 photographs in place of 291.
Costs      115 s on two cores, 60 of them for the scored network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import mse_loss, pixel_shuffle

from ch07_applications.blocks.counting import multiplications_of, parameters_of
from ch07_applications.super_resolution.bicubic import enlarge, enlarge_maps
from ch07_applications.super_resolution.drawn_super_resolution import draw_crops, draw_pyramid
from ch07_applications.super_resolution.luma_chroma import Grey
from ch07_applications.super_resolution.own_enlargement import enlarge_own
from ch07_applications.super_resolution.patches import Patches
from ch07_applications.super_resolution.picture_pairs import (
    Pairs,
    held_out_photographs,
    judged_pairs,
    pairs_of,
    score,
    training_photographs,
)
from ch07_applications.super_resolution.rivals import A_PLUS, BICUBIC, enlarge_by_rivals
from ch07_applications.super_resolution.shown_crops import RULE, hardest_crops
from common.claims import beats
from common.paper_claims import PaperClaims
from common.run import Method, Run
from common.tiles import in_tiles
from common.train import Training

EPSILON = 1e-3  # ε of Charbonnier's penalty
WIDTHS, BLOCKS = (32, 16), (5, 2)  # channels and residual blocks of each level
RATE, SIDE, BATCH = 1.5e-3, 16, 16  # peak rate; pixels of a low-resolution patch; patches
BETAS = (0.9, 0.99)  # Adam's; with 0.999, which forgets more slowly, training sometimes diverges at this rate
REACH = 16  # reach of the receptive field in low-resolution pixels
OURS, SHARED = "LapSRN", "LapSRN of the photographs"
PYRAMID, ONE_STEP, SQUARED, LAST, TWICE = "pyramid", "×4 in one step", "squared loss", "loss at ×4 alone", "×2 alone"
HELD_OUT = "held-out photographs"
PUBLISHED = (2, 4, 8)
LEVELS = (
    "The levels of the pyramid for one test photograph, and what each adds to the interpolation of the one before: red "
    "is brighter, blue is darker. "
)
Maps = Float[Tensor, "batch _ _ _"]
Luma = Float[Tensor, "batch 1 _ _"]  # from 0 to 1


# --- The network -----------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """Two convolutions with a shortcut around them; no normalisation, which would remove a picture's contrast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(width, width, 3, padding=1)
        )
        with torch.no_grad():
            self.layers[-1].weight.mul_(0.1)  # at first the shortcut carries almost all

    def forward(self, maps: Maps) -> Maps:
        return maps + self.layers(maps)


class Level(nn.Module):
    """Features on the input grid, and the residual on a grid `factor` times as fine.

    The residual's convolution has factor² output channels, which become the factor × factor pixels of each place. It
    starts at zero.
    """

    def __init__(self, inputs: int, width: int, blocks: int, factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        first = nn.Conv2d(inputs, width, 3, padding=1)
        self.features = nn.Sequential(first, *(Block(width) for _ in range(blocks)))
        self.residual = nn.Conv2d(width, factor**2, 3, padding=1)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, maps: Maps) -> tuple[Maps, Luma]:
        features = self.features(maps)
        return features, pixel_shuffle(self.residual(features), self.factor)


class LapSRN(nn.Module):
    """Luma enlarged two and four times; §3.1. The second level starts from the features of the first, enlarged."""

    factors = (2, 4)

    def __init__(self, widths: tuple[int, int] = WIDTHS, blocks: tuple[int, int] = BLOCKS) -> None:
        super().__init__()
        self.first = Level(1, widths[0], blocks[0])
        self.enlarge = nn.Conv2d(widths[0], 4 * widths[1], 3, padding=1)
        self.second = Level(widths[1], widths[1], blocks[1])

    def forward(self, low: Luma) -> tuple[Luma, ...]:
        features, residual = self.first(low)
        twice = enlarge_maps(low) + residual
        _, residual = self.second(pixel_shuffle(self.enlarge(features), 2))
        return twice, enlarge_maps(twice) + residual


class OneLevel(nn.Module):
    """The network without a pyramid: one residual for a factor of 2, or directly of 4."""

    def __init__(self, factor: int, width: int = WIDTHS[0], blocks: int = BLOCKS[0]) -> None:
        super().__init__()
        self.factors, self.level = (factor,), Level(1, width, blocks, factor)

    def forward(self, low: Luma) -> tuple[Luma]:
        return (enlarge_maps(low, self.level.factor) + self.level(low)[1],)


class PublishedLapSRN(nn.Module):
    """LapSRN at full size: per level 10 convolutions of 64 channels, and learned enlargements. §3.1, §4.1."""

    def __init__(self, factor: int, depth: int = 10, width: int = 64) -> None:
        super().__init__()
        levels = range(PUBLISHED.index(factor) + 1)
        self.first = nn.Conv2d(1, width, 3, padding=1)
        self.features = nn.ModuleList(self.features_of(depth, width) for _ in levels)
        self.residuals = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for _ in levels)
        self.pictures = nn.ModuleList(nn.ConvTranspose2d(1, 1, 4, 2, 1) for _ in levels)

    @staticmethod
    def features_of(depth: int, width: int) -> nn.Sequential:
        """The features of a level, then enlarged by a transposed convolution."""
        layers = [(nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2)) for _ in range(depth)]
        return nn.Sequential(*(each for pair in layers for each in pair), nn.ConvTranspose2d(width, width, 4, 2, 1))

    def forward(self, low: Luma) -> tuple[Luma, ...]:
        maps, found = self.first(low), [low]
        for features, residual, double in zip(self.features, self.residuals, self.pictures, strict=True):
            maps = features(maps)
            found.append(double(found[-1]) + residual(maps))
        return tuple(found[1:])


# --- The loss, and training -------------------------------------------------------------------------------------------


def charbonnier(found: Luma, truth: Luma) -> Float[Tensor, ""]:
    """The mean of ρ(x) = √(x² + ε²): x² / 2ε for small differences, |x| for large ones. Eq. (3)."""
    return ((found - truth).square() + EPSILON**2).sqrt().mean()


def pyramid_loss(
    found: tuple[Luma, ...],
    *truths: Luma,
    penalty: Callable[[Luma, Luma], Tensor] = charbonnier,
    shares: Sequence[float] | None = None,
) -> Float[Tensor, ""]:
    """Eq. (3): the sum over levels; with shares as the levels' weights."""
    losses = [penalty(*both) for both in zip(found, truths, strict=True)]
    return sum(share * loss for share, loss in zip(shares or [1.0] * len(losses), losses, strict=True))


def train(
    run: Run, network: nn.Module, images: Sequence[np.ndarray], steps: int, loss: Callable[..., Tensor] = pyramid_loss,
    *, checkpoint: str | None = None,
) -> nn.Module:  # fmt: skip
    """The network, trained on patches of photographs for so many steps of BATCH patches."""
    side, epochs = run.pick(smoke=8, lecture=SIDE), run.pick(smoke=1, lecture=8)
    patches = Patches.of(images, side, BATCH * (steps // epochs), network.factors)
    training = Training(
        epochs, RATE, BATCH, partial(torch.optim.Adam, betas=BETAS, fused=True), loss=loss, warm_up=0.05,
        device=run.device, checkpoint=checkpoint and run.checkpoint(checkpoint), say=run.say_step,
    )  # fmt: skip
    training(network, patches, run.seed)
    return network


def new(run: Run, build: Callable[[], nn.Module]) -> nn.Module:
    """A network initialised from the run's seed."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        return build()


def train_lapsrn(run: Run) -> LapSRN:
    """Train the scored network on all training photographs."""
    images = [each.image for each in training_photographs(run)]
    return train(run, new(run, LapSRN), images, run.pick(smoke=2, lecture=4500, full=100_000), checkpoint="LapSRN")


def enlarged(network: nn.Module, low: Grey) -> list[Grey]:
    """Luma from 0 to 255, enlarged by each of the network's factors."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        found = network.eval()(torch.from_numpy(np.asarray(low, np.float32))[None, None].to(device) / 255)
    return [255 * each[0, 0].cpu().numpy() for each in found]


def enlarged_in_tiles(network: nn.Module, low: Grey, tile: int = 192) -> Grey:
    """Luma enlarged four times, with the memory of a tile."""
    return in_tiles(lambda piece: enlarged(network, piece)[-1], low, tile=tile, overlap=REACH, factor=4)


def levels_of(network: LapSRN, low: Grey) -> tuple[dict[str, Grey], dict[str, Grey]]:
    """The pictures of the pyramid, from the low resolution on, and what each level added to the interpolation."""
    pictures = dict(zip(("low resolution", "×2", "×4"), (low, *enlarged(network, low)), strict=True))
    residuals = [large - enlarge(small, 2) for small, large in pairwise(pictures.values())]
    return pictures, dict(zip(("residual of level 1", "residual of level 2"), residuals, strict=True))


# --- The lesson -------------------------------------------------------------------------------------------------------


def count_full_size(run: Run, claims: PaperClaims) -> None:
    """Count the published network's parameters at every factor, without memory for them."""
    counts = {}
    for factor in PUBLISHED:
        with torch.device("meta"):
            counts[factor] = parameters_of(PublishedLapSRN(factor))
        run.fact(f"LapSRN ×{factor} at full size", counts[factor], "parameters")
    per_pixel = {each.factors: multiplications_of(each, (1, 32, 32)) / 128**2 for each in (LapSRN(), OneLevel(4))}
    run.fact("multiplications per pixel, pyramid", per_pixel[2, 4])
    run.fact("multiplications per pixel, ×4 in one step", per_pixel[4,])
    claims.counted(
        "LapSRN ×4 has 812 K parameters", source="Table 1", paper="812 K", ours=f"{counts[4]:,}, counted",
        against="10 convolutions per level, with biases", holds=round(counts[4] / 1000) == 812,
    )  # fmt: skip


def score_network(method: Method, network: nn.Module, parts: Sequence[Pairs]) -> dict[Pairs, list[Grey]]:
    """Score PSNR and SSIM of the network on every part with one of its factors. Returns the pictures by part."""
    method.model, found = network, {}
    for pairs in parts:
        if pairs.factor in network.factors:
            place = network.factors.index(pairs.factor)
            found[pairs] = [enlarged(network, low)[place] for low in pairs.lumas]
            score(method, pairs, found[pairs])
    return found


def study_choices(run: Run, claims: PaperClaims) -> None:
    """Test each of the paper's choices separately, on photographs held out of training."""
    learned, chosen_on = held_out_photographs(run)
    images, steps = [each.image for each in learned], run.pick(smoke=2, lecture=600, full=8000)
    parts = [pairs_of(chosen_on, factor, HELD_OUT) for factor in (2, 4)]
    variants = {
        PYRAMID: (LapSRN, pyramid_loss),
        ONE_STEP: (partial(OneLevel, 4, blocks=7), pyramid_loss),
        SQUARED: (LapSRN, partial(pyramid_loss, penalty=mse_loss)),
        LAST: (LapSRN, partial(pyramid_loss, shares=(0.0, 1.0))),
        TWICE: (partial(OneLevel, 2), pyramid_loss),
    }
    for name, (build, loss) in variants.items():
        with run.method(name, kind="deep") as method:
            network = method.time(train, run, new(run, build), images, steps, loss, checkpoint=name)
            score_network(method, network, parts)
    twice, four = (pairs.metric("PSNR") for pairs in parts)
    for text, source, paper, rival, metric in (
        ("A pyramid enlarges ×4 better than one step", "§3.1, Fig. 3", "about .3 dB", ONE_STEP, four),
        ("Charbonnier's penalty is better than squares", "§4.2, Table 2", "about .1 dB", SQUARED, four),
        ("A loss at every level helps the last", "§3.2", "no number", LAST, four),
    ):
        claims.compared(text, source=source, paper=paper, ours=PYRAMID, against=rival, metric=metric)
    claims.compared(
        "The network for ×4 enlarges ×2 as well as one for ×2", source="§3.1", paper="one network", ours=PYRAMID,
        against=TWICE, metric=twice, expects="level", margin=0.1,
    )  # fmt: skip


def state_verdicts(run: Run, parts: Sequence[Pairs]) -> None:
    """Compare LapSRN with both rivals on the test photographs. Set5's five pictures are too few to decide."""
    for pairs in parts:
        for rival in (BICUBIC, A_PLUS) if not pairs.where else ():
            metric = pairs.metric("PSNR")
            run.compare(OURS, rival, metric)
            run.claim(f"LapSRN beats {rival} in {metric} of test photographs.", beats(OURS, rival, metric))


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    count_full_size(run, claims)
    parts = [pairs for factor in (2, 4) for pairs in judged_pairs(run, factor)]
    with run.method(OURS, kind="deep") as method:
        network = method.time(train_lapsrn, run)
        method.share(SHARED, network)
        ours = score_network(method, network, parts)
    rivals = enlarge_by_rivals(run, parts)
    state_verdicts(run, parts)
    run.floor(OURS, "PSNR ×4", at_least=28.0)
    study_choices(run, claims)
    four = next(pairs for pairs in parts if pairs.factor == 4)
    crops = hardest_crops(four, {name: found[four] for name, found in (rivals | {OURS: ours}).items()})
    run.figure("crops", draw_crops, crops, caption=f"{RULE}All are at one scale. {four.credit(len(crops))}")
    run.figure("pyramid", draw_pyramid, *levels_of(network, four.lumas[0]), caption=LEVELS + four.credit(1))
    if run.photo is not None:
        enlarge_own(run, partial(enlarged_in_tiles, network), OURS)
