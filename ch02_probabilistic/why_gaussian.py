"""Where do bell curves come from, and do the errors of real predictions follow one?

Question   Gaussian noise is convenient. Is it also true?
Method     The central limit theorem, by adding up small causes (Lyapunov 1901; its speed: Berry 1941); then the
           residuals of cars and patients against a normal, by Q–Q plot and Shapiro and Wilk's test (1965).
Rival      Student's t and Laplace's distribution, fitted to the same residuals and scored on the same held-out ones.
Differs    The lecture says "reasonably accurate in practice". Here that is measured, on cars and on patients.
Costs      2 s on two cores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy import stats

from ch02_probabilistic.linear_likelihood import GaussianLinearModel
from common import data, plots
from common.data import Table
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CAUSES = [1, 2, 5, 30]
REJECTED = "Shapiro–Wilk rejects normality (1) or not (0)"


def standardised_sums(causes: int, draws: int, rng: np.random.Generator) -> Float[np.ndarray, "draws"]:
    """Sums of this number of independent, skewed (exponential) causes, brought to mean 0 and variance 1."""
    return (rng.exponential(size=(draws, causes)).sum(axis=1) - causes) / np.sqrt(causes)


def distance_to_normal(sample: Float[np.ndarray, "n"]) -> float:
    """sup |F_n − Φ|, Kolmogorov's distance of the sample's distribution function from the normal one."""
    return float(stats.kstest(sample, "norm").statistic)


def normal_quantiles(n: int) -> Float[np.ndarray, "n"]:
    """Where n ordered standard normal values are expected, nearly: Φ⁻¹((i − ⅜) / (n + ¼)), Blom 1958."""
    return stats.norm.ppf((np.arange(1, n + 1) - 0.375) / (n + 0.25))


def residuals(train: Table, test: Table) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "k"]]:
    """Errors of the Gaussian linear model on the part that it was fitted to and on the other, in the fit's σ."""
    model = GaussianLinearModel().fit(train.features, train.targets)
    sigma = np.sqrt(model.unbiased_sigma2_)
    return tuple((part.targets - model.predict(part.features)) / sigma for part in (train, test))


def with_log_targets(part: Table) -> Table:
    """The same table with the logarithm of its target."""
    return replace(part, targets=np.log(part.targets), unit=f"log {part.unit}")


def draw_sums(rng: np.random.Generator, draws: int) -> Figure:
    """Histograms of sums of more and more causes, with the Gaussian that they approach."""
    figure, axes = plots.panels(len(CAUSES), width=2.7, height=2.6, sharey=True, sharex=True)
    x = np.linspace(-4, 4, 200)
    for axis, causes in zip(axes, CAUSES, strict=True):
        axis.hist(standardised_sums(causes, draws, rng), bins=np.linspace(-4, 4, 49), density=True, color=plots.SKY)
        axis.plot(x, stats.norm.pdf(x), color=plots.INK, linewidth=1.4)
        axis.set(title=f"{causes} cause{'s' * (causes > 1)}", xlabel="standardised sum", xlim=(-4, 4))
    axes[0].set_ylabel("density")
    return figure


def draw_quantiles(samples: dict[str, Float[np.ndarray, "_"]]) -> Figure:
    """Q–Q plots: ordered residuals against where a normal would have them. Normal residuals lie on the line."""
    figure, axes = plots.panels(len(samples), width=3.5, height=3.4)
    for axis, (name, sample) in zip(axes, samples.items(), strict=True):
        theory = normal_quantiles(sample.size)
        axis.plot(theory, theory, color=plots.GREY, linewidth=1)
        axis.plot(theory, np.sort(sample), "o", color=plots.BLUE, markersize=3.5, markeredgewidth=0, alpha=0.7)
        p = stats.shapiro(sample).pvalue
        axis.set(title=name, xlabel=f"normal quantile (Shapiro–Wilk p = {p:.1g})")
    axes[0].set_ylabel("residual (in σ)")
    return figure


def lesson(run: Run) -> None:
    draws = run.pick(smoke=5_000, lecture=200_000)
    for causes in CAUSES:
        distance = distance_to_normal(standardised_sums(causes, draws, run.rng))
        run.fact(f"distance from normal, {causes} cause{'s' * (causes > 1)}", distance)

    cars, patients = data.auto_mpg(seed=run.seed), data.diabetes(seed=run.seed)
    fitted, held_out = {}, {}
    for name, train, test in (
        ("Mileage of cars", cars.train, cars.test),
        ("Log mileage of cars", with_log_targets(cars.train), with_log_targets(cars.test)),
        ("Progression of diabetes", patients.train, patients.test),
    ):
        fitted[name], held_out[name] = residuals(train, test)
        run.fact(f"{name}: skewness of residuals", float(stats.skew(fitted[name])))
        run.fact(f"{name}: {REJECTED}", float(stats.shapiro(fitted[name]).pvalue < 0.05))

    for name, family in (
        ("Gaussian residuals", stats.norm),
        ("Laplace residuals", stats.laplace),
        ("Student t residuals", stats.t),
    ):
        with run.method(name, kind="classical") as method:
            method.model = method.time(family.fit, fitted["Mileage of cars"])
            density = family.logpdf(held_out["Mileage of cars"], *method.model)
            method.score_items("log density per car", density, cars.test, unit="nats", higher_is_better=True)
    run.compare("Gaussian residuals", "Laplace residuals")
    run.compare("Gaussian residuals", "Student t residuals")
    run.floor("Student t residuals", "log density per car", at_least=-1.63)

    run.figure(
        "sums",
        draw_sums,
        run.rng,
        draws,
        caption="Histograms of sums of independent exponential causes, brought to mean 0 and variance 1, and the "
        "normal density. The central limit theorem: the more causes, the nearer the sum is to normal, whatever each "
        "one is like.",
    )
    run.figure(
        "quantiles",
        draw_quantiles,
        fitted,
        caption="Q–Q plots: the ordered residuals of the linear model against the quantiles where a normal would have "
        "them. Normal residuals lie on the grey line; a right end above it is a tail longer than the normal's. A "
        "small p rejects normality.",
    )
    run.note(
        "Skewness of the residuals: " + ", ".join(f"{name} {stats.skew(r):.2f}" for name, r in fitted.items()) + "."
    )
    run.claim(
        "Shapiro and Wilk's test rejects normal residuals for mileage under every seed, and for patients under none.",
        lambda record: record.findings()[f"Mileage of cars: {REJECTED}"][0].value == 1,
        lambda record: record.findings()[f"Progression of diabetes: {REJECTED}"][0].value == 0,
    )
