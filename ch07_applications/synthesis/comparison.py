"""Every generator of this chapter and its rivals, judged alike: nearness, variety, novelty, likelihood and time.

Question   Samples can be near to real images, as varied as they are, and new; a sampler can be fast, and may also give
           an image's probability. Which sampler has which strengths? Does a better likelihood mean better samples?
Method     Three kinds of images: clothes (Fashion-MNIST), striped clothes (which CycleGAN makes from grey ones), binary
           digits of 14 × 14 pixels. As many samples as there are test images are scored in the features of a recogniser
           of that kind: Fréchet distance beside its floor, precision, recall, and the distance to the nearest training
           image. Densities also have their nats; those by class are summed over the classes.
Rival      For clothes: Gaussians and kernels in principal components. For stripes: transport of grey levels, CORAL. For
           digits: boosted trees, mixtures of Bernoullis, and kernels around the training digits, whose limit copies.
Differs    No paper compares these side by side. Row LSTM and Diagonal BiLSTM need a full pass over the rows so far for
           each pixel; both PixelCNNs cache their maps.
Costs      85 s on two cores after the lessons whose models it reuses; 6 minutes by itself, as it trains them first.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.stats import spearmanr
from torch import nn

from ch07_applications.reconstruction import cached_sampling, digit_rivals, pixel_rnn
from ch07_applications.reconstruction.binarised_digits import digit_sets, draw
from ch07_applications.reconstruction.digit_rivals import SMALL, shared
from ch07_applications.reconstruction.scored_digits import SMALL_NATS, network_nats
from ch07_applications.synthesis import cyclegan, dcgan, density_bench, pixelcnn
from ch07_applications.synthesis.bayes_rule import marginal_nats
from ch07_applications.synthesis.cyclegan_plans import CYCLEGAN
from ch07_applications.synthesis.density_samplers import MIXTURE, samplers
from ch07_applications.synthesis.digit_kernels import DigitKernels, fit_kernels
from ch07_applications.synthesis.drawn_dcgan import draw_rows
from ch07_applications.synthesis.drawn_samplers import CAPTIONS, draw_likelihood, draw_measures
from ch07_applications.synthesis.fashion_parts import FASHION, fashion_parts
from ch07_applications.synthesis.labelled_digits import CLASSES, LabelledSets, labelled_sets
from ch07_applications.synthesis.sample_judge import frechet_distance
from ch07_applications.synthesis.sampler_bench import FRECHET, RECALL, Bench, learn_to_judge
from ch07_applications.synthesis.striped_clothes import striped_clothes
from ch07_applications.synthesis.translation_scores import learn_both
from ch07_applications.synthesis.unpaired_rivals import CORAL, TRANSPORT, Coral, Transport
from common.method import Method
from common.paper_claims import PaperClaims
from common.run import Run

CLOTHES, STRIPED, DIGITS = "clothes", "striped clothes", "digits"
KERNELS, REDRAWN, UNSTRIPED = "kernels around digits", "training digits, redrawn", "grey clothes"
CNN, ROW, DIAGONAL = (name + SMALL for name in (pixel_rnn.CNN, pixel_rnn.ROW, pixel_rnn.DIAGONAL))
TREES, BERNOULLIS = digit_rivals.TREES + SMALL, digit_rivals.MIXTURE + SMALL
EPSILONS = (0.002, 0.005, 0.01, 0.02, 0.05)
MILLISECONDS, RANKS = "ms per sample", "rank correlation of nats and Fréchet distance, digits"
SHOWN = 14  # images per row
Grey = UInt8[np.ndarray, "n height width"]
Rows = dict[str, Grey]


def judge_samples(method: Method, bench: Bench, draw: Callable[[], Grey]) -> Grey:
    """Draw, time and score a method's samples, as many as the bench has real images."""
    start = time.perf_counter()
    drawn = draw()
    each = 1000 * (time.perf_counter() - start) / len(drawn)
    bench.score(method, drawn)
    method.measure(MILLISECONDS, each, n=len(drawn), unit="ms")
    method.run.fact(f"{MILLISECONDS}, {method.name}", each, "ms")
    return drawn


def state_floor(run: Run, kind: str, bench: Bench, others: Grey) -> None:
    """State the Fréchet distance of real images from an equal number of other real ones."""
    n = len(bench.real)
    run.fact(f"floor of the {FRECHET}, {kind}", frechet_distance(bench.features, bench.judge.features(others[:n])))


def draw_by_passes(network: nn.Module, n: int, size: tuple[int, int], generator: torch.Generator) -> Grey:
    """Draw n binary images from a causal network in reading order, with a full pass over the rows so far per pixel."""
    height, width = size
    images, uniform = torch.zeros(n, 1, *size), torch.rand(n, *size, generator=generator)
    with torch.inference_mode():
        for row in range(height):
            for column in range(width):
                logits = torch.cat([network(part)[:, 0, row, column] for part in images[:, :, : row + 1].split(250)])
                images[:, 0, row, column] = (uniform[:, row, column] < logits.sigmoid()).float()
    return images[:, 0].byte().numpy()


