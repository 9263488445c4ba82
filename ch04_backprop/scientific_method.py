"""The same program, run thirty times with thirty seeds, gives thirty results. Which of them do you report?

Question   A change makes a network half a point better. Is it the change, or is it luck?
Method     First 30 runs that differ only in the seed (of images drawn, initial weights and batches), and how often a
           test calls two of them, or two groups of five, different. Then families of m tests of equal programs, and
           how often at least one test of a family is significant, without and with Holm's correction (1979). Then an
           ablation study: change one factor at a time, over the same seeds, and test each change against seeds and
           test items (common/ablation.py); its verdicts are corrected for all comparisons.
Rival      The habit of running each variant once: McNemar's test (1947) on one run of each.
Caveat     One factor at a time: all others keep the values that were chosen for the base. "unit Sigmoid" uses ReLU's
           learning rate. hidden_units.py chooses a rate for each unit, and there the sigmoid's is larger; so this study
           shows the effect of replacing the unit alone, not which unit is better.
Differs    The lecture asks for the scientific method and for ablation studies. Bouthillier et al. 2021 measure how many
           published differences one seed could have caused; here that is repeated at small scale.
Costs      27 s on two cores.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, Int

from ch04_backprop.digits.few_digits import few_digits
from ch04_backprop.hidden_units import Tanh
from ch04_backprop.layers import Layer, Network, ReLU, Sigmoid
from ch04_backprop.networks.training import Training, mlp, one_cycle, predict
from ch04_backprop.optimisers import Adam, Momentum, Optimiser
from common import plots, results, significance
from common.ablation import Ablation, draw_effects, one_at_a_time
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GROUP = 5  # seeds per group, when groups are compared
MANY = 20  # tests in the family of the facts
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
    """All that can be changed. Adam's learning rate is a tenth of the stated one: it divides by the gradient."""

    hidden: tuple[int, ...] = (128, 128)
    unit: type[Layer] = ReLU
    optimiser: type[Optimiser] = Momentum
    learning_rate: float = 0.03
    batch_size: int = 50
    one_cycle: bool = True
    epochs: int = 20


def experiment(run: Run, settings: Settings, seed: int) -> tuple[Network, Int[np.ndarray, "items"]]:
    """The predictions of a network trained on 1000 digits with these settings; the seed determines all randomness."""
    few, rng = few_digits(run, seed), np.random.default_rng(seed)
    rate = settings.learning_rate / (10 if settings.optimiser is Adam else 1)
    network = mlp((784, *settings.hidden, 10), rng, hidden=lambda units: [settings.unit()])
    training = Training(
        lambda parameters: settings.optimiser(parameters, rate),
        run.pick(smoke=2, lecture=settings.epochs),
        settings.batch_size,
        one_cycle if settings.one_cycle else None,
    )
    training.attempt(network, few.x, few.train.labels, rng)  # a run whose loss diverged counts as it last stood
    return network, predict(network, few.pixels(few.test.images))


def alarms_of_single_runs(correct: Bool[np.ndarray, "runs items"]) -> float:
    """The share of pairs of runs that McNemar's test calls different, in %."""
    pairs = [(a, b) for number, a in enumerate(correct) for b in correct[:number]]
    return 100 * float(np.mean([significance.mcnemar(a, b) < results.SIGNIFICANCE for a, b in pairs]))


def alarms_of_groups(correct: Bool[np.ndarray, "runs items"], size: int, draws: int, rng: np.random.Generator) -> float:
    """The share of pairs of groups, of `size` runs each, that the test over seeds and items calls different, in %."""
    found = []
    for _ in range(draws):
        drawn = 100.0 * correct[rng.permutation(len(correct))[: 2 * size]]
        found.append(significance.crossed_test(drawn[:size], drawn[size:]).p_value < results.SIGNIFICANCE)
    return 100 * float(np.mean(found))


def holm(p: Float[np.ndarray, "m"]) -> Float[np.ndarray, "m"]:
    """Holm 1979's step-down procedure as corrected p-values: reject if they are below 5 %.

    The smallest of m p-values is multiplied by m, the next by m − 1, and so on; none may be smaller than the one before
    it. The probability of any false rejection is then at most 5 %, for any dependence between the tests.
    """
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate((len(p) - np.arange(len(p))) * p[order])
    return np.minimum(stepped, 1.0)[np.argsort(order, kind="stable")]


