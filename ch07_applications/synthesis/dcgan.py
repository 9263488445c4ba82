"""DCGAN: a generator of images that learns from a discriminator's answers, in convolutions that train stably.

Question   Can a network draw images that nobody has photographed: as sharp as real ones, as varied, and not copied? And
           does what its discriminator learns about images without labels help to recognise them?
Method     Radford, Metz & Chintala 2015. Generator G makes an image of noise z, discriminator D tells real images from
           made ones (Goodfellow et al. 2014; G's loss is the one that does not saturate, §3 there):

               D descends  −log D(x) − log(1 − D(G(z)))        G descends  −log D(G(z))

           The paper's guidelines (§3, §4): strided and transposed convolutions in place of pooling, BatchNorm in both,
           no hidden dense layer, ReLU and tanh in G, LeakyReLU in D; Adam with β₁ = 0.5, weights from N(0, 0.02²).
           Samples are judged by the Fréchet distance in the features of a recogniser, by precision and recall, and by
           their nearest training images (sample_judge.py). D's features go to a linear SVM (§5.1).
Rival      Principal components with a mixture of Gaussians or with kernels. For features: k-means on patches (Coates et
           al. 2011), principal components, HOG, and a discriminator that never learned.
Differs    32 × 32 pixels and widths of 32 to 128, not 64 × 64 and 128 to 1024. A learning rate of 0.002, not 0.0002,
           falling to 0, and batches of 32, not 128, to train in a minute; samples come from a moving average of G.
Costs      170 s on two cores.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d, softplus

from ch07_applications.adversarial.alternating import AdversarialTraining
from ch07_applications.blocks.counting import parameters_of
from ch07_applications.synthesis.dcgan_recipes import (
    BASE,
    CHANGES,
    FULL,
    MOMENTUM,
    PAPER,
    PLAIN,
    RECIPE,
    RELU,
    SMALL,
    SMALL_KERNELS,
    Plan,
    Recipe,
    recipe_with,
)
from ch07_applications.synthesis.density_samplers import KERNELS, MIXTURE, NARROW
from ch07_applications.synthesis.drawn_dcgan import draw_changes, draw_rows
from ch07_applications.synthesis.fashion_parts import (
    FASHION,
    FashionParts,
    Grey,
    NoisyImages,
    Pixels,
    fashion_parts,
    images_of,
    pixels_of,
    uniform_noise,
)
from ch07_applications.synthesis.label_features import HISTOGRAMS, PATCHES, few_labelled, score_features
from ch07_applications.synthesis.latent_space import look_between
from ch07_applications.synthesis.sample_judge import SampleJudge, nearest
from ch07_applications.synthesis.sampler_bench import FRECHET, Bench, learn_to_judge, measure_floor, score_rivals
from common.paper_claims import PaperClaims
from common.run import Run

SHOWN, LABELLED, SHORT = 14, 1000, 500  # images in a row; labelled images; steps of the ablation
DCGAN, FEATURES, UNTRAINED = "DCGAN", "discriminator's features", "untrained discriminator's"
SHORT_RUNS = f"distance after {SHORT} steps"
NEIGHBOURS = "The first samples of two samplers, each above the training image that is nearest in pixels."
GUIDELINES = f"The Fréchet distance on validation images after {SHORT} steps, with one change of the recipe at a time."
Noise = Float[Tensor, "n latent"]
Logits = Float[Tensor, "n"]


# --- The networks ----------------------------------------------------------------------------------------------------


class Generator(nn.Module):
    """Noise to images, Fig. 1: 4 × 4 maps at first, then every layer doubles the side. Outputs from -1 to 1."""

    def __init__(self, plan: Plan = SMALL) -> None:
        super().__init__()
        first, *_, last = plan.widths
        layers = [nn.ConvTranspose2d(plan.latent, first, 4, bias=False), *normalised(plan, first), nn.ReLU()]
        for inputs, outputs in zip(plan.widths, plan.widths[1:], strict=False):
            layers += [doubling(plan, inputs, outputs), *normalised(plan, outputs), nn.ReLU()]
        self.layers = nn.Sequential(*layers, doubling(plan, last, plan.channels), nn.Tanh())
        self.apply(start)

    def forward(self, noise: Noise) -> Float[Tensor, "n channels height width"]:
        return self.layers(noise[:, :, None, None])


class Discriminator(nn.Module):
    """Images to logits, positive for real ones: every layer halves the side, down to 4 × 4."""

    def __init__(self, plan: Plan = SMALL) -> None:
        super().__init__()
        widths = plan.widths[::-1]
        stages = []
        for inputs, outputs in zip((plan.channels, *widths), widths, strict=False):
            norm = normalised(plan, outputs) if stages else []  # not at the input, §3
            halving = nn.Conv2d(inputs, outputs, plan.kernel, 2, padding=1, bias=False)
            stages.append(nn.Sequential(halving, *norm, nn.LeakyReLU(plan.slope)))
        self.stages = nn.ModuleList(stages)
        self.last = nn.Conv2d(widths[-1], 1, 4, bias=False)
        self.apply(start)

    def forward(self, images: Float[Tensor, "n channels height width"]) -> Logits:
        return self.last(self.maps(images)[-1]).flatten()

    def maps(self, images: Float[Tensor, "n channels height width"]) -> list[Float[Tensor, "n _ _ _"]]:
        """The outputs of all stages."""
        found = [images]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found[1:]


def doubling(plan: Plan, inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """Twice the side. A kernel of 4 covers every output equally often with a stride of 2; one of 3 does not."""
    return nn.ConvTranspose2d(inputs, outputs, plan.kernel, 2, padding=1, output_padding=4 - plan.kernel, bias=False)


def normalised(plan: Plan, width: int) -> list[nn.Module]:
    """BatchNorm, where the plan has it."""
    return [nn.BatchNorm2d(width)] if plan.normalised else []


def start(layer: nn.Module) -> None:
    """Weights from N(0, 0.02²), §4; scales of BatchNorm around 1, as the authors' code has it."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