# --- The three kinds of images ---------------------------------------------------------------------------------------


def judge_clothes(run: Run) -> Rows:
    """Score DCGAN and densities of principal components."""
    parts, rng = fashion_parts(run), np.random.default_rng(run.seed)
    bench = Bench(learn_to_judge(run, parts), parts.test, parts.train.images)
    state_floor(run, CLOTHES, bench, parts.train.images)
    rows = {"real images": parts.test.images[:SHOWN]}
    for name, sampler in samplers(run.seed, small=run.scale.preset == "smoke").items():
        with run.method(name, kind="classical") as method:
            model = method.fit_shared(f"{name} of {FASHION}", partial(copy.copy, sampler), parts.train)
            rows[name] = judge_samples(method, bench, partial(model.sample, len(parts.test), rng))[:SHOWN]
    with run.method(dcgan.DCGAN, kind="deep") as method:
        method.model = model = method.make_shared(f"{dcgan.DCGAN} of {FASHION}", partial(dcgan.learn, run, parts))
        rows[dcgan.DCGAN] = judge_samples(method, bench, partial(model.sample, len(parts.test), rng))[:SHOWN]
    return rows


def judge_striped(run: Run) -> Rows:
    """Score the methods that add stripes to grey test clothes, with distances to striped training images."""
    clothes = striped_clothes(fashion_parts(run), run.seed)
    grey, striped = clothes.grey.images, clothes.striped.images
    bench = Bench(learn_both(run, clothes), clothes.test.striped, striped)
    state_floor(run, STRIPED, bench, striped)
    given = clothes.test.grey.images
    rows = {"real images": clothes.test.striped.images[:SHOWN], UNSTRIPED: given[:SHOWN]}
    with run.method(UNSTRIPED, kind="reference") as method:
        judge_samples(method, bench, lambda: given)
    for name, rival in ((TRANSPORT, Transport()), (CORAL, Coral())):
        with run.method(name, kind="classical") as method:
            method.model = method.time(rival.fit, grey, striped)
            rows[name] = judge_samples(method, bench, partial(rival.transform, given))[:SHOWN]
    with run.method(CYCLEGAN, kind="deep") as method:
        make = partial(cyclegan.learn, run, clothes, CYCLEGAN)
        method.model = model = method.make_shared(f"{CYCLEGAN} of {STRIPED}", make)
        rows[CYCLEGAN] = judge_samples(method, bench, partial(model.to_striped, given))[:SHOWN]
    return rows


def judge_digits(run: Run) -> Rows:
    """Score every density of binary digits at 14 × 14 pixels, with and without the class."""
    sets = labelled_sets(run, *run.pick(smoke=(30, 1), lecture=(1000, 1), full=(10_000, 1)))
    bench, n, rng = density_bench.digit_bench(run, sets), len(sets.test), np.random.default_rng(run.seed)
    state_floor(run, DIGITS, bench, 255 * draw(sets.greys[:n], rng))
    rows = {"real images": 255 * sets.test.inputs[:SHOWN]}

    def judge(method: Method, sample: Callable[[], Grey], nats: Float[np.ndarray, "digits"] | None = None) -> None:
        rows[method.name] = judge_samples(method, bench, lambda: 255 * sample())[:SHOWN]
        if nats is not None:
            method.score_items(SMALL_NATS, nats, sets.test)

    with run.method(REDRAWN, kind="classical") as method:
        method.model = copies = DigitKernels(0.0).fit(sets.greys)
        judge(method, partial(copies.sample, n, rng))
        impossible = np.isinf(copies.nats(sets.test.inputs)).mean()
        run.fact("test digits that no training digit can become", 100 * float(impossible), "%")
    with run.method(KERNELS, kind="classical") as method:
        method.model = kernels = method.time(fit_kernels, sets.greys, sets.validation.inputs, EPSILONS)
        judge(method, partial(kernels.sample, n, rng), kernels.nats(sets.test.inputs))
    judge_without_class(run, sets, judge)
    judge_by_class(run, sets, judge)
    return rows


def judge_without_class(run: Run, sets: LabelledSets, judge: Callable) -> None:
    """Score the densities of reconstruction/pixel_rnn."""
    small, size, rng = digit_sets(run, True, len(sets.test)), sets.greys.shape[1:], np.random.default_rng(run.seed)
    blank = np.zeros((len(sets.test), *size), np.uint8)
    for name, learn in ((BERNOULLIS, digit_rivals.learn_mixture), (TREES, digit_rivals.learn_trees)):
        with run.method(name, kind="classical") as method:
            method.model = model = method.make_shared(shared(name), partial(learn, run, small))
            nats = model.nats(sets.test.inputs) if name == BERNOULLIS else model.pixel_nats(sets.test.inputs)
            judge(method, partial(model.sample, blank, rng), nats.reshape(len(nats), -1).sum(axis=1))
    for name in (CNN, ROW, DIAGONAL):
        with run.method(name, kind="deep") as method:
            method.model, _ = method.make_shared(shared(name), partial(pixel_rnn.train, run, name, small))
            generator = torch.Generator().manual_seed(run.seed)
            sample = partial(draw_by_passes, method.model, len(blank), size, generator)
            if name == CNN:
                empty = torch.from_numpy(blank).float()[:, None]
                sample = partial(draw_with_kept_maps, method.model, empty, generator)
            judge(method, sample, network_nats(method.model, sets.test).sum(axis=(1, 2), dtype=np.float64))


