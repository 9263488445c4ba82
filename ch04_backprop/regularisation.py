"""All regularisers, each alone and several together, compared on the same digits, over five seeds per run.

Question   Which of them help a network that has memorised its digits, by how much, and in which combinations?
Method     Ablation: the recipe with one thing added, then with several. Each of five seeds draws its own 1000 digits
           and initial weights, equal for all variants; the paired test counts seeds and test digits
           (common/ablation.py). Strengths are chosen before, on validation digits, with two other seeds.
Rival      RBF-SVM, nearest neighbours and a random forest, on the same digits with the same seeds.
Differs    All are trained for 20 epochs unless stated. The held-out digits of early stopping are taken from the 1000.
           Combinations keep the strengths that were best alone; only "all that helped" is weakened as a whole.
Costs      60 s on two cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.digits.few_digits import (
    LEARNING_RATE,
    FewDigits,
    best_on_validation,
    few_digits,
    new_network,
    recipe,
)
from ch04_backprop.digits.moves import Moves
from ch04_backprop.dropout import Dropout
from ch04_backprop.early_stopping import HELD_OUT, EarlyStopping, mean_loss
from ch04_backprop.layers import Layer, Linear, Network, ReLU
from ch04_backprop.networks.costs import SoftmaxCrossEntropy
from ch04_backprop.networks.training import accuracy, predict
from ch04_backprop.noise import GaussianNoise, NoisyLinear
from ch04_backprop.optimisers import Momentum
from ch04_backprop.penalties import L1, L2
from common.ablation import BASE, Ablation, draw_differences
from common.claims import beats, level, mean_of
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from common.record import LessonRecord

TURN = 7.5  # degrees of rotation per pixel of shift
HELPED = 0.5  # gain in accuracy on validation digits that includes a method in "all that helped"
SHARES = (1.0, 0.3, 0.1)  # of their strengths, when all of these are combined
NEEDS_L2 = "BatchNorm + dropout + L2", "BatchNorm + dropout"
AT_ITS_RATE = "BatchNorm", "base at BatchNorm's learning rate"
NO_STRENGTHS = ("shift", "batchnorm", "rate", "patience")
GRIDS: dict[str, list[dict[str, Any]]] = {
    "L2": [{"l2": 1e-3}, {"l2": 3e-3}, {"l2": 1e-2}],
    "L1": [{"l1": 1e-4}, {"l1": 3e-4}],
    "augmentation": [{"shift": 1.0}, {"shift": 2.0}],
    "input noise": [{"input_noise": 0.5}, {"input_noise": 1.0}],
    "hidden noise": [{"hidden_noise": 0.5}, {"hidden_noise": 1.0}],
    "weight noise": [{"weight_noise": 0.3}],
    "label smoothing": [{"smoothing": 0.1}, {"smoothing": 0.2}],
    "dropout": [{"dropout": 0.2}, {"dropout": 0.3}, {"dropout": 0.5}],
    "BatchNorm": [{"batchnorm": True, "rate": rate} for rate in (0.05, 0.15, 0.5)],
    "early stopping": [{"patience": 5}],
}
RIVALS: dict[str, list[ClassifierMixin]] = {
    "RBF-SVM": [SVC(C=1), SVC(C=10)],
    "nearest neighbours": [KNeighborsClassifier(k, weights="distance") for k in (1, 3, 5)],
    "random forest": [RandomForestClassifier(100, random_state=0)],
}


@dataclass(frozen=True)
class Variant:
    """The base, and the strengths of additions; 0 is off. shift: the most pixels, with TURN degrees each."""

    l2: float = 0.0
    l1: float = 0.0
    shift: float = 0.0
    input_noise: float = 0.0
    hidden_noise: float = 0.0
    weight_noise: float = 0.0
    smoothing: float = 0.0
    dropout: float = 0.0
    batchnorm: bool = False
    rate: float = LEARNING_RATE
    patience: int = 0
    times: int = 1  # factor of epochs
    rival: ClassifierMixin | None = None  # instead of a network


def build_network(settings: Variant, seed: int) -> Network:
    """Build the untrained network: linear, BatchNorm, ReLU, noise, dropout, as set."""
    noise = np.random.default_rng([seed, 1])

    def hidden(units: int) -> list[Layer]:
        layers: list[Layer] = [BatchNorm(units), ReLU()] if settings.batchnorm else [ReLU()]
        if settings.hidden_noise:
            layers.append(GaussianNoise(settings.hidden_noise, noise))
        if settings.dropout:
            layers.append(Dropout(settings.dropout, noise))
        return layers

    def rebuild(layers: list[Layer]) -> list[Layer]:
        if settings.weight_noise:
            strength = settings.weight_noise
            layers = [NoisyLinear(each, strength, noise) if isinstance(each, Linear) else each for each in layers]
        return [GaussianNoise(settings.input_noise, noise), *layers] if settings.input_noise else layers

    cost = SoftmaxCrossEntropy(settings.smoothing)
    return new_network(np.random.default_rng(seed), hidden=hidden, cost=cost, rebuild=rebuild)


def train_under(settings: Variant, run: Run, few: FewDigits, seed: int) -> Network:
    """Train a network. seed: of its initial weights, its batches and its noise."""
    network, x, answers = build_network(settings, seed), few.x, few.train.labels
    changes: dict[str, Any] = {"optimiser": lambda parameters: Momentum(parameters, settings.rate)}
    if settings.l2 or settings.l1:
        both = L2(settings.l2), L1(settings.l1)
        changes["penalise"] = lambda parameters: [penalty(parameters) for penalty in both if penalty.strength]
    if settings.shift:
        changes["augment"] = Moves(settings.shift, TURN * settings.shift)
    if settings.patience:
        kept = round((1 - HELD_OUT) * len(x))
        x, held_out, answers, theirs = x[:kept], x[kept:], answers[:kept], answers[kept:]
        stopping = EarlyStopping(network, lambda: mean_loss(network, (held_out, theirs)), settings.patience)
        changes |= {"each_epoch": stopping, "schedule": None}
    training = recipe(run, **changes)
    training.epochs *= settings.times
    training(network, x, answers, np.random.default_rng([seed, 2]))
    if settings.patience:
        stopping.restore()
    return network


def measure_gains(
    run: Run, fews: dict[int, FewDigits], grids: Mapping[str, Sequence[dict[str, Any]]]
) -> dict[str, Float[np.ndarray, "changes"]]:
    """The gain in validation accuracy of each change over the base, in %; the mean over the seeds of fews."""

    def read(change: dict[str, Any]) -> float:
        networks = ((few, train_under(Variant(**change), run, few, seed)) for seed, few in fews.items())
        return float(np.mean([few.accuracies(network)[1] for few, network in networks]))

    base = read({})
    return {name: np.array([read(change) - base for change in changes]) for name, changes in grids.items()}


def weaken(change: dict[str, Any], share: float) -> dict[str, Any]:
    """The change with this share of every penalty and noise."""
    return {name: value if name in NO_STRENGTHS else share * value for name, value in change.items()}


def draw(record: LessonRecord) -> Figure:
    """The differences from the base, and L2's in addition to BatchNorm and dropout, over all seeds; largest first."""
    drawn = [c for c in record.comparisons if c.b == BASE or (c.a, c.b) == NEEDS_L2]
    return draw_differences(sorted(drawn, key=lambda c: -c.difference))


