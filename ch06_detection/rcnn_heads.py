"""R-CNN's two heads: a linear SVM per class, and ridge regression of the box.

Method     Girshick et al. 2014, §2.3 and appendix B for the SVMs, appendix C for box regression.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ch06_detection.boxes import Boxes, iou
from common.data.boxed import Target

FIRST = 3000  # negatives that an SVM starts with, before it looks for hard ones
SILENT = -9.0  # the margin of a class that nothing could be learned of


@dataclass
class RidgeBoxes:
    """Offsets of boxes as linear functions of features, class by class. Appendix C, Eq. (1)–(5). penalty: λ."""

    penalty: float
    weights_: Float[Tensor, "classes d 4"] = field(init=False, repr=False)

    def fit(
        self, features: Float[Tensor, "n d"], offsets: Float[Tensor, "n 4"], labels: Int64[Tensor, "n"], classes: int
    ) -> RidgeBoxes:
        """Eq. (5): argmin Σ ‖t − Wᵀφ‖² + λ ‖W‖² for each class. A class without boxes moves none."""
        self.weights_ = torch.zeros(classes, features.shape[1] + 1, 4)
        for label in labels.unique().tolist():
            own = with_one(features[labels == label]).double()
            gram = own.T @ own + self.penalty * torch.eye(own.shape[1], dtype=torch.double)
            self.weights_[label - 1] = torch.linalg.solve(gram, own.T @ offsets[labels == label].double()).float()
        return self

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n classes 4"]:
        """The offsets that each class would move the boxes by."""
        return torch.einsum("nd,cdo->nco", with_one(features), self.weights_)


def with_one(features: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
    """The features, and a 1 for the intercept."""
    return torch.cat([features, features.new_ones(len(features), 1)], dim=1)


def overlap_by_class(boxes: Boxes, target: Target, classes: int) -> Float[Tensor, "n classes"]:
    """IoU of each box with the object of each class that it overlaps most; 0 where there is none."""
    best = torch.zeros(len(boxes), classes)
    for label in target["labels"].unique().tolist():
        best[:, label - 1] = iou(boxes, target["boxes"][target["labels"] == label]).amax(dim=1)
    return best


def svm_with_hard_negatives(
    positives: Float[Tensor, "p d"], negatives: Float[Tensor, "q d"], C: float, seed: int = 0
) -> Float[Tensor, "e"]:
    """Weights and intercept of a linear SVM: with some negatives, then with all that lie within its margin. §2.3."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    if not len(positives) or not len(negatives):
        return torch.cat([torch.zeros(positives.shape[1]), torch.tensor([SILENT])])
    chosen = torch.randperm(len(negatives), generator=torch.Generator().manual_seed(seed))[:FIRST]
    for _ in range(2):
        x = torch.cat([positives, negatives[chosen]]).numpy()
        svm = LinearSVC(C=C, intercept_scaling=10.0, random_state=seed, max_iter=300)  # scaled: hardly held back by C
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of a margin change no order
            svm.fit(x, np.arange(len(x)) < len(positives))
        weights = torch.tensor(np.append(svm.coef_[0], svm.intercept_[0]), dtype=torch.float32)
        hard = (with_one(negatives) @ weights > -1).nonzero()[:, 0]
        chosen = torch.cat([chosen, hard]).unique()
    return weights
