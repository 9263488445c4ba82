"""Forward and backward pass, one delta at a time: the lecture's two-class softmax classifier.

Question   Two measurements, two probabilities: how does the cost at the end influence the weights at the start?
Method     Three layers: linear, softmax and log-likelihood. δ⁴ = ∂C/∂C = 1, and each layer computes the δ before it
           from the δ after it; then the lecture's recipe: forward, backward, update θ, repeat.
Rival      Logistic regression, fitted by L-BFGS: softmax of two classes is the same model, with twice the weights.
Differs    The lecture's classifier has a θ_0 and a θ_1, the weights of either class, and so do we; the biases, which it
           hides in a column of ones, are separate here.
Costs      0.2 s on two cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped

from ch04_backprop.layers import Linear, LogLikelihood, Network, Softmax
from common import data, plots
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEARNING_RATE, STEPS = 1.0, 300


def two_class_softmax(inputs: int, rng: np.random.Generator) -> Network:
    """The lecture's example: only its first layer has parameters, a θ_0 and a θ_1, the weights of the two classes."""
    return Network([Linear(inputs, 2, rng, std=0.01, dtype=np.float64), Softmax()], LogLikelihood())


def descend_on_all(
    network: Network, x: Float[np.ndarray, "n inputs"], answers: Shaped[np.ndarray, "n ..."], rate: float, steps: int
) -> Iterator[float]:
    """θ ← θ − η ∂C/∂θ over all points. Yields the cost before each step, and after the last: `steps` + 1 numbers. At
    each of them the parameters store its gradient."""
    for _ in range(steps):
        yield network.gradient(x, answers)
        for parameter in network.parameters():
            parameter.data -= rate * parameter.grad
    yield network.gradient(x, answers)


def train_classifier(network: Network, x: Float[np.ndarray, "n inputs"], answers: Int[np.ndarray, "n"]) -> list[float]:
    """Take STEPS steps over all points. Returns the cost before each of them, and after the last."""
    return list(descend_on_all(network, x, answers, LEARNING_RATE, STEPS))


def draw_deltas(x: Float[np.ndarray, "1 2"], answer: int, network: Network) -> Figure:
    """The network's layers side by side, for one point: z above each connection, and δ, which flows back, below it."""
    linear, softmax = network.layers
    z = [x, linear.forward(x)]
    z.append(softmax.forward(z[1]))
    cost = network.cost.forward(z[2], np.array([answer]))
    delta_3 = network.cost.backward()
    delta_2 = softmax.backward(delta_3)
    delta = [linear.backward(delta_2), delta_2, delta_3]

    figure, axis = plots.panels(width=9.6, height=2.3)
    axis.set(xlim=(-0.7, 6.7), ylim=(0.1, 1.8))
    axis.axis("off")
    names = ("layer 1\nlinear", "layer 2\nsoftmax", f"layer 3\n$-\\log\\, z^3_{answer + 1}$")
    for place, name in zip((1, 3, 5), names, strict=True):
        axis.text(place, 0.95, name, ha="center", va="center", bbox={"boxstyle": "round,pad=0.7", "fc": "white"})
    for number, place in enumerate((0, 2, 4, 6)):
        left, right = place - 0.42, place + 0.42
        for ends, height, colour in (((left, right), 1.1, plots.BLUE), ((right, left), 0.8, plots.ORANGE)):
            arrow = {"arrowstyle": "-|>", "color": colour, "lw": 1.6}
            axis.annotate("", xy=(ends[1], height), xytext=(ends[0], height), arrowprops=arrow)
        z_text, delta_text = [f"$z^4 = C = {cost:.3f}$"], [r"$\delta^4 = 1$"]
        if number < 3:
            z_text = [f"$z^{number + 1}_{k + 1} = {z[number][0, k]:.3f}$" for k in (0, 1)]
            delta_text = [rf"$\delta^{number + 1}_{k + 1} = {delta[number][0, k]:.3f}$" for k in (0, 1)]
        axis.text(place, 1.25, "\n".join(z_text), ha="center", va="bottom", color=plots.BLUE)
        axis.text(place, 0.65, "\n".join(delta_text), ha="center", va="top", color=plots.ORANGE)
    return figure


def lesson(run: Run) -> None:
    from sklearn.linear_model import LogisticRegression

    tumours = data.breast_cancer(seed=run.seed)
    train, test = (part.select("mean radius", "mean texture") for part in (tumours.train, tumours.test))
    mean, deviation = train.features.mean(axis=0), train.features.std(axis=0)
    with run.method("two-class softmax, deltas", kind="from scratch") as method:
        network = method.model = two_class_softmax(2, run.rng)
        costs = method.time(train_classifier, network, (train.features - mean) / deviation, train.targets)
        ours = method.score(test, predict=lambda x: network.forward((x - mean) / deviation).argmax(axis=1))
    with run.method("logistic regression", kind="reference") as method:
        method.fit(LogisticRegression(C=np.inf), train)
        reference = method.score(test)
    run.fact("test tumours on which both agree", 100 * np.mean(ours == reference), "%")
    run.fact(f"cost after {STEPS} steps, as a share of the first", costs[-1] / costs[0])
    run.floor("two-class softmax, deltas", "accuracy", at_least=85)

    wrong = int(np.flatnonzero(ours != test.targets)[0])
    run.figure(
        "deltas",
        draw_deltas,
        (test.features[wrong : wrong + 1] - mean) / deviation,
        int(test.targets[wrong]),
        network,
        caption="A tumour that the fitted network gets wrong. z runs forward (blue), δ = ∂C/∂z back (orange). Only "
        "the right class has a δ³; softmax turns it into two δ² that cancel, for the two z² compete.",
    )
    difference = network.layers[0].W.data @ (1, -1)
    run.note(
        f"Only θ_0 − θ_1 = ({difference[0]:.2f}, {difference[1]:.2f}) counts: adding the same vector to both changes "
        "nothing. Logistic regression keeps only that difference, and so needs half the numbers."
    )
