"""CycleGAN: translating between two kinds of images of which no pair is known, there and back again.

Question   Can a network learn to remove the stripes from a garment, from striped garments and plain ones, if it never
           sees a garment both ways? What makes the translation show the same garment?
Method     Zhu, Park, Isola & Efros 2017. Generators G: X → Y and F: Y → X, discriminators D_X and D_Y, which separate
           real images of their domain from translated ones, patch by patch. The losses are least squares (§4):

               D_Y descends  ½ (D_Y(y) − 1)² + ½ D_Y(G(x))²      G descends  (D_Y(G(x)) − 1)²
               cycle      λ (‖F(G(x)) − x‖₁ + ‖G(F(y)) − y‖₁)               Eq. (2)
               identity   μ (‖G(y) − y‖₁ + ‖F(x) − x‖₁)                     §5.2

           A discriminator also sees a pool of 50 old translations (§4), and the learning rate falls to 0 over the
           second half. X are grey clothes, Y striped ones; partners of test images are hidden, and serve to score F.
Rival      Transport of grey levels, Otsu's thresholds, whitening and colouring of patches (CORAL), smoothing filters:
           none of them needs pairs either.
Differs    λ = 3, μ = 0.5, not 10 and 5: with a larger λ, F leaves stripes, from which G restores them. 32 × 32
           pixels; two sizes of maps, narrow, and discriminators of 16 × 16 pixels. No InstanceNorm after the first
           layer: it would remove an image's brightness. A moving average of the generators translates.
Costs      180 s on two cores, of which CycleGAN takes 60 and its variants 75.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ch07_applications.adversarial.alternating import AdversarialTraining
from ch07_applications.blocks.counting import parameters_of
from ch07_applications.synthesis.cyclegan_plans import (
    ALONE,
    CYCLEGAN,
    NEITHER,
    PAPER,
    POOL,
    SMALL,
    VARIANTS,
    Plan,
    Recipe,
)
from ch07_applications.synthesis.drawn_cyclegan import CAPTIONS, draw_bars
from ch07_applications.synthesis.drawn_dcgan import draw_rows
from ch07_applications.synthesis.fashion_parts import Grey, fashion_parts, images_of, pixels_of
from ch07_applications.synthesis.hidden_message import study_message
from ch07_applications.synthesis.image_pool import Pool
from ch07_applications.synthesis.striped_clothes import (
    StripedClothes,
    UnpairedBatches,
    striped_clothes,
    stripes_left,
    unpaired,
)
from ch07_applications.synthesis.translation_scores import (
    FRECHET,
    PSNR,
    RECOGNISED,
    TranslationScores,
    learn_both,
    score_rivals,
)
from ch07_applications.synthesis.unpaired_rivals import CORAL, SMOOTHING, TRANSPORT, rivals
from common.paper_claims import PaperClaims
from common.run import Run

SHOWN = 12  # images per row
UNCHANGED = "no translation"

Pixels = Float[Tensor, "n channels height width"]
Made = tuple[Tensor, ...]  # G(x), F(y), F(G(x)), G(F(y)), G(y), F(x)
NAMES = TO_STRIPED, TO_GREY = "to striped", "to grey"  # G with D_Y, F with D_X


# --- The networks ----------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """c7s1, d, …, R, …, u, c7s1 of the appendix (7.2): it maps images to images of the same size, from -1 to 1."""

    def __init__(self, plan: Plan = SMALL) -> None:
        super().__init__()
        first, last = plan.widths[0], plan.widths[-1]
        layers = [*padded(plan.channels, first, 7), *([nn.InstanceNorm2d(first)] if plan.first else []), nn.ReLU()]
        for inputs, outputs in pairwise(plan.widths):
            layers += [nn.Conv2d(inputs, outputs, 3, 2, padding=1), nn.InstanceNorm2d(outputs), nn.ReLU()]
        layers += [Block(last) for _ in range(plan.blocks)]
        for inputs, outputs in pairwise(plan.widths[::-1]):
            doubling = nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1)
            layers += [doubling, nn.InstanceNorm2d(outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, *padded(first, plan.channels, 7), nn.Tanh())
        self.apply(start)

    def forward(self, images: Pixels) -> Pixels:
        return self.layers(images)


class Block(nn.Module):
    """R: two convolutions and a shortcut past them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *padded(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            *padded(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, maps: Float[Tensor, "n width _ _"]) -> Float[Tensor, "n width _ _"]:
        return maps + self.layers(maps)


class Discriminator(nn.Module):
    """C64, C128, …: a score for every patch of an image, near 1 where it looks real; and its pool of old fakes."""

    def __init__(self, plan: Plan = SMALL) -> None:
        super().__init__()
        self.pool = Pool(POOL, plan.channels, plan.side)
        widths = plan.judges
        layers: list[nn.Module] = []
        for place, (inputs, outputs) in enumerate(pairwise((plan.channels, *widths))):
            stride = 2 if place < len(widths) - 1 else 1
            norm = [nn.InstanceNorm2d(outputs)] if place else []
            layers += [nn.Conv2d(inputs, outputs, 4, stride, padding=1), *norm, nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, padding=1))
        self.apply(start)

    def forward(self, images: Pixels) -> Float[Tensor, "n 1 _ _"]:
        return self.layers(images)