def p_values_of_nulls(
    accuracies: Float[np.ndarray, "runs"], size: int, families: int, m: int, rng: np.random.Generator
) -> Float[np.ndarray, "families m"]:
    """p-values of Student's t, each for two groups of runs drawn from the runs of one program, with replacement.

    Every pair compares the program with itself, so that each p-value below 5 % is a false alarm.
    """
    from scipy import stats

    a, b = rng.choice(accuracies, (2, families, m, size))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # groups of a single value have no spread: p is NaN
        return np.nan_to_num(stats.ttest_ind(a, b, axis=-1).pvalue, nan=1.0)


def families_with_alarms(p: Float[np.ndarray, "families m"]) -> tuple[float, float]:
    """The share of families with at least one p-value below 5 %, in %: uncorrected, and corrected by Holm."""
    corrected = np.apply_along_axis(holm, 1, p)
    return tuple(100 * float((each < results.SIGNIFICANCE).any(axis=1).mean()) for each in (p, corrected))


def draw_families(sizes: Sequence[int], alarms: Float[np.ndarray, "sizes 2"]) -> Figure:
    """The share of families with a false alarm by their size, without and with Holm, and in theory without."""
    figure, axis = plots.panels(width=6.4, height=3.0)
    m = np.arange(1, max(sizes) + 1)
    axis.plot(m, 100 * (1 - (1 - results.SIGNIFICANCE) ** m), "--", color=plots.GREY, label="1 − 0.95ᵐ")
    for name, share, colour in zip(("uncorrected", "Holm"), alarms.T, (plots.RED, plots.BLUE), strict=True):
        axis.plot(sizes, share, "o-", color=colour, label=name)
    axis.axhline(100 * results.SIGNIFICANCE, color=plots.INK, linewidth=0.8)
    axis.set(xlabel="m, tests in a family", ylabel="families with a false alarm (%)", ylim=(0, 100))
    axis.set_title("False alarms in families of tests")
    axis.legend()
    return figure


def draw_luck(accuracies: Float[np.ndarray, "runs"]) -> Figure:
    """A dot per run, and two numbers that a report might state: the mean and the best."""
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
    run.fact("best seed minus the mean", accuracies.max() - accuracies.mean(), "points")
    single = run.fact("pairs of single runs falsely called different", alarms_of_single_runs(correct), "%")
    group = run.pick(smoke=2, lecture=GROUP)
    false = alarms_of_groups(correct, group, run.pick(smoke=20, lecture=400), run.rng)
    run.fact(f"pairs of groups of {group} falsely called different", false, "%")

    sizes, rng = run.pick(smoke=(1, MANY), lecture=(1, 2, 5, 10, MANY, 50)), np.random.default_rng([run.seed, 1])
    p = p_values_of_nulls(accuracies, group, run.pick(smoke=50, lecture=2000), max(sizes), rng)
    alarms = np.array([families_with_alarms(p[:, :m]) for m in sizes])
    for name, share in zip(("uncorrected", "with Holm's correction"), alarms[sizes.index(MANY)], strict=True):
        run.fact(f"families of {MANY} tests with a false alarm, {name}", share, "%")

    study = Ablation(
        run, test, Settings(), lambda settings, seed: experiment(run, settings, seed), run.pick(smoke=2, lecture=GROUP)
    )
    changes = one_at_a_time(FACTORS)
    if run.scale.preset == "smoke":
        changes = dict(list(changes.items())[::5])
    study.study(changes)
    run.floor("base", "accuracy", at_least=90.2)
    run.figure(
        "luck",
        draw_luck,
        accuracies,
        caption=f"{runs} runs of one program on the same test digits. To report the best of many runs is to report "
        "luck; to run two variants once each is to compare two dots.",
    )
    run.figure(
        "families",
        draw_families,
        sizes,
        alarms,
        caption=f"Each test compares two groups of {group} runs of one program, drawn with replacement, at 5 % "
        "(black line). Shares of families of m such tests in which at least one calls them different.",
    )
    run.figure_over_seeds(
        "ablation",
        draw_effects,
        caption="One factor changed at a time: the change of accuracy with its 95 % interval over seeds and test "
        "digits. Filled: p < 0.05 after Holm's correction.",
    )
    run.note(
        f"McNemar's test calls two single runs of one program different in {single:.0f} % of pairs: those two networks "
        f"may differ, and the program is the same. Over seeds and digits, groups of {group} runs are called different "
        f"in {false:.0f} % of pairs."
    )
    run.note(
        f"Of families of {MANY} tests between groups of the same program, {alarms[sizes.index(MANY)][0]:.0f} % have at "
        f"least one false alarm uncorrected, {alarms[sizes.index(MANY)][1]:.0f} % with Holm's correction."
    )
