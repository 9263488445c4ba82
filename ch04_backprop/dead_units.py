"""A ReLU that is 0 for every image hands back no delta, so it stays 0. How many units of a network are dead?

Question   "Select a small learning rate, monitor the fraction of dead neurons; if this fails, try leaky ReLU." Is it so?
Method     The monitor: the share of hidden units that no image lifts above 0. A dead unit of ReLU has gradient 0; one of
           leaky ReLU still has a hundredth (Maas et al. 2013) and may come back. Five networks a learning rate.
Rival      Logistic regression, which has nothing that could die.
Differs    A dead unit is dead for these images: should the layers below it move, it may yet wake up.
Costs      6 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.linear_model import LogisticRegression

from ch04_backprop.hidden_units import LeakyReLU, ReLU
from ch04_backprop.layers import Layer, Linear, Network
from ch04_backprop.optimisers import Momentum
from ch04_backprop.training import Pixels, Training, accuracy, minibatches, mlp, predict
from common import data, plots
from common.errors import LossNotFinite
from common.results import Interval, mean_interval
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZES = (784, 64, 64, 10)
UNITS: dict[str, Callable[[], Layer]] = {"ReLU": ReLU, "leaky ReLU": LeakyReLU}
COLOURS = {"ReLU": plots.BLUE, "leaky ReLU": plots.ORANGE}
RATES = [0.02, 0.035, 0.06, 0.1, 0.14, 0.2, 0.28, 0.4]  # of momentum
LARGE = 0.2
REPETITIONS = 5


def dead_share(network: Network, x: Float[np.ndarray, "n inputs"]) -> Float[np.ndarray, "depth"]:
    """For each layer of hidden units, the share of those that are above 0 for none of the inputs."""
    shares = []
    for layer in network.layers:
        x = layer.forward(x)
        if not isinstance(layer, Linear):
            shares.append(np.mean((x <= 0).all(axis=0)))
    return np.array(shares)


@dataclass
class Outcome:
    """What became of the networks of one unit at one learning rate: of those that finished, and how many did not."""

    dead: list[float] = field(default_factory=list)  # %, of all hidden units
    accuracy: list[float] = field(default_factory=list)  # %
    ran_away: int = 0


def network_of(unit: Callable[[], Layer], rng: np.random.Generator) -> Network:
    return mlp(SIZES, rng, hidden=lambda units: [unit()])


def train(network: Network, rate: float, epochs: int, x: Float32[np.ndarray, "n 784"], answers: Int[np.ndarray, "n"], rng: np.random.Generator) -> Network:
    """Momentum with a rate that falls to 0 in a straight line. Raises LossNotFinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        Training(lambda parameters: Momentum(parameters, rate), epochs, schedule=lambda share: 1 - share)(network, x, answers, rng)
    return network
