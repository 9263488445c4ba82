"""The same program, run thirty times with thirty seeds, gives thirty results. Which of them do you report?

Question   A change makes a network half a point better. Is it the change, or is it luck?
Method     First 30 runs that differ in nothing but the seed (of images drawn, first weights and batches), and how often
           a test calls two of them, or two groups of five, different. Then an ablation study: change one factor at a
           time, over the same seeds, and test each change against seeds and test items (common/ablation.py).
Rival      The habit of running each variant once: McNemar's test (1947) on one run of each.
Differs    The lecture asks for the scientific method and for ablative studies. Bouthillier et al. 2021 measure how many
           published differences one seed could have made; here that is done at home.
Costs      20 s on two cores.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from ch04_backprop.few_digits import few_digits
from ch04_backprop.hidden_units import ReLU, Tanh
from ch04_backprop.layers import Layer, Network, Sigmoid
from ch04_backprop.optimisers import Adam, Momentum, Optimiser
from ch04_backprop.training import Training, mlp, one_cycle, predict
from common import plots, results, significance
from common.ablation import Ablation, draw_differences, one_at_a_time
from common.errors import LossNotFinite
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUP = 5  # seeds a side, where groups are compared
FACTORS = {
    "hidden": ((32, 32), (256, 256), (128,), (128, 128, 128)),
    "unit": (Tanh, Sigmoid),
    "optimiser": (Adam,),
    "learning_rate": (0.003, 0.06),
    "batch_size": (25, 200),
    "one_cycle": (False,),
    "epochs": (7, 40),
}


@dataclass(frozen=True)
class Settings:
    """All that can be changed. Adam's learning rate is a tenth of the one stated: it divides by the gradient's size."""

    hidden: tuple[int, ...] = (128, 128)
    unit: type[Layer] = ReLU
    optimiser: type[Optimiser] = Momentum
    learning_rate: float = 0.03
    batch_size: int = 50
    one_cycle: bool = True
    epochs: int = 20


def experiment(run: Run, settings: Settings, seed: int) -> tuple[Network, Int[np.ndarray, "items"]]:
    """A network taught 1000 digits under these settings; the seed draws everything that is drawn. What it predicts."""
    few, rng = few_digits(run, seed), np.random.default_rng(seed)
    rate = settings.learning_rate / (10 if settings.optimiser is Adam else 1)
    network = mlp((784, *settings.hidden, 10), rng, hidden=lambda units: [settings.unit()])
    training = Training(
        lambda parameters: settings.optimiser(parameters, rate),
        run.pick(smoke=2, lecture=settings.epochs),
        settings.batch_size,
        one_cycle if settings.one_cycle else None,
    )
    with suppress(LossNotFinite):  # a run that ran away counts as it last stood
        training(network, few.x, few.train.labels, rng)
    return network, predict(network, few.pixels(few.test.images))


def alarms_of_single_runs(correct: Bool[np.ndarray, "runs items"]) -> float:
    """The share of pairs of runs that McNemar's test calls different, in %."""
    pairs = [(a, b) for number, a in enumerate(correct) for b in correct[:number]]
    return 100 * float(np.mean([significance.mcnemar(a, b) < results.SIGNIFICANCE for a, b in pairs]))


def alarms_of_groups(correct: Bool[np.ndarray, "runs items"], size: int, draws: int, rng: np.random.Generator) -> float:
    """The share of pairs of groups, of so many runs each, that the test over seeds and items calls different, in %."""
    found = []
    for _ in range(draws):
        drawn = 100.0 * correct[rng.permutation(len(correct))[: 2 * size]]
        found.append(significance.crossed_test(drawn[:size], drawn[size:]).p_value < results.SIGNIFICANCE)
    return 100 * float(np.mean(found))


def draw_luck(accuracies: Float[np.ndarray, "runs"]) -> Figure:
    """A dot a run, and what one would report: the first, the mean, the best."""
    figure, axis = plots.panels(width=6.8, height=2.4)
    order = np.argsort(np.argsort(accuracies))
    axis.plot(accuracies, order, "o", color=plots.GREY, markersize=4)
    low, high = results.mean_interval(accuracies.tolist()).ends[1:]
    axis.axvspan(low, high, color=plots.BLUE, alpha=0.2, linewidth=0)
    axis.axvline(accuracies.mean(), color=plots.BLUE, label=f"mean of {len(accuracies)} and its interval")
    axis.axvline(accuracies.max(), color=plots.RED, linestyle="--", label="the best: luck")
    axis.set(xlabel="accuracy on the same test digits (%)", ylabel="runs, sorted", title="One program, many seeds")
    axis.legend(loc="upper left")
    return figure


def lesson(run: Run) -> None:
    runs, test = run.pick(smoke=6, lecture=30), few_digits(run, run.seed).test
    children = np.random.SeedSequence(run.seed + 1).generate_state(runs)
    correct = np.array([experiment(run, Settings(), int(seed))[1] == test.labels for seed in children])
    accuracies = 100 * correct.mean(axis=1)
    run.fact(f"standard deviation over {runs} seeds", accuracies.std(ddof=1), "points")
    run.fact("best seed above the mean", accuracies.max() - accuracies.mean(), "points")
    single = run.fact("pairs of runs called different, though only the seed is", alarms_of_single_runs(correct), "%")
    group = run.pick(smoke=2, lecture=GROUP)
    false = alarms_of_groups(correct, group, run.pick(smoke=20, lecture=400), run.rng)
    run.fact(f"pairs of groups of {group} called different, though only the seeds are", false, "%")

    study = Ablation(
        run, test, Settings(), lambda settings, seed: experiment(run, settings, seed), run.pick(smoke=2, lecture=GROUP)
    )
    changes = one_at_a_time(FACTORS)
    if run.scale.preset == "smoke":
        changes = dict(list(changes.items())[::5])
    differences = study.study(changes)
    run.floor("base", "accuracy", at_least=85)
    run.figure(
        "luck",
        draw_luck,
        accuracies,
        caption=f"{runs} runs of one program on the same test digits. Whoever reports the best of many reports luck; "
        "whoever runs two variants once compares two dots.",
    )
    run.figure(
        "ablation",
        draw_differences,
        differences,
        caption="One factor changed at a time; the whole interval counts seeds and test digits. Hollow: nothing shown.",
    )
    run.note(
        f"Two single runs of one and the same program differ 'significantly' in {single:.0f} % of pairs. McNemar's "
        f"test is right: those two networks differ. It says nothing of methods. Groups of {group} runs: {false:.0f} %."
    )
