"""One hidden layer can represent any continuous function, given enough units. What does depth save?

Question   How many units does one hidden layer need for a curve, and are there curves for which layers are cheaper?
Method     Cybenko 1989; Hornik 1991: sums of bumps approximate every continuous function. Two steep sigmoids make a
           bump, three ReLUs a hat. Telgarsky 2016: a tent, 2 ReLUs, applied k times is a sawtooth of 2^k linear
           pieces, while one hidden layer bends at most once per unit.
Rival      k nearest neighbours and a tree, on noisy points of a sawtooth that networks of 241 weights learn too.
Differs    The theorems state that weights exist. Here they are constructed; then gradient descent has to find some.
Costs      3 s on two cores, nearly all of it to train.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from ch04_backprop.layers import Layer, Linear, Network, ReLU, Sigmoid
from ch04_backprop.networks.costs import SquaredError
from ch04_backprop.networks.training import mlp, one_cycle
from ch04_backprop.optimisers import Adam
from common import plots
from common.data import Table
from common.results import rms
from common.run import Run
from common.tuning import choose, tuned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

COUNTS = [16, 32, 64, 128, 256]  # units
STEEP = 40.0  # a sigmoid's rise takes a few 40ths of a bump's width
FOLDS, SHARP = 3, 8  # composed tents: in the curve to learn, and in the count of pieces
SHAPES = {  # layers with 241 weights in total, and whether the first layer's bends are spread over the inputs
    "wide": ((1, 80, 1), True),
    "deep": ((1, 8, 8, 8, 8, 1), True),
    "wide, biases 0": ((1, 80, 1), False),
}
NEIGHBOURS = [1, 2, 3, 5, 8, 12, 20]  # of a point, or the points in a leaf
# NOISE of the points, RATE of Adam at its peak. An RMSE below FOUND · NOISE on held-out points: all teeth are found.
NOISE, RATE, FOUND = 0.1, 0.03, 1.5


def linear(W: Float[np.ndarray, "inputs outputs"], b: Float[np.ndarray, "outputs"]) -> Linear:
    """A linear layer with given weights."""
    layer = Linear(*W.shape, np.random.default_rng(0), dtype=np.float64)
    layer.W.data, layer.b.data = W, b
    return layer


def one_hidden_layer(
    unit: Layer, slope: float, at: Float[np.ndarray, "units"], height: Float[np.ndarray, "units"], start: float
) -> Network:
    """The network start + Σ_i height_i · unit(slope (x − at_i))."""
    hidden = linear(np.full((1, len(at)), slope), -slope * at)
    return Network([hidden, unit, linear(height[:, None], np.array([start]))], SquaredError())


def staircase(f: Callable, units: int) -> Network:
    """Bumps of steep sigmoids on [0, 1], each as high as f in its middle.

    Σ f(m_i) (σ(s (x − t_i)) − σ(s (x − t_{i+1}))). Adjacent bumps share a sigmoid, of height f(m_i) − f(m_{i−1}).
    """
    edges = np.linspace(0, 1, units + 2)
    middles = (edges[:-1] + edges[1:]) / 2
    return one_hidden_layer(Sigmoid(), STEEP * (units + 1), edges[1:-1], np.diff(f(middles)), float(f(middles)[0]))


def polyline(f: Callable, units: int) -> Network:
    """Hats of ReLUs on [0, 1], each as high as f at its top: linear interpolation between knots.

    A hat is three ReLUs; overlapping hats share them, so one unit per knot is left: the change of slope there.
    """
    knots = np.linspace(0, 1, units + 1)
    slopes = np.diff(f(knots)) * units
    return one_hidden_layer(ReLU(), 1.0, knots[:-1], np.diff(slopes, prepend=0.0), float(f(knots)[0]))


def tents(k: int) -> Network:
    """T(x) = 2 max(0, x) − 4 max(0, x − ½), composed k times: k hidden layers of 2 ReLUs."""
    fold, hand_on = np.array([[1.0, 1.0]]), np.array([[2.0], [-4.0]])
    layers: list[Layer] = [linear(fold, np.array([0.0, -0.5])), ReLU()]
    for _ in range(k - 1):
        # One tent's last layer and the next one's first are one matrix.
        layers += [linear(hand_on @ fold, np.array([0.0, -0.5])), ReLU()]
    return Network([*layers, linear(hand_on, np.zeros(1))], SquaredError())


def smooth(x: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    return np.sin(2 * np.pi * x) + 0.5 * np.sin(6 * np.pi * x)


def sawtooth(x: Float[np.ndarray, "n"], k: int = FOLDS) -> Float[np.ndarray, "n"]:
    """A sawtooth of 2^k linear pieces between 0 and 1: the distance of 2^k x to the nearest even number."""
    return 1 - np.abs(1 - np.mod(2.0**k * x, 2))


def count_pieces(y: Float[np.ndarray, "n"]) -> int:
    """The number of monotone pieces of a zigzag."""
    return 1 + int(np.count_nonzero(np.diff(np.sign(np.diff(y)))))


def largest_error(network: Network, f: Callable) -> float:
    """The largest |network − f| over [0, 1]."""
    x = np.linspace(0, 1, 6001)
    return float(np.abs(network.forward(x[:, None])[:, 0] - f(x)).max())


def noisy_points(n: int, rng: np.random.Generator) -> Table:
    """Points of the sawtooth at random places, with noise."""
    x = rng.random(n)
    return Table(x[:, None], sawtooth(x) + NOISE * rng.standard_normal(n), ("x",))


def predict(network: Network, x: Float[np.ndarray, "n 1"]) -> Float[np.ndarray, "n"]:
    return network.forward(2 * x - 1)[:, 0]  # [0, 1] → [−1, 1], centred for the network


def train_on_points(sizes: tuple[int, ...], spread: bool, part: Table, steps: int, rng: np.random.Generator) -> Network:
    """Fit by Adam with all points in every step. spread: the first ReLUs bend all over [−1, 1], not at 0."""
    network = Network(mlp(sizes, rng).layers, SquaredError())
    if spread:  # w x + b bends at −b / w
        network.layers[0].b.data = network.layers[0].W.data[0] * rng.uniform(-1, 1, sizes[1])
    x, y = 2 * part.features - 1, part.targets[:, None]
    optimiser = Adam(network.parameters(), RATE)
    for step in range(steps):
        optimiser.learning_rate = RATE * one_cycle(step / steps)
        network.gradient(x, y)
        optimiser.step()
    return network


def draw_bumps(errors: dict[str, list[float]]) -> Figure:
    """A smooth curve by 16 units of each kind, one bump shaded; and the largest error by the number of units."""
    figure, axes = plots.panels(3, width=3.7, height=3.2)
    x = np.linspace(0, 1, 2001)
    for axis, make, colour in zip(axes, (staircase, polyline), (plots.ORANGE, plots.BLUE), strict=False):
        bump = make(lambda t: np.where(np.abs(t - 0.26) < 0.03, smooth(t), 0.0), 16)
        axis.fill_between(x, bump.forward(x[:, None])[:, 0], color=colour, alpha=0.3, linewidth=0)
        axis.plot(x, smooth(x), color=plots.GREY, linewidth=1)
        axis.plot(x, make(smooth, 16).forward(x[:, None])[:, 0], color=colour)
        axes[2].loglog(COUNTS, errors[make.__name__], "o-", color=colour, label=make.__name__)
    axes[0].set(title="16 steep sigmoids: a staircase", xlabel="x", ylabel="f(x)")
    axes[1].set(title="16 ReLUs: a polyline", xlabel="x")
    axes[2].set_xticks(COUNTS, COUNTS)
    axes[2].minorticks_off()
    axes[2].set(title="Largest error", xlabel="hidden units", ylabel="max |network − f|")
    axes[2].legend()
    return figure


def draw_sawtooth() -> Figure:
    """Tents composed once, twice and three times; and the hidden units needed for 2^k pieces."""
    figure, (teeth, cost) = plots.panels(2, width=4.6, height=2.9)
    x, k = np.linspace(0, 1, 1025), np.arange(1, 11)
    for times, colour in zip((1, 2, 3), (plots.PALE, plots.GREY, plots.ORANGE), strict=True):
        teeth.plot(x, tents(times).forward(x[:, None])[:, 0], color=colour, label=f"{times} × 2 ReLUs")
    cost.loglog(2**k, 2**k, "o-", color=plots.BLUE, label="in one layer")
    cost.loglog(2**k, 2 * k, "o-", color=plots.ORANGE, label="in layers of two")
    teeth.set(title="A tent, folded again and again", xlabel="x", ylim=(0, 1.45))
    cost.set(title="Units for a number of pieces", xlabel="straight pieces", ylabel="hidden ReLUs")
    teeth.legend(ncols=3, fontsize=8, loc="upper center")
    cost.legend()
    return figure


def draw_learned(record: LessonRecord, fitted: dict[str, list[Network]]) -> Figure:
    """Every start's network over the sawtooth; and the number that found all teeth: a dot per seed, a bar the mean."""
    figure, axes = plots.panels(4, width=2.9, height=2.9)
    x = np.linspace(0, 1, 500)
    starts = len(fitted["wide"])
    for place, (name, colour) in enumerate(zip(SHAPES, plots.CYCLE, strict=False)):
        axes[place].plot(x, sawtooth(x), color=plots.GREY, linewidth=1)
        for network in fitted[name]:
            axes[place].plot(x, predict(network, x[:, None]), color=colour, alpha=0.6, linewidth=1.2)
        axes[place].set(title=name, xlabel="x", ylim=(-0.2, 1.2))
        fact_name = f"starts of {starts} that found all teeth, {name}"
        counts = [fact.value for fact in record.facts if fact.name == fact_name]
        axes[3].plot(np.linspace(place - 0.25, place + 0.25, len(counts)), counts, "o", color=colour, markersize=4)
        axes[3].hlines(np.mean(counts), place - 0.35, place + 0.35, color=colour)
    axes[3].set(title="Found all teeth", ylabel=f"starts, of {starts}", xlim=(-0.5, 2.5), ylim=(-0.3, starts + 0.3))
    axes[3].set_xticks(range(3), ["wide", "deep", "biases 0"])
    return figure


