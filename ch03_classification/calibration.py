"""Calibration: of the predictions with a confidence of 80 %, four in five should be right. For which methods are they?

Question   How well are the probabilities of classifiers calibrated, and can they be corrected afterwards?
Method     Reliability diagrams; their mean gap, the expected calibration error (Naeini et al. 2015); the Brier score as
           reliability − resolution + uncertainty (Murphy 1973). Correction: one temperature for all (Guo et al. 2017).
Rival      Isotonic regression per class (Zadrozny and Elkan 2002), on the same digits held out for the purpose.
Differs    Guo et al. tempered deep networks. These are the methods of the lesson before, on 2000 digits of 14×14
           pixels: few, so that there are mistakes to judge. Settings are tuned for accuracy, but k for log loss.
Costs      6 s on two cores, most of it for the support vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedShuffleSplit

from ch03_classification.baselines.tuned_rivals import classical_rivals
from ch03_classification.digits.tables import pixels
from ch03_classification.drawings.calibration import draw_corrections
from ch03_classification.softmax import LEAST, SoftmaxRegression, log_softmax
from common import data, plots
from common.answers import as_floats, check_labels, check_same_shape
from common.claims import beats
from common.data import Images, Table
from common.record import LessonRecord
from common.results import wilson_interval
from common.run import Method, Run
from common.scales import must_be
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 10
FOREST = "random forest"
TEMPERATURE = "temperature of"
FEW = 5  # points: a bin with fewer is not drawn
TINY = np.finfo(float).tiny  # what a probability of 0 counts as where its logarithm is taken

Probabilities = Float[np.ndarray, "n classes"]
Confidence = Float[np.ndarray, "*n"]
Right = Shaped[np.ndarray, "..."]  # true or false for each confidence, or 1 or 0; ValueError for another shape


def bin_of(confidence: Confidence) -> Int[np.ndarray, "*n"]:
    """Which of BINS equal bins of [0, 1] each confidence is in."""
    if not np.all((confidence >= 0) & (confidence <= 1)):
        raise ValueError("a confidence lies in [0, 1]")
    return np.minimum((confidence * BINS).astype(int), BINS - 1)


def calibration_error(confidence: Confidence, right: Right, axis: int = -1) -> Float[np.ndarray, "..."] | float:
    """ECE = Σₖ nₖ/n |right in bin k − confidence there| = Σₖ |Σ (right − confidence)| / n over the points of bin k.

    In [0, 1]. Even calibrated predictions have an ECE above 0 on a finite sample, except where each is sure to be right
    or sure to be wrong: chance alone makes gaps between share and confidence, and all of them count as positive.
    """
    check_same_shape(confidence=confidence, right=right)
    bins, gap = bin_of(confidence), right - as_floats(confidence)
    return sum(np.abs(np.where(bins == k, gap, 0.0).mean(axis=axis)) for k in range(BINS))


def honest_error(confidence: Float[np.ndarray, "n"], draws: int, rng: np.random.Generator) -> float:
    """The mean ECE of calibrated predictions with these confidences: the part of an ECE that is chance alone."""
    right = rng.random((draws, len(confidence))) < confidence
    return float(calibration_error(np.broadcast_to(confidence, right.shape), right).mean())


def murphy(confidence: Float[np.ndarray, "n"], right: Right) -> tuple[float, float, float]:
    """Reliability Σ nₖ/n (fₖ − oₖ)², resolution Σ nₖ/n (oₖ − o)² and uncertainty o (1 − o) (Murphy 1973).

    fₖ: the mean confidence of bin k, oₖ: the share that is right in it, o: in all. The first minus the second plus the
    third is the Brier score of the fₖ, exactly.
    """
    check_same_shape(confidence=confidence, right=right)
    bins = bin_of(confidence)
    count = np.bincount(bins, minlength=BINS)
    forecast, was = (np.bincount(bins, v, BINS) / np.maximum(count, 1) for v in (confidence, right))
    share, overall = count / len(bins), right.mean()
    return float(share @ (forecast - was) ** 2), float(share @ (was - overall) ** 2), float(overall * (1 - overall))


def temper(P: Probabilities, temperature: float) -> Probabilities:
    """P^(1/T), scaled to sum to 1: T > 1 lowers every confidence, T < 1 raises it; the order of the classes stays."""
    must_be("temperature", temperature, open_end=True)
    return np.exp(log_softmax(np.log(np.maximum(P, TINY)) / temperature))


def fit_temperature(P: Probabilities, labels: Shaped[np.ndarray, "..."]) -> float:
    """The T of least log loss on points held out. The loss is convex in 1/T, so there is one minimum.

    Raises ValueError for labels that don't belong to P.
    """
    labels = check_labels(labels, P.shape, P.shape[1], ("labels", "probabilities"))
    logs = np.log(np.maximum(P, TINY))

    def loss(log_t: float) -> float:
        return -float(log_softmax(logs / np.exp(log_t))[np.arange(len(labels)), labels].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-5, 5), method="bounded").x))


def halve_images(part: Images) -> Images:
    """The mean of each 2×2 pixels: a quarter of the numbers, and a digit can still be read."""
    n, height, width = part.images.shape
    small = part.images.reshape(n, height // 2, 2, width // 2, 2).mean(axis=(2, 4))
    return Images(small.astype(np.uint8), part.labels, part.ids)


def judge(method: Method, part: Table, probabilities: Callable) -> Probabilities:
    """Accuracy, log loss, Brier score and ECE of a method's probabilities. Returns the probabilities."""
    found = {}

    def predict(X: Float[np.ndarray, "n m"]) -> Int[np.ndarray, "n"]:
        found["P"] = probabilities(X)
        return found["P"].argmax(axis=1)

    right = method.score(part, predict) == part.labels
    given, confidence = found["P"][np.arange(len(part)), part.labels], found["P"].max(axis=1)
    method.score_items("log loss", -np.log(np.maximum(given, LEAST)), part, unit="nats")
    method.score_items("Brier score", (confidence - right) ** 2, part)
    method.measure("ECE", calibration_error(confidence, right), n=len(part))
    return found["P"]


