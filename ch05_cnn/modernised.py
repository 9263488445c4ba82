"""Thirty years of improvements, added to the network of 1989 one at a time: which of them helps?

Question   LeNet of 1989 is trained in batches, and then changed step by step into what one would write today. What is
           the effect of each step on the error, and how reliable is it?
Method     A ladder of changes, each on top of those before it, over seeds, with a paired test of every rung against the
           one below: cross-entropy in place of squared error; max(0, z) (Glorot et al. 2011) with the initial weights
           of He et al. 2015; Adam with weight decay (Loshchilov & Hutter 2019); convolutions in today's form, with a
           bias per map and all maps connected; maximum pooling in place of every second pixel; digits that are shifted
           and rotated a little each time. In addition to the ladder: dropout (Srivastava et al. 2014).
Rival      Each rung's is the rung below; the whole ladder's is the network of 1989.
Differs    Few epochs: changes that speed up learning look better here than they would after long training. Learning
           rates were chosen for squared error, cross-entropy and Adam, of three on validation digits; other steps keep
           the rate.
Costs      8 s on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from ch05_cnn.drawings.modernised import draw_ladder
from ch05_cnn.lenet.plan import CLASSES, HIDDEN, KERNEL, MAPS, SIDE, STRIDE
from ch05_cnn.lenet.sixteen_pixels import shrink_ink_box
from ch05_cnn.lenet1989 import (
    BATCH,
    MOMENTUM,
    LeNet1989,
    ScaledTanh,
    initialise,
    read_digits,
    squared_error,
    train_in_batches,
)
from ch05_cnn.models.networks import check_images
from common import data
from common.ablation import BASE, Ablation, draw_differences
from common.augment import Poses
from common.paired import Comparison
from common.run import Run
from common.seeding import build_seeded
from common.train import Training

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

STEPS: dict[str, dict[str, Any]] = {
    "+ cross-entropy": {"cross_entropy": True},
    "+ ReLU": {"relu": True},
    "+ Adam": {"adam": True},
    "+ plain convolutions": {"layers": "plain"},
    "+ max pooling": {"layers": "pooled"},
    "+ moved digits": {"moved": True},
}
TOP = "+ moved digits"
BESIDE = {"+ dropout": {"dropout": 0.2}}  # on the whole ladder
LAYERS = ("1989", "plain", "pooled")
RATES = {"squared error": 0.05, "cross-entropy": 0.05, "Adam": 0.02}  # the best of three each on validation digits
MOVES = Poses(shift=1.0, angle=10.0)


@dataclass(frozen=True)
class Variant:
    """A network and its training. By default: LeNet 1989, trained in batches with momentum.

    layers: "1989" (stride 2, a bias per unit, few maps connected), "plain" (stride 2, a bias per map, all connected) or
    "pooled" (plain with stride 1, and pooling). dropout: the share of dropped units before each dense layer, except for
    the layers of 1989.
    """

    epochs: int = 8
    cross_entropy: bool = False
    relu: bool = False
    adam: bool = False
    layers: str = "1989"
    moved: bool = False
    dropout: float = 0.0

    @property
    def rate(self) -> float:
        """The peak of the learning rate."""
        return RATES["Adam" if self.adam else "cross-entropy" if self.cross_entropy else "squared error"]


class Convolutional(nn.Module):
    """The four layers of 1989 as PyTorch's own: two convolutions, two dense layers."""

    def __init__(self, variant: Variant, squash: nn.Module) -> None:
        super().__init__()
        pooled, drop, stack = variant.layers == "pooled", nn.Dropout(variant.dropout), []
        for before in (1, MAPS):
            stack += [nn.Conv2d(before, MAPS, KERNEL, 1 if pooled else STRIDE, padding=KERNEL // 2), squash]
            stack += [nn.MaxPool2d(STRIDE)] if pooled else []
        stack += [nn.Flatten(), drop, nn.Linear(MAPS * (SIDE // STRIDE**2) ** 2, HIDDEN), squash, drop]
        stack += [nn.Linear(HIDDEN, CLASSES), nn.Identity() if variant.cross_entropy else squash]
        self.layers = nn.Sequential(*stack)
        for layer in layers_with_weights(self):
            initialise(layer)

    def forward(self, x: Float[Tensor, "n channels height width"]) -> Float[Tensor, "n 10"]:
        """Raises ValueError for images of another size."""
        check_images(x, 1, SIDE)
        return self.layers(x)


def layers_with_weights(network: nn.Module) -> list[nn.Module]:
    """The layers with weights."""
    return [layer for layer in network.modules() if isinstance(getattr(layer, "weight", None), nn.Parameter)]


def build_network(variant: Variant) -> nn.Module:
    """The variant's untrained network. Raises ValueError for unknown layers."""
    if variant.layers not in LAYERS:
        raise ValueError(f"layers must be one of {', '.join(LAYERS)}, got {variant.layers!r}")
    squash = nn.ReLU() if variant.relu else ScaledTanh()
    old = variant.layers == "1989"
    whole = LeNet1989(squash, bare=variant.cross_entropy) if old else Convolutional(variant, squash)
    for layer in layers_with_weights(whole) if variant.relu else []:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    return whole


def train_variant(
    variant: Variant,
    images: Float32[np.ndarray, "n 16 16"],
    labels: Int[np.ndarray, "n"],
    seed: int,
    device: Any = "cpu",
) -> nn.Module:
    """Train the variant's network. seed: of its initial weights, its batches and all other randomness."""
    training = Training(
        variant.epochs,
        variant.rate,
        BATCH,
        optimiser=torch.optim.AdamW if variant.adam else partial(torch.optim.SGD, momentum=MOMENTUM),
        loss=nn.functional.cross_entropy if variant.cross_entropy else squared_error,
        half=False,  # these networks are too small to gain from it
        device=device,
    )
    network = build_seeded(partial(build_network, variant), seed)
    return train_in_batches(network, images, labels, training, seed, augment=MOVES if variant.moved else None)


def ladder(steps: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every step combined with all those before it."""
    return dict(zip(steps, accumulate(steps.values(), or_), strict=True))


def summarise_verdicts(comparisons: Sequence[Comparison]) -> str:
    """A sentence that states what helped, what harmed, and what made no significant difference."""
    found: dict[str, list[str]] = {"helps": [], "does harm": [], "no significant difference": []}
    for c in comparisons:
        kind = {c.a: "helps", c.b: "does harm"}.get(c.winner, "no significant difference")
        found[kind].append(f"{c.a.removeprefix('+ ')} ({c.difference:+.1f})")
    return "; ".join(f"{kind}: {', '.join(names)}" for kind, names in found.items() if names)


def steps_and_whole(record: LessonRecord) -> tuple[list[Comparison], Comparison]:
    """The verdicts on every step, dropout's included, and on all steps together, under a separate name."""
    whole = {TOP, BASE}
    steps = [c for c in record.comparisons if {c.a, c.b} != whole]
    (together,) = (c for c in record.comparisons if {c.a, c.b} == whole)
    return steps, replace(together, a="all steps together")


def draw_steps(record: LessonRecord) -> Figure:
    """Draw the effect of each step, and of all together, over all seeds."""
    steps, whole = steps_and_whole(record)
    return draw_differences([*steps, whole])


def errors_of_rungs(record: LessonRecord) -> dict[str, Float[np.ndarray, "seeds"]]:
    """The test error of the base and of every rung under each seed, in %."""
    errors = {name: [] for name in (BASE, *STEPS)}
    for row in record.rows:
        if row.method in errors:
            errors[row.method].append(100 - row.value)
    return {name: np.array(values) for name, values in errors.items()}


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    x, x_test = (shrink_ink_box(part.images) for part in (digits.train, digits.test))

    def experiment(variant: Variant, seed: int) -> tuple[nn.Module, Int[np.ndarray, "n"]]:
        network = train_variant(variant, x, digits.train.labels, seed, run.device)
        return network, read_digits(network, x_test)

    base = Variant(epochs=run.pick(smoke=1, lecture=3, full=12))
    ablation = Ablation(run, digits.test, base, experiment, seeds=run.pick(smoke=1, lecture=2, full=5), kind="deep")
    rungs = ladder(STEPS)
    for name, change in rungs.items():
        ablation.measure(name, **change)
    for name, change in BESIDE.items():
        ablation.measure(name, **rungs[TOP] | change)
    for name, below in zip(rungs, [BASE, *rungs], strict=False):
        ablation.compare(name, below)
    for name in BESIDE:
        ablation.compare(name, TOP)
    ablation.compare(TOP)
    run.floor(TOP, "accuracy", at_least=97.0)

    run.figure_over_seeds(
        "ladder",
        lambda record: draw_ladder(errors_of_rungs(record), BASE),
        caption="Misclassified test digits after every step: dots are seeds, the line their mean.",
    )
    run.figure_over_seeds(
        "differences",
        draw_steps,
        caption="The change of accuracy by each step, against the one before it or the one named, with its 95 % "
        "interval over seeds and test digits. Filled: p < 0.05 after Holm's correction.",
    )
    errors = {name: 100 - np.mean([each.values.mean() for each in ablation.scores[name]]) for name in (BASE, TOP)}
    run.note(
        f"Misclassified test digits: {errors[BASE]:.1f} % before the first step, {errors[TOP]:.1f} % after the last, "
        f"with {base.epochs} epochs either way."
    )
    run.claim(
        lambda record: f"Step upon step, in points of accuracy: {summarise_verdicts(steps_and_whole(record)[0])}.",
        lambda record: any(c.winner for c in record.comparisons),
    )
