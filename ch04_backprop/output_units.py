"""The last unit and the loss belong together: joined, they are simple and stable, and their gradient is the error.

Question   A network ends in plain numbers. How do they become a quantity, a probability, or several that sum to 1?
Method     Linear, sigmoid and softmax units, each with the log-likelihood of its distribution (Gaussian, Bernoulli,
           categorical). Joined, each has the same delta: (prediction − answer) / N. (Bridle 1990; Bishop 1995, §6.)
Rival      The same units with the squared error; logarithms taken after the exponentials; ridge on one-hot labels.
Differs    The lecture draws softmax and log-likelihood as two layers, as in layers.py; here they are one, in
           networks/costs.py.
Costs      9 s on two cores, nearly all of it to choose learning rates.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.linear_model import RidgeClassifier

from ch04_backprop.deltas import descend_on_all
from ch04_backprop.layers import Linear, Network, Sigmoid, Softmax
from ch04_backprop.networks.costs import (
    OneHotSquaredError,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SquaredError,
    log_sum_exp,
)
from ch04_backprop.networks.training import Pixels, by_momentum, choose_rate, mlp, predict
from common import data, plots
from common.run import Run
from common.tuning import tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATE, STEPS = 0.3, 300  # of gradient descent, for the tumours
RATES = [0.01, 0.03, 0.1, 0.3]  # of momentum, for the digits

Curve = tuple[list[float], list[float]]


def naive_log_loss(z: Float[np.ndarray, "n"]) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """C = −log σ(z) of points whose answer is 1, and ∂C/∂z = ∂C/∂p · ∂p/∂z, computed literally, step by step."""
    with np.errstate(all="ignore"):
        p = 1 / (1 + np.exp(-z))
        return -np.log(p), -1 / p * (p * (1 - p))


def first_failures(dtype: type) -> dict[str, int]:
    """The first whole number at which each step of the naive way fails."""
    z = np.arange(1000, dtype=dtype)
    with np.errstate(all="ignore"):
        lower = Softmax().forward(np.stack([-z, 0 * z], axis=1))[:, 0]
        failures = {
            "e^z is infinite from z =": np.isinf(np.exp(z)),
            "softmax is 0, its logarithm −∞, for a logit below the largest by": lower == 0,
            "−log σ(z) is 0 from z =": naive_log_loss(z)[0] == 0,
        }
    return {what: int(failed.argmax()) for what, failed in failures.items()}


def follow_descent(
    network: Network, x: Float[np.ndarray, "n m"], answers: Shaped[np.ndarray, "n ..."], rate: float
) -> Curve:
    """Gradient descent on all points. After 0, 1, … STEPS steps: the accuracy in %, and the length of ∂C/∂W."""
    unit, right, length = network.layers[0], [], []
    for _ in descend_on_all(network, x, answers, rate, STEPS):
        right.append(100 * float(np.mean((unit.forward(x) > 0).ravel() == answers.ravel())))
        length.append(float(np.linalg.norm(unit.W.grad)))
    return right, length


def relearn(x: Float[np.ndarray, "n m"], answers: Int[np.ndarray, "n"], run: Run) -> dict[str, Curve]:
    """Train one sigmoid unit on inverted answers; then train copies of it on the true ones."""
    misled = Network([Linear(x.shape[1], 1, run.rng, std=0.01, dtype=np.float64)], SigmoidCrossEntropy())
    follow_descent(misled, x, 1 - answers, rate=10 * RATE)
    curves = {"log loss": follow_descent(deepcopy(misled), x, answers, RATE)}
    for name, rate in (("squared error", RATE), ("squared error, 100 × the rate", 100 * RATE)):
        squared = Network([*deepcopy(misled.layers), Sigmoid()], SquaredError())
        curves[name] = follow_descent(squared, x, answers[:, None], rate)
    return curves


def draw_numbers() -> Figure:
    """A point's loss, the loss's relative error, and its slope, against the logit of the right class, in float32."""
    figure, (loss, digits, slope) = plots.panels(3, width=3.5, height=3.1)
    z = np.linspace(-120, 30, 601, dtype=np.float32)
    (naive, naive_slope), joined, unit = naive_log_loss(z), np.logaddexp(0, -z), Sigmoid()
    residual = unit.forward(z[:, None])[:, 0] - 1
    loss.plot(z, joined, color=plots.BLUE, label="joined")
    loss.plot(z, np.where(np.isfinite(naive), naive, np.nan), "--", color=plots.ORANGE, label="naive")
    slope.plot(z, residual, color=plots.BLUE, label="log loss, joined")
    slope.plot(z, naive_slope, "--", color=plots.ORANGE, label="log loss, naive")
    slope.plot(z, unit.backward(residual[:, None])[:, 0], color=plots.RED, label="squared error")
    for axis, height, text in ((loss, 30, "∞"), (slope, -0.5, "NaN")):
        axis.axvspan(-120, -88.7, color=plots.ORANGE, alpha=0.12, linewidth=0)
        axis.text(-104, height, text, color=plots.ORANGE, ha="center", weight="bold")
    right = z > 0
    exact = np.log1p(np.exp(-z[right].astype(float)))
    for values, style, colour in ((joined, "-", plots.BLUE), (naive, "--", plots.ORANGE)):
        error = np.maximum(np.abs(values[right] / exact - 1), 1e-9)
        digits.semilogy(z[right], error, style, color=colour, linewidth=1.4)
    loss.set(title="Log loss", ylabel="loss (nats)")
    digits.set(title="Digits lost where the unit is right", ylabel="relative error of the loss")
    slope.set(title="Gradient of one point", ylabel="∂C/∂z")
    figure.supxlabel("logit of the right class", fontsize=10)
    loss.legend(loc="upper right")
    slope.legend(loc="center", fontsize=8)
    return figure


def draw_recovery(curves: dict[str, Curve]) -> Figure:
    """Accuracy and length of the gradient, by the number of steps taken."""
    figure, axes = plots.panels(2)
    for (name, curve), colour in zip(curves.items(), (plots.BLUE, plots.RED, plots.ORANGE), strict=True):
        for axis, values in zip(axes, curve, strict=True):
            axis.plot(values, color=colour, label=name)
            axis.set_xscale("symlog", linthresh=1)  # a logarithm from 1 on, with room for 0
            axis.set(xlabel="steps taken", xlim=(0, STEPS))
    axes[0].set(title="After training on inverted labels", ylabel="accuracy (%)")
    axes[1].set(title="Length of the gradient", ylabel="‖∂C/∂W‖", yscale="log")
    axes[1].legend(loc="lower left")
    return figure


def lesson(run: Run) -> None:
    for dtype in (np.float32, np.float64):
        for what, logit in first_failures(dtype).items():
            run.fact(f"{dtype.__name__}: {what}", logit)
    run.figure(
        "numbers",
        draw_numbers,
        caption="One point in float32. Computed naively, the log loss overflows where the unit is most wrong, its "
        "slope becomes NaN, and digits are lost where it is right. The squared error's slope vanishes where it errs.",
    )
    tumours = data.breast_cancer(seed=run.seed).train
    x = (tumours.features - tumours.features.mean(axis=0)) / tumours.features.std(axis=0)
    curves = relearn(x, tumours.labels, run)
    for name, (right, _) in curves.items():
        run.fact(f"accuracy after {STEPS} steps, {name}", right[-1], "%")
    run.figure(
        "recovery",
        draw_recovery,
        curves,
        caption="A sigmoid unit has learned the opposite of every label, and now learns the labels themselves: "
        "accuracy and length of the gradient, by the number of steps taken, for each loss.",
    )

    digits, epochs = data.mnist(run.scale), run.pick(smoke=1, lecture=6)
    test, pixels = digits.test, Pixels.of(digits.train.images)
    x, labels = pixels(digits.train.images), digits.train.labels
    fitted, held_out = ((pixels(part.images), part.labels) for part in digits.split(seed=run.seed))

    def train_network(
        cost: SquaredError | SoftmaxCrossEntropy, rate: float, x: np.ndarray, labels: np.ndarray
    ) -> Network:
        rng = np.random.default_rng(run.seed)
        network = Network(mlp((784, 64, 10), rng).layers, cost)
        by_momentum(rate, epochs, batch_size=32).attempt(network, x, labels, rng)
        return network

    def choose_and_train(cost: SquaredError | SoftmaxCrossEntropy) -> Network:
        rate = choose_rate(lambda rate: train_network(cost, rate, *fitted), RATES, held_out)
        return train_network(cost, rate, x, labels)

    softmax, squared, linear = "softmax, log loss", "softmax, squared error", "linear, squared error"
    costs = {softmax: SoftmaxCrossEntropy(), squared: OneHotSquaredError(Softmax()), linear: OneHotSquaredError()}
    for name, cost in costs.items():
        with run.method(name, kind="from scratch") as method:
            network = method.model = method.time(choose_and_train, cost)
            method.score(test, predict=lambda images, network=network: predict(network, pixels(images)))
            if name != linear:  # whose outputs are not probabilities
                z = network.forward(pixels(test.images))
                losses = (log_sum_exp(z) - z)[np.arange(len(z)), test.labels]
                method.score_items("log loss", losses, test, unit="nats")
    with run.method("ridge on one-hot labels", kind="classical") as method:
        ridge = method.model = tuned(RidgeClassifier(), {"alpha": [10.0, 100.0, 1e3, 1e4]}, run, scoring="accuracy")
        method.time(ridge.fit, x, labels)
        method.score(test, predict=lambda images: ridge.predict(pixels(images)))
    for rival in (squared, linear, "ridge on one-hot labels"):
        run.compare(softmax, rival)
    run.compare(softmax, squared, "log loss")
    run.floor(softmax, "accuracy", at_least=94.6)
    run.note(
        f"A unit that begins confident and wrong has, after {STEPS} steps, an accuracy of "
        f"{curves['log loss'][0][-1]:.0f} % with the log loss and {curves['squared error'][0][-1]:.0f} % with the "
        "squared error."
    )
