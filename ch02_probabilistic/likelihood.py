"""Likelihood: three points, 1, 0.5 and 1.5, come from a Gaussian of variance 1. Which mean makes them most probable?

Question   How well does a distribution explain data, and which one explains it best?
Method     The likelihood, a product of densities (Fisher 1922), and its log, a sum: largest at the points' mean.
Rival      A kernel density estimate (Parzen 1962) and a mixture of Gaussians, which assume less, on cars' mileage.
Differs    The lecture moves the Gaussian by hand. So does the first picture; the second shows every position at once.
Costs      6.5 s on two cores, half of it for the picture that moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KernelDensity

from common import data, plots
from common.answers import as_floats
from common.claims import beats
from common.run import Run
from common.scales import warn_of_scale

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = np.array([1.0, 0.5, 1.5])  # the lecture's
VARIANCE = 1.0

Parameter = float | Real[np.ndarray, "..."]


def gaussian_log_density(y: Real[np.ndarray, "*n"], mean: Parameter, variance: Parameter) -> Float[np.ndarray, "*n"]:
    """log N(y; μ, σ²) = −½ log(2πσ²) − (y − μ)² / 2σ², for each point. Raises ValueError for a variance not above 0.

    mean, variance: one for all points, or one each; ValueError for other shapes.
    """
    y, mean, variance = as_floats(y), as_floats(mean), as_floats(variance)
    if not (variance > 0).all():
        raise ValueError("variance must be above 0")
    if np.broadcast_shapes(y.shape, mean.shape, variance.shape) != y.shape:
        raise ValueError(
            f"y has shape {y.shape}, mean {mean.shape}, variance {variance.shape}: one for all, or one each"
        )
    return -0.5 * np.log(2 * np.pi * variance) - (y - mean) ** 2 / (2 * variance)


def gaussian_log_likelihood(y: Real[np.ndarray, "*n"], mean: Parameter, variance: Parameter) -> float:
    """log Π N(yᵢ; μ, σ²) = Σ log N(yᵢ; μ, σ²), the points being independent. In nats.

    mean, variance: one for all points, or one per point.
    """
    return float(gaussian_log_density(y, mean, variance).sum())


def fit_gaussian(y: Float[np.ndarray, "n"]) -> tuple[float, float]:
    """The (mean, variance) of largest likelihood. Setting both derivatives of its logarithm to zero:

    ∂/∂μ = Σ (y − μ) / σ² = 0                    ⇒  μ = ȳ
    ∂/∂σ² = −n / 2σ² + Σ (y − μ)² / 2σ⁴ = 0      ⇒  σ² = Σ (y − ȳ)² / n
    """
    warn_of_scale(y, "the variance, which has the size of their squares, overflows or vanishes")
    return float(y.mean()), float(y.var())


def draw_moving(y: Float[np.ndarray, "n"], means: Float[np.ndarray, "k"], variance: float) -> list[Figure]:
    """A frame per mean: the Gaussian there, the points' densities as stems, the product of the stems traced.

    The first frame, which a printed page shows, has the mean nearest to that of the points.
    """
    ordered = np.roll(means, -int(np.abs(means - y.mean()).argmin()))
    return [draw_frame(y, float(mean), variance, (means.min(), means.max())) for mean in ordered]


def draw_frame(y: Float[np.ndarray, "n"], mean: float, variance: float, ends: tuple[float, float]) -> Figure:
    """One frame of draw_moving. ends: the first and the last mean."""
    figure, (bell, trace) = plots.panels(2, width=3.6, height=2.8)
    x = np.linspace(ends[0] - 1.5, ends[1] + 1.5, 200)
    y = np.sort(y)  # so that the factors stand in the order of the stems
    curve, stems = (np.exp(gaussian_log_density(points, mean, variance)) for points in (x, y))
    bell.fill_between(x, curve, color=plots.BLUE, alpha=0.15, linewidth=0)
    bell.plot(x, curve, color=plots.BLUE)
    bell.vlines(y, 0, stems, color=plots.ORANGE, linewidth=2)
    bell.plot(y, stems, "o", color=plots.ORANGE, markersize=5)
    bell.set(title=rf"$\theta$ = {mean:.2f}", xlabel="y", ylabel="density", ylim=(0, 0.47))

    means = np.linspace(*ends, 200)
    products = np.exp([gaussian_log_likelihood(y, place, variance) for place in means])
    trace.plot(means, products, color=plots.PALE)
    trace.plot(means[means <= mean], products[means <= mean], color=plots.ORANGE)
    trace.plot(mean, stems.prod(), "o", color=plots.RED, markersize=7)
    trace.set_title(" × ".join(f"{stem:.2f}" for stem in stems) + f" = {stems.prod():.4f}")
    trace.set(xlabel=r"$\theta$, the mean", ylabel="likelihood", ylim=(0, 1.15 * products.max()))
    return figure


def draw_likelihood(y: Float[np.ndarray, "n"], variance: float) -> Figure:
    """The likelihood of every mean, and its logarithm: another shape, the same summit."""
    figure, axes = plots.panels(2, height=3)
    means = np.linspace(-1, 3, 200)
    logs = np.array([gaussian_log_likelihood(y, mean, variance) for mean in means])
    best = fit_gaussian(y)[0]
    top = gaussian_log_likelihood(y, best, variance)
    for axis, curve, summit in ((axes[0], np.exp(logs), np.exp(top)), (axes[1], logs, top)):
        axis.plot(means, curve, color=plots.BLUE)
        axis.axvline(best, color=plots.GREY, linestyle=":", linewidth=1)
        axis.plot(best, summit, "o", color=plots.RED, markersize=7)
        axis.set(xlabel=r"$\theta$, the mean")
    axes[0].set_title("Likelihood")
    axes[1].set_title("Its logarithm")
    axes[0].annotate(f"  the points' mean, {best:g}", (best, np.exp(top)), color=plots.RED, va="bottom")
    axes[0].set_ylim(0, np.exp(top) * 1.15)
    return figure


def draw_densities(
    y: Float[np.ndarray, "n"], x: Float[np.ndarray, "k"], densities: dict[str, Float[np.ndarray, "k"]]
) -> Figure:
    """A histogram of the data and each model's density over it."""
    figure, axis = plots.panels(width=6.4, height=3.4)
    axis.hist(y, bins=24, density=True, color=plots.PALE)
    for name, density in densities.items():
        axis.plot(x, density, label=name)
    axis.set(title="Mileage of the training cars", xlabel="miles per gallon", ylabel="density")
    axis.legend()
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    train, test = cars.train.targets, cars.test.targets
    folds = KFold(run.pick(smoke=2, lecture=5), shuffle=True, random_state=run.seed)
    metric = {"metric": "log density per car", "part": cars.test, "unit": "nats", "higher_is_better": True}
    with run.method("Gaussian, maximum likelihood", kind="from scratch") as method:
        mean, variance = method.model = method.time(fit_gaussian, train)
        method.score_items(values=gaussian_log_density(test, mean, variance), **metric)
    with run.method("kernel density", kind="classical") as method:
        search = GridSearchCV(KernelDensity(), {"bandwidth": np.geomspace(0.5, 8, 13)}, cv=folds)
        kernels = method.model = method.time(search.fit, train[:, None]).best_estimator_
        method.score_items(values=kernels.score_samples(test[:, None]), **metric)
    with run.method("Gaussian mixture", kind="classical") as method:
        search = GridSearchCV(GaussianMixture(random_state=run.seed), {"n_components": [1, 2, 3, 4]}, cv=folds)
        mixture = method.model = method.time(search.fit, train[:, None]).best_estimator_
        method.score_items(values=mixture.score_samples(test[:, None]), **metric)
    for rival in ("kernel density", "Gaussian mixture"):
        run.compare("Gaussian, maximum likelihood", rival)
    run.floor("Gaussian, maximum likelihood", "log density per car", at_least=-3.61)

    run.fact("mean of the three points", fit_gaussian(POINTS)[0])
    highest = gaussian_log_likelihood(POINTS, fit_gaussian(POINTS)[0], VARIANCE)
    run.fact("log-likelihood of the three points at their mean", highest, "nats")
    log = run.fact("log-likelihood of the training cars", gaussian_log_likelihood(train, mean, variance), "nats")
    product = float(np.exp(gaussian_log_density(train, mean, variance)).prod())
    run.fact("likelihood of the training cars in floating point", product)
    run.figure(
        "moving",
        draw_moving,
        POINTS,
        np.linspace(-1, 3, run.pick(smoke=2, lecture=21)),
        VARIANCE,
        caption="Left: a Gaussian with mean θ, and its density at the three points as orange stems. Right: the "
        "product of the stems, the likelihood of θ, traced as the Gaussian moves. It is largest at the points' mean.",
    )
    run.figure(
        "likelihood",
        draw_likelihood,
        POINTS,
        VARIANCE,
        caption="The likelihood of every θ, and its logarithm, which is minus a sum of squares and so a parabola. The "
        "red dot is the points' mean, the maximum of both.",
    )
    x = np.linspace(train.min() - 6, train.max() + 6, 300)
    densities = {
        "Gaussian": np.exp(gaussian_log_density(x, mean, variance)),
        "kernel density": np.exp(kernels.score_samples(x[:, None])),
        f"mixture of {mixture.n_components}": np.exp(mixture.score_samples(x[:, None])),
    }
    run.figure(
        "densities",
        draw_densities,
        train,
        x,
        densities,
        caption="Histogram of the training cars' mileage, and the three densities that were fitted to it.",
    )
    run.note(
        f"The product of the {len(train)} cars' densities is {product:g} in floating point, its logarithm {log:.1f}."
    )
    run.claim(
        "A Gaussian is not the best description of mileage: a kernel density and a mixture make test cars more "
        "probable.",
        beats("kernel density", "Gaussian, maximum likelihood"),
        beats("Gaussian mixture", "Gaussian, maximum likelihood"),
    )
