"""A line runs from −∞ to ∞, a probability from 0 to 1. Which function maps the one to the other?

Question   Why the sigmoid, and not a line that is cut off at 0 and 1? What do θ₀ and θ₁ do to it?
Method     sigm(x) = 1 / (1 + e⁻ˣ) = eˣ / (eˣ + 1), of θ₀ + θ₁x. Its inverse is the logit, log(p / (1 − p)): the model
           is that the log-odds are a line (Berkson 1944). Two Gaussians of one variance imply it exactly.
Rival      The line by least squares, cut off; the probit (Bliss 1934); a staircase of ten bins; two Gaussians fitted
           to the inputs (Fisher 1936).
Differs    The lecture calls the sigmoid "logit" too: that is its inverse. It says that θ₀ shifts and θ₁ scales.
           But half-way is at x = −θ₀ / θ₁, so θ₁ shifts as well, unless θ₀ is 0.
Costs      0.5 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real, Shaped
from scipy import optimize
from scipy.special import log_ndtr, ndtr
from scipy.stats import norm

from ch03_classification.bernoulli import laplace_rule, malignant_as_1, score_probability
from common import data, plots
from common.answers import as_floats, check_labels
from common.run import Run
from common.scales import powers_of_two

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INPUT = "mean radius"  # of the nuclei of a tumour's cells, in pixels of its picture
BINS = 10

Number = float | Shaped[np.ndarray, "*n"]
Theta = Float[np.ndarray, "2"]
Column = Real[np.ndarray, "n"]
Labels = Shaped[np.ndarray, "..."]  # a 0 or a 1 for each point: checked below, with words


def sigmoid(x: Number) -> Number:
    """1 / (1 + e⁻ˣ) where x ≥ 0, eˣ / (eˣ + 1) where x < 0: equal, but either one overflows on the other's side."""
    x = as_floats(x)
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1 + e)


def sigmoid_slope(x: Number) -> Number:
    """σ′(x) = e⁻ˣ / (1 + e⁻ˣ)² = σ(x) (1 − σ(x)), at most ¼, at x = 0. Written σ(x) σ(−x) it keeps its digits."""
    x = as_floats(x)
    return sigmoid(x) * sigmoid(-x)


def log_sigmoid(x: Number) -> Number:
    """log σ(x) = −log(1 + e⁻ˣ), finite for every x. As 1 − σ(x) = σ(−x), the log loss is −log σ(±x), + for y = 1."""
    x = as_floats(x)
    return np.minimum(x, 0.0) - np.log1p(np.exp(-np.abs(x)))


def logit(p: Number) -> Number:
    """log(p / (1 − p)), the log-odds: p = 1 / (1 + e⁻ˣ) solved for x. ∓∞ at 0 and 1. ValueError outside [0, 1]."""
    p = as_floats(p)
    if not np.all((p >= 0) & (p <= 1)):
        raise ValueError("a probability lies in [0, 1]")
    with np.errstate(divide="ignore"):
        return np.log(p) - np.log1p(-p)


def half_way(theta: Theta) -> float:
    """x = −θ₀ / θ₁: there θ₀ + θ₁x = 0, so p = ½, and p rises by θ₁ / 4 for each unit of x."""
    return float(-theta[0] / theta[1])


def fit_curve(log_curve: Callable, x: Column, y: Labels) -> Theta:
    """argmax Σ log Pr(y) with Pr(y = 1) = F(θ₀ + θ₁x). log_curve: log F, for an F with F(−z) = 1 − F(z).

    Raises ValueError unless y is a 0 or a 1 for each x.
    """
    factor, sign = powers_of_two(as_floats(x)), 2 * check_labels(y, x.shape, 2, ("y", "x")) - 1
    x = x / factor
    mean, size = x.mean(), x.std()
    z = (x - mean) / size  # the optimiser works best on an input of size 1; the last line undoes it
    a, b = optimize.minimize(lambda theta: -log_curve(sign * (theta[0] + theta[1] * z)).mean(), np.zeros(2)).x
    return np.array([a - b * mean / size, b / size / factor])


