"""One protocol for every class-conditional density of digits: its nats, its accuracy as a classifier, its samples.

Nats       −log p(x | y) with the true class, and −log p(x) without it, for the mixture of all ten classes.
Classes    By Bayes' rule, for digits that were binarised once, and for digits with several drawings, over which
           log p(x | y) is averaged. Classifiers that are not densities average their decision values.
Samples    One for the class of every test digit, so that both show the same classes. A recogniser labels each of them,
           and compares them with the test digits as in sample_judge.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from jaxtyping import Float, Int, Int64, UInt8

from ch07_applications.reconstruction.binarised_digits import draw
from ch07_applications.reconstruction.digit_rivals import shared
from ch07_applications.reconstruction.scored_digits import SMALL_NATS
from ch07_applications.synthesis.bayes_rule import marginal_nats, most_probable
from ch07_applications.synthesis.bit_classifiers import decide_by_mean, fit_classifier
from ch07_applications.synthesis.class_densities import ClassMixtures, ClassTrees, fit_mixtures
from ch07_applications.synthesis.labelled_digits import LabelledSets
from ch07_applications.synthesis.sample_judge import SampleJudge
from ch07_applications.synthesis.sampler_bench import Bench, measure_floor
from common.data import Images
from common.method import Method
from common.run import Run

MIXTURES, TREES, SVM, HOG_SVM = "mixtures by class", "trees given the class", "SVM on bits", "SVM on HOG"
UNKNOWN, ACCURACY, RECOGNISED = "nats, class unknown", "accuracy", "recognised as its class"
OFTEN = "accuracy, several drawings"
Binary = UInt8[np.ndarray, "images height width"]
ClassNats = Callable[[Binary], Float[np.ndarray, "images classes"]]
Draw = Callable[[Int64[np.ndarray, "digits"]], UInt8[np.ndarray, "digits height width"]]


def score_density(method: Method, sets: LabelledSets, class_nats: ClassNats) -> Float[np.ndarray, "digits classes"]:
    """Score nats with and without the class, and both accuracies. Returns −log p(x | y) for every test digit and y."""
    part = sets.test
    nats = class_nats(part.inputs)
    own = nats[np.arange(len(part)), part.answers]
    unknown = marginal_nats(nats, sets.priors)
    method.score_items(SMALL_NATS, own, part)
    method.score_items(UNKNOWN, unknown, part)
    method.run.fact(f"{method.name}: nats that the class saves", float((unknown - own).mean()), "nats")
    averaged = np.mean([nats, *(class_nats(images) for images in sets.drawings[1:])], axis=0)
    score_answers(method, sets, most_probable(nats, sets.priors), most_probable(averaged, sets.priors))
    return nats


def score_answers(
    method: Method, sets: LabelledSets, once: Int[np.ndarray, "digits"], often: Int[np.ndarray, "digits"]
) -> None:
    """Score the accuracy for digits that were drawn once, and for digits that were drawn several times."""
    for metric, answers in ((ACCURACY, once), (OFTEN, often)):
        method.score_items(metric, 100.0 * (answers == sets.test.answers), sets.test, unit="%", higher_is_better=True)


def score_samples(method: Method, sets: LabelledSets, bench: Bench, drawn: Binary) -> None:
    """Score samples. drawn: an image for the class of every test digit."""
    right = bench.judge.predict(255 * drawn) == sets.test.answers
    method.score_items(RECOGNISED, 100.0 * right, sets.test, unit="%", higher_is_better=True)
    bench.score(method, 255 * drawn)


def digit_bench(run: Run, sets: LabelledSets) -> Bench:
    """A trained and scored recogniser of binary digits, and the test digits with which samples are compared.

    Copies are searched among the grey training digits: from another binarisation of the same digit, a copy is nearly as
    far as a new digit.
    """
    training = Images(255 * draw(sets.greys, np.random.default_rng(run.seed)), sets.labels)
    test = Images(255 * sets.test.inputs, sets.test.answers, sets.test.ids)
    with run.method("recogniser", kind="reference") as method:
        build = partial(SampleJudge, run.pick(smoke=1, lecture=6), run.seed, run.say_step, run.device)
        judge = method.fit_shared(shared("judge"), build, training)
        method.score(test)
    measure_floor(run, Bench(judge, test, training.images))
    return Bench(judge, test, np.rint(255 * sets.greys).astype(np.uint8))


def densities(run: Run, sets: LabelledSets) -> dict[str, Callable[[], ClassMixtures | ClassTrees]]:
    """Functions that fit each density without a network, by name."""
    options, rounds = run.pick(smoke=((2,), 3), lecture=((20, 40, 80), 30))
    pixels, trees = run.pick(smoke=(4000, 5), lecture=(300_000, 300))
    return {
        MIXTURES: partial(fit_mixtures, sets, options, rounds, run.seed),
        TREES: partial(ClassTrees(pixels, trees, seed=run.seed).fit, sets.greys, sets.labels),  # moved: 0.1 nats more
    }


def score_rivals(run: Run, sets: LabelledSets, bench: Bench) -> dict[str, Binary]:
    """Score the densities without a network. Returns their samples by name."""
    rng, size, drawn = np.random.default_rng(run.seed), sets.greys.shape[1:], {}
    for name, fit in densities(run, sets).items():
        with run.method(name, kind="classical") as method:
            method.model = model = method.make_shared(shared(name), fit)
            score_density(method, sets, model.class_nats)
            drawn[name] = model.sample(sets.test.answers, size, rng)
            score_samples(method, sets, bench, drawn[name])
    return drawn


def score_classifiers(run: Run, sets: LabelledSets) -> None:
    """Score support vector machines on bits and on HOG."""
    penalties, drawings = run.pick(smoke=((1.0,), 1), lecture=((2.0, 8.0), 3))
    for name, kind in ((SVM, "bits"), (HOG_SVM, "HOG")):
        with run.method(name, kind="classical") as method:
            method.model = model = method.time(fit_classifier, kind, sets, penalties, drawings, run.seed)
            classes = model.classes_
            averaged = decide_by_mean(model, sets.drawings)
            score_answers(method, sets, model.predict(sets.test.inputs), classes[averaged.argmax(axis=1)])
