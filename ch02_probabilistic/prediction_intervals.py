"""A forecast says "31 miles, give or take 6". How often should it be right, and how often is it?

Question   The coverage of a 95 % interval can be counted on cars held out. Which methods reach 95 %, also among
           light cars, and with which width?
Method     The Gaussian interval ŷ ± t s √(1 + leverage) (Seber and Lee 2003, §5.3), of mileage and of its logarithm.
Rival      Quantile regression (Koenker and Bassett 1978), and split conformal prediction (Lei et al. 2018), which
           guarantees coverage under any distribution but needs cars of its own to calibrate on.
Differs    Coverage is counted over all held-out cars, and over the lightest and the heaviest third. Neither a high
           coverage nor a small width is good by itself, so methods are compared by the interval score (Gneiting and
           Raftery 2007).
Costs      0.9 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats
from sklearn.linear_model import QuantileRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ch02_probabilistic.linear_likelihood import GaussianLinearModel
from common import data, plots
from common.answers import check_same_shape
from common.claims import beats
from common.data import Table
from common.results import Interval, bootstrap_interval, wilson_interval
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVEL = 0.95
Ends = tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]  # low and high, in the target's unit


def gaussian_interval(train: Table, X: Float[np.ndarray, "n m"], level: float) -> Ends:
    """ŷ ± t(N − M − 1) · standard deviation of a new y: exact under independent Gaussian noise of one variance."""
    model = GaussianLinearModel().fit(train.features, train.targets)
    mean, std = model.predict(X, return_std=True)
    t = stats.t.ppf((1 + level) / 2, model.degrees_of_freedom_)
    return mean - t * std, mean + t * std


def log_gaussian_interval(train: Table, X: Float[np.ndarray, "n m"], level: float) -> Ends:
    """The same for log y, its ends taken back through exp: an interval in per cent, wide where y is large."""
    low, high = gaussian_interval(Table(train.features, np.log(train.targets), train.names), X, level)
    return np.exp(low), np.exp(high)


def quantile_interval(train: Table, X: Float[np.ndarray, "n m"], level: float) -> Ends:
    """Two planes, one for the low and one for the high quantile: neither a Gaussian nor one variance for all."""
    ends = []
    for quantile in ((1 - level) / 2, (1 + level) / 2):
        plane = make_pipeline(StandardScaler(), QuantileRegressor(quantile=quantile, alpha=0.0))
        ends.append(plane.fit(train.features, train.targets).predict(X))
    return np.minimum(*ends), np.maximum(*ends)


def conformal_interval(train: Table, X: Float[np.ndarray, "n m"], level: float) -> Ends:
    """Fit half of the cars; the ⌈level (n + 1)⌉-th smallest miss on the other half is the half-width (Lei, §2.2)."""
    half = len(train) // 2
    fitted, calibration = train.take(slice(half)), train.take(slice(half, None))
    model = GaussianLinearModel().fit(fitted.features, fitted.targets)
    misses = np.sort(np.abs(model.predict(calibration.features) - calibration.targets))
    rank = int(np.ceil(level * (len(misses) + 1)))
    width = misses[rank - 1] if rank <= len(misses) else np.inf
    mean = model.predict(X)
    return mean - width, mean + width


METHODS: dict[str, tuple[str, Callable[..., Ends]]] = {
    "Gaussian": ("from scratch", gaussian_interval),
    "Gaussian on log mileage": ("from scratch", log_gaussian_interval),
    "quantile planes": ("classical", quantile_interval),
    "split conformal": ("classical", conformal_interval),
}


def contains(ends: Ends, y: Shaped[np.ndarray, "..."]) -> np.ndarray:
    """Which y lie inside, (n,) of bool. Raises ValueError unless there is an interval for each y."""
    check_same_shape(low=ends[0], high=ends[1], y=y)
    return (ends[0] <= y) & (y <= ends[1])


def interval_score(ends: Ends, y: Float[np.ndarray, "n"], level: float) -> Float[np.ndarray, "n"]:
    """(u − l) + 2/α (l − y)⁺ + 2/α (y − u)⁺ with α = 1 − level: the width, and a penalty for each y outside.

    Eq. (43), Gneiting and Raftery 2007, §6.2, in the unit of y. Its expectation is least where l and u are the true
    quantiles α/2 and 1 − α/2, so both a too wide and a too narrow interval score worse.
    """
    low, high = ends
    return (high - low) + 2 / (1 - level) * (np.maximum(low - y, 0) + np.maximum(y - high, 0))


def coverage(hits: np.ndarray) -> Interval:
    """Their share in per cent, with Wilson's interval."""
    share = wilson_interval(int(hits.sum()), hits.size)
    return Interval(100 * share.value, 100 * share.low, 100 * share.high)


