"""Some of the mileages were written down in the wrong unit. Which methods still find the line?

Question   How large a share of wrong data does each loss tolerate?
Method     The Gaussian, Laplace and Student t lines of the lessons before, fitted to training cars of which some were
           recorded in litres per 100 km instead of miles per gallon; scored on clean test cars.
Rival      Huber's regression (1973), RANSAC (Fischler and Bolles 1981) and Theil–Sen (Theil 1950, Sen 1968), on
           the same contaminated cars.
Differs    Textbooks add outliers from a distribution. This is a mistake that people make: y becomes 235.2 / y.
           15.3 mpg is unchanged by it. Heavy cars are near that value and hardly change, light ones do: the errors
           depend on x.
Costs      3 s on two cores, most of it for Theil–Sen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.linear_model import HuberRegressor, RANSACRegressor, TheilSenRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ch02_probabilistic.drawings.contamination import draw_contamination
from ch02_probabilistic.linear_likelihood import GaussianLinearModel
from ch02_probabilistic.robust import LaplaceRegressor, StudentTRegressor
from common import data
from common.claims import beats
from common.data import Table
from common.results import rms
from common.run import Run

LITRES = 235.215  # miles per US gallon × litres per 100 km
SHARE = 0.2


def contaminate(part: Table, share: float, rng: np.random.Generator) -> Table:
    """The same cars, a random share of them with their mileage in litres per 100 km."""
    wrong = rng.permutation(len(part)) < round(share * len(part))
    return replace(part, targets=np.where(wrong, LITRES / part.targets, part.targets))


def methods(run: Run) -> dict[str, tuple[str, Callable[[], RegressorMixin]]]:
    """Name: kind, and how to make the method. Huber's and Theil–Sen's steps need inputs of size 1."""
    slopes = {"max_subpopulation": run.pick(smoke=500, lecture=10_000), "random_state": run.seed}
    return {
        "Gaussian (least squares)": ("from scratch", GaussianLinearModel),
        "Laplace (absolute error)": ("from scratch", LaplaceRegressor),
        "Student t": ("from scratch", StudentTRegressor),
        "Huber": ("classical", lambda: make_pipeline(StandardScaler(), HuberRegressor())),
        "RANSAC": ("classical", lambda: RANSACRegressor(random_state=run.seed)),
        "Theil–Sen": ("classical", lambda: make_pipeline(StandardScaler(), TheilSenRegressor(**slopes))),
    }


def errors_by_share(train: Table, held_out: Table, shares: list[float], run: Run) -> dict[str, list[float]]:
    """Each method's RMSE on clean cars held out, for each share of wrong training cars.

    The cars that are wrong at one share are wrong at every larger one: a curve shows the share, not the draw.
    """
    errors: dict[str, list[float]] = {name: [] for name in methods(run)}
    for share in run.track(shares, "shares of wrong cars"):
        wrong = contaminate(train, share, np.random.default_rng(run.seed))
        for name, (_, make) in methods(run).items():
            misses = make().fit(wrong.features, wrong.targets).predict(held_out.features) - held_out.targets
            errors[name].append(float(rms(misses**2)))
    return errors


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    clean, test = cars.train.select("weight"), cars.test.select("weight")
    train = contaminate(clean, SHARE, run.rng)
    with run.method("least squares, clean cars", kind="reference") as method:
        method.fit(GaussianLinearModel(), clean)
        method.score(test)
    for name, (kind, make) in methods(run).items():
        with run.method(name, kind=kind) as method:
            method.fit(make(), train)
            method.score(test)
        if name != "Gaussian (least squares)":
            run.compare(name, "Gaussian (least squares)")
    for rival in ("Huber", "RANSAC", "Theil–Sen"):
        run.compare("Student t", rival)
    run.floor("Student t", "RMSE", at_most=5.9)
    run.floor("Laplace (absolute error)", "RMSE", at_most=6.1)

    if run.first:
        # The test cars were used once, above: the curves are drawn on cars held out of the training part.
        fitted, held_out = (part.select("weight") for part in cars.split(seed=run.seed))
        shares = run.pick(smoke=[0.0, 0.4], lecture=[0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5])
        run.figure(
            "shares",
            draw_contamination,
            clean,
            train,
            {name: run.methods[name].model for name in methods(run)},
            shares,
            errors_by_share(fitted, held_out, shares, run),
            caption="Left: training cars, those in the wrong unit as crosses, and each method's line. Right: each "
            "method's error on clean cars held out, against the share of training cars in the wrong unit. At one half "
            "nothing in the data says which unit is the mistake.",
        )
    run.claim(
        f"A robust loss is an insurance: with {100 * SHARE:.0f} % of the cars in the wrong unit, Laplace's and "
        "Student's lines have a lower error on clean cars than least squares.",
        beats("Laplace (absolute error)", "Gaussian (least squares)"),
        beats("Student t", "Gaussian (least squares)"),
    )
