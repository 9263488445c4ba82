"""Gradient descent: step downhill again and again. What the learning rate decides, and what momentum is for.

Question   How long should a step be, and what does momentum gain?
Method     Cauchy 1847: θ ← θ − η ∇C. With momentum in the lecture's form, Δ ← α Δ + (1 − α)(−η ∇C) and θ ← θ + Δ.
Rival      Conjugate gradients (Hestenes and Stiefel 1952), which choose step and memory anew each time; and chapter 1's
           way, which solves for the lowest point directly.
Differs    The lecture's Δ is PyTorch's −lr v with v ← μ v + g, if μ = α and lr = (1 − α) η: see `pytorch_settings`. The
           lecture stops where the loss stops decreasing; here, steps are counted until C is CLOSE to its least.
Costs      1 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.sparse.linalg import cg

from common import data, plots
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

CURVATURES = np.array(
    [1.0, 12.0]
)  # of the quadratic along its two axes: the larger limits η, the smaller determines the speed
START = np.array([-9.0, 2.2])
CLOSE = 1e-6  # of the initial C, above the least C

Gradient = Callable[[np.ndarray], np.ndarray]


def descend(
    gradient: Gradient, start: Float[np.ndarray, "d"], learning_rate: float, steps: int, momentum: float = 0.0
) -> Float[np.ndarray, "points d"]:
    """All points of the path: θ ← θ + Δ, with Δ ← α Δ + (1 − α)(−η ∇C) and Δ = 0 at first. α = 0 is Cauchy's recipe."""
    theta, delta, path = start, np.zeros_like(start), [start]
    for _ in range(steps):
        delta = momentum * delta + (1 - momentum) * (-learning_rate * gradient(theta))
        theta = theta + delta
        path.append(theta)
    return np.array(path)


def pytorch_settings(learning_rate: float, momentum: float) -> dict[str, float]:
    """lr and momentum with which torch.optim.SGD follows the lecture's rule: Δ = −lr v, v ← μ v + g.

    Substitute −lr v for Δ: lr v ← α lr v + (1 − α) η g. So μ = α, and lr includes the lecture's factor (1 − α). With
    it, gradients add up to a step of η however large α is; without it, to η / (1 − α).
    """
    return {"lr": (1 - momentum) * learning_rate, "momentum": momentum}


def best_settings(smallest: float, largest: float) -> tuple[float, float]:
    """The (η, α) that reduce the error of a quadratic with these curvatures fastest, in the lecture's form.

    Polyak 1964: μ = ((√κ − 1) / (√κ + 1))² and lr = (2 / (√L + √l))², κ = L / l: the number of
    steps per decimal digit grows with √κ instead of κ.
    """
    low, high = np.sqrt(smallest), np.sqrt(largest)
    momentum = ((high - low) / (high + low)) ** 2
    return float((2 / (high + low)) ** 2 / (1 - momentum)), float(momentum)


def steps_until_close(heights: Float[np.ndarray, "steps"], least: float) -> float:
    """The first step from which C stays within CLOSE of the least; infinity if it never does."""
    far = ~(heights - least <= CLOSE * (heights[0] - least))  # NaN is far, too
    return float("inf") if far[-1] else float(np.flatnonzero(far).max(initial=-1) + 1)


def steps_fall(record: LessonRecord, ways: Iterable[str]) -> bool:
    """Whether each of these methods needed fewer steps than the one before it, in the mean over the seeds."""
    found = record.findings()
    return all(np.diff([found[f"steps until C is close, {name}"][0].value for name in ways]) < 0)


def draw_fates(paths: dict[str, Float[np.ndarray, "steps d"]]) -> Figure:
    """Each path over the contours of ½ Σ λ_i θ_i²."""
    figure, axes = plots.panels(len(paths), width=3.5, height=3.0, sharex=True, sharey=True)
    x, y = np.meshgrid(np.linspace(-10.5, 10.5, 120), np.linspace(-4.2, 4.2, 90))
    bowl = 0.5 * (CURVATURES[0] * x**2 + CURVATURES[1] * y**2)
    for axis, (name, path) in zip(axes, paths.items(), strict=True):
        axis.contour(x, y, bowl, levels=np.geomspace(0.5, 150, 9), colors=plots.GREY, linewidths=0.8)
        axis.plot(*path.T, "o-", color=plots.BLUE, markersize=3, linewidth=1.1)
        axis.plot(0, 0, "x", color=plots.RED, markersize=8, markeredgewidth=2)
        axis.set(title=name, xlim=(-10.5, 10.5), ylim=(-4.2, 4.2), xlabel=r"$\theta_0$")
        axis.grid(visible=False)
    axes[0].set_ylabel(r"$\theta_1$")
    return figure


