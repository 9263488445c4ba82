"""Finite differences: change a weight, evaluate the cost, undo it; slow, and the check of every fast gradient.

Question   Is a gradient right, and what would it cost without a better way to compute it?
Method     Central differences, (C(θ + h) − C(θ − h)) / 2h: the error is O(h²), by the third derivative, and O(ε/h),
           because a computer rounds; h is best near h = ε^⅓ (Press et al. 2007, §5.7). A gradient of P weights needs 2P
           evaluations.
Rival      Backpropagation: one forward and one backward pass, for any number of weights.
Differs    The lecture does not check its deltas; here they are checked before they are used.
Costs      0.5 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from ch04_backprop.layers import Linear, LogLikelihood, Network, Sigmoid, Softmax
from common import data, plots
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = 1e-5  # near ε^⅓ in double precision
HIDDEN = (2, 8, 32)


def finite_differences(
    cost: Callable[[], float], values: Float[np.ndarray, "*shape"], step: float = STEP
) -> Float[np.ndarray, "*shape"]:
    """(C(θ_i + h) − C(θ_i − h)) / 2h for every number of values, an array that is changed in place and restored.

    The loop is the point: each number takes two evaluations of the whole C.
    """
    slope = np.empty_like(values)
    for i in np.ndindex(values.shape):
        kept = values[i]
        values[i] = kept + step
        above = cost()
        values[i] = kept - step
        slope[i] = (above - cost()) / (2 * step)
        values[i] = kept
    return slope


def relative_error(a: Float[np.ndarray, "*shape"], b: Float[np.ndarray, "*shape"]) -> float:
    """The relative error ‖a − b‖ / ‖b‖."""
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def sigmoid_network(inputs: int, hidden: int, rng: np.random.Generator) -> Network:
    """A network inputs – hidden sigmoids – ten classes, in double precision."""
    first, last = (Linear(*sizes, rng, dtype=np.float64) for sizes in ((inputs, hidden), (hidden, 10)))
    return Network([first, Sigmoid(), last, Softmax()], LogLikelihood())


def compare_gradients(
    network: Network, x: Float[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"], step: float = STEP
) -> tuple[float, float, float]:
    """The relative error of finite differences against the deltas, and seconds: (error, differences, deltas)."""
    fast = []
    for _ in range(5):  # too short for a single timing
        start = time.perf_counter()
        network.gradient(x, answers)
        fast.append(time.perf_counter() - start)
    parameters = network.parameters()
    deltas = np.concatenate([p.grad.ravel() for p in parameters])

    def cost() -> float:
        return network.cost.forward(network.forward(x), answers)

    start = time.perf_counter()
    slopes = [finite_differences(cost, p.data, step) for p in parameters]
    slow = time.perf_counter() - start
    return relative_error(np.concatenate([s.ravel() for s in slopes]), deltas), slow, float(np.median(fast))


def draw_error_and_cost(
    steps: Float[np.ndarray, "s"], errors: list[float], weights: list[int], seconds: dict[str, list[float]]
) -> Figure:
    """Left: the error of the differences by step size. Right: the seconds of a gradient by the number of weights."""
    figure, (wrong, dear) = plots.panels(2)
    wrong.loglog(steps, errors, "o-", color=plots.BLUE, markersize=4)
    wrong.set(title="Error of central differences", xlabel="step h", ylabel="relative error")
    wrong.axvline(np.finfo(float).eps ** (1 / 3), color=plots.GREY, linestyle="--", linewidth=1)
    wrong.annotate(r"$\varepsilon^{1/3}$", (np.finfo(float).eps ** (1 / 3) * 1.4, max(errors) / 3), color=plots.GREY)
    for name, taken in seconds.items():
        dear.loglog(weights, taken, "o-", label=name, markersize=5)
    dear.set(title="What one gradient takes", xlabel="weights of the network", ylabel="seconds")
    dear.set_xticks(weights, [f"{n:,}" for n in weights])
    dear.set_xticks([], minor=True)
    dear.legend()
    return figure


def lesson(run: Run) -> None:
    digits = data.digits(seed=run.seed).train.take(slice(50))
    x, answers = digits.images.reshape(50, -1) / 16, digits.labels
    steps = np.logspace(-11, 0, run.pick(smoke=3, lecture=12))
    small = sigmoid_network(64, HIDDEN[0], run.rng)
    errors = [compare_gradients(small, x, answers, float(step))[0] for step in steps]
    run.fact("relative error at the best step", min(errors))

    networks = [sigmoid_network(64, hidden, run.rng) for hidden in run.pick(smoke=HIDDEN[:2], lecture=HIDDEN)]
    races = [compare_gradients(network, x, answers) for network in networks]
    weights = [sum(p.data.size for p in network.parameters()) for network in networks]
    run.fact(f"finite differences over backpropagation, seconds, {weights[-1]:,} weights", races[-1][1] / races[-1][2])
    run.fact(f"relative error between the two, {weights[-1]:,} weights", races[-1][0])
    run.figure(
        "error_and_cost",
        draw_error_and_cost,
        steps,
        errors,
        weights,
        {"finite differences": [r[1] for r in races], "backpropagation": [r[2] for r in races]},
        caption="Left: the relative error by the step h; dashed: ε^⅓, near which theory has the best step. Large steps "
        "err because the cost bends, small ones because numbers are rounded. Right: seconds for one gradient. Finite "
        "differences evaluate the cost twice per weight; backpropagation needs one forward and one backward pass for "
        "all weights.",
    )
    run.note(
        f"Differences and deltas agree to {-np.log10(min(errors)):.0f} digits; for {weights[-1]:,} weights the deltas "
        f"are {races[-1][1] / races[-1][2]:,.0f} times as fast. The tests hold every layer against differences."
    )