def padded(inputs: int, outputs: int, kernel: int) -> list[nn.Module]:
    """A convolution with reflection padding."""
    return [nn.ReflectionPad2d(kernel // 2), nn.Conv2d(inputs, outputs, kernel)]


def start(layer: nn.Module) -> None:
    """Draw weights from N(0, 0.02²). §7.1."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
        nn.init.zeros_(layer.bias)


# --- The losses -------------------------------------------------------------------------------------------------------


def make(generators: nn.ModuleDict, grey: Pixels, striped: Pixels, *, recipe: Recipe) -> Made:
    """All translations of a batch. Those without weight are replaced by the image itself, whose loss is 0."""
    domains, made, same = {TO_STRIPED: (grey, striped), TO_GREY: (striped, grey)}, {}, {}
    for name, (source, target) in domains.items():
        both = generators[name](torch.cat([source, target]) if recipe.identity else source)
        made[name], same[name] = both[: len(source)], both[len(source) :] if recipe.identity else target
    back = {TO_STRIPED: grey, TO_GREY: striped}
    if recipe.cycle:
        back = {TO_STRIPED: generators[TO_GREY](made[TO_STRIPED]), TO_GREY: generators[TO_STRIPED](made[TO_GREY])}
    return *made.values(), *back.values(), *same.values()


def judge(
    discriminators: nn.ModuleDict, made: Made, grey: Pixels, striped: Pixels, *, pooled: bool = True
) -> Float[Tensor, ""]:
    """½ (D(real) − 1)² + ½ D(fake)², for D_Y and D_X, with fakes from their pools."""
    losses = []
    for name, fake, real in ((TO_STRIPED, made[0], striped), (TO_GREY, made[1], grey)):
        critic = discriminators[name]
        old = critic.pool(fake) if pooled else fake
        losses.append(0.5 * (critic(real) - 1).square().mean() + 0.5 * critic(old).square().mean())
    return torch.stack(losses).sum()


def fool(
    discriminators: nn.ModuleDict, made: Made, grey: Pixels, striped: Pixels, *, recipe: Recipe
) -> Float[Tensor, ""]:
    """(D_Y(G(x)) − 1)² + (D_X(F(y)) − 1)² + λ · cycle + μ · identity."""
    adversarial = [(discriminators[name](fake) - 1).square().mean() for name, fake in zip(NAMES, made[:2], strict=True)]
    cycle = l1_loss(made[2], grey) + l1_loss(made[3], striped)
    identity = l1_loss(made[4], striped) + l1_loss(made[5], grey)
    return sum(adversarial) + recipe.cycle * cycle + recipe.identity * identity


# --- Training and translating -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CycleGan:
    """Trained generators, which are moving averages, in evaluation mode."""

    generators: nn.ModuleDict

    def to_striped(self, images: Grey) -> Grey:
        """Apply G to images with 256 grey levels, and round to these."""
        return images_of(self.translate(TO_STRIPED, pixels_of(images)))

    def to_grey(self, images: Grey) -> Grey:
        """Apply F in the same way."""
        return images_of(self.translate(TO_GREY, pixels_of(images)))

    def translate(self, name: str, pixels: Pixels) -> Pixels:
        """Apply one of the two generators to pixels from -1 to 1, without rounding."""
        device = next(self.generators.parameters()).device
        with torch.inference_mode():
            return torch.cat([self.generators[name](part.to(device)).cpu() for part in pixels.split(500)])

    def parameters(self) -> list[nn.Parameter]:
        """The weights of both generators, which common.model_size counts."""
        return list(self.generators.parameters())


def falling(share: float) -> float:
    """The learning rate as a share of its first value: constant for half of the training, then down to 0. §4"""
    return min(1.0, 2 - 2 * share)


def train(run: Run, batches: UnpairedBatches, recipe: Recipe, checkpoint: str | None = None) -> CycleGan:
    """Train both generators. Raises LossNotFinite if a loss stops being finite."""
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        generators = nn.ModuleDict({name: Generator(recipe.plan) for name in NAMES})
        discriminators = nn.ModuleDict({name: Discriminator(recipe.plan) for name in NAMES})
    average = copy.deepcopy(generators)
    epochs = max(1, round(recipe.steps / -(-len(batches) // recipe.batch_size)))
    training = AdversarialTraining(
        epochs, partial(make, recipe=recipe), partial(fool, recipe=recipe), judge,
        learning_rate=recipe.learning_rate, batch_size=recipe.batch_size, schedule=falling, decay=recipe.decay,
        device=run.device, checkpoint=None if checkpoint is None else run.checkpoint(checkpoint), say=run.say_step,
    )  # fmt: skip
    training(generators, discriminators, batches, run.seed, average)
    return CycleGan(average)


def learn(run: Run, clothes: StripedClothes, name: str) -> CycleGan:
    """Train the variant of this name at this run's preset."""
    learned, recipe = slice(run.pick(smoke=48, lecture=3200, full=60_000)), VARIANTS[name]
    recipe = replace(recipe, steps=run.pick(smoke=1, lecture=recipe.steps, full=50_000))
    return train(run, unpaired(clothes.grey.images[learned], clothes.striped.images[learned]), recipe, name)


# --- The lesson -------------------------------------------------------------------------------------------------------


def count_full_size(run: Run) -> None:
    """Count the published networks without computing."""
    with torch.device("meta"):
        for name, network in (("generator", Generator), ("discriminator", Discriminator)):
            run.fact(f"parameters of the {name}, 256 × 256 pixels", parameters_of(network(PAPER)))


def claim_all(claims: PaperClaims) -> None:
    """Test the effects of the losses, and the rivals."""
    claims.compared(
        "With the cycle and identity losses, translations show the same image", source="Table 5",
        paper="IoU 0.16 against 0.07", ours=CYCLEGAN, against=NEITHER,
    )  # fmt: skip
    claims.compared("… more than with the identity loss alone", source="–", paper="–", ours=CYCLEGAN, against=ALONE)
    for rival in (TRANSPORT, CORAL, SMOOTHING):
        claims.compared(f"… and more than by {rival}", source="–", paper="not compared", ours=CYCLEGAN, against=rival)
    claims.measured(
        "Stripes that are put on are like real ones", source="§5.1", paper="not compared",
        ours=f"{FRECHET}, {CYCLEGAN}", against=f"{FRECHET}, {TRANSPORT}", expects="lower", as_ratio=True,
    )  # fmt: skip


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    clothes = striped_clothes(fashion_parts(run), run.seed)
    count_full_size(run)
    judge = learn_both(run, clothes)
    scores = TranslationScores(judge, clothes.test)
    striped, grey = clothes.test.striped.images, clothes.test.grey.images
    with run.method(UNCHANGED, kind="reference") as method:
        scores.score_grey(method, striped)
    off = {"striped": striped, "hidden partner": grey, **score_rivals(run, clothes, scores)}
    gans = {}
    for name in VARIANTS:
        with run.method(name, kind="deep") as method:
            gans[name] = method.make_shared(f"{name} of striped clothes", partial(learn, run, clothes, name))
            method.model = gans[name]
            off[name], on = gans[name].to_grey(striped), gans[name].to_striped(grey)
            scores.score_grey(method, off[name])
            run.fact(f"stripes left, {name}", stripes_left(off[name], clothes.test, run.seed), "%")
            scores.score_striped(method, on)
            scores.score_back(method, gans[name].to_grey(on))
    claim_all(claims)
    run.floor(CYCLEGAN, PSNR, at_least=20.5)
    shown = ("striped", *VARIANTS, TRANSPORT, SMOOTHING, "hidden partner")
    run.figure("off", draw_rows, {name: off[name][:SHOWN] for name in shown}, caption=CAPTIONS["off"])
    on = gans[CYCLEGAN].to_striped(grey[:SHOWN])
    rows = {"grey": grey[:SHOWN], "translation": on, "and back": gans[CYCLEGAN].to_grey(on), "partner": striped[:SHOWN]}
    run.figure("on", draw_rows, rows, caption=CAPTIONS["on"])
    both = [partial(gans[CYCLEGAN].translate, name) for name in (TO_GREY, TO_STRIPED)]
    rows = study_message(run, claims, *both, clothes.validation)
    rows = {name: images[:SHOWN] for name, images in rows.items()}
    run.figure("message", draw_rows, rows, caption=CAPTIONS["message"])
    names = (UNCHANGED, *rivals(), *VARIANTS)
    run.figure_over_seeds("bars", draw_bars, names, tuple(VARIANTS), (PSNR, RECOGNISED), caption=CAPTIONS["bars"])