def draw_bands(train: Table, test: Table, x: Float[np.ndarray, "k"]) -> Figure:
    """Test cars and each method's band over weight; cars outside in red."""
    figure, axes = plots.panels(len(METHODS), width=2.95, height=3.0, sharex=True, sharey=True)
    for axis, (name, (_, interval)) in zip(axes, METHODS.items(), strict=True):
        axis.fill_between(x, *interval(train, x[:, None], LEVEL), color=plots.BLUE, alpha=0.18, linewidth=0)
        inside = contains(interval(train, test.features, LEVEL), test.targets)
        plots.dots(axis, test.features[inside, 0], test.targets[inside])
        axis.plot(test.features[~inside, 0], test.targets[~inside], "o", color=plots.RED, markersize=5)
        axis.set(title=name, xlabel="weight (lb)")
    axes[0].set_ylabel("miles per gallon")
    return figure


def draw_coverage(promised: Float[np.ndarray, "k"], kept: dict[str, list[float]]) -> Figure:
    """Nominal against counted coverage; on the diagonal they are equal."""
    figure, axis = plots.panels(width=4.4, height=4.0)
    axis.plot([40, 100], [40, 100], color=plots.GREY, linewidth=1)
    for name, counted in kept.items():
        axis.plot(100 * promised, counted, "o-", markersize=4, linewidth=1.4, label=name)
    axis.set(title="Coverage", xlabel="nominal (%)", ylabel="counted on test cars (%)")
    axis.legend()
    return figure


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    train, test = cars.train, cars.test
    weight = test.select("weight").features[:, 0]
    light, heavy = weight <= np.quantile(weight, 1 / 3), weight >= np.quantile(weight, 2 / 3)
    for name, (kind, interval) in METHODS.items():
        with run.method(name, kind=kind) as method:
            low, high = method.time(interval, train, test.features, LEVEL)
            hits = contains((low, high), test.targets)
            for group, members in {"all": light | True, "light third": light, "heavy third": heavy}.items():
                share = coverage(hits[members])
                method.measure(f"coverage, {group}", share, n=int(members.sum()), unit="%", higher_is_better=None)
            width = bootstrap_interval(np.mean, high - low)
            method.measure("width", width, n=len(test), unit="mpg", higher_is_better=None)
            method.score_items("interval score", interval_score((low, high), test.targets, LEVEL), test, unit="mpg")
    run.floor("Gaussian", "coverage, all", at_least=91.5)
    run.floor("Gaussian on log mileage", "coverage, all", at_least=88.5)
    for rival in ("Gaussian", "quantile planes", "split conformal"):
        run.compare("Gaussian on log mileage", rival, "interval score")

    if run.first:
        nominal = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
        counted = {
            name: [100 * contains(interval(train, test.features, level), test.targets).mean() for level in nominal]
            for name, (_, interval) in METHODS.items()
        }
        one = [part.select("weight") for part in (train, test)]
        run.figure(
            "bands",
            draw_bands,
            *one,
            np.linspace(one[0].features.min(), one[0].features.max(), 120),
            caption=f"Each method's {100 * LEVEL:.0f} % band over one input, the weight, and the test cars: red ones "
            "lie outside. The Gaussian band has nearly one width for all; on the logarithm the width is a share of "
            "the mileage.",
        )
        run.figure(
            "coverage",
            draw_coverage,
            nominal,
            counted,
            caption="All inputs: the nominal coverage, and the share of this seed's test cars that lie inside. On the "
            "diagonal the two are equal; the table shows whether that holds among light and among heavy cars too.",
        )
    run.claim(
        "The logarithm of mileage gives the better intervals: their interval score is lower than with one variance for "
        "all mileages.",
        beats("Gaussian on log mileage", "Gaussian"),
    )
