"""AttnGAN: a picture from a sentence, painted coarsely first and then finely, each region attending to its words.

Question   "A red boot left of a blue bag." Can a network draw what a sentence states, each colour on its own thing, and
           also a thing in a colour that it never had in training?
Method     Xu et al. 2017. A text encoder gives word vectors e and a sentence vector ē. Stages of a generator (Eq. 1):

               h₀ = F₀(z, Fᶜᵃ(ē)),   h_k = F_k(h_{k−1}, attention(e, h_{k−1})),   x̂_k = G_k(h_k)

           Each region j of the maps h weights the words by how well they match it, and receives their mean (Eq. 2):

               β_j = softmax over words i of h_j · U e_i,   c_j = Σ_i β_ji U e_i

           Each stage has a discriminator, which judges pictures alone and with their sentence (Eqs. 4, 5). DAMSM, a
           model of the similarity of words and regions (word_region_matching.py), is trained first and then frozen;
           its loss is small if the last picture shows what the sentence states:  L = L_G + λ L_DAMSM  (Eq. 3).
Rival      The same network with the sentence vector as its only word. Three renderers without a network: the picture of
           the nearest training caption; garments of training pictures, recoloured; mean garments, coloured.
Differs    Composed scenes of 32 × 32 pixels, stages of 8, 16 and 32, not of 64 to 256. A term ‖x̂ − x‖² to the
           described picture at each stage is the only loss in the first epochs; then the other losses are added.
           Vectors of words and sentences are normalised to mean 0 and variance 1. Filters are trained with Muon.
           Pictures are scored by what they show, not by how real they look.
Costs      290 to 390 s on two cores.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from ch07_applications.adversarial.alternating import AdversarialTraining, Fakes
from ch07_applications.blocks.counting import parameters_of
from ch07_applications.images_and_text.attngan_plans import PAPER, PaintedBatches, Plan, Recipe, Weights
from ch07_applications.images_and_text.caption_painter import Painted, Painter
from ch07_applications.images_and_text.caption_renderers import RENDERERS, Renderer, renderer
from ch07_applications.images_and_text.drawn_attngan import draw_shares, show_pictures
from ch07_applications.images_and_text.gated_blocks import Condition, Residual, Standard, enlarging
from ch07_applications.images_and_text.painting_steps import stepping
from ch07_applications.images_and_text.picture_judges import (
    BINDING,
    PRECISION,
    Judges,
    judge,
    learn_to_judge,
    ranked_first,
)
from ch07_applications.images_and_text.placed_scenes import PlacedScenes, PlacedSets, placed_scenes
from ch07_applications.images_and_text.sentence_discriminator import Discriminator
from ch07_applications.images_and_text.vector_contents import contents
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.images_and_text.word_region_matching import SimilarityModel, matching_loss, train_similarity
from common.paper_claims import PaperClaims
from common.run import Run

ATTN, SENTENCE, DAMSM = "AttnGAN", "sentence vector alone", "DAMSM"
WHOLE, UNMATCHED, EARLY = "all losses", "without DAMSM's loss", "first epochs alone"  # on validation scenes
NEW, SWAPPED = ", new pairs", ", colours swapped"
RECIPE, EPOCHS, FLOOR = Recipe(), 4, 93.5  # EPOCHS: of DAMSM; FLOOR: % of scenes
DRAWN = (ATTN, SENTENCE, *RENDERERS)
PARTS = {"pairs of training": "", "new pairs": NEW, "colours swapped": SWAPPED}
SHARES = "Scenes of which a reader finds every thing as stated: mean over seeds, and every seed as a point."
LINEAR = tuple(f"read by a linear model: {what}" for what in ("classes", "colours", "places of colours' words"))
Maps = Float[Tensor, "n channels height width"]
Words = Float[Tensor, "n words vector"]
There = Bool[Tensor, "n words"]
Whole = Float[Tensor, "n vector"]
Noise = Float[Tensor, "n noise"]


# --- The generator ----------------------------------------------------------------------------------------------------


class WordAttention(nn.Module):
    """For each region, the mean of the words, weighted by how well each matches the region. Eq. 2."""

    def __init__(self, words: int, channels: int) -> None:
        super().__init__()
        self.enter = nn.Linear(words, channels, bias=False)  # U

    def forward(
        self, maps: Maps, words: Words, there: There
    ) -> tuple[Float[Tensor, "n channels height width"], Float[Tensor, "n words height width"]]:
        """The mean for each region, and the weights. there: which words are not padding, per sample."""
        entered = self.enter(words)
        fits = torch.einsum("nchw,ntc->nthw", maps, entered).float()
        weights = fits.masked_fill(~there[:, :, None, None], -torch.inf).softmax(dim=1)
        return torch.einsum("nthw,ntc->nchw", weights.to(entered.dtype), entered), weights


class Stage(nn.Module):
    """F_k: attend to the words, mix the result with the maps, double the side."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.attention = WordAttention(plan.words, plan.width)
        blocks = [Residual(2 * plan.width) for _ in range(plan.residual)]
        self.layers = nn.Sequential(*blocks, enlarging(2 * plan.width, plan.width))

    def forward(
        self, maps: Maps, words: Words, there: There
    ) -> tuple[Float[Tensor, "n channels twice_height twice_width"], Float[Tensor, "n words height width"]]:
        found, weights = self.attention(maps, words, there)
        return self.layers(torch.cat([maps, found], dim=1)), weights