def more_accurate(record: LessonRecord, a: str, b: str) -> float:
    """The difference in accuracy, in points, of a over b, over all seeds."""
    return mean_of(record, a, "accuracy") - mean_of(record, b, "accuracy")


def lesson(run: Run) -> None:
    tuning = np.random.SeedSequence([run.seed, 1]).generate_state(run.pick(smoke=1, lecture=2))
    fews = {int(seed): few_digits(run, int(seed)) for seed in tuning}
    gain, few = measure_gains(run, fews, GRIDS), fews[int(tuning[0])]
    best = {name: choose(GRIDS[name], values, highest=True) for name, values in gain.items()}
    helped = [name for name in best if gain[name].max() >= HELPED]
    at_once = {setting: value for name in helped for setting, value in best[name].items()}
    weaker = [weaken(at_once, share) for share in SHARES]
    together = measure_gains(run, fews, {"all that helped": weaker})["all that helped"]
    for share, points in zip(SHARES, together, strict=True):
        run.fact(f"all that helped at {share:g} × their strengths, gain on validation digits", points, "%")

    drawn = cache(lambda seed: few_digits(run, seed))
    training_accuracies: dict[Variant, list[float]] = {}

    def experiment(settings: Variant, seed: int) -> tuple[Any, Int[np.ndarray, "n"]]:
        few = drawn(seed)
        rows = few.pixels(few.test.images)
        if settings.rival is not None:
            model = clone(settings.rival).fit(few.x, few.train.labels)
            return model, model.predict(rows)
        network = train_under(settings, run, few, seed)
        training_accuracies.setdefault(settings, []).append(accuracy(network, few.x, few.train.labels))
        return network, predict(network, rows)

    norm, drop, l2, moved = (best[name] for name in ("BatchNorm", "dropout", "L2", "augmentation"))
    changes = best | {
        "dropout + L2": drop | l2,
        "BatchNorm + dropout": norm | drop,
        "BatchNorm + dropout + L2": norm | drop | l2,
        "augmentation + L2": moved | l2,
        "augmentation + BatchNorm": moved | norm,
        "all that helped, weakened": choose(weaker, together, highest=True),
        "60 epochs": {"times": 3},
        "60 epochs, augmentation + L2": moved | l2 | {"times": 3},
    }
    ablation = Ablation(run, few.test, Variant(), experiment, seeds=run.pick(smoke=2, lecture=5))
    ablation.study(changes)
    ablation.compare(*NEEDS_L2)
    ablation.measure(AT_ITS_RATE[1], rate=norm["rate"])
    ablation.compare(*AT_ITS_RATE)
    ablation.kind = "classical"
    rivals = {name: {"rival": best_on_validation(models, few)} for name, models in RIVALS.items()}
    ablation.study(rivals)
    ablation.compare("60 epochs, augmentation + L2", "RBF-SVM")
    run.floor("augmentation", "accuracy", at_least=93.5)

    for name in ("base", "L2", "dropout", "augmentation"):
        learned = np.mean(training_accuracies[Variant(**changes.get(name, {}))])
        test_accuracy = np.mean([scores.values.mean() for scores in ablation.scores[name]])
        run.fact(f"training minus test accuracy, {name}", learned - test_accuracy, "%")
    run.figure_over_seeds(
        "differences",
        draw,
        caption="Change of test accuracy against the base (or against what is named), with its 95 % interval over "
        "seeds and test digits. Filled: p < 0.05 after Holm's correction.",
    )
    run.note(
        f"{', '.join(helped) or 'Nothing'}, combined, changed the accuracy on validation digits by "
        f"{together[0]:+.1f} points, and by {together.max():+.1f} at the best share of their strengths."
    )
    run.claim(
        lambda record: (
            "Augmentation almost always improves, says the lecture; here by "
            f"{more_accurate(record, 'augmentation', BASE):.1f} points."
        ),
        beats("augmentation", BASE),
    )
    run.claim(
        lambda record: (
            "BatchNorm allows higher learning rates, says the lecture; at its rate it is worth "
            f"{more_accurate(record, *AT_ITS_RATE):.1f} points here."
        ),
        beats(*AT_ITS_RATE),
    )
    no_need = "There is no need for L2 with BatchNorm and dropout, says the lecture; beside them, here, L2"
    run.claim(f"{no_need} makes no significant difference.", level(*NEEDS_L2))
    run.claim(f"{no_need} does harm.", beats(*reversed(NEEDS_L2)))
    run.claim(f"{no_need} helps.", beats(*NEEDS_L2))