def two_gaussians(x: Column, y: Labels) -> tuple[float, Theta, float]:
    """The share π of class 1, the means μ₀ and μ₁ of x in the classes, and the variance σ² about them (Fisher 1936)."""
    y = check_labels(y, x.shape, 2, ("y", "x"))
    means = np.array([x[y == 0].mean(), x[y == 1].mean()])
    return float(y.mean()), means, float(np.mean((x - means[y]) ** 2))


def gaussian_theta(share: float, means: Theta, variance: float) -> Theta:
    """Where class 1 is N(μ₁, σ²) and class 0 N(μ₀, σ²), Bayes' rule gives class 1, at x, the log-odds

    log(π N(x; μ₁, σ²)) − log((1 − π) N(x; μ₀, σ²)) = logit π − (μ₁² − μ₀²) / 2σ² + x (μ₁ − μ₀) / σ² ,

    a line, as x² / 2σ² stands in both and drops out: the probability of class 1 is a sigmoid, whatever π, μ and σ are.
    """
    slope = (means[1] - means[0]) / variance
    return np.array([logit(share) - slope * means.mean(), slope])


@dataclass(frozen=True)
class Curve:
    """x -> F(θ₀ + θ₁x)."""

    F: Callable
    theta: Theta

    def __call__(self, x: Column) -> Column:
        return self.F(self.theta[0] + self.theta[1] * x)


def clipped_line(x: Column, y: Labels) -> Callable:
    """The least squares line through 0s and 1s, clipped at the least and largest probability of Laplace's rule."""
    slope, offset = np.polyfit(x, check_labels(y, x.shape, 2, ("y", "x")), 1)
    least = laplace_rule(0, len(x))
    return lambda x: np.clip(offset + slope * x, least, 1 - least)


def staircase(x: Column, y: Labels, bins: int = BINS) -> Callable:
    """The share of 1s, by Laplace's rule, in each of several bins that hold equally many points."""
    y = check_labels(y, x.shape, 2, ("y", "x"))
    edges = np.quantile(x, np.linspace(0, 1, bins + 1)[1:-1])
    where = np.digitize(x, edges)
    share = laplace_rule(np.bincount(where, y, bins), np.bincount(where, minlength=bins))
    return lambda x: share[np.digitize(x, edges)]


def draw_shift(shifts: list[float]) -> Figure:
    """θ₀ alone: the same curve, shifted."""
    figure, axis = plots.panels(width=6.4, height=3)
    x = np.linspace(-8, 8, 321)
    for theta_0, colour in zip(shifts, plots.CYCLE, strict=False):
        axis.plot(x, sigmoid(theta_0 + x), color=colour, label=rf"$\theta_0 = {theta_0:g}$")
        axis.plot(half_way(np.array([theta_0, 1.0])), 0.5, "o", color=colour, markersize=6)
    axis.set(title=r"$\theta_0$ shifts, with $\theta_1 = 1$", xlabel="x", ylabel=r"sigm($\theta_0 + \theta_1 x$)")
    axis.legend(loc="upper left")
    return figure


def draw_steepness(slopes: list[float], offset: float) -> Figure:
    """θ₁ alone, with θ₀ = 0 and with another θ₀; the tangent at the half-way point."""
    figure, axes = plots.panels(2, sharey=True)
    x = np.linspace(-6, 8, 281)
    for axis, theta_0 in zip(axes, (0.0, offset), strict=True):
        for theta_1, colour in zip(slopes, plots.CYCLE, strict=False):
            middle = half_way(np.array([theta_0, theta_1]))
            axis.plot(x, sigmoid(theta_0 + theta_1 * x), color=colour, label=rf"$\theta_1 = {theta_1:g}$")
            near = middle + np.array([-1.6, 1.6]) / theta_1
            axis.plot(near, 0.5 + theta_1 / 4 * (near - middle), ":", color=plots.INK, linewidth=1.2)
            axis.plot(middle, 0.5, "o", color=colour, markersize=6)
        axis.set(title=rf"$\theta_1$ steepens, with $\theta_0 = {theta_0:g}$", xlabel="x")
    axes[0].set_ylabel(r"sigm($\theta_0 + \theta_1 x$)")
    axes[0].legend(loc="upper left")
    return figure