class Generator(nn.Module):
    """All stages. attentive: False makes the sentence vector the only word to attend to."""

    def __init__(self, plan: Plan, attentive: bool = True) -> None:
        super().__init__()
        self.plan, self.attentive = plan, attentive
        self.word, self.sentence = Standard(plan.words), Standard(plan.words)
        self.condition = Condition(plan.words, plan.condition)
        doublings = (plan.sides[0] // 4).bit_length() - 1
        widths = [plan.width * 2**k for k in range(doublings, -1, -1)]
        flat = nn.Linear(plan.noise + plan.condition, 2 * 16 * widths[0], bias=False)
        self.begin = nn.Sequential(flat, nn.BatchNorm1d(2 * 16 * widths[0]), nn.GLU(dim=1))
        self.first = nn.Sequential(*(enlarging(*pair) for pair in pairwise(widths)))
        self.stages = nn.ModuleList(Stage(plan) for _ in plan.sides[1:])
        self.images = nn.ModuleList(nn.Conv2d(plan.width, 3, 3, padding=1, bias=False) for _ in plan.sides)

    def forward(self, noise: Noise, words: Words, there: There, whole: Whole) -> Painted:
        """noise: z, and the random numbers of the condition."""
        words, whole = self.word(words), self.sentence(whole)
        if not self.attentive:
            words, there = whole[:, None], there[:, :1]
        z, drawn = noise.split([self.plan.noise, self.plan.condition], dim=1)
        mean, log_variance = self.condition(whole)
        start = self.begin(torch.cat([mean + (log_variance / 2).exp() * drawn, z], dim=1))
        maps = self.first(start.unflatten(1, (-1, 4, 4)))
        images, attention = [self.images[0](maps).tanh()], []
        for stage, image in zip(self.stages, self.images[1:], strict=True):
            maps, weights = stage(maps, words, there)
            images.append(image(maps).tanh())
            attention.append(weights)
        return Painted(tuple(images), tuple(attention), mean, log_variance)


# --- The losses -------------------------------------------------------------------------------------------------------


def make(generator: Generator, noise: Noise, words: Words, there: There, whole: Whole, *_: Tensor) -> Fakes:
    """The generator's pictures of all stages, then the conditioning distribution's μ and log σ²."""
    painted = generator(noise, words, there, whole)
    return (*painted.images, painted.mean, painted.log_variance)


def judge_stages(discriminators: nn.ModuleList, fakes: Fakes, *batch: Tensor) -> Float[Tensor, ""]:
    """Eq. 5, summed over stages. As in the authors' code, a real picture with another one's sentence is wrong, too,
    unless both state the same."""
    _, _, _, whole, meanings, *reals = batch
    differs, losses = (meanings != meanings.roll(1)).float(), []
    for discriminator, real, fake in zip(discriminators, reals, fakes[: len(reals)], strict=True):
        maps = discriminator.maps(real)
        on_real, own = discriminator.real(maps).flatten().float(), discriminator.match(maps, whole)
        wrong = softplus(discriminator.match(maps, whole.roll(1, dims=0))) @ differs / differs.sum().clamp(min=1)
        on_fake, with_fake = discriminator(fake, whole)
        alone = softplus(-on_real).mean() + softplus(on_fake).mean()
        matched = softplus(-own).mean() + (softplus(with_fake).mean() + wrong) / 2
        losses.append((alone + matched) / 2)
    return torch.stack(losses).sum()


def fool_stages(
    discriminators: nn.ModuleList, fakes: Fakes, *batch: Tensor, similarity: SimilarityModel, weights: Weights
) -> Float[Tensor, ""]:
    """Eqs. 3 and 4: −log D(x̂) and −log D(x̂, ē), each by half, plus the generator's other losses."""
    logits = [d(fake, batch[3]) for d, fake in zip(discriminators, fakes[: len(discriminators)], strict=True)]
    adversarial = sum(softplus(-each).mean() / 2 for pair in logits for each in pair)
    return adversarial + describe_loss(fakes, *batch, similarity=similarity, weights=weights)


def describe_loss(fakes: Fakes, *batch: Tensor, similarity: SimilarityModel, weights: Weights) -> Float[Tensor, ""]:
    """λ L_DAMSM of the last picture, squared differences from the true pictures, and KL(N(μ, σ²) ‖ N(0, 1))."""
    _, words, there, whole, meanings, *reals = batch
    *images, mean, log_variance = (each.float() for each in fakes)
    apart = sum((image - real).square().mean() for image, real in zip(images, reals, strict=True))
    divergence = (mean.square() + log_variance.exp() - 1 - log_variance).mean() / 2
    loss = weights.picture * apart + weights.condition * divergence
    if weights.matching:
        scores = similarity.score(words, there, whole, images[-1])
        loss = loss + weights.matching * matching_loss(scores, meanings)
    return loss


# --- Training and painting --------------------------------------------------------------------------------------------


def learn_alone(
    run: Run, scenes: PlacedScenes, similarity: SimilarityModel, vocabulary: Vocabulary, recipe: Recipe
) -> Painter:
    """Train a generator on pictures and captions, without DAMSM and discriminators. Returns its moving average."""
    batches = PaintedBatches.of(scenes, similarity, vocabulary, recipe.plan)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        generator = Generator(recipe.plan, recipe.attentive)
    generator.word.measure(batches.sentences.words[batches.sentences.there])
    generator.sentence.measure(batches.sentences.whole)
    average = copy.deepcopy(generator)
    alone = partial(describe_loss, similarity=similarity, weights=replace(recipe.weights, matching=0.0))
    training = AdversarialTraining(
        0, make, fool_stages, judge_stages, recipe.pretraining, alone, recipe.first_rate,
        batch_size=recipe.batch_size, **stepping(run, f"{recipe.name}, alone"),
    )  # fmt: skip
    training(generator, nn.ModuleList(), batches, run.seed, average)
    return Painter(average, similarity, vocabulary)


def learn_from_judges(run: Run, painter: Painter, scenes: PlacedScenes, recipe: Recipe) -> Painter:
    """Continue the training with all losses for more epochs; the given painter stays unchanged."""
    batches = PaintedBatches.of(scenes, painter.similarity, painter.vocabulary, recipe.plan)
    with torch.random.fork_rng():
        torch.manual_seed(run.seed)
        discriminators = nn.ModuleList(Discriminator(recipe.plan, side) for side in recipe.plan.sides)
    generator, average = copy.deepcopy(painter.generator), copy.deepcopy(painter.generator)
    fool = partial(fool_stages, similarity=painter.similarity, weights=recipe.weights)
    training = AdversarialTraining(
        recipe.epochs, make, fool, judge_stages, learning_rate=recipe.learning_rate,
        discriminator_rate=recipe.discriminator_rate, batch_size=recipe.batch_size, **stepping(run, recipe.name),
    )  # fmt: skip
    training(generator, discriminators, batches, run.seed, average)
    return replace(painter, generator=average)


# --- The lesson -------------------------------------------------------------------------------------------------------


def learn_language(run: Run, sets: PlacedSets) -> tuple[SimilarityModel, Vocabulary]:
    """Train DAMSM on the training scenes; score how often real test pictures find their sentence. With vocabulary."""
    vocabulary = Vocabulary.of(caption.words for captions in sets.train.captions for caption in captions)
    with run.method(DAMSM, kind="deep") as method:
        epochs = run.pick(smoke=1, lecture=EPOCHS, full=20)
        method.model = model = method.time(train_similarity, run, sets.train, vocabulary, epochs, run.seed)
        found = ranked_first(model, vocabulary, sets.test.images, sets.test)
        method.score_items(f"{PRECISION} of real pictures", 100.0 * found, sets.test, unit="%", higher_is_better=True)
    return model, vocabulary


def recipe_of(run: Run, name: str) -> Recipe:
    """The recipe of a generator."""
    recipe = replace(RECIPE, attentive=name != SENTENCE)
    if name == UNMATCHED:
        recipe = replace(recipe, weights=replace(recipe.weights, matching=0.0))
    return replace(recipe, pretraining=1) if run.scale.preset == "smoke" else recipe


def learn_to_paint(
    run: Run, name: str, scenes: PlacedScenes, language: tuple[SimilarityModel, Vocabulary], early: dict[bool, Painter]
) -> Painter | Renderer:
    """Train one of the generators. early: networks after their first epochs, by whether they attend to words."""
    if name in RENDERERS:
        return renderer(name).fit(scenes)
    recipe = recipe_of(run, name)
    if recipe.attentive not in early:
        early[recipe.attentive] = learn_alone(run, scenes, *language, recipe)
    return learn_from_judges(run, early[recipe.attentive], scenes, recipe)


def ablate(run: Run, sets: PlacedSets, judges: Judges, trained: Painter, early: dict[bool, Painter]) -> None:
    """Measure the effect of the last epoch, and of DAMSM's loss in it, on validation scenes."""
    given = {WHOLE: trained, EARLY: early[True]}
    for name in (WHOLE, UNMATCHED, EARLY):
        with run.method(name, kind="deep") as method:
            language = trained.similarity, trained.vocabulary
            painter = given.get(name) or method.time(learn_to_paint, run, name, sets.train, language, early)
            method.model = painter
            judge(method, judges, painter.draw(sets.validation.inputs, run.seed), sets.validation)


def claim_binding(claims: PaperClaims) -> None:
    """Compare words with the sentence vector, and with the renderers."""
    for title, suffix in PARTS.items():
        claims.compared(
            f"Attention to words draws things as stated: {title}", source="§1, Fig. 4", paper="pictures",
            ours=ATTN + suffix, against=SENTENCE + suffix, metric=BINDING,
        )  # fmt: skip
    claims.compared(
        "… and its pictures find their sentences", source="Table 2", paper="67.8 %, rival not measured",
        ours=ATTN + NEW, against=SENTENCE + NEW, metric=PRECISION,
    )  # fmt: skip
    claims.compared(
        "DAMSM's loss: pictures find their sentences (validation)", source="Table 2", paper="raises R-precision",
        ours=WHOLE, against=UNMATCHED, metric=PRECISION,
    )  # fmt: skip
    for name in RENDERERS:
        claims.compared(
            f"New pairs: better than the {name}", source="–", paper="not compared", ours=ATTN + NEW,
            against=name + NEW, metric=BINDING,
        )  # fmt: skip


def lesson(run: Run) -> None:
    claims, sets = PaperClaims(run), placed_scenes(run.scale)
    with torch.device("meta"):
        run.fact("parameters of the paper's generator, three stages", parameters_of(Generator(PAPER)))
    language = learn_language(run, sets)
    for name, share in zip(LINEAR, contents(*language, (sets.train, sets.validation)), strict=True):
        run.fact(name, 100 * share, "%")
    parts = {"": sets.test, NEW: sets.held_out}
    judges = learn_to_judge(run, sets.judging, language[1], parts)
    parts[SWAPPED] = sets.test.colours_swapped()
    painters, early = {}, {}
    for name in DRAWN:
        for suffix, part in parts.items():
            with run.method(name + suffix, kind="classical" if name in RENDERERS else "deep") as method:
                if name not in painters:
                    painters[name] = method.time(learn_to_paint, run, name, sets.train, language, early)
                method.model = painters[name]
                judge(method, judges, painters[name].draw(part.inputs, run.seed), part)
    ablate(run, sets, judges, painters[ATTN], early)
    claim_binding(claims)
    run.floor(ATTN, BINDING, at_least=FLOOR)
    show_pictures(run, sets, painters, (ATTN, SENTENCE))
    run.figure_over_seeds("shares", draw_shares, DRAWN, PARTS, BINDING, caption=SHARES)
