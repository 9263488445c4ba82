"""Drawings of lstm.py and long_lags.py: gradients by distance, gates, accuracy by lag, cells that remember."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from ch04_backprop.sequences.temporal_order import CLASSES, PLAIN, SYMBOLS, symbols_of
from common import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ch04_backprop.recurrent import Recurrent
    from common.record import LessonRecord

COLOURS = {"LSTM": plots.BLUE, "tanh": plots.ORANGE, "hidden Markov models": plots.GREEN, "window": plots.PURPLE}
STYLES = ("-", ":", "--", "-")
LIMIT = 6  # of the colours of cells


def draw_carried(norms: dict[str, Float[np.ndarray, "steps"]]) -> Figure:
    """A line for each layer: the remaining gradient, over T − t."""
    figure, axis = plots.panels(width=6.2, height=3.4)
    for (name, norm), style in zip(norms.items(), STYLES, strict=True):
        colour = COLOURS[name.partition(",")[0]]
        axis.semilogy(np.arange(len(norm))[::-1], norm / norm[-1], color=colour, linestyle=style, label=name)
    axis.set(title="What is left of a gradient", xlabel="T − t (steps)", ylabel="share of that at t = T")
    axis.legend()
    return figure


def draw_gates(gates: Float[np.ndarray, "steps sums"], cells: Float[np.ndarray, "steps units"]) -> Figure:
    """The three gates of the first unit by step, and below them its cell's input and state."""
    figure, (above, below) = plots.panels(1, 2, width=6.4, height=1.9, sharex=True)
    units = cells.shape[1]
    i, f, g, o = gates[:, ::units].T
    steps = np.arange(1, len(cells) + 1)
    for name, gate, colour in (("forget", f, plots.BLUE), ("input", i, plots.GREEN), ("output", o, plots.PURPLE)):
        above.plot(steps, gate, color=colour, linewidth=1.5, label=f"{name} gate")
    below.bar(steps, i * g, color=plots.GREEN, width=0.8, label="i g, what is added")
    below.plot(steps, cells[:, 0], color=plots.INK, linewidth=1.8, label="cell c")
    above.set(ylim=(-0.03, 1.03))
    above.set_title("Gates of one unit")
    below.set(title="Its cell", xlabel="step")
    for axis in (above, below):
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def draw_lags(record: LessonRecord, lags: tuple[int, ...], names: list[str]) -> Figure:
    """A line for each method: accuracy by lag, with its interval."""
    figure, axis = plots.panels(width=5.6, height=3.5)
    rows = {row.method: row for row in record.scores() if row.metric == "accuracy"}
    for place, name in enumerate(names):
        found = [rows[f"{name}, lag {lag}"] for lag in lags]
        x = np.arange(len(lags)) + 0.04 * (place - (len(names) - 1) / 2)
        values = np.array([row.value for row in found])
        ends = np.array([(row.value - row.low, row.high - row.value) for row in found]).T
        axis.errorbar(
            x, values, np.maximum(ends, 0), fmt="o-", capsize=3, markersize=4.5, color=COLOURS[name], label=name
        )
    axis.axhline(100 / len(CLASSES), color=plots.GREY, linestyle=":", linewidth=1.2)
    axis.set_xticks(range(len(lags)), lags)
    axis.set(title="Which came first?", xlabel="lag (steps)", ylabel="accuracy (%)", ylim=(0, 104))
    axis.legend(loc="lower left")
    return figure


def draw_cells(layer: Recurrent, rows: list[Float[np.ndarray, "columns"]]) -> Figure:
    """A picture for each sequence: a row for each cell, a column for each step."""
    figure, axes = plots.panels(2, 2, width=4.4, height=2.3, sharex=True, sharey=True)
    for axis, row, name in zip(axes.ravel(), rows, CLASSES, strict=True):
        symbols = symbols_of(row[None])[0]
        layer.training = False
        layer.forward(row.reshape(1, -1, layer.inputs).astype(np.float32))
        shown = axis.imshow(
            layer.c[0, 1:].T, cmap="RdBu", vmin=-LIMIT, vmax=LIMIT, aspect="auto", interpolation="nearest"
        )
        for t in np.flatnonzero(symbols >= PLAIN):
            axis.text(t, -0.9, SYMBOLS[symbols[t]], ha="center", va="bottom", fontsize=9, fontweight="bold")
        axis.set_title(f"{name}\n", fontsize=10)
        axis.grid(visible=False)
    for axis in axes[-1]:
        axis.set_xlabel("step")
    for axis in axes[:, 0]:
        axis.set_ylabel("cell")
    figure.colorbar(shown, ax=axes, label="c")
    return figure