def lesson(run: Run) -> None:
    errors = {make.__name__: [largest_error(make(smooth, n), smooth) for n in COUNTS] for make in (staircase, polyline)}
    for name, error in errors.items():
        run.fact(f"largest error with {COUNTS[-1]} units, {name}", error[-1])
        order = -np.polyfit(np.log(COUNTS), np.log(error), 1)[0]
        run.fact(f"order of convergence in the number of units, {name}", order)
    run.figure(
        "bumps",
        draw_bumps,
        errors,
        caption="Sums of bumps, one shaded. Right: the largest error by the number of units. In theory twice the units "
        "halve a staircase's error and quarter a polyline's.",
    )

    k, deep = SHARP, tents(SHARP)
    shallow = polyline(lambda x: sawtooth(x, k), 2**k)
    x = np.linspace(0, 1, 2 ** (k + 2) + 1)[:, None]
    run.fact("pieces of the sawtooth", count_pieces(deep.forward(x)[:, 0]))
    for name, network in (("layers of two", deep), ("one layer", shallow)):
        run.fact(f"hidden units for the sawtooth in {name}", sum(layer.b.data.size for layer in network.layers[:-1:2]))
    run.fact("largest difference of the two networks", np.abs(deep.forward(x) - shallow.forward(x)).max())
    run.figure("sawtooth", draw_sawtooth, caption="A layer of two folds what the last one drew: twice the pieces.")

    train, grid = noisy_points(400, run.rng), np.linspace(0, 1, 1000)
    test = Table(grid[:, None], sawtooth(grid), ("x",))
    fitted, held_out = train.take(slice(300)), train.take(slice(300, 400))
    starts, steps = run.pick(smoke=2, lecture=5), run.pick(smoke=50, lecture=1200)
    networks, misses = {}, {}
    for name, shape in SHAPES.items():
        with run.method(name, kind="from scratch") as method:
            networks[name] = [method.time(train_on_points, *shape, fitted, steps, run.rng) for _ in range(starts)]
            misses[name] = [float(rms((predict(n, held_out.features) - held_out.targets) ** 2)) for n in networks[name]]
            network = method.model = choose(networks[name], misses[name])
            off = method.score(test, predict=lambda x, network=network: predict(network, x)) - test.targets
            method.score_items("absolute error", np.abs(off), test)
    found = {name: sum(miss < FOUND * NOISE for miss in misses[name]) for name in SHAPES}
    for name, starters in found.items():
        run.fact(f"starts of {starts} that found all teeth, {name}", starters)
    rivals = {
        "k nearest neighbours": (KNeighborsRegressor(), "n_neighbors"),
        "tree": (DecisionTreeRegressor(random_state=run.seed), "min_samples_leaf"),
    }
    for name, (model, setting) in rivals.items():
        with run.method(name, kind="classical") as method:
            method.fit(tuned(model, {setting: NEIGHBOURS}, run), train)
            method.score_items("absolute error", np.abs(method.score(test) - test.targets), test)
    for rival in ("deep", "wide, biases 0", *rivals):
        run.compare("wide", rival, "absolute error")
    run.floor("wide", "RMSE", at_most=0.033)
    run.figure_over_seeds(
        "learned", draw_learned, networks,
        caption=f"Networks of 241 weights learn a sawtooth from noisy points: {starts} starts each, of the first seed. "
        "Right: how many starts found all teeth, a dot per seed, a bar for the mean.",
    )  # fmt: skip
    run.note(
        f"On paper depth is cheap: {2 * SHARP} ReLUs draw what {2**SHARP} in one layer do. But weights must be found: "
        f"of {starts} starts each, {found['wide']} wide and {found['deep']} deep networks found all teeth."
    )
