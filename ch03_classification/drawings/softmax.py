"""Drawings of softmax: probabilities over a plane."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator

from common import plots
from common.data import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def shade_plane(axis: Axes, model: BaseEstimator, part: Table, places: int = 100) -> None:
    """The predicted probabilities over the plane as mixed colours of the classes, and lines where the top two tie.

    places: per side at which the model is asked. Few of them show where three lines meet as a small triangle.
    """
    from matplotlib.colors import to_rgb

    x, y = (np.linspace(column.min() - 0.2, column.max() + 0.2, places) for column in part.features.T)
    P = model.predict_proba(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)).reshape(len(y), len(x), -1)
    colours = np.array([to_rgb(colour) for colour in plots.CYCLE[: P.shape[2]]])
    axis.imshow(1 - 0.55 * (1 - P @ colours), origin="lower", extent=(x[0], x[-1], y[0], y[-1]), aspect="auto")
    for k in range(P.shape[2]):
        others = np.delete(P, k, axis=2).max(axis=2)
        axis.contour(x, y, P[:, :, k] - others, [0], colors=plots.INK, linewidths=0.8)
        axis.plot(*part.features[part.labels == k].T, "o", color=plots.CYCLE[k], markersize=2.5, label=str(k))
    axis.grid(visible=False)
