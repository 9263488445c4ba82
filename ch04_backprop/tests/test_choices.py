"""The choices of lessons: the digits, the score, its direction, and whether the chosen option is used."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from ch04_backprop import (
    batchnorm,
    dead_units,
    dropout,
    early_stopping,
    hidden_units,
    initialisation,
    moons,
    noise,
    optimiser_race,
    output_units,
    penalties,
    race,
    regularisation,
    vanishing,
    wide_or_deep,
)
from ch04_backprop.batchnorm import BatchNorm
from ch04_backprop.dead_units import Outcomes
from ch04_backprop.digits import few_digits
from ch04_backprop.digits.few_digits import Sweep
from ch04_backprop.layers import Network
from ch04_backprop.networks import training
from ch04_backprop.regularisation import GRIDS, HELPED, SHARES, Variant, weaken
from tests.recorded_lesson import Choice, recorded


@dataclass(frozen=True)
class Trained:
    """A network that was trained on these rows, at this peak of the learning rate, for `epochs` epochs."""

    network: Network
    rows: frozenset[bytes]
    rate: float
    epochs: int


@dataclass(frozen=True)
class Judged:
    """A network whose accuracy, or loss, was computed on these rows."""

    rows: frozenset[bytes]
    value: float


def rows_of(x: np.ndarray) -> frozenset[bytes]:
    return frozenset(row.tobytes() for row in np.asarray(x, np.float32))


@pytest.fixture
def watch(monkeypatch):
    """Run a lesson and return its record; also, in order, what it trained, scored and chose."""

    def run(module, *judges: tuple, **settings):
        events: list = []
        train = training.Training.__call__

        def noting_training(self, network, x, answers, rng):
            rates = []

            def optimiser(parameters):
                made = self.optimiser(parameters)
                rates.append(made.learning_rate)
                return made

            try:
                return train(replace(self, optimiser=optimiser), network, x, answers, rng)
            finally:
                events.append(Trained(network, rows_of(x), rates[0], self.epochs))

        def noting_judge(judge):
            def noted(network, x, *answers):
                value = judge(network, x, *answers)
                of = x[0] if isinstance(x, tuple) else x
                events.append(Judged(rows_of(of), value))
                return value

            return noted

        monkeypatch.setattr(training.Training, "__call__", noting_training)
        for owner, name in judges:
            monkeypatch.setattr(owner, name, noting_judge(getattr(owner, name)))
        return recorded(module, monkeypatch, events=events, **settings), events

    return run


def choices(events) -> list[tuple[Choice, list, list]]:
    """Every choice, what happened since the one before, and what happened after it."""
    at = [k for k, event in enumerate(events) if isinstance(event, Choice)]
    starts, ends = [0, *(k + 1 for k in at)], [*at[1:], len(events)]
    return [(events[k], events[a:k], events[k + 1 : b]) for k, a, b in zip(at, starts, ends, strict=False)]


def held_out_values(events) -> list[float]:
    """The scores of networks on rows on which no network had been trained until then."""
    seen: frozenset = frozenset()
    values = []
    for event in events:
        if isinstance(event, Trained):
            seen = seen | event.rows if len(event.rows) < 1000 else seen
        elif isinstance(event, Judged) and not event.rows & seen:
            values.append(event.value)
    return values


LESSONS = {  # options, judges, settings, whether what is trained in the end has more digits than what was tried
    "hidden_units": (hidden_units, hidden_units.RATES, (training, "accuracy"), {}, True),
    "output_units": (output_units, output_units.RATES, (training, "accuracy"), {}, True),
    "vanishing": (vanishing, vanishing.RATES, (vanishing, "accuracy"), {}, True),
    "dead_units": (dead_units, dead_units.RATES[::3], (dead_units, "accuracy"), {}, True),
    "optimiser_race": (optimiser_race, optimiser_race.RATES[1::3], (optimiser_race, "accuracy"), {}, True),
    "batchnorm": (batchnorm, batchnorm.RATES, (batchnorm, "accuracy"), {}, False),
    "initialisation": (initialisation, initialisation.RATES, (initialisation, "accuracy"), {"lists": "lecture"}, None),
}


@pytest.mark.parametrize("name", LESSONS)
def test_a_learning_rate_is_the_best_on_digits_held_out_and_is_used(name, watch):
    module, rates, judge, settings, more = LESSONS[name]
    found, events = watch(module, judge, **settings)
    made = choices(events)
    assert len(made) >= 2
    held_out = held_out_values(events)
    if name != "initialisation":  # whose networks learn nothing in one epoch
        assert any(len(set(choice.scores)) > 1 for choice, _, _ in made), "nothing to choose between"
    for choice, before, after in made:
        assert choice.options == list(rates)
        assert choice.highest  # a share of right answers
        assert choice.taken == choice.options[int(np.nanargmax(choice.scores))]
        finite = choice.scores[choice.scores > 0]
        assert set(np.round(finite, 6)) <= set(np.round(held_out, 6))
        if more is None:  # the network that was tried is the one that is taken
            continue
        final = next(event for event in after if isinstance(event, Trained))
        assert final.rate == choice.taken
        on_all = [event for event in before if isinstance(event, Trained) and len(event.rows) == 1000]
        assert len(on_all) <= 1  # the network of the choice before
        assert len(final.rows) == (1000 if more else 200)  # all training digits of smoke; or the few
    for fact in (fact for fact in found.facts if fact.startswith("best learning rate")):
        assert found.facts[fact] in rates


def test_initialisation_takes_the_network_that_was_best(watch):
    found, events = watch(initialisation, (initialisation, "accuracy"), lists="lecture")
    for name, (choice, _, _) in zip(initialisation.STARTS, choices(events), strict=True):
        tried = found.timed[name][0].answer
        assert found.run.methods[name].model is tried[choice.taken][2]
        assert_allclose(choice.scores, [tried[rate][0] for rate in initialisation.RATES])


def test_fewer_runaways_come_before_more_right():
    safe, fast = Outcomes(right=[10.0, 11.0, 12.0]), Outcomes(right=[99.0, 98.0], diverged=1)
    assert safe.score(3) > fast.score(3) > Outcomes(diverged=3).score(3)
    assert Outcomes(right=[10.0, 12.0, 12.0]).score(3) > safe.score(3)
    assert Outcomes(diverged=1).score(5) < Outcomes(right=[0.0] * 5).score(5)


# --- A sweep over strengths -------------------------------------------------------------------------------------------


def test_a_sweep_is_judged_on_validation_digits():
    both = np.array([[1.0, 5.0], [9.0, 2.0], [0.0, 4.0]])  # on the few, on validation digits
    assert Sweep((1, 2, 3), [], both, both).least_loss == 1
    assert Sweep((1, 2, 3), [], both, both).most_right == 0
    assert Sweep((1, 2, 3), [], both, both[:, ::-1]).most_right == 1


def test_losses_and_accuracies_are_of_the_few_and_then_of_validation_digits(watch):
    found, _ = watch(penalties)
    few = few_digits.few_digits(found.run, 0)
    network = found.run.methods["no penalty"].model
    sets = [(few.train, few.x), (few.validation, few.x_validation)]
    right = [100 * np.mean(network.forward(x).argmax(axis=1) == part.labels) for part, x in sets]
    assert_allclose(few.accuracies(network), right)
    assert right[0] != right[1]
    p = [np.exp(few_digits.log_probabilities(network, x)) for _, x in sets]
    loss = [-np.log(q[np.arange(len(q)), part.labels]).mean() for q, (part, _) in zip(p, sets, strict=True)]
    assert_allclose(few.losses(network), loss, rtol=1e-4)
    assert not set(few.train.ids) & set(few.validation.ids)


@pytest.mark.parametrize(
    ("module", "names", "place"),
    [
        (penalties, ["L2", "L1, subgradient", "L1, soft threshold"], "least_loss"),
        (noise, list(noise.KINDS), "most_right"),
        (dropout, ["dropout"], "most_right"),
    ],
)
def test_the_network_at_the_best_strength_is_scored(module, names, place, watch):
    found, _ = watch(module)
    for name in names:
        sweep = next(call.answer for call in found.timed[name] if isinstance(call.answer, Sweep))
        scores = sweep.losses[:, 1] if place == "least_loss" else -sweep.accuracies[:, 1]
        best = int(np.argmin(scores))
        assert found.run.methods[name].model is sweep.networks[best]
        if module is penalties:
            assert found.facts[f"λ, {name}"] == sweep.strengths[best]
        if module is dropout:
            assert found.facts["best p"] == sweep.strengths[best]


def test_the_best_shifts_and_the_best_turns_are_put_together(watch):
    found, _ = watch(noise)
    sweeps = [found.timed[kind][0].answer for kind in ("shifts", "rotations")]
    moves = found.timed["shifts and rotations"][0].args[4]["augment"]
    assert [moves.shift, moves.angle] == [sweep.strengths[sweep.most_right] for sweep in sweeps]


# --- Whole networks ---------------------------------------------------------------------------------------------------


def test_the_race_chooses_hidden_layers_on_digits_that_it_was_not_trained_on(watch):
    found, events = watch(race, (race, "accuracy"))
    made = choices(events)
    assert len(made) == 2
    for choice, before, after in made:
        assert choice.options == list(race.HIDDEN)
        assert choice.highest
        tried = [event for event in before if isinstance(event, Trained)][-2:]
        judged = [event for event in before if isinstance(event, Judged)][-2:]
        assert_allclose(choice.scores, [event.value for event in judged])
        for one, other in zip(tried, judged, strict=True):
            assert not one.rows & other.rows
            assert len(one.rows | other.rows) == 1000
        final = next(event for event in after if isinstance(event, Trained))
        assert len(final.rows) == 1000
        normed = any(isinstance(layer, BatchNorm) for layer in final.network.layers)
        assert normed == choice.taken.startswith("BatchNorm")
    assert (
        found.run.methods["multilayer perceptron"].model
        is next(e for e in made[0][2] if isinstance(e, Trained)).network
    )


@pytest.mark.parametrize("best", list(race.HIDDEN))
def test_the_race_takes_what_is_best_held_out(best, monkeypatch):
    """Planted: one kind of hidden layer is always right."""

    def train_perceptron(part, pixels, hidden, seed, **how):
        network = Network([], None)
        network.hidden = hidden
        return network

    monkeypatch.setattr(race, "train_perceptron", train_perceptron)
    monkeypatch.setattr(race, "accuracy", lambda network, x, answers: float(network.hidden == best))
    part = few_digits.data.mnist(few_digits.data.Scale("smoke")).train
    assert race.choose_and_train(part, training.Pixels.of(part.images), 0).hidden == best


def test_the_best_rival_has_the_settings_of_the_best_machine(watch):
    found, _ = watch(race)
    best = found.run.methods["RBF-SVM"].model[-1].best_params_
    moved = found.run.methods["RBF-SVM, moved digits"].model[-1].get_params()
    assert {name: moved[name] for name in best} == best


def test_of_several_starts_the_one_with_the_least_error_held_out_is_taken(watch):
    judged = []
    found, events = watch(wide_or_deep)
    made = [event for event in events if isinstance(event, Choice)]
    assert len(made) == len(wide_or_deep.SHAPES)
    for name, choice in zip(wide_or_deep.SHAPES, made, strict=True):
        fitted = found.timed[name][0].args[3]
        whole = found.fitted["tree"][0].args[1]
        held_out = whole.take(~np.isin(whole.ids, fitted.ids))
        assert (len(fitted), len(held_out)) == (300, 100)
        networks = [call.answer for call in found.timed[name]]
        assert choice.options == networks
        errors = [wide_or_deep.predict(network, held_out.features) - held_out.targets for network in networks]
        misses = np.sqrt(np.mean(np.square(errors), axis=1))
        assert_allclose(choice.scores, misses)
        assert found.run.methods[name].model is networks[int(np.argmin(misses))]
        judged.append(misses)
    assert np.ptp(judged, axis=1).max() > 0


def test_early_stopping_asks_digits_that_it_does_not_learn_and_stops_all_digits_there(watch):
    found, events = watch(early_stopping, (early_stopping, "mean_loss"))
    first = next(k for k, event in enumerate(events) if isinstance(event, Trained))
    asked = [event for event in events[:first] if isinstance(event, Judged)]
    assert asked
    assert not any(event.rows & events[first].rows for event in asked)
    best = found.facts["best epoch"]
    assert best == 1 + int(np.argmin([event.value for event in asked]))
    count = {name: (call[0].args[3], call[0].args[4]) for name, call in found.timed.items() if name != "early stopping"}
    part, whole = (len(count[name][0][0]) for name in ("no early stopping", "all digits, no early stopping"))
    assert (part, whole) == (len(events[first].rows), 200)
    assert count["all digits, best number of epochs"][1] == best
    assert len(count["all digits, best number of epochs"][0][0]) == 200


def test_what_regularisation_combines_is_what_was_best_on_validation_digits(watch):
    found, events = watch(regularisation, (few_digits, "accuracy"))
    made = [event for event in events if isinstance(event, Choice)]
    tried = dict(zip(GRIDS, made, strict=False))
    held_out = set(np.round(held_out_values(events), 6))
    for name, choice in tried.items():
        assert choice.highest
        assert choice.options == list(GRIDS[name])
        assert any(set(np.round(choice.scores + base, 6)) <= held_out for base in held_out)
        assert found.timed[name][0].args[1] == Variant(**choice.taken)
    helped = [name for name, choice in tried.items() if choice.scores.max() >= HELPED]
    at_once = {setting: value for name in helped for setting, value in tried[name].taken.items()}
    last = made[len(GRIDS)]
    assert last.highest
    assert last.options == [weaken(at_once, share) for share in SHARES]
    assert found.timed["all that helped, weakened"][0].args[1] == Variant(**last.taken)
    both = tried["dropout"].taken | tried["L2"].taken
    assert found.timed["dropout + L2"][0].args[1] == Variant(**both)


def test_moons_are_judged_on_fresh_points(watch):
    found, _ = watch(moons)
    train, test = found.fitted["RBF-SVM"][0].args[1], found.scored["RBF-SVM"][0].args[0]
    assert not rows_of(train.features) & rows_of(test.features)
    assert len(test) == moons.FRESH