# --- The losses -------------------------------------------------------------------------------------------------------


def make(generator: nn.Module, noise: Noise, real: Pixels) -> Pixels:
    """As many images as the batch has real ones."""
    return generator(noise)


def judge(discriminator: nn.Module, fakes: Pixels, noise: Noise, real: Pixels) -> Float[Tensor, ""]:
    """−log D(x) − log(1 − D(G(z))). Real and made images are batches of their own: BatchNorm must not mix them."""
    return softplus(-discriminator(real)).mean() + softplus(discriminator(fakes)).mean()


def fool(discriminator: nn.Module, fakes: Pixels, noise: Noise, real: Pixels) -> Float[Tensor, ""]:
    """−log D(G(z))."""
    return softplus(-discriminator(fakes)).mean()


# --- Training and drawing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Gan:
    """A trained pair. generator: the moving average, in evaluation mode."""

    generator: Generator
    discriminator: Discriminator
    latent: int

    def draw(self, noise: Noise) -> Grey:
        """An image for each row of noise."""
        device = next(self.generator.parameters()).device
        with torch.inference_mode():
            return images_of(torch.cat([self.generator(part.to(device)) for part in noise.split(500)]))

    def sample(self, n: int, rng: np.random.Generator) -> Grey:
        """n images of uniform noise."""
        return self.draw(uniform_noise(n, self.latent, torch.Generator().manual_seed(int(rng.integers(2**31)))))

    def parameters(self) -> list[nn.Parameter]:
        """The generator's, for common.model_size."""
        return list(self.generator.parameters())