def draw_fits(x: Column, y: Labels, curves: dict[str, Callable]) -> Figure:
    """Every method's probability over the data, and the same as log-odds."""
    figure, (shares, odds) = plots.panels(2, height=3.2)
    grid = np.linspace(x.min(), x.max(), 400)
    plots.dots(shares, x, y + np.linspace(-0.03, 0.03, len(y)))
    for (name, curve), colour in zip(curves.items(), plots.CYCLE, strict=False):
        p = curve(grid)
        width = 2.4 if name == "sigmoid" else 1.4
        shares.plot(grid, p, color=colour, linewidth=width, label=name)
        odds.plot(grid, logit(p), color=colour, linewidth=width)
    shares.set(title="Probability of malignant", xlabel=f"{INPUT} (pixels)")
    odds.set(title="Its logit, the log-odds", xlabel=f"{INPUT} (pixels)", ylim=(-8, 10))
    shares.legend(loc="lower right", fontsize=8)
    return figure


def methods() -> dict[str, tuple[str, Callable]]:
    """Name: kind, and how x and y become a curve x -> Pr(y = 1)."""
    return {
        "sigmoid": ("from scratch", lambda x, y: Curve(sigmoid, fit_curve(log_sigmoid, x, y))),
        "probit": ("classical", lambda x, y: Curve(ndtr, fit_curve(log_ndtr, x, y))),
        "two Gaussians": ("classical", lambda x, y: Curve(sigmoid, gaussian_theta(*two_gaussians(x, y)))),
        "least-squares line, clipped": ("classical", clipped_line),
        f"staircase of {BINS} bins": ("classical", staircase),
    }


def lesson(run: Run) -> None:
    tumours = data.breast_cancer(seed=run.seed)
    train, test = (malignant_as_1(part).select(INPUT) for part in (tumours.train, tumours.test))
    x, y = train.features[:, 0], train.labels
    curves = {}
    for name, (kind, fit) in methods().items():
        with run.method(name, kind=kind) as method:
            curve = curves[name] = method.time(fit, x, y)
            method.model = getattr(curve, "theta", None)
            score_probability(method, test, lambda X, curve=curve: curve(X[:, 0]))
        if name != "sigmoid":
            run.compare("sigmoid", name, "log loss")
    run.floor("sigmoid", "log loss", at_most=0.335)
    run.floor("sigmoid", "accuracy", at_least=84)

    theta = curves["sigmoid"].theta
    middle = run.fact("radius at which malignant and benign are equally probable", half_way(theta), "pixels")
    rise = run.fact("slope of the probability at that radius", float(100 * theta[1] / 4), "percentage points per pixel")
    share, means, variance = two_gaussians(x, y)
    grid = np.linspace(x.min(), x.max(), 1000)
    joint = norm.pdf(grid[:, None], means, np.sqrt(variance)) * [1 - share, share]
    gap = joint[:, 1] / joint.sum(axis=1) - curves["two Gaussians"](grid)
    run.fact("largest difference between Bayes' rule on the two Gaussians and a sigmoid", float(np.abs(gap).max()))
    run.figure(
        "shift",
        draw_shift,
        [-4.0, -2.0, 0.0, 2.0, 4.0],
        caption="Five values of θ₀ with θ₁ = 1: the same curve, shifted. Half-way (dots) is at −θ₀ / θ₁, so to the "
        "left for θ₀ > 0.",
    )
    run.figure(
        "steepness",
        draw_steepness,
        [0.5, 1.0, 2.0, 4.0],
        -2.0,
        caption="The slope at half-way is θ₁ / 4 (dotted). Left, θ₀ = 0: a larger θ₁ steepens and does nothing "
        "else. Right, θ₀ = −2: it moves the half-way point too, to 2 / θ₁.",
    )
    run.figure(
        "fits",
        draw_fits,
        x,
        y,
        curves,
        caption="Left: five fitted curves from a radius to the probability of malignant, and the training tumours "
        "(dots, spread out a little). Right: the logit of each curve, in which a sigmoid is a straight line.",
    )
    run.note(
        f"At {middle:.1f} pixels malignant and benign are equally probable; there the probability rises by {rise:.0f} "
        "percentage points per pixel."
    )
