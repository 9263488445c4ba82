"""Long lags: in which order did X and Y come, when the answer is due many steps later?

Question   For how many steps does a network remember what it has read, and does the LSTM's cell help?
Method     The temporal order problem (Hochreiter and Schmidhuber 1997, §5.6; sequences/temporal_order.py), with lags of
           5 to 40 steps. An LSTM and a tanh network read a sequence and classify it by their last state. In addition,
           an LSTM is trained on few sequences, without and with noise in the weights (Jim, Giles and Horne 1996; Graves
           2011, §4): it reads every batch with U + σE and W + σE′, where E and E′ are new each time.
Rival      A hidden Markov model per class (Baum and Welch; sequences/hidden_markov.py). It is the fair rival: it reads
           step by step, has a state, and one set of weights for all steps. Logistic regression on the whole window sees
           all steps at once, and needs a weight for each of them.
Differs    One matrix of noise per batch; Graves draws one per sequence. All methods use the same sequences; each
           chooses its learning rate, number of states or C by the accuracy on the same held-out ones. With noise in
           the weights one of three σ is chosen; without it, one of three random starts, so that both choose alike.
Costs      45 s on two cores.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression

from ch04_backprop.exploding import clip
from ch04_backprop.layers import Linear, Network
from ch04_backprop.lstm import LSTM
from ch04_backprop.networks.training import Training, one_cycle, predict
from ch04_backprop.optimisers import Adam
from ch04_backprop.output_units import SoftmaxCrossEntropy
from ch04_backprop.recurrent import LastState, Recurrent, TanhRecurrent
from ch04_backprop.sequences import drawn_lstm
from ch04_backprop.sequences.hidden_markov import MarkovClassifier
from ch04_backprop.sequences.temporal_order import CLASSES, SYMBOLS, symbols_of, temporal_order
from common.claims import beats, level
from common.data import Table
from common.model_size import model_size
from common.run import Run
from common.tuning import choose

LAGS = (5, 10, 20, 40)  # steps between the last relevant symbol and the classification
UNITS, BATCH, LONGEST = 16, 50, 1.0  # of the networks; sequences per batch; the norm at which gradients are clipped
RATES = [0.01, 0.03]  # of Adam, at the peak of one cycle
STATES, STRENGTHS = [3, 4, 5], [0.01, 0.1, 1.0, 10.0, 100.0]  # of the Markov models; C of the regression
FEW, FEW_LAG, NOISES = 80, 20, [0.05, 0.1, 0.2]  # training sequences, lag and σ for noise in the weights


class NoisyLSTM(LSTM):
    """An LSTM that reads each batch with U + σE and W + σE, E new for every batch; in prediction the noise is off."""

    def __init__(self, inputs: int, units: int, rng: np.random.Generator, std: float) -> None:
        super().__init__(inputs, units, rng)
        self.std, self.rng = std, rng

    def weights(self) -> tuple[Float[np.ndarray, "inputs sums"], Float[np.ndarray, "units sums"]]:
        """All steps of a sequence have the same noise. ∂C/∂W is Eq. (3) of recurrent.py: E does not depend on W."""
        U, W = super().weights()
        if not self.training:
            return U, W
        noisy = [w + w.dtype.type(self.std) * self.rng.standard_normal(w.shape, w.dtype) for w in (U, W)]
        return noisy[0], noisy[1]


@dataclass(frozen=True)
class Sequences:
    """The sequences of one lag: for training, for choosing settings, and for scoring once."""

    fitted: Table
    held_out: Table
    test: Table

    @classmethod
    def of(cls, run: Run, lag: int) -> Sequences:
        """Draw 1000, 500 and 1000 sequences (smoke: 100, 50 and 50) by the run's seed."""
        drawn = temporal_order(lag, run.pick(smoke=(150, 50), lecture=(1500, 1000)), run.seed)
        return cls(*drawn.split(1 / 3, run.seed), drawn.test)


class Way(NamedTuple):
    """A method of classification: its options, chosen on held-out sequences, its fit, and its prediction."""

    kind: str
    options: list
    fit: Callable[[Any], Any]
    predict: Callable[[Any, np.ndarray], np.ndarray]

    def best(self, part: Table) -> tuple[Any, Any]:
        """The option whose model classifies most of the part's sequences correctly, and its model."""
        models = [self.fit(option) for option in self.options]
        right = [100 * np.mean(self.predict(model, part.features) == part.labels) for model in models]
        option = choose(self.options, right, highest=True)
        return option, models[self.options.index(option)]


def train(layer: Recurrent, rate: float, part: Table, steps: int, rng: np.random.Generator) -> Network:
    """Train the layer and a linear one on its last state for `steps` batches with clipped gradients."""
    network = Network([LastState(layer), Linear(layer.units, len(CLASSES), rng)], SoftmaxCrossEntropy())
    training = Training(
        lambda parameters: Adam(parameters, rate),
        epochs=max(1, round(steps * BATCH / len(part))),
        batch_size=BATCH,
        schedule=one_cycle,
        penalise=lambda parameters: clip(parameters, LONGEST),
    )
    training(network, part.features.astype(np.float32), part.labels, rng)
    return network


