"""A few tumours, all of them benign. Does it follow that malignant ones do not exist?

Question   How probable is a 1, given only a row of 0s and 1s, and what does a wrong probability cost?
Method     Pr(y) = hʸ (1 − h)¹⁻ʸ, and independent tosses multiply. The product is largest at h = k / n; −log of it is
           the log loss. Laplace's estimate (1774) is (k + 1) / (n + 2), the mean under a uniform prior.
Rival      A fair coin, which uses no data. For the uncertainty of k / n, Wald's interval against Wilson's (1927).
Differs    In the data 1 is benign. Here, and in the lessons that build on this one, 1 is malignant.
Costs      2 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int64, Real
from scipy.special import xlog1py, xlogy

from common import data, plots
from common.answers import as_floats
from common.claims import beats
from common.data import Table
from common.results import wilson_interval
from common.run import Method, Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEW = 5  # tumours
CERTAIN = np.finfo(float).eps  # scikit-learn's log_loss reads a 0 or a 1 as this far from it

Number = float | Real[np.ndarray, "..."]  # arrays broadcast


def malignant_as_1(part: Table) -> Table:
    """The same tumours labelled 1 = malignant, 0 = benign: they come coded the other way round."""
    return replace(part, targets=1 - part.labels)


def likelihood(h: Number, k: Number, n: Number) -> Number:
    """Π Pr(y) = hᵏ (1 − h)ⁿ⁻ᵏ: how probable a coin of Pr(1) = h makes n tosses, k of them 1, in the order they fell."""
    return h**k * (1 - h) ** (n - k)


def log_loss(y: Number, p: Number) -> Number:
    """−log Pr(y) = −y log p − (1 − y) log(1 − p) for each item, in nats: infinite if p excludes y.

    p: the predicted probability of y = 1. y: 0 or 1; or a share of 1s or their true probability, and it is the mean
    log loss, also called cross entropy. Raises ValueError where p or y is outside [0, 1].
    """
    if not all(np.all((np.asarray(value) >= 0) & (np.asarray(value) <= 1)) for value in (y, p)):
        raise ValueError("y and p must lie in [0, 1]")
    y, p = as_floats(y), as_floats(p)
    return 0.0 - xlogy(y, p) - xlog1py(1 - y, -p)  # 0 log 0 = 0: what was certain costs nothing


def entropy(p: Number) -> Number:
    """The mean log loss of predicting p where p is true: any other prediction has a larger one (Gibbs' inequality)."""
    return log_loss(p, p)


def maximum_likelihood(k: Number, n: Number) -> Number:
    """k / n. The log-likelihood k log h + (n − k) log(1 − h) is concave, so it is largest where its slope is 0:

    ∂/∂h = k / h − (n − k) / (1 − h) = 0    ⇒    k (1 − h) = (n − k) h    ⇒    h = k / n
    """
    return k / n


def laplace_rule(k: Number, n: Number) -> Number:
    """(k + 1) / (n + 2), never 0 and never 1: as if a toss of each kind had been seen before the first.

    A uniform prior times the likelihood is the density of Beta(k + 1, n − k + 1), and this is its mean.
    """
    return (as_floats(k) + 1) / (as_floats(n) + 2)


def outcomes(n: int, share: float) -> tuple[Int64[np.ndarray, "counts"], Float[np.ndarray, "counts"]]:
    """How many 1s n tosses may show, 0 … n, and how probable each count is."""
    from scipy.stats import binom

    k = np.arange(n + 1)
    return k, binom.pmf(k, n, share)


def expected_log_loss(estimate: Callable, n: int, share: float, y: Real[np.ndarray, "items"]) -> np.ndarray:
    """Each item's log loss, (items,), under the estimate from n tosses, averaged over all outcomes of these."""
    k, chance = outcomes(n, share)
    return chance @ log_loss(y, np.clip(estimate(k, n), CERTAIN, 1 - CERTAIN)[:, None])


def wald_interval(k: int, n: int) -> tuple[float, float]:
    """p ± 1.96 s with p = k / n and s² = p (1 − p) / n: a point where all tosses are alike."""
    p = k / n
    half = 1.96 * np.sqrt(p * (1 - p) / n)
    return p - half, p + half


def coverage(interval: Callable, n: int, truths: Float[np.ndarray, "ps"]) -> Float[np.ndarray, "ps"]:
    """How often the interval from n tosses contains the true p, for each p. interval: (k, n) -> (low, high)."""
    low, high = np.array([interval(k, n) for k in range(n + 1)]).T
    return np.array([outcomes(n, p)[1] @ ((low <= p) & (p <= high)) for p in truths])


def score_probability(method: Method, part: Table, probability: Callable) -> None:
    """Accuracy and log loss of predicted probabilities. probability: (n, m) features -> (n,) of label 1."""
    method.score(part, lambda X: (probability(X) >= 0.5).astype(np.int64))
    p = np.clip(probability(part.features), CERTAIN, 1 - CERTAIN)
    method.score_items("log loss", log_loss(part.labels, p), part, unit="nats")


def draw_likelihood(y: Int64[np.ndarray, "n"], counts: list[int]) -> Figure:
    """The likelihood of every h after each number of tosses, scaled to a maximum of 1; and −log of it per toss."""
    figure, (narrow, loss) = plots.panels(2, height=3)
    h = np.linspace(0.001, 0.999, 999)
    for n, colour in zip(counts, plots.CYCLE, strict=False):
        share = float(y[:n].mean())
        excess = log_loss(share, h) - entropy(share)
        narrow.plot(h, np.exp(-n * excess), color=colour, label=f"{y[:n].sum()} of {n}")
        loss.plot(h, log_loss(share, h), color=colour)
        loss.plot(share, entropy(share), "o", color=colour, markersize=6)
    narrow.set(title="Likelihood, scaled to a maximum of 1", xlabel="h, the probability of malignant")
    loss.set(title="−log of it per tumour", xlabel="h, the probability of malignant", ylabel="nats", ylim=(0.4, 1.4))
    narrow.legend(title="malignant", loc="upper right")
    return figure


def draw_log_loss(share: float, sizes: list[int], costs: dict[str, list[float]]) -> Figure:
    """The log loss against the predicted probability; and that of estimates, against how many tumours they use."""
    figure, (surprise, learning) = plots.panels(2)
    p = np.linspace(0.002, 0.998, 499)
    surprise.plot(p, log_loss(1, p), color=plots.RED, label="of a malignant tumour")
    surprise.plot(p, log_loss(0, p), color=plots.BLUE, label="of a benign tumour")
    surprise.plot(p, log_loss(share, p), "--", color=plots.INK, label=f"mean, {100 * share:.0f} % malignant")
    surprise.plot(share, entropy(share), "o", color=plots.INK, markersize=7)
    surprise.set(title="Log loss", xlabel="predicted probability of malignant", ylabel="nats", ylim=(0, 4))
    surprise.legend(loc="upper center")
    for name, values in costs.items():
        learning.plot(sizes, values, label=name)
    learning.axhline(entropy(share), color=plots.GREY, linestyle=":", linewidth=1)
    learning.set(title="After few tumours", xlabel="tumours seen", ylabel="expected log loss (nats)", ylim=(0.64, 0.9))
    learning.set_xscale("log")
    learning.set_xticks(ticks := [1, 2, 5, 10, 20, 50], [str(n) for n in ticks])
    learning.minorticks_off()
    learning.legend()
    return figure


def draw_coverage(p: Float[np.ndarray, "ps"], covered: dict[str, Float[np.ndarray, "ps"]], n: int) -> Figure:
    """How often 95 % intervals contain the true p."""
    figure, axis = plots.panels(width=6.4, height=3)
    axis.axhline(95, color=plots.GREY, linewidth=1)
    for (name, share), colour in zip(covered.items(), (plots.ORANGE, plots.BLUE), strict=True):
        axis.plot(p, 100 * share, color=colour, linewidth=1.4, label=name)
    axis.set(
        title=f"Intervals from {n} tosses", xlabel="the true p", ylabel="intervals that contain p (%)", ylim=(50, 101)
    )
    axis.legend(loc="lower center")
    return figure


def lesson(run: Run) -> None:
    tumours = data.breast_cancer(seed=run.seed)
    train, test = malignant_as_1(tumours.train), malignant_as_1(tumours.test)
    share, all_of_them = float(train.labels.mean()), len(train)
    estimates = {"k / n": maximum_likelihood, "Laplace's rule": laplace_rule}
    for n in (FEW, all_of_them):
        for name, estimate in estimates.items():
            with run.method(f"{name}, {n} tumours", kind="from scratch") as method:
                losses = expected_log_loss(estimate, n, share, test.labels)
                method.score_items("log loss", losses, test, unit="nats")
    with run.method("fair coin", kind="classical") as method:
        method.score_items("log loss", log_loss(test.labels, 0.5), test, unit="nats")
    run.compare(f"Laplace's rule, {FEW} tumours", f"k / n, {FEW} tumours")
    run.compare(f"Laplace's rule, {FEW} tumours", "fair coin")
    run.compare(f"k / n, {all_of_them} tumours", "fair coin")
    run.floor(f"Laplace's rule, {FEW} tumours", "log loss", at_most=0.755)

    run.fact("share of malignant tumours, training", 100 * share, "%")
    run.fact(
        "entropy of the test tumours, the least log loss of a constant", entropy(float(test.labels.mean())), "nats"
    )
    chance = 100 * (share**FEW + (1 - share) ** FEW)
    alike = run.fact(f"probability that {FEW} tumours are all of one kind", chance, "%")
    many = np.arange(1, 2000)
    gone = many[np.argmax(likelihood(share, share * many, many) == 0)]
    run.fact("number of tumours at which the likelihood underflows to 0", int(gone))

    sizes, truth = list(range(1, run.pick(smoke=10, lecture=81))), np.array([share])
    costs = {name: [expected_log_loss(rule, n, share, truth)[0] for n in sizes] for name, rule in estimates.items()}
    costs["fair coin"] = [float(log_loss(1, 0.5))] * len(sizes)
    p, tosses = np.linspace(0.01, 0.99, run.pick(smoke=25, lecture=393)), 20
    intervals = {"k / n ± 1.96 s (Wald)": wald_interval, "Wilson": lambda k, n: wilson_interval(k, n).ends[1:]}
    covered = {name: coverage(interval, tosses, p) for name, interval in intervals.items()}
    for name, kept in covered.items():
        run.fact(f"mean coverage of 95 % intervals from {tosses} tosses, {name}", 100 * float(kept.mean()), "%")
    run.figure(
        "likelihood",
        draw_likelihood,
        run.rng.permutation(train.labels),
        [FEW, 20, 100, all_of_them],
        caption="Left: the likelihood of every h after four numbers of tumours; it narrows around k / n. Right: minus "
        "its logarithm, per tumour, is the mean log loss. Its lowest point is the same k / n (dots), and its height "
        "there the entropy.",
    )
    run.figure(
        "log_loss",
        draw_log_loss,
        share,
        sizes,
        costs,
        caption="Left: the log loss of a predicted probability, if the tumour is malignant (red), if it is benign "
        "(blue), and on average (dashed), which is least at the true share (dot). A wrong prediction of 0.01 costs "
        f"{log_loss(1, 0.01):.1f} nats, one of 0 is infinite. Right: the expected log loss of each estimate against "
        "the number of tumours that it uses; dotted, the entropy. A sample of only one kind makes k / n predict "
        f"0 or 1, and a wrong one of these counts as {-np.log(CERTAIN):.0f} nats here.",
    )
    run.figure(
        "coverage",
        draw_coverage,
        p,
        covered,
        tosses,
        caption=f"How often a 95 % interval from {tosses} tosses contains the true p, against p; the grey line is 95 "
        "%. Near 0 and 1 the tosses are often all alike, and then Wald's interval is a point. This course's tables "
        "give Wilson's with an accuracy.",
    )
    run.note(f"In {alike:.0f} % of samples of {FEW} tumours all are of one kind, and k / n excludes the other kind.")
    run.claim(
        f"After {FEW} tumours Laplace's rule has a lower log loss than k / n.",
        beats(f"Laplace's rule, {FEW} tumours", f"k / n, {FEW} tumours"),
    )