def draw_reliability(part: Table, predicted: dict[str, Probabilities], tempered: dict[str, Probabilities]) -> Figure:
    """Above: the share right per bin of the confidence, with 95 % intervals. Below: the bins' counts."""
    figure, axes = plots.panels(len(predicted), 2, width=1.9, height=1.75, sharex=True, sharey="row")
    edges = np.linspace(0, 1, BINS + 1)
    for (above, below), name in zip(axes.T, predicted, strict=True):
        above.plot([0, 1], [0, 1], color=plots.GREY, linewidth=1)
        looks = (predicted[name], plots.ORANGE, "as predicted"), (tempered[name], plots.BLUE, "tempered")
        for P, colour, label in looks:
            confidence, right = P.max(axis=1), P.argmax(axis=1) == part.labels
            bins = bin_of(confidence)
            for k in np.flatnonzero(np.bincount(bins) >= FEW):
                found = wilson_interval(int(right[bins == k].sum()), int((bins == k).sum()))
                place = confidence[bins == k].mean()
                above.plot([place, place], [found.low, found.high], color=colour, linewidth=1.2)
                above.plot(place, found.value, "o", color=colour, markersize=4)
            below.hist(confidence, edges, color=colour, alpha=0.55, label=label)
        above.set(title=name, ylim=(0, 1.02))
        below.set(xlabel="confidence", xlim=(0, 1))
    axes[0, 0].set_ylabel("share right")
    axes[1, 0].set_ylabel("digits")
    axes[1, 0].legend(loc="upper left")
    return figure


def forecasters(run: Run) -> dict[str, BaseEstimator]:
    """Six methods, tuned for accuracy; k by log loss, as one neighbour gives every prediction the same confidence."""
    one_split = {"cv": StratifiedShuffleSplit(1, test_size=0.25, random_state=run.seed)}
    rivals = classical_rivals(run, standardise=False, scoring="accuracy", **one_split)
    neighbours = classical_rivals(run, standardise=False, **one_split)["k nearest neighbours"]
    softmax = tuned(SoftmaxRegression(tol=0.01), {"penalty": [0.1, 1.0, 10.0]}, run, "accuracy", **one_split)
    return {
        "softmax": softmax,
        "softmax, λ = 0.01": SoftmaxRegression(0.01, tol=0.1),
        "naive Bayes": rivals["naive Bayes"],
        "k nearest": neighbours,
        FOREST: rivals[FOREST],
        "RBF-SVM, Platt": rivals["RBF-SVM"],
    }