def classify(network: Network, rows: Float[np.ndarray, "n columns"]) -> Int[np.ndarray, "n"]:
    return predict(network, rows.astype(np.float32))


def ways(run: Run, part: Table, steps: int) -> dict[str, Way]:
    """Two networks and two classical models. All are fitted to the same sequences."""

    def train_on_part(kind: type[Recurrent], rate: float) -> Network:
        rng = np.random.default_rng(run.seed)
        return train(kind(len(SYMBOLS), UNITS, rng), rate, part, steps, rng)

    def fit_markov(states: int) -> MarkovClassifier:
        rounds = run.pick(smoke=3, lecture=30)
        return MarkovClassifier(states, rounds, starts=2, seed=run.seed).fit(symbols_of(part.features), part.labels)

    def fit_window(C: float) -> LogisticRegression:
        return LogisticRegression(C=C, max_iter=1000).fit(part.features, part.labels)

    few = run.pick(smoke=2, lecture=1)
    return {
        "LSTM": Way("from scratch", RATES, partial(train_on_part, LSTM), classify),
        "tanh": Way("from scratch", RATES, partial(train_on_part, TanhRecurrent), classify),
        "hidden Markov models": Way(
            "classical", STATES[::few], fit_markov, lambda model, rows: model.predict(symbols_of(rows))
        ),
        "window": Way("classical", STRENGTHS[::few], fit_window, lambda model, rows: model.predict(rows)),
    }


def lesson(run: Run) -> None:
    steps = run.pick(smoke=2, lecture=400)
    for lag in LAGS:
        parts = Sequences.of(run, lag)
        for name, way in ways(run, parts.fitted, steps).items():
            with run.method(f"{name}, lag {lag}", kind=way.kind) as method:
                option, method.model = method.time(way.best, parts.held_out)
                method.score(parts.test, predict=partial(way.predict, method.model))
            if way.options is RATES:
                run.fact(f"learning rate chosen, {name}, lag {lag}", option)
        for rival in ("tanh", "hidden Markov models", "window"):
            run.compare(f"LSTM, lag {lag}", f"{rival}, lag {lag}")
    longest, network = parts, run.methods[f"LSTM, lag {lag}"].model
    names = list(ways(run, longest.fitted, steps))

    parts, rate = Sequences.of(run, FEW_LAG), max(RATES)
    few = parts.fitted.take(slice(run.pick(smoke=20, lecture=FEW)))

    def train_noisy(option: tuple[float, int]) -> Network:
        std, start = option
        rng = np.random.default_rng([run.seed, start])
        return train(NoisyLSTM(len(SYMBOLS), UNITS, rng, std), rate, few, steps, rng)

    without, with_noise = [(0.0, start) for start in range(len(NOISES))], [(std, 0) for std in NOISES]
    for name, options in (("without noise", without), ("noise in the weights", with_noise)):
        with run.method(f"LSTM, {FEW} sequences, {name}", kind="from scratch") as method:
            (std, _), method.model = method.time(
                Way("from scratch", options, train_noisy, classify).best, parts.held_out
            )
            method.score(parts.test, predict=partial(classify, method.model))
    run.fact("σ of the noise, chosen", std)
    run.compare(f"LSTM, {FEW} sequences, noise in the weights", f"LSTM, {FEW} sequences, without noise")
    run.floor(f"LSTM, lag {FEW_LAG}", "accuracy", at_least=99.6)

    run.figure_over_seeds(
        "lags",
        drawn_lstm.draw_lags,
        LAGS,
        names,
        caption="Accuracy on test sequences by the number of steps between the last symbol that counts and the "
        "question, with 95 % intervals. Dotted: chance.",
    )
    shown = longest.held_out
    run.figure(
        "cells",
        drawn_lstm.draw_cells,
        network.layers[0].layer,
        [shown.features[shown.labels == k][0] for k in range(len(CLASSES))],
        caption=f"The cells of the trained LSTM while it reads a held-out sequence of each class, with a lag of {lag}. "
        "Letters: the steps of X and Y. Red: negative; blue: positive.",
    )
    run.note(
        f"Numbers kept at a lag of {lag}: "
        + ", ".join(f"{name} {model_size(run.methods[f'{name}, lag {lag}'].model):,}" for name in names)
        + "."
    )
    run.claim(
        f"At a lag of {lag} the LSTM classifies more sequences correctly than the tanh network.",
        beats(f"LSTM, lag {lag}", f"tanh, lag {lag}"),
    )
    run.claim(
        f"At a lag of {lag} the hidden Markov models, which also keep a state, and the LSTM are not significantly "
        "different.",
        level(f"LSTM, lag {lag}", f"hidden Markov models, lag {lag}"),
    )
    run.claim(
        f"Noise in the weights helps an LSTM that learns from {FEW} sequences.",
        beats(f"LSTM, {FEW} sequences, noise in the weights", f"LSTM, {FEW} sequences, without noise"),
    )