def draw_with_kept_maps(network: nn.Module, blank: torch.Tensor, generator: torch.Generator) -> Grey:
    """The same as draw_by_passes for PixelCNN, with cached maps."""
    return cached_sampling.sample(network, blank, generator)[:, 0].byte().numpy()


def judge_by_class(run: Run, sets: LabelledSets, judge: Callable) -> None:
    """Score the densities of synthesis/pixelcnn: each sample draws a class; nats are summed over classes."""
    rng, size = np.random.default_rng(run.seed), sets.greys.shape[1:]
    labels = rng.choice(CLASSES, len(sets.test), p=sets.priors)
    for name, fit in density_bench.densities(run, sets).items():
        with run.method(name, kind="classical") as method:
            method.model = model = method.make_shared(shared(name), fit)
            nats = marginal_nats(model.class_nats(sets.test.inputs), sets.priors)
            judge(method, partial(model.sample, labels, size, rng), nats)
    with run.method(pixelcnn.NETWORK, kind="deep") as method:
        method.model = network = method.make_shared(shared(pixelcnn.NETWORK), partial(pixelcnn.train, run, sets))
        nats = marginal_nats(pixelcnn.class_nats(network, sets.test.inputs), sets.priors)
        judge(method, partial(pixelcnn.draw_digits, network, labels, size, run.seed), nats)


# --- The lesson ------------------------------------------------------------------------------------------------------


def state_claims(run: Run, claims: PaperClaims) -> None:
    """Compare deep samplers with the strongest rival of their kind, and likelihood with samples."""
    scored = {name: method.items for name, method in run.methods.items() if SMALL_NATS in method.items}
    nats = {name: items[SMALL_NATS].values.mean() for name, items in scored.items()}
    facts = {fact.name: fact.value for fact in run.record.facts if fact.seed == run.seed}
    run.fact(RANKS, float(spearmanr(list(nats.values()), [facts[f"{FRECHET}, {name}"] for name in nats]).statistic))
    for text, source, ours, against in (
        ("A gated PixelCNN's samples are nearer to real digits than those of kernels", "–", pixelcnn.NETWORK, KERNELS),
        ("… and than those of PixelCNN", "–", pixelcnn.NETWORK, CNN),
        ("CycleGAN's stripes are nearer to real ones than CORAL's", "Zhu 2017, §5.1", CYCLEGAN, CORAL),
    ):
        claims.measured(
            text, source=source, paper="not compared", ours=f"{FRECHET}, {ours}", against=f"{FRECHET}, {against}",
            expects="lower", as_ratio=True,
        )  # fmt: skip
    claims.compared(
        "A gated PixelCNN, summed over classes, needs fewer nats than PixelCNN", source="van den Oord 2016b, Table 1",
        paper="3.03 against 3.14 bits per channel (CIFAR-10)", ours=pixelcnn.NETWORK, against=CNN, metric=SMALL_NATS,
    )  # fmt: skip
    claims.measured(
        "One pass per image takes less time than a pass per pixel", source="Ramachandran et al. 2017, §1",
        paper="no number", ours=f"{MILLISECONDS}, {dcgan.DCGAN}", against=f"{MILLISECONDS}, {DIAGONAL}",
        expects="lower", as_ratio=True,
    )  # fmt: skip
    for ours, against in ((dcgan.DCGAN, MIXTURE), (pixelcnn.NETWORK, density_bench.TREES), (CYCLEGAN, CORAL)):
        run.compare(ours, against, RECALL)
    run.floor(pixelcnn.NETWORK, SMALL_NATS, at_most=36.8)


def lesson(run: Run) -> None:
    claims = PaperClaims(run)
    rows = {CLOTHES: judge_clothes(run), STRIPED: judge_striped(run), DIGITS: judge_digits(run)}
    state_claims(run, claims)
    for kind, drawn in rows.items():
        run.figure(kind.replace(" ", "_"), draw_rows, drawn, caption=CAPTIONS[kind])
    names = {kind: tuple(drawn)[1:] for kind, drawn in rows.items()}
    run.figure_over_seeds("measures", draw_measures, names, MILLISECONDS, caption=CAPTIONS["measures"])
    densities = names[DIGITS], SMALL_NATS, FRECHET
    run.figure_over_seeds("likelihood", draw_likelihood, *densities, caption=CAPTIONS["likelihood"])