def by_temperature(record: LessonRecord, names: list[str]) -> tuple[list[str], list[str]]:
    """The methods whose temperature is above 1 with its whole interval over the seeds, and those where it is below."""
    found = {name: record.findings()[f"{TEMPERATURE} {name}"][0] for name in names}
    return [n for n in names if found[n].low > 1], [n for n in names if found[n].high < 1]


def lesson(run: Run) -> None:
    mnist = data.mnist(run.scale)
    digits, test = pixels(halve_images(mnist.train), white=255), pixels(halve_images(mnist.test), white=255)
    size, order = run.pick(smoke=500, lecture=2000), run.rng.permutation(len(digits))
    train, held_out = digits.take(order[:size]), digits.take(order[size : size + size // 2])
    predicted, tempered, temperatures = {}, {}, {}
    for name, model in forecasters(run).items():
        kind = "from scratch" if name.startswith("softmax") else "classical"
        with run.method(name, kind=kind) as method:
            method.fit(model, train)
            predicted[name] = judge(method, test, model.predict_proba)
        with run.method(f"{name}, tempered", kind="from scratch") as method:
            temperature = method.time(fit_temperature, model.predict_proba(held_out.features), held_out.labels)
            tempered[name] = judge(method, test, lambda X, m=model, T=temperature: temper(m.predict_proba(X), T))
            temperatures[name] = run.fact(f"{TEMPERATURE} {name}", temperature)
        with run.method(f"{name}, isotonic", kind="classical") as method:
            isotonic = method.fit(CalibratedClassifierCV(FrozenEstimator(model), method="isotonic"), held_out)
            judge(method, test, isotonic.predict_proba)
        run.compare(f"{name}, tempered", name, "log loss")
        run.compare(f"{name}, tempered", f"{name}, isotonic", "log loss")
    for name in ("softmax", FOREST):
        by_chance = honest_error(tempered[name].max(axis=1), 200, run.rng)
        run.fact(f"ECE by chance alone, {name}, tempered", by_chance)
    run.floor("softmax, tempered", "accuracy", at_least=89.5)
    run.floor(f"{FOREST}, tempered", "log loss", at_most=0.275)

    if run.first:
        run.figure(
            "reliability",
            draw_reliability,
            test,
            predicted,
            tempered,
            caption="Above: the share of test digits that are right in each bin of the confidence (bars: 95 % "
            "intervals). A calibrated method lies on the diagonal, an overconfident one below, an underconfident one "
            "above it. Below: how many digits are in each bin.",
        )
        sure = tempered["softmax"].max(axis=1)
        chance = {n: honest_error(run.rng.choice(sure, n), 100, run.rng) for n in (30, 100, 300, 1000, 3000, 10_000)}
        run.figure_over_seeds(
            "corrections",
            draw_corrections,
            {name: murphy(P.max(axis=1), P.argmax(axis=1) == test.labels) for name, P in predicted.items()},
            chance,
            caption="Left: mean log loss as predicted, with a temperature, and with isotonic regression. Middle: the "
            "parts of the Brier score as predicted, under the first seed; red, the reliability, is what a correction "
            "can remove. Right: the ECE of calibrated predictions against the number of test points: it is above 0 by "
            "chance alone.",
        )
    run.note("Temperatures: " + "; ".join(f"{name} {found:.2f}" for name, found in temperatures.items()) + ".")
    run.claim(
        lambda record: "A temperature above 1 shows overconfidence: {}; one below 1 underconfidence: {}.".format(
            *("; ".join(names) or "none" for names in by_temperature(record, list(predicted)))
        ),
        lambda record: any(by_temperature(record, list(predicted))),
    )
    run.claim("The forest: one temperature lowers its log loss.", beats(f"{FOREST}, tempered", FOREST))