def train(run: Run, images: Grey, recipe: Recipe, checkpoint: str | None = None) -> Gan:
    """A generator and a discriminator. Raises LossNotFinite where a loss stops being finite."""
    plan, pixels = recipe.plan, pixels_of(images).to(run.device)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        generator, discriminator = Generator(plan).to(run.device), Discriminator(plan).to(run.device)
    average = copy.deepcopy(generator)
    batches = -(-len(images) // recipe.batch_size)
    epochs = max(1, round(recipe.steps / batches))
    training = AdversarialTraining(
        epochs, make, fool, judge, learning_rate=recipe.learning_rate, batch_size=recipe.batch_size, decay=0.99,
        optimiser=partial(torch.optim.Adam, betas=(recipe.momentum, 0.999)), schedule=falling, device=run.device,
        checkpoint=None if checkpoint is None else run.checkpoint(checkpoint), say=run.say_step,
    )  # fmt: skip
    training(generator, discriminator, NoisyImages(pixels, plan.latent), run.seed, average)
    settle(average, uniform_noise(2000, plan.latent, torch.Generator().manual_seed(run.seed)).to(run.device))
    return Gan(average, discriminator, plan.latent)


def learn(run: Run, parts: FashionParts) -> Gan:
    """The recipe at this run's preset."""
    recipe = replace(RECIPE, steps=run.pick(smoke=2, lecture=RECIPE.steps, full=100_000))
    return train(run, parts.train.images, recipe, "gan")


def falling(share: float) -> float:
    """The learning rate, as a share of its first value."""
    return 1 - share


def settle(generator: Generator, noise: Noise) -> None:
    """Give BatchNorm the statistics of the generator's own maps.

    The running means of a moving average of weights belong to other weights, and those of training to earlier ones.
    """
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over batches
    generator.train()
    with torch.no_grad():
        for part in noise.split(500):
            generator(part)
    generator.eval()


def features_of(discriminator: Discriminator, images: Grey) -> Float[np.ndarray, "n features"]:
    """Every stage's maps, the largest of each of 4 × 4 cells, side by side. §5.1."""
    device = next(discriminator.parameters()).device
    discriminator.eval()
    with torch.inference_mode():
        chunks = []
        for part in pixels_of(images).split(500):
            maps = discriminator.maps(part.to(device))
            chunks.append(torch.cat([adaptive_max_pool2d(each, 4).flatten(1) for each in maps], dim=1).float().cpu())
    return torch.cat(chunks).numpy()


# --- The lesson -------------------------------------------------------------------------------------------------------


def study_guidelines(run: Run, claims: PaperClaims, parts: FashionParts, judge: SampleJudge) -> None:
    """One change of the recipe at a time, judged on validation images."""
    bench = Bench(judge, parts.validation, parts.train.images)
    for name in CHANGES:
        with run.method(name, kind="deep") as method:
            recipe = recipe_with(name, run.pick(smoke=2, lecture=SHORT))
            method.model = gan = method.time(train, run, parts.train.images, recipe)
            distance = bench.distance(gan.sample(len(parts.validation), np.random.default_rng(run.seed)))
            method.measure(SHORT_RUNS, distance, n=len(parts.validation))
            run.fact(f"{SHORT_RUNS}, {name}", distance)
    for name, text, source in (
        (PLAIN, "BatchNorm helps", "§3"),
        (MOMENTUM, "β₁ = 0.5 is better than 0.9", "§4"),
        (RELU, "LeakyReLU is better than ReLU in the discriminator", "§3"),
        (SMALL_KERNELS, "Kernels of 4 are better than kernels of 3", "not compared"),
    ):
        sides = {"ours": f"{SHORT_RUNS}, {BASE}", "against": f"{SHORT_RUNS}, {name}"}
        claims.measured(text, source=source, paper="no number", **sides, expects="lower", as_ratio=True)


def count_full_size(run: Run, claims: PaperClaims) -> None:
    """The published sizes, counted without computing."""
    with torch.device("meta"):
        counts = [parameters_of(network(plan)) for plan in (FULL, PAPER) for network in (Generator, Discriminator)]
    run.fact("parameters of the generator, 64 × 64 pixels, paper's widths", counts[2])
    features = sum(16 * width for width in PAPER.widths[:3])
    claims.counted(
        "The discriminator's maps of 4 × 4 cells are 28,672 features", source="§5.1", paper="28,672",
        ours=f"{features:,}, of its last three stages", against=f"{counts[3]:,} weights", holds=features == 28_672,
    )  # fmt: skip


def lesson(run: Run) -> None:
    claims, parts, rng = PaperClaims(run), fashion_parts(run), np.random.default_rng(run.seed)
    count_full_size(run, claims)
    judge = learn_to_judge(run, parts)
    bench = Bench(judge, parts.test, parts.train.images)
    measure_floor(run, bench)
    shown = {"training images": parts.train.images, **score_rivals(run, parts, bench, rng)}
    with run.method(DCGAN, kind="deep") as method:
        method.model = gan = method.make_shared(f"{DCGAN} of {FASHION}", partial(learn, run, parts))
        shown[DCGAN] = gan.sample(len(parts.test), rng)
        bench.score(method, shown[DCGAN])
    run.floor(DCGAN, FRECHET, at_most=3.0)
    for name in (MIXTURE, KERNELS):
        claims.measured(
            f"Samples are nearer to real images than those of {name}", source="§4", paper="not compared",
            ours=f"{FRECHET}, {DCGAN}", against=f"{FRECHET}, {name}", expects="lower", as_ratio=True,
        )  # fmt: skip
        claims.compared("… and show more of their variety", source="§4", paper="not compared", ours=DCGAN, against=name)
    few = {name: images[:SHOWN] for name, images in shown.items()}
    run.figure("samples", draw_rows, few, caption="The first training images, and the first samples of each sampler.")
    found = {}
    for name in (NARROW, DCGAN):
        found |= {name: few[name], f"nearest to {name}": bench.training[nearest(few[name], bench.training)[0]]}
    run.figure("neighbours", draw_rows, found, caption=NEIGHBOURS)

    look_between(run, claims, judge, gan, parts.test.images)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        untrained = Discriminator(RECIPE.plan)
    labelled = few_labelled(run, parts, run.pick(smoke=100, lecture=LABELLED))
    networks = {FEATURES: partial(features_of, gan.discriminator), UNTRAINED: partial(features_of, untrained)}
    score_features(run, parts, labelled, networks, [stage[0].out_channels for stage in untrained.stages])
    claims.compared(
        "Features of the discriminator recognise better than k-means", source="Table 1", paper="82.8 against 80.6 %",
        ours=FEATURES, against=PATCHES,
    )  # fmt: skip
    run.compare(FEATURES, HISTOGRAMS)  # the best features without a network
    claims.compared("… and it is learning that makes them", source="–", paper="–", ours=FEATURES, against=UNTRAINED)
    study_guidelines(run, claims, parts, judge)
    run.figure_over_seeds("guidelines", draw_changes, CHANGES, SHORT_RUNS, caption=GUIDELINES)
