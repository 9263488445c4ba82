"""The sequences hold what they promise; noise in the weights is off in use; settings are chosen on held-out ones."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from ch04_backprop import long_lags
from ch04_backprop.long_lags import FEW, LAGS, NOISES, RATES, NoisyLSTM, Sequences, Way, train
from ch04_backprop.lstm import LSTM
from ch04_backprop.sequences.temporal_order import CLASSES, EARLY, PLAIN, SYMBOLS, one_hot, symbols_of, temporal_order
from common.data import Table
from tests.recorded_lesson import recorded

SIZE = (400, 300)


@pytest.mark.parametrize("lag", [0, 5, 40])
def test_the_class_is_the_order_of_the_two_symbols_and_the_lag_is_kept(lag):
    drawn = temporal_order(lag, SIZE, seed=0)
    for part, size in zip((drawn.train, drawn.test), SIZE, strict=True):
        symbols = symbols_of(part.features)
        assert symbols.shape == (size, EARLY + lag)
        for row, label in zip(symbols, part.labels, strict=True):
            letters = [SYMBOLS[s] for s in row if s >= PLAIN]
            assert "".join(letters) == CLASSES[label]
        assert (symbols[:, EARLY:] < PLAIN).all()
        assert (np.bincount(part.labels, minlength=4) > 0.15 * size).all()
        assert len({tuple(np.flatnonzero(row >= PLAIN)) for row in symbols}) == EARLY * (EARLY - 1) / 2  # all places


def test_no_sequence_of_the_test_part_is_a_training_one_and_seeds_differ():
    drawn, other = (temporal_order(5, SIZE, seed) for seed in (0, 1))
    rows = {row.tobytes() for row in drawn.train.features}
    assert not rows & {row.tobytes() for row in drawn.test.features}
    assert not np.array_equal(drawn.train.features, other.train.features)
    assert_array_equal(drawn.train.features, temporal_order(5, SIZE, 0).train.features)
    with pytest.raises(ValueError, match="lag must be 0 or more"):
        temporal_order(-1, SIZE, 0)


def test_one_hot_rows_and_their_symbols():
    symbols = np.array([[0, 5, 2], [3, 3, 4]])
    rows = one_hot(symbols)
    assert rows.shape == (2, 18)
    assert_array_equal(rows.sum(axis=1), 3)
    assert_array_equal(symbols_of(rows), symbols)
    assert_array_equal(symbols_of(1.3 * rows + 0.2), symbols)


def noisy(std: float) -> NoisyLSTM:
    return NoisyLSTM(6, 4, np.random.default_rng(0), std)


def test_noise_is_one_draw_per_batch_has_its_deviation_and_is_off_in_use():
    layer, x = noisy(0.2), np.eye(6, dtype=np.float32)[np.random.default_rng(1).integers(6, size=(3, 9))]
    clean = LSTM(6, 4, np.random.default_rng(0))
    layer.training = False
    assert_array_equal(layer.forward(x), clean.forward(x))
    layer.training, drawn = True, []
    for _ in range(400):
        layer.forward(x)
        drawn.append(layer.used[1] - layer.W.data)
    assert_allclose(np.std(drawn), 0.2, rtol=0.03)
    assert_allclose(np.mean(drawn), 0, atol=0.01)
    assert_array_equal(layer.W.data, clean.W.data)  # the weights themselves stay
    same = np.repeat(x[:1], 3, axis=0)
    states = layer.forward(same)
    assert_array_equal(states[0], states[1])


def test_gradients_are_those_of_the_noisy_weights():
    layer, x = noisy(0.3), np.random.default_rng(1).normal(size=(3, 7, 6)).astype(np.float32)
    states = layer.forward(x)
    layer.parameter_gradients(states)
    still = LSTM(6, 4, np.random.default_rng(0))
    still.U.data, still.W.data = layer.used
    still.parameter_gradients(still.forward(x))
    for mine, theirs in zip(layer.parameters(), still.parameters(), strict=True):
        assert_allclose(mine.grad, theirs.grad, rtol=1e-5)


def test_an_lstm_learns_a_short_lag():
    drawn = temporal_order(1, (600, 300), 0)
    rng = np.random.default_rng(0)
    network = train(LSTM(6, 12, rng), 0.03, drawn.train, 200, rng)
    assert np.mean(long_lags.classify(network, drawn.test.features) == drawn.test.labels) > 0.97


@pytest.mark.parametrize("right", [0, 1, 2])
def test_the_option_that_is_best_on_held_out_sequences_is_taken(right):
    """Planted: a model that is an option, and one option that is always right."""
    part = Table(np.zeros((4, 1)), np.array([0, 1, 1, 0]), ("x",))
    way = Way(
        "classical",
        ["a", "b", "c"],
        str.upper,
        lambda model, rows: part.labels if model == "ABC"[right] else 1 - part.labels,
    )
    assert way.best(part) == ("abc"[right], "ABC"[right])


def rows_of(part: Table) -> set[bytes]:
    return {row.tobytes() for row in part.features}


@pytest.fixture(scope="module")
def events():
    """The lesson at smoke: its fits, and the data on which settings were scored."""
    fitted, judged = [], []
    with pytest.MonkeyPatch.context() as patch:
        best, learn = Way.best, long_lags.train

        def noting_best(self, part):
            judged.append((self, part))
            return best(self, part)

        def noting_train(layer, rate, part, steps, rng):
            fitted.append((type(layer).__name__, rate, getattr(layer, "std", None), part))
            return learn(layer, rate, part, steps, rng)

        patch.setattr(Way, "best", noting_best)
        patch.setattr(long_lags, "train", noting_train)
        found = recorded(long_lags, patch)
    return found, fitted, judged


def test_settings_are_chosen_by_accuracy_on_sequences_that_were_not_fitted(events):
    found, fitted, judged = events
    assert len(found.choices) == 4 * len(LAGS) + 2
    for (way, part), choice in zip(judged, found.choices, strict=True):
        assert choice.highest
        assert choice.options == list(way.options)
        assert choice.taken == choice.options[int(np.argmax(choice.scores))]
        parts = [Sequences.of(found.run, lag) for lag in LAGS]
        at = next(p for p in parts if p.held_out.features.shape == part.features.shape)
        assert rows_of(part) == rows_of(at.held_out)
        assert not rows_of(part) & (rows_of(at.fitted) | rows_of(at.test))
    for _, _, _, part in fitted:
        at = next(p for p in parts if p.fitted.features.shape[1] == part.features.shape[1])
        assert rows_of(part) <= rows_of(at.fitted)
    tried = Counter((kind, rate, std, part.features.shape) for kind, rate, std, part in fitted)
    starts = [tried.pop(key) for key in list(tried) if key[2] == 0.0]
    assert starts == [len(NOISES)], "without noise there are as many trainings to choose among as with it"
    assert set(tried.values()) == {1}
    assert len(set(found.choices[-2].scores)) > 1, "and they differ by their random starts"
    assert {rate for kind, rate, _, _ in fitted if kind in ("LSTM", "TanhRecurrent")} == set(RATES)
    assert {std for kind, _, std, _ in fitted if kind == "NoisyLSTM"} == {0.0, *NOISES}


def test_what_was_chosen_is_what_is_kept_and_scored(events):
    found, _, _ = events
    for name, calls in found.timed.items():
        option, model = calls[0].answer
        assert found.run.methods[name].model is model
        if name.startswith(("LSTM, lag", "tanh, lag")):
            assert found.facts[f"learning rate chosen, {name}"] == option
    chosen = found.timed[f"LSTM, {FEW} sequences, noise in the weights"][0].answer
    assert found.facts["σ of the noise, chosen"] == chosen[0][0] == chosen[1].layers[0].layer.std
    assert found.timed[f"LSTM, {FEW} sequences, without noise"][0].answer[0][0] == 0
