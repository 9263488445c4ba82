"""What this chapter's two-class classifiers share: scikit-learn's tags, and a check that there are just two classes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data


class TwoClassClassifier(ClassifierMixin, BaseEstimator):
    """A scikit-learn classifier for labels of two kinds."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _two_classes(self, X: ArrayLike, y: ArrayLike) -> tuple[Float[np.ndarray, "n m"], Int[np.ndarray, "n"]]:
        """X as floats, and y as 0 and 1; sets classes_. Raises ValueError for more or fewer kinds of label than two."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) == 1:
            only = f"the data contains only one class: {self.classes_[0]}"
            raise ValueError(f"This solver needs samples of at least 2 classes in the data, but {only}")
        if len(self.classes_) > 2:
            kinds = f"multiclass: {len(self.classes_)} classes"
            raise ValueError(f"Only binary classification is supported. The type of the target is {kinds}")
        return X, labels
