"""Early stopping: the cheapest regulariser, but the digits that it holds out are lost for training.

Question   When should training stop, what is gained, and how is it related to a penalty on the weights?
Method     Compute the loss on held-out digits after each epoch; after `patience` epochs without a smaller loss, restore
           the best one (Goodfellow et al. 2016, §7.8, Algorithm 7.1). If the cost is quadratic, t steps of size η from
           0 give nearly the same as ridge with λ = 1 / ηt (Bishop 1995; Ali et al. 2019): checked on patients.
Rival      Training to the end; and training on all digits for the number of epochs found by stopping (Algorithm 7.2).
Differs    To be fair, the 200 held-out digits are taken from the 1000. The learning rate is constant, because a
           schedule that ends at 0 stops by itself.
Costs      2 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ch04_backprop.digits.few_digits import few_digits, log_losses, log_probabilities, new_network, recipe
from ch04_backprop.gradient_descent import descend
from ch04_backprop.layers import Network
from ch04_backprop.networks.training import accuracy
from ch04_backprop.optimisers import Momentum
from common import data, plots
from common.claims import beats
from common.results import rms
from common.run import Run
from common.scales import must_be

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PATIENCE, EPOCHS, RATE = 5, 40, 0.02
HELD_OUT = 0.2  # share of the training digits
PATIENTS = 40  # so few that least squares overfits
Rows = tuple[np.ndarray, np.ndarray]  # inputs and answers


class EarlyStopping:
    """For Training's each_epoch: True after `patience` epochs without a new least loss.

    loss: computes the network's loss, in prediction mode. losses: after every epoch so far. best: the
    epoch of the least, counted from 1. restore() restores the network's weights of that epoch.
    """

    def __init__(self, network: Network, loss: Callable[[], float], patience: int = PATIENCE) -> None:
        must_be("patience", patience, least=1, whole=True)
        self.network, self.loss, self.patience = network, loss, patience
        self.losses: list[float] = []
        self.best, self.kept = 0, [array.copy() for array in network.state()]

    def __call__(self, epoch: int) -> bool:
        self.losses.append(self.loss())
        if self.losses[-1] < np.nanmin([np.inf, *self.losses[:-1]]):  # NaN is never the least loss
            self.best, self.kept = epoch, [array.copy() for array in self.network.state()]
        return epoch - self.best >= self.patience

    def restore(self) -> None:
        for array, kept in zip(self.network.state(), self.kept, strict=True):
            array[...] = kept


def train_at_constant_rate(
    run: Run, network: Network, part: Rows, epochs: int, each_epoch: Callable = lambda epoch: None
) -> None:
    """Train by the recipe at a constant rate."""
    changes = {"schedule": None, "epochs": epochs, "optimiser": lambda parameters: Momentum(parameters, RATE)}
    recipe(run, each_epoch=each_epoch, **changes)(network, *part, np.random.default_rng([run.seed, 1]))


def mean_loss(network: Network, part: Rows) -> float:
    """The mean log loss on rows with their answers, in nats."""
    x, answers = part
    return float(log_losses(log_probabilities(network, x), answers).mean())


def ridge(
    H: Float[np.ndarray, "m m"], g: Float[np.ndarray, "m"], penalties: Float[np.ndarray, "k"]
) -> Float[np.ndarray, "k m"]:
    """argmin C + λ/2 ‖θ‖² for every λ, (H + λI)⁻¹ g: h / (h + λ) of the way.

    With λ = 1 / ηt that is ηht / (1 + ηht), less than the 1 − (1 − ηh)ᵗ of descent by at most 0.204 of the way if ηh is
    small, 0.227 at ηh = 0.2, the largest here, and 0.5 at ηh = 1.
    """
    return np.linalg.solve(H + penalties[:, None, None] * np.eye(len(g)), g[:, None])[..., 0]


def draw_epochs(
    losses: Float[np.ndarray, "epochs 3"],
    accuracies: Float[np.ndarray, "epochs 3"],
    counts: list[int],
    stopping: EarlyStopping,
) -> Figure:
    """Log losses and accuracies by epoch, of three parts of so many digits; shaded: from the best epoch until patience
    ended."""
    figure, axes = plots.panels(2, height=3.3)
    kinds = ("training", "held out for stopping", "other digits")
    names = [f"{kind} ({count})" for kind, count in zip(kinds, counts, strict=True)]
    for axis, curves in zip(axes, (losses, accuracies), strict=True):
        for name, values, colour in zip(names, curves.T, (plots.GREY, plots.ORANGE, plots.BLUE), strict=True):
            axis.plot(1 + np.arange(len(values)), values, color=colour, label=name)
        axis.axvspan(stopping.best, stopping.best + stopping.patience, color=plots.PALE, alpha=0.7, linewidth=0)
        axis.set_xlabel("epochs")
    axes[0].set(title="Log loss", ylabel="log loss (nats)", ylim=(-0.02, 0.9))
    axes[1].set(title="Accuracy", ylabel="accuracy (%)", ylim=(80, 100.5))
    axes[1].legend(fontsize=8, loc="lower right")
    return figure


def draw_ridge(times: Float[np.ndarray, "k"], stopped: np.ndarray, penalised: np.ndarray, errors: dict) -> Figure:
    """Weights, and errors on held-out patients, by ηt for descent and by 1 / λ for ridge."""
    figure, (paths, axis) = plots.panels(2, height=3.3)
    for number, (solid, dashed) in enumerate(zip(stopped.T, penalised.T, strict=True)):
        colour = plots.CYCLE[number % len(plots.CYCLE)]
        paths.semilogx(times, solid, color=colour, linewidth=1.4)
        paths.semilogx(times, dashed, "--", color=colour, linewidth=1.4)
    paths.set(title="Weights of ten columns", xlabel="ηt, or 1 / λ (dashed)", ylabel="weight")
    for (name, values), style in zip(errors.items(), ("-", "--"), strict=True):
        axis.semilogx(times, values, style, color=plots.INK, label=name)
    axis.set(title="Held-out patients", xlabel="ηt, or 1 / λ", ylabel="RMSE")
    axis.legend()
    return figure


def compare_with_ridge(run: Run) -> tuple:
    """The data of draw_ridge: diabetes patients, PATIENTS of the training part for fitting, the others held out."""
    patients = data.diabetes(seed=run.seed)
    train, held_out = patients.train.take(slice(PATIENTS)), patients.train.take(slice(PATIENTS, None))
    mean, size, middle = train.features.mean(axis=0), train.features.std(axis=0), train.targets.mean()
    x, y = (train.features - mean) / size, train.targets - middle
    H, g = x.T @ x / len(x), x.T @ y / len(x)
    rate = 0.2 / np.linalg.eigvalsh(H)[-1]
    steps = np.unique(np.geomspace(1, run.pick(smoke=100, lecture=20_000), 60).astype(int))
    # Along an eigenvector of H of eigenvalue h, t steps from 0 come 1 − (1 − ηh)ᵗ of the way to the minimum.
    stopped = descend(lambda theta: H @ theta - g, np.zeros(len(g)), rate, int(steps[-1]))[steps]
    penalised = ridge(H, g, 1 / (rate * steps))
    new = (held_out.features - mean) / size
    errors = {
        name: rms((new @ theta.T - (held_out.targets - middle)[:, None]) ** 2, axis=0)
        for name, theta in (("stopped descent", stopped), ("ridge", penalised))
    }
    return rate * steps, stopped, penalised, errors


def lesson(run: Run) -> None:
    few, epochs = few_digits(run, run.seed), run.pick(smoke=3, lecture=EPOCHS)
    answers, kept = few.train.labels, round((1 - HELD_OUT) * len(few.x))
    whole, part, held_out = (few.x, answers), (few.x[:kept], answers[:kept]), (few.x[kept:], answers[kept:])

    def fresh() -> Network:
        return new_network(np.random.default_rng(run.seed))

    with run.method("early stopping", kind="from scratch") as method:
        network = fresh()
        stopping = EarlyStopping(network, lambda: mean_loss(network, held_out))
        method.time(train_at_constant_rate, run, network, part, epochs, stopping)
        stopping.restore()
        few.score(method, network)
    others = {
        "no early stopping": (part, epochs),
        "all digits, no early stopping": (whole, epochs),
        "all digits, best number of epochs": (whole, stopping.best),
    }
    for name, (digits, count) in others.items():
        with run.method(name, kind="from scratch") as method:
            network = fresh()
            method.time(train_at_constant_rate, run, network, digits, count)
            few.score(method, network)
    for name, other in (
        ("early stopping", "no early stopping"),
        ("early stopping", "all digits, no early stopping"),
        ("all digits, best number of epochs", "all digits, no early stopping"),
    ):
        run.compare(name, other)
        run.compare(name, other, "log loss")
    run.floor("all digits, best number of epochs", "accuracy", at_least=88)
    run.fact("best epoch", stopping.best)
    run.fact("epochs saved", epochs - len(stopping.losses))

    if run.first:
        curves, network = [], fresh()
        parts = part, held_out, (few.x_validation, few.validation.labels)

        def look(epoch: int) -> None:
            curves.append([(mean_loss(network, these), accuracy(network, *these)) for these in parts])

        train_at_constant_rate(run, network, part, epochs, look)
        run.figure(
            "epochs",
            draw_epochs,
            *np.moveaxis(curves, 2, 0),
            [len(labels) for _, labels in parts],
            stopping,
            caption="Log loss and accuracy by epoch, on the training digits, on those held out for stopping, and "
            "on others. Shaded: from the best epoch to the one where patience ends.",
        )
    times, stopped, penalised, errors = compare_with_ridge(run)
    for name, values in errors.items():
        run.fact(f"best RMSE of {name} on held-out patients", values.min())
    run.figure(
        "ridge",
        draw_ridge,
        times,
        stopped,
        penalised,
        errors,
        caption=f"{PATIENTS} diabetes patients. Left: ten weights after t steps of descent (solid) and of ridge with "
        "λ = 1 / ηt (dashed). Right: the errors of both on held-out patients.",
    )
    run.note(f"Stopping after epoch {stopping.best} saved {epochs - len(stopping.losses)} of {epochs} epochs.")
    run.claim(
        "Early stopping costs the digits that it holds out: a network trained on these, too, and to the end, is more "
        "accurate.",
        beats("all digits, no early stopping", "early stopping", "accuracy"),
    )
    run.claim(
        "Early stopping makes the network less overconfident: its log loss is smaller than with the same training "
        "digits and no early stopping.",
        beats("early stopping", "no early stopping", "log loss"),
    )
