"""Two valleys that are easy to see and hard to go down, and six rules that try.

Question   What does each rule of optimisers.py do where the ground is bent, flat, or steep?
Method     SGD, momentum, Nesterov, AdaGrad, RMSProp and Adam on Rosenbrock's and Beale's functions, gradients by our
           autograd. Each rule gets the learning rate, of the same grid, that ends lowest.
Rival      L-BFGS (Liu and Nocedal 1989), the classical choice where gradients are exact.
Differs    The lecture lists the rules for networks; two variables can be drawn. Gradients are exact, not stochastic.
Costs      2.5 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize

from ch04_backprop.autograd import Tensor
from ch04_backprop.drawings.valleys import draw_valleys
from ch04_backprop.optimisers import OPTIMISERS, Optimiser
from common.run import Run

if TYPE_CHECKING:
    from common.record import LessonRecord

STEPS, SHOWN = 300, 50  # steps of each rule, and the drawn ones
RATES = np.logspace(-5, 0.5, 23)
NEAR = 1e-4  # a distance at which the minimum is reached


def rosenbrock(x: Tensor) -> Tensor:
    """(1 − x₁)² + 100 (x₂ − x₁²)², Rosenbrock 1960: a curved valley with a nearly flat floor. Minimum at (1, 1)."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


def beale(x: Tensor) -> Tensor:
    """Beale 1958: flat plains between steep walls. Minimum at (3, ½)."""
    p = x[1]
    return (1.5 - x[0] * (1 - p)) ** 2 + (2.25 - x[0] * (1 - p**2)) ** 2 + (2.625 - x[0] * (1 - p**3)) ** 2


VALLEYS = {"Rosenbrock": (rosenbrock, (-1.5, 1.5), (1.0, 1.0)), "Beale": (beale, (-1.5, -1.5), (3.0, 0.5))}


def race(
    valley: Callable[[Tensor], Tensor], start: tuple[float, float], rule: type[Optimiser], steps: int
) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, "points"]]:
    """The path of the learning rate that ends lowest: its points and their heights.

    All RATES run at once, one per column, because valleys and rules work elementwise.
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


def descend_by_lbfgs(
    valley: Callable[[Tensor], Tensor], start: tuple[float, float]
) -> tuple[Float[np.ndarray, "steps 2"], list[float]]:
    """SciPy's L-BFGS: its point after every iteration, and the height at each of its evaluations."""
    heights, points = [], [np.array(start)]

    def height_and_slope(at: np.ndarray) -> tuple[float, np.ndarray]:
        x = Tensor(at, requires_grad=True)
        height = valley(x)
        height.backward()
        heights.append(height.item())
        return height.item(), x.grad

    minimize(height_and_slope, start, jac=True, method="L-BFGS-B", callback=lambda at: points.append(at.copy()))
    return np.array(points), heights


def lbfgs_needs_few_gradients(record: LessonRecord, steps: int) -> bool:
    """Whether L-BFGS ended within NEAR of the minimum of each valley after less than a quarter of `steps` gradients."""
    found = {name: value.value for name, (value, _) in record.findings().items()}
    return all(
        found[f"{valley}, L-BFGS: distance from the bottom"] < NEAR
        and found[f"{valley}, L-BFGS: gradients until it stopped"] < steps / 4
        for valley in VALLEYS
    )


def lesson(run: Run) -> None:
    steps = run.pick(smoke=60, lecture=STEPS)
    races: dict[str, dict] = {}
    for valley, (height, start, least) in VALLEYS.items():
        races[valley] = {}
        for name, rule in OPTIMISERS.items():
            points, heights = races[valley][name] = race(height, start, rule, steps)
            run.fact(f"{valley}, {name}: distance from the bottom", float(np.linalg.norm(points[-1] - least)))
        points, heights = races[valley]["L-BFGS"] = descend_by_lbfgs(height, start)
        run.fact(f"{valley}, L-BFGS: gradients until it stopped", len(heights))
        run.fact(f"{valley}, L-BFGS: distance from the bottom", float(np.linalg.norm(points[-1] - least)))
    run.figure(
        "paths",
        draw_valleys,
        races,
        {name: lambda points, valley=valley: valley(Tensor(points)).data for name, (valley, *_) in VALLEYS.items()},
        {name: least for name, (*_, least) in VALLEYS.items()},
        SHOWN,
        caption=f"The first {min(SHOWN, steps)} steps of each rule from the same start (dot), over lines of equal "
        "height; the star marks the minimum. Each rule has the learning rate, of one grid, that ends lowest after "
        f"{steps} steps. Last panel of each valley: the lowest height so far by the number of gradients computed.",
    )
    run.claim(
        "In two dimensions and with exact gradients, L-BFGS reaches the minimum with far fewer gradients than the "
        "other rules take steps.",
        lambda record: lbfgs_needs_few_gradients(record, steps),
    )
