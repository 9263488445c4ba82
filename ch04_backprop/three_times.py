"""One network, written three times: deltas by hand, our autograd, PyTorch. Do they take the same steps?

Question   Frameworks hide the backward pass. Does it contain anything that the last lessons have not shown?
Method     784–128–10 with ReLU and the softmax cross entropy, in double precision. The same initial weights, the same
           batches in the same order, plain SGD: three loss curves that may differ by rounding only.
Rival      Each of the other two. The race against classical methods is the next lesson.
Differs    PyTorch stores a linear layer's weights as (outputs, inputs), so they are transposed. In single precision a
           ReLU's input is sometimes rounded to the other side of 0, and curves separate: facts state how far.
Costs      5 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int, Shaped

from ch04_backprop.autograd import Tensor
from ch04_backprop.layers import Network
from ch04_backprop.networks.training import Pixels, minibatches, mlp, predict
from ch04_backprop.optimisers import SGD
from common import data, plots
from common.answers import check_labels
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZES = (784, 128, 10)
LEARNING_RATE, BATCH, EPOCHS = 0.1, 256, 5
Batch = tuple[Float[np.ndarray, "n pixels"], Int[np.ndarray, "n"]]
Weights = list[Float[np.ndarray, "..."]]  # W₁, b₁, W₂, b₂


def by_deltas(weights: Weights) -> tuple[Callable[[Batch], float], Network]:
    """A step that takes a batch and returns its loss, with layers that each have a backward pass."""
    network = mlp(SIZES, np.random.default_rng(0))
    for parameter, values in zip(network.parameters(), weights, strict=True):
        parameter.data = values.copy()
    optimiser = SGD(network.parameters(), LEARNING_RATE)

    def step(batch: Batch) -> float:
        loss = network.gradient(*batch)
        optimiser.step()
        return loss

    return step, network


def cross_entropy(z: Tensor, answers: Shaped[np.ndarray, "..."]) -> Tensor:
    """−(1/N) Σ log softmax(z)_y, with the largest z shifted to 0, as output_units.py explains.

    Raises ValueError for labels that don't belong to z.
    """
    answers = check_labels(answers, z.shape, z.shape[1])
    z = z - z.data.max(axis=1, keepdims=True)
    log_p = z - z.exp().sum(axis=1, keepdims=True).log()
    return -log_p[np.arange(len(answers)), answers].mean()


def by_autograd(weights: Weights) -> Callable[[Batch], float]:
    """The same step by autograd, without any derivative."""
    W1, b1, W2, b2 = parameters = [Tensor(values.copy(), requires_grad=True) for values in weights]
    optimiser = SGD(parameters, LEARNING_RATE)

    def step(batch: Batch) -> float:
        x, answers = batch
        loss = cross_entropy((x @ W1 + b1).relu() @ W2 + b2, answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def by_pytorch(weights: Weights) -> Callable[[Batch], float]:
    """The same step in PyTorch."""
    import torch
    from torch import nn

    network = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10)).to(torch.from_numpy(weights[0]).dtype)
    with torch.no_grad():
        for parameter, values in zip(network.parameters(), weights, strict=True):
            parameter.copy_(torch.tensor(values.T))
    optimiser = torch.optim.SGD(network.parameters(), LEARNING_RATE)

    def step(batch: Batch) -> float:
        x, answers = map(torch.from_numpy, batch)
        loss = nn.functional.cross_entropy(network(x), answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        return loss.item()

    return step


def batches(x: np.ndarray, answers: np.ndarray, epochs: int, seed: int) -> Iterator[Batch]:
    """The same batches for every caller with the same seed."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        for batch in minibatches(len(x), BATCH, rng):
            yield x[batch], answers[batch]


def draw_curves(losses: dict[str, Float[np.ndarray, "steps"]]) -> Figure:
    """Left: the curves over each other. Right: the distances of two of them from the third."""
    figure, (same, apart) = plots.panels(2)
    for width, (name, values) in zip((6, 3.5, 1.2), losses.items(), strict=True):
        same.plot(values, linewidth=width, label=name)
    reference = losses["PyTorch"]
    for name in ("deltas by hand", "our autograd"):
        gap = np.maximum(np.abs(losses[name] - reference), 1e-17)
        apart.semilogy(gap, "o", markersize=2.5, label=f"{name} − PyTorch")
    same.set(title="Loss of each batch", xlabel="step", ylabel="cross entropy (nats)")
    apart.set(title="Differences from PyTorch", xlabel="step", ylabel="nats", ylim=(1e-17, 1e-3))
    apart.axhline(1e-4, color=plots.GREY, linestyle="--", linewidth=1, label="10⁻⁴ nats, for comparison")
    for axis in (same, apart):
        axis.legend()
    return figure


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    pixels = Pixels.of(digits.train.images)
    x, answers = pixels(digits.train.images), digits.train.labels
    epochs, drawn = run.pick(smoke=1, lecture=EPOCHS), mlp(SIZES, np.random.default_rng(run.seed)).parameters()
    for kind in (np.float32, np.float64):
        weights = [parameter.data.astype(kind) for parameter in drawn]
        by_hand, network = by_deltas(weights)
        writings = {"deltas by hand": by_hand, "our autograd": by_autograd(weights), "PyTorch": by_pytorch(weights)}
        given = list(batches(x.astype(kind), answers, epochs, run.seed))
        losses = {name: np.array([step(batch) for batch in given]) for name, step in writings.items()}
        for name in ("deltas by hand", "our autograd"):
            gap = float(np.abs(losses[name] - losses["PyTorch"]).max())
            run.fact(f"{kind.__name__}: largest difference of loss from PyTorch, {name}", gap, "nats")
    with run.method("deltas by hand", kind="from scratch") as method:
        method.model = network
        method.score(digits.test, predict=lambda images: predict(network, pixels(images)))
    run.floor("deltas by hand", "accuracy", at_least=91.6)
    run.figure(
        "curves",
        draw_curves,
        losses,
        caption="Left: the loss of every batch for three programs in double precision, drawn over each other. Right: "
        "how far the first two are from PyTorch.",
    )
    run.claim(
        "The three programs differ by rounding only: PyTorch's backward pass holds nothing that the last lessons have "
        "not shown. From chapter 5 on, PyTorch does it for us.",
        lambda record: all(gap.value < 1e-12 for name, (gap, _) in record.findings().items() if "float64" in name),
    )
