"""The methods without a deep network, fitted to the same digits, with settings chosen on the same held-out digits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

from ch07_applications.reconstruction.bernoulli_mixture import BernoulliMixture
from ch07_applications.reconstruction.binarised_digits import (
    BinarisedDigits,
    DigitSets,
    FreshDigits,
    Greys,
    draw,
)
from ch07_applications.reconstruction.boosted_pixels import BoostedPixels
from ch07_applications.reconstruction.context_coding import context_nats, nats_of, png_bits
from ch07_applications.reconstruction.pixel_regressions import PixelRegressions
from ch07_applications.reconstruction.scored_digits import LOWER, NATS, SMALL_NATS, network_nats, score
from common.run import Run
from common.train import Training
from common.tuning import choose

MIXTURE, REGRESSIONS, CODER, TREES = "mixture of Bernoullis", "logistic regressions", "context coding", "boosted trees"
SMALL = ", 14 × 14"  # ends the names of methods for small digits
Loss = Callable[[Tensor, Tensor], Tensor]  # of logits and images


def shared(name: str) -> str:
    """The name under which later lessons share a method's model."""
    return f"{name} of binary digits"


def draw_often(greys: Greys, times: int, seed: int) -> np.ndarray:
    """`times` binarisations of every digit, concatenated."""
    rng = np.random.default_rng(seed)
    return np.concatenate([draw(greys, rng) for _ in range(times)])


def fit_mixture(sets: DigitSets, components: Sequence[int], seed: int, rounds: int = 30) -> BernoulliMixture:
    """The mixture with the best number of components on validation digits, fitted to two binarisations."""
    images = draw_often(sets.train, 2, seed)
    models = [BernoulliMixture(k, rounds=rounds, seed=seed).fit(images) for k in components]
    return choose(models, [model.nats(sets.validation.inputs).mean() for model in models])


def fit_regressions(sets: DigitSets, decays: Sequence[float], epochs: int, seed: int, loss: Loss) -> PixelRegressions:
    """The regressions whose weight decay is best on the validation digits. loss: in nats per image."""
    greys, found = torch.from_numpy(sets.train), []
    images = torch.from_numpy(sets.validation.inputs).float()[:, None]
    for decay in decays:
        network = PixelRegressions(greys.mean(dim=0))
        optimiser = partial(torch.optim.AdamW, weight_decay=decay, fused=True)
        Training(epochs, 3e-2, 128, optimiser, loss=loss, warm_up=0.1, half=False)(network, FreshDigits(greys), seed)
        with torch.no_grad():
            found.append((network, float(loss(network(images), images))))
    networks, nats = zip(*found, strict=True)
    return choose(networks, nats)


def choose_template(sets: DigitSets, sizes: Sequence[int], seed: int) -> int:
    """The number of context pixels with the shortest code of the validation digits."""
    stream = np.concatenate([draw_often(sets.train, 1, seed), sets.validation.inputs])
    return choose(sizes, [context_nats(stream, size)[-len(sets.validation) :].mean() for size in sizes])


def code(sets: DigitSets, part: BinarisedDigits, size: int, seed: int) -> Float64[np.ndarray, "digits"]:
    """The nats of each digit of a part, coded after all training and validation digits."""
    stream = np.concatenate([draw_often(sets.train, 1, seed), sets.validation.inputs, part.inputs])
    return context_nats(stream, size)[-len(part) :]


def learn_mixture(run: Run, sets: DigitSets) -> BernoulliMixture:
    """Fit the mixture at this run's preset."""
    options, rounds = run.pick(smoke=((5,), 3), lecture=((100, 200), 30))
    return fit_mixture(sets, options, run.seed, rounds)


def learn_trees(run: Run, sets: DigitSets) -> BoostedPixels:
    """Fit the trees at this run's preset."""
    pixels, trees = run.pick(smoke=(4000, 5), lecture=(300_000, 300))
    return BoostedPixels(pixels, trees, seed=run.seed).fit(sets.train)


def score_rivals(run: Run, sets: DigitSets, small: bool, loss: Loss) -> dict[str, float]:
    """Score all methods without a deep network. Returns their nats per validation digit by name."""
    part, held_out, seed, ending = sets.test, sets.validation, run.seed, SMALL if small else ""
    found = {}
    with run.method(MIXTURE + ending, kind="classical") as method:
        method.model = model = method.make_shared(shared(method.name), partial(learn_mixture, run, sets))
        method.score_items(SMALL_NATS if small else NATS, model.nats(part.inputs), part)
        if not small:
            method.score_items(LOWER, model.nats(part.inputs, part.inputs.shape[1] // 2), part)
        found[MIXTURE] = float(model.nats(held_out.inputs).mean())
    with run.method(TREES + ending, kind="classical") as method:
        method.model = model = method.make_shared(shared(method.name), partial(learn_trees, run, sets))
        score(method, part, model.pixel_nats(part.inputs), small)
        found[TREES] = float(model.pixel_nats(held_out.take(slice(300)).inputs).sum(axis=(1, 2)).mean())
    if small:
        return found
    with run.method(REGRESSIONS, kind="network") as method:
        decays, epochs = run.pick(smoke=((0.03,), 1), lecture=((0.003, 0.03), 10))
        method.model = model = method.time(fit_regressions, sets, decays, epochs, seed, loss)
        score(method, part, network_nats(model, part), small)
        found[REGRESSIONS] = float(network_nats(model, held_out).sum(axis=(1, 2)).mean())
    with run.method(CODER, kind="classical") as method:
        size = method.time(choose_template, sets, run.pick(smoke=(4,), lecture=(10, 16)), seed)
        method.score_items(NATS, code(sets, part, size, seed), part)
    run.fact("pixels in a context of the coder", size)
    run.fact("nats per test digit as PNG", nats_of(png_bits(part.inputs)), "nats")
    return found
