"""How many numbers a fitted model keeps in order to predict: a network's weights, a neighbour method's training set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

# Fitted attributes of scikit-learn's estimators and of ours that hold numbers which predict() reads. Support vectors
# stand before coef_, which a linear SVM derives from them.
KEPT = (
    "support_vectors_",
    "dual_coef_",
    "coef_",
    "intercept_",
    "_fit_X",
    "_y",  # the answers of a neighbour method
    "X_fit_",
    "theta_",  # of naive Bayes, as the next two
    "var_",
    "class_prior_",
    "constant_",
    "coefs_",
    "intercepts_",
    "components_",  # of PCA
    "words_",
    "means_",  # of a mixture of Gaussians, as the next two
    "covariances_",
    "weights_",
    "tree_",
)
PARTS = (
    "estimators_",
    "best_estimator_",
    "estimator_",
    "regressor_",
    "steps",
    "transformer_list",
    "pca_",
    "mixture_",
)


def model_size(model: Any) -> int | None:
    """How many numbers the model keeps; None where that can't be determined.

    An array or a tuple: its number of entries. A network, torch's or ours: the number of its parameters. A decision
    tree: two numbers per split (feature and threshold) and one per leaf (its value). Another estimator: the sizes of
    its fitted arrays, added. A pipeline or an ensemble: the sum over its parts.
    """
    if isinstance(model, tuple | np.ndarray):
        return int(np.size(model))
    if hasattr(model, "parameters") and callable(model.parameters):
        return sum(math.prod(weights.shape) for weights in model.parameters())
    if hasattr(model, "tree_") and hasattr(model.tree_, "n_leaves"):
        leaves = int(model.tree_.n_leaves)
        return 2 * (int(model.tree_.node_count) - leaves) + leaves
    own = sum(_numbers(_fitted(model, name)) for name in KEPT)
    parts = [part for name in PARTS for part in _parts(_fitted(model, name))]
    total = own + sum(model_size(part) or 0 for part in parts)
    return total or None


def _fitted(model: Any, name: str) -> Any:
    # A kernel SVM's coef_ is a property that raises; a support vector machine's coef_ would count its vectors twice.
    if name == "coef_" and hasattr(model, "support_vectors_"):
        return None
    if name == "var_" and not hasattr(model, "theta_"):  # a scaler's, not naive Bayes'
        return None
    if name == "tree_":  # a density's training points, in a tree of balls or boxes
        return np.asarray(model.tree_.data) if hasattr(getattr(model, name, None), "data") else None
    return getattr(model, name, None)


def _numbers(value: Any) -> int:
    if isinstance(value, list):
        return sum(_numbers(v) for v in value)
    return 0 if value is None else int(np.size(value))


def _parts(value: Any) -> list:
    if value is None:
        return []
    if isinstance(value, list | tuple | np.ndarray):
        items = np.ravel(np.asarray(value, dtype=object)) if isinstance(value, np.ndarray) else value
        return [item[1] if isinstance(item, tuple) else item for item in items]
    return [value]
