"""Neighbours, a tree, a forest and kernel ridge, each tuned on the part that it is fitted to: rivals of two lessons.

The lesson "rivals" compares them. Here they are made, so that earlier lessons can score them without it.
"""

from __future__ import annotations

from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from common.run import Run
from common.tuning import scaled, tuned

NEIGHBOURS = [1, 2, 3, 5, 8, 12, 20, 30]
LEAVES = [1, 2, 5, 10, 20, 40]


def classical_rivals(run: Run) -> dict[str, GridSearchCV]:
    """The rivals by name, each tuned by cross-validation on the part that it is fitted to."""
    # Kernel ridge has no intercept: it gets a target of mean 0 and variance 1.
    kernel = TransformedTargetRegressor(KernelRidge(kernel="rbf"), transformer=StandardScaler())
    smoothness = {"model__regressor__alpha": [0.01, 0.1, 1.0], "model__regressor__gamma": [0.003, 0.01, 0.03, 0.1, 0.3]}
    forest = RandomForestRegressor(run.pick(smoke=10, lecture=100), random_state=run.seed)
    tree = DecisionTreeRegressor(random_state=run.seed)
    return {
        "k nearest neighbours": tuned(scaled(KNeighborsRegressor()), {"model__n_neighbors": NEIGHBOURS}, run),
        "tree": tuned(tree, {"min_samples_leaf": LEAVES}, run),
        "random forest": tuned(forest, {"max_features": [1 / 3, 1.0]}, run),
        "kernel ridge": tuned(scaled(kernel), smoothness, run),
    }
