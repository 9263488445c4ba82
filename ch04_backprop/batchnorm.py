"""Normalise each unit over the batch to mean 0 and variance 1, then let it learn its own mean and scale.

Question   What is gained if every hidden unit's inputs are standardised, batch by batch, and what does that cost?
Method     Batch normalisation (Ioffe and Szegedy 2015, Algorithm 1), with the gradient that flows back through the
           batch's mean and variance (§3). In prediction, running means over the batches replace the batch's.
Rival      The same network without it, at its own best learning rate.
Differs    The linear layer before it keeps its bias, although the mean removes it again: the bias has gradient 0.
           Running means as in PyTorch, with the unbiased variance; the paper averages over batches after training.
Costs      8 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from ch04_backprop.digits.few_digits import FewDigits, few_digits, recipe
from ch04_backprop.layers import Layer, Linear, Network, Parameter, ReLU, Sigmoid
from ch04_backprop.networks.training import accuracy, mlp
from ch04_backprop.optimisers import Momentum
from common import plots
from common.claims import level
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

SHALLOW, DEEP, DEEPER = (784, 128, 10), (784, *[64] * 5, 10), (784, *[64] * 12, 10)
RATES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
SCALES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
BATCHES = (2, 4, 8, 16, 50)
RATE = 0.05
GOOD_ENOUGH = 80  # % validation accuracy: a rate that reaches it counts as tolerated
TOLERATED = f"largest learning rate that reaches {GOOD_ENOUGH} % validation accuracy"  # a fact


class BatchNorm(Layer):
    """z^{l+1} = γẑ + β, ẑ = (z − μ) / √(σ² + ε), with each unit's μ and σ² over the batch; in prediction, running ones.

    momentum: the newest batch's share of a running mean. measured: the running mean and variance. Raises ValueError for
    a batch of one image, whose variance is 0.
    """

    def __init__(self, units: int, momentum: float = 0.1, epsilon: float = 1e-5, dtype: type = np.float32) -> None:
        if not (0 <= momentum <= 1 and epsilon > 0):
            raise ValueError(f"momentum must be in [0, 1] and epsilon above 0, got {momentum} and {epsilon}")
        self.gamma, self.beta = Parameter(np.ones(units, dtype)), Parameter(np.zeros(units, dtype))
        self.measured = np.zeros(units, dtype), np.ones(units, dtype)  # running mean and variance
        self.momentum, self.epsilon = momentum, epsilon

    def parameters(self) -> list[Parameter]:
        return [self.gamma, self.beta]

    def forward(self, z: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        (mean, variance), n, self.by_batch = self.measured, len(z), self.training
        if self.training:
            if n < 2:
                raise ValueError("a batch of one image has no variance to be normalised by")
            news = z.mean(axis=0), z.var(axis=0)
            mean += self.momentum * (news[0] - mean)
            variance += self.momentum * (n / (n - 1) * news[1] - variance)
            mean, variance = news
        self.deviation = np.sqrt(variance + z.dtype.type(self.epsilon))
        self.normal = (z - mean) / self.deviation
        return self.gamma.data * self.normal + self.beta.data

    def backward(self, delta: Float[np.ndarray, "n units"]) -> Float[np.ndarray, "n units"]:
        """The sum of three paths from z to ẑ: directly, through the variance, and through the mean."""
        direct = delta * self.gamma.data / self.deviation  # ∂C/∂ẑ · ∂ẑ/∂z with fixed μ and σ²
        if not self.by_batch:  # μ and σ² depend on z only if the last forward pass used the batch's
            return direct
        # ∂ẑ_j/∂σ² = −ẑ_j / 2(σ² + ε) and ∂σ²/∂z_i = 2(z_i − μ) / n; ∂ẑ_j/∂μ = −1 / √(σ² + ε) and ∂μ/∂z_i = 1 / n.
        through_variance = -self.normal * (direct * self.normal).mean(axis=0)
        through_mean = -direct.mean(axis=0)  # σ² does not depend on μ, because Σ (z − μ) = 0
        return direct + through_variance + through_mean

    def parameter_gradients(self, delta: Float[np.ndarray, "n units"]) -> None:
        """∂C/∂γ = Σ δ ẑ and ∂C/∂β = Σ δ, over the batch."""
        self.gamma.grad = (delta * self.normal).sum(axis=0)
        self.beta.grad = delta.sum(axis=0)


def relu_only(units: int) -> list[Layer]:
    return [ReLU()]


def batchnorm_then_relu(units: int) -> list[Layer]:
    return [BatchNorm(units), ReLU()]


def relu_then_batchnorm(units: int) -> list[Layer]:
    return [ReLU(), BatchNorm(units)]


PLACES = {
    "no BatchNorm": relu_only,
    "BatchNorm before ReLU": batchnorm_then_relu,
    "BatchNorm after ReLU": relu_then_batchnorm,
}


def train_with(
    run: Run,
    few: FewDigits,
    seed: int,
    hidden: Callable[[int], Sequence[Layer]],
    *,
    sizes: tuple[int, ...] = DEEP,
    rate: float = RATE,
    scale: float = 1.0,
    **changes: Any,
) -> tuple[Network, list[float]]:
    """A network after eight epochs, and its losses: none where they diverged, and the network is put back then.

    scale: factor for all first weights. changes: to the recipe.
    """
    rng = np.random.default_rng(seed)
    network = mlp(sizes, rng, hidden)
    for layer in network.layers:
        if isinstance(layer, Linear):
            layer.W.data *= layer.W.data.dtype.type(scale)
    changes = {"epochs": 8, "optimiser": lambda parameters: Momentum(parameters, rate)} | changes
    changes["epochs"] = run.pick(smoke=1, lecture=changes["epochs"])
    with np.errstate(all="ignore"):  # too large rates or weights overflow, which is what is tested
        return network, recipe(run, **changes).attempt(network, few.x, few.train.labels, rng)


def accuracies(
    run: Run, few: FewDigits, hidden: Callable, settings: Sequence[dict], seeds: Sequence[int]
) -> Float[np.ndarray, "seeds settings"]:
    """The validation accuracy for every seed and setting, in %."""
    networks = [[train_with(run, few, seed, hidden, **setting)[0] for setting in settings] for seed in seeds]
    with np.errstate(all="ignore"):
        return np.array(
            [[accuracy(network, few.x_validation, few.validation.labels) for network in row] for row in networks]
        )


def draw_tolerance(rates: dict[str, np.ndarray], scales: dict[str, np.ndarray]) -> Figure:
    """Validation accuracy by learning rate and by the size of the first weights: mean and range over the seeds."""
    figure, axes = plots.panels(2, width=4.8, height=3.4, sharey=True)
    for axis, found, settings in zip(axes, (rates, scales), (RATES, SCALES), strict=True):
        for name, values in found.items():
            line = axis.semilogx(settings, values.mean(axis=0), "o-", markersize=4, label=name)[0]
            ends = values.min(axis=0), values.max(axis=0)
            axis.fill_between(settings, *ends, color=line.get_color(), alpha=0.15, linewidth=0)
    axes[0].set(title="Learning rate", xlabel="learning rate", ylabel="validation accuracy (%)")
    axes[1].set(title="First weights", xlabel="size, 1 = He et al. 2015")
    axes[0].legend(fontsize=8, loc="lower left")
    return figure


def draw_depth(losses: dict[str, list[float]], batches: dict[str, np.ndarray]) -> Figure:
    """Left: training loss of networks of twelve hidden layers. Right: validation accuracy by batch size."""
    figure, (depth, small) = plots.panels(2, width=4.8, height=3.4)
    for name, values in losses.items():
        smooth = np.convolve(values, np.ones(10) / 10, mode="valid")
        colour = plots.BLUE if "sigmoid" in name else plots.ORANGE
        depth.plot(10 + np.arange(len(smooth)), smooth, "-" if "Norm" in name else "--", color=colour, label=name)
    depth.set(title="Twelve hidden layers", xlabel="step", ylabel="training loss, mean of 10 batches")
    depth.legend(fontsize=8)
    for name, values in batches.items():
        small.semilogx(BATCHES, values.mean(axis=0), "o-", markersize=4, label=name)
    small.set(title="Small batches, one hidden layer", xlabel="images in a batch", ylabel="validation accuracy (%)")
    small.set_xticks(BATCHES, [str(size) for size in BATCHES])
    small.minorticks_off()
    small.legend(fontsize=8)
    return figure


def tolerates_more(record: LessonRecord) -> bool:
    """Whether the largest working rate is larger with BatchNorm, in the mean over the seeds."""
    found = record.findings()
    names = ("BatchNorm before ReLU", "no BatchNorm")
    with_it, without = (found[f"{TOLERATED}, {name}"][0].value for name in names)
    return with_it > without


def lesson(run: Run) -> None:
    few = few_digits(run, run.seed)
    seeds = [int(seed) for seed in np.random.SeedSequence(run.seed).generate_state(run.pick(smoke=1, lecture=3))]
    by_rate = {}
    for name, hidden in PLACES.items():
        with run.method(name, kind="from scratch") as method:
            found = method.time(accuracies, run, few, hidden, [{"rate": rate} for rate in RATES], seeds)
            best = choose(RATES, found.mean(axis=0), highest=True)
            few.score(method, method.time(train_with, run, few, run.seed, hidden, rate=best)[0])
        by_rate[name] = found
        run.fact(f"best learning rate, {name}", best)
        tolerated = [rate for rate, right in zip(RATES, found.mean(axis=0), strict=True) if right >= GOOD_ENOUGH]
        run.fact(f"{TOLERATED}, {name}", max(tolerated, default=0))
    run.compare("BatchNorm before ReLU", "no BatchNorm")
    run.compare("BatchNorm before ReLU", "no BatchNorm", "log loss")
    run.compare("BatchNorm before ReLU", "BatchNorm after ReLU")
    run.floor("BatchNorm before ReLU", "accuracy", at_least=88.3)

    if run.first:
        two = {name: PLACES[name] for name in ("no BatchNorm", "BatchNorm before ReLU")}
        scales = [{"scale": scale} for scale in SCALES]
        small = [{"batch_size": n, "rate": RATE * n / BATCHES[-1], "epochs": 2, "sizes": SHALLOW} for n in BATCHES]
        by_scale, by_batch = (
            {name: accuracies(run, few, hidden, settings, these) for name, hidden in two.items()}
            for settings, these in ((scales, seeds[:2]), (small, seeds[:1]))
        )
        deeper = {
            "sigmoid": lambda units: [Sigmoid()],
            "sigmoid, BatchNorm": lambda units: [BatchNorm(units), Sigmoid()],
            "ReLU": relu_only,
            "ReLU, BatchNorm": batchnorm_then_relu,
        }
        losses = {name: train_with(run, few, run.seed, hidden, sizes=DEEPER)[1] for name, hidden in deeper.items()}
        run.figure(
            "tolerance",
            draw_tolerance,
            by_rate,
            by_scale,
            caption="Five hidden layers: accuracy on validation digits by learning rate and by size of the first "
            "weights. Lines: means over seeds; shaded: from the worst seed to the best.",
        )
        run.figure(
            "depth",
            draw_depth,
            losses,
            by_batch,
            caption="Left: the training loss of networks with twelve hidden layers. Right: accuracy on validation "
            "digits by batch size. The mean and variance of few images are uncertain, and one image has no "
            "variance.",
        )
    run.claim(
        f"With BatchNorm larger learning rates still reach a validation accuracy of {GOOD_ENOUGH} %.",
        tolerates_more,
    )
    run.claim(
        "The lecture puts BatchNorm before the ReLU; after it the accuracy is not significantly different.",
        level("BatchNorm before ReLU", "BatchNorm after ReLU"),
    )