def draw_cars(heights: dict[str, Float[np.ndarray, "steps"]], least: float) -> Figure:
    """C above its least value, by step, a line per method."""
    figure, axis = plots.panels(width=6.4)
    for name, height in heights.items():
        axis.semilogy(np.maximum(height - least, 1e-12), label=name)
    axis.set(title="Least squares through the cars, step by step", xlabel="step", xscale="symlog", ylim=(1e-8, None))
    axis.set_ylabel("C above the least, mpg²")
    axis.legend()
    return figure


def lesson(run: Run) -> None:
    limit = 2 / CURVATURES.max()

    def bowl_gradient(theta: np.ndarray) -> np.ndarray:
        return CURVATURES * theta

    eta, alpha = best_settings(*CURVATURES)
    paths = {
        "η = 0.05 of the limit: slow": descend(bowl_gradient, START, 0.05 * limit, 25),
        "0.95 of it: it zigzags": descend(bowl_gradient, START, 0.95 * limit, 25),
        "1.15 of it: it diverges": descend(bowl_gradient, START, 1.15 * limit, 4),
        f"momentum, α = {alpha:.2f}": descend(bowl_gradient, START, eta, 25, alpha),
    }

    cars = data.auto_mpg(seed=run.seed).train
    X = (cars.features - cars.features.mean(axis=0)) / cars.features.std(axis=0)
    y = cars.targets - cars.targets.mean()
    hessian, slope = X.T @ X / len(y), X.T @ y / len(y)
    solved, curvatures = np.linalg.solve(hessian, slope), np.linalg.eigvalsh(hessian)
    run.fact("condition number of the cars' Hessian", curvatures[-1] / curvatures[0])

    def cost(theta: np.ndarray) -> np.ndarray | np.floating:
        return 0.5 * np.square(y - theta @ X.T).mean(axis=-1)

    def gradient(theta: np.ndarray) -> np.ndarray:
        return hessian @ theta - slope

    steps, origin = run.pick(smoke=600, lecture=3000), np.zeros(X.shape[1])
    eta, alpha = best_settings(curvatures[0], curvatures[-1])
    ways = {
        "gradient descent": descend(gradient, origin, 2 / (curvatures[0] + curvatures[-1]), steps),
        "momentum": descend(gradient, origin, eta, steps, alpha),
    }
    conjugate = [origin]
    cg(hessian, slope, rtol=1e-12, callback=lambda theta: conjugate.append(theta.copy()))
    ways["conjugate gradients"] = np.array(conjugate)
    least = float(cost(solved))
    heights = {name: cost(way) for name, way in ways.items()}
    taken = {name: min(steps_until_close(height, least), steps) for name, height in heights.items()}
    for name, count in taken.items():
        run.fact(f"steps until C is close, {name}", count)

    run.figure(
        "fates",
        draw_fates,
        paths,
        caption=f"A bowl {CURVATURES.max() / CURVATURES.min():.0f} times as curved across as along: 25 steps, or 4 "
        "where it diverges. Below a learning rate of 2 / curvature every step comes closer, above it every step goes "
        "farther away. Momentum averages out gradients that alternate in sign and adds up those that agree.",
    )
    run.figure(
        "cars",
        draw_cars,
        heights,
        least,
        caption="Seven weights of a plane through the cars: the cost above its minimum, step by step. In theory the "
        "number of steps grows with the condition number for gradient descent, with its square root for momentum, and "
        "is at most the number of weights for conjugate gradients.",
    )
    run.note("Steps until C is close: " + ", ".join(f"{name} {count:.0f}" for name, count in taken.items()) + ".")
    run.claim(
        "The steepest direction limits the learning rate, and the flattest one then needs many steps. Momentum needs "
        "fewer, conjugate gradients fewer still.",
        lambda record: steps_fall(record, ways),
    )
