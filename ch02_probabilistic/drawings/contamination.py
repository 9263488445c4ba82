"""Drawing of contaminated cars: lines through them, and errors by the share of wrong ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import RegressorMixin

from common import plots
from common.data import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_contamination(
    clean: Table, train: Table, fitted: dict[str, RegressorMixin], shares: list[float], errors: dict[str, list[float]]
) -> Figure:
    """The lines through contaminated cars, the wrong ones as crosses, and each method's error by their share."""
    figure, (lines, growth) = plots.panels(2, width=4.9, height=3.7)
    wrong = train.targets != clean.targets
    plots.dots(lines, train.features[~wrong, 0], train.targets[~wrong])
    (crosses,) = lines.plot(
        train.features[wrong, 0], train.targets[wrong], "x", color=plots.INK, markersize=5, markeredgewidth=1.2
    )
    lines.legend([crosses], ["recorded in litres per 100 km"], loc="upper right")
    x = np.linspace(train.features.min(), train.features.max(), 50)
    for i, name in enumerate(errors):
        colour, style = plots.CYCLE[i], "-" if i < 3 else "--"
        lines.plot(x, fitted[name].predict(x[:, None]), style, color=colour, linewidth=1.6)
        growth.plot(100 * np.array(shares), errors[name], style, color=colour, marker="o", markersize=3, label=name)
    lines.set(title=f"{100 * wrong.mean():.0f} % in the wrong unit", xlabel="weight (lb)", ylabel="recorded mileage")
    growth.set(
        title="Error by the share of wrong cars", xlabel="wrong training cars (%)", ylabel="RMSE on clean cars (mpg)"
    )
    growth.legend(fontsize=8)
    return figure
