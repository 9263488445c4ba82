"""Two valleys that are easy to see and hard to go down, and six rules that try.

Question   What does each rule of optimisers.py do where the ground is bent, flat, or steep?
Method     SGD, momentum, Nesterov, AdaGrad, RMSProp and Adam on Rosenbrock's and Beale's functions, gradients by our
           autograd. Each rule gets the learning rate, of the same grid, that ends lowest.
Rival      L-BFGS (Liu and Nocedal 1989), the classical choice where gradients are exact.
Differs    The lecture lists the rules for networks; two variables can be drawn. "Stochastic" plays no part yet.
Costs      1 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from ch04_backprop.autograd import Tensor
from ch04_backprop.optimisers import OPTIMISERS, Optimiser
from common import plots
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from common.record import LessonRecord

STEPS = 300
RATES = np.logspace(-5, 0.5, 23)


def rosenbrock(x: Tensor) -> Tensor:
    """(1 − x₁)² + 100 (x₂ − x₁²)², Rosenbrock 1960: a bent valley with a floor that hardly falls. Least at (1, 1)."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def beale(x: Tensor) -> Tensor:
    """Beale 1958: flat plains between steep walls. Least at (3, ½)."""
    p = x[1]
    return (1.5 - x[0] * (1 - p)) ** 2 + (2.25 - x[0] * (1 - p**2)) ** 2 + (2.625 - x[0] * (1 - p**3)) ** 2


VALLEYS = {"Rosenbrock": (rosenbrock, (-1.5, 1.5), (1.0, 1.0)), "Beale": (beale, (-1.5, -1.5), (3.0, 0.5))}


def race(
    valley: Callable[[Tensor], Tensor], start: tuple[float, float], rule: type[Optimiser], steps: int
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points"]]:
    """The way of the learning rate that ends lowest: its points and their heights.

    All of RATES run at once, a column each, for valleys and rules work number by number.
    """
    x = Tensor(np.repeat(np.array(start)[:, None], len(RATES), axis=1), requires_grad=True)
    optimiser, points, heights = rule([x], RATES), [], []
    with np.errstate(all="ignore"):  # some rates are too large, and end at infinity
        for _ in range(steps + 1):
            height = valley(x)
            points.append(x.data.copy())
            heights.append(height.data)
            optimiser.zero_grad()
            height.backward(np.ones(len(RATES)))
            optimiser.step()
    best = np.nanargmin(heights[-1])
    return np.array(points)[:, :, best], np.array(heights)[:, best]


def quasi_newton(
    valley: Callable[[Tensor], Tensor], start: tuple[float, float]
) -> tuple[Float[np.ndarray, "steps 2"], list[float]]:
    """L-BFGS from scipy: where it stood after every iteration, and the height at each of its evaluations."""
    heights, points = [], [np.array(start)]

    def height_and_slope(at: np.ndarray) -> tuple[float, np.ndarray]:
        x = Tensor(at, requires_grad=True)
        height = valley(x)
        height.backward()
        heights.append(height.item())
        return height.item(), x.grad

    minimize(height_and_slope, start, jac=True, method="L-BFGS-B", callback=lambda at: points.append(at.copy()))
    return np.array(points), heights


def draw_race(axes: tuple[Axes, Axes], name: str, paths: dict, least: tuple[float, float]) -> None:
    """One valley: the paths over its contours, and the heights by evaluation."""
    ground, falling = axes
    box = {"Rosenbrock": (-2.1, 2.1, -1.2, 3.0), "Beale": (-2.4, 4.2, -2.4, 2.2)}[name]
    x, y = np.meshgrid(np.linspace(*box[:2], 140), np.linspace(*box[2:], 140))
    height = VALLEYS[name][0](Tensor(np.array([x, y]))).data
    ground.contour(x, y, np.log10(height + 1e-3), levels=14, cmap="Blues_r", linewidths=0.7)
    for (rule, (points, heights)), colour in zip(paths.items(), (*plots.CYCLE, plots.INK), strict=True):
        ground.plot(*points.T, color=colour, linewidth=1.3, label=rule)
        falling.semilogy(np.maximum(np.minimum.accumulate(heights), 1e-12), color=colour, linewidth=1.5)
    ground.plot(*least, "*", color=plots.RED, markersize=12)
    ground.set(title=name, xlim=box[:2], ylim=box[2:], xlabel="x₁", ylabel="x₂")
    ground.grid(visible=False)
    falling.set(title="lowest height so far", xlabel="gradients asked for", ylim=(1e-10, None))


def draw_valleys(races: dict[str, dict]) -> Figure:
    """A row a valley."""
    figure, axes = plots.panels(2, len(races), height=3.3)
    for row, (name, paths) in zip(axes, races.items(), strict=True):
        draw_race(tuple(row), name, paths, VALLEYS[name][2])
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=7)
    return figure


def ends_nearest(record: LessonRecord) -> bool:
    """Whether L-BFGS ended nearer to the minimum of each valley than any rule of optimisers.py."""
    ends = {name: value.value for name, (value, _) in record.findings().items() if "distance" in name}
    return all(
        ends[f"{valley}, L-BFGS: distance from the bottom"] < ends[f"{valley}, {name}: distance from the bottom"]
        for valley in VALLEYS
        for name in OPTIMISERS
    )


def lesson(run: Run) -> None:
    steps = run.pick(smoke=60, lecture=STEPS)
    races: dict[str, dict] = {}
    for valley, (height, start, least) in VALLEYS.items():
        races[valley] = {}
        for name, rule in OPTIMISERS.items():
            points, heights = races[valley][name] = race(height, start, rule, steps)
            run.fact(f"{valley}, {name}: distance from the bottom", float(np.linalg.norm(points[-1] - least)))
        points, heights = races[valley]["L-BFGS"] = quasi_newton(height, start)
        run.fact(f"{valley}, L-BFGS: gradients until it stopped", len(heights))
        run.fact(f"{valley}, L-BFGS: distance from the bottom", float(np.linalg.norm(points[-1] - least)))
    run.figure(
        "paths",
        draw_valleys,
        races,
        caption=f"{steps} steps of each rule at the learning rate, of one grid, that ends lowest, from the same start; "
        "the star marks the minimum. Left: the paths over lines of equal height. Right: the lowest height so far.",
    )
    run.claim(
        "In two dimensions and with exact gradients L-BFGS ends nearer to the minimum than any rule for networks. "
        "Those are made for gradients that are cheap and noisy.",
        ends_nearest,
    )
