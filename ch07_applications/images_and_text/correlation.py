"""Canonical correlation analysis: the directions of two sets of features that correlate most.

Method     Hotelling 1936. With covariances C_xx, C_yy, C_xy, directions a and b maximise aᵀ C_xy b where
           aᵀ C_xx a = bᵀ C_yy b = 1. With C_xx = L Lᵀ and C_yy = M Mᵀ they are the singular vectors of L⁻¹ C_xy M⁻ᵀ,
           and its singular values the correlations. A ridge on both covariances (Vinod 1976) keeps directions in which
           there is little data from correlating by chance. For retrieval every direction is weighted by a power of its
           correlation, and vectors are compared by the cosine (Gong et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import cholesky, solve_triangular
from sklearn.base import BaseEstimator

POWER = 4  # of the correlations that weight directions; Gong et al. 2014


@dataclass(frozen=True, eq=False)
class Covariances:
    """Column means, C_xx, C_yy and C_xy of two tables with equal numbers of rows. They do not depend on the ridge."""

    means: tuple[Float[np.ndarray, "left"], Float[np.ndarray, "right"]]
    within: tuple[Float[np.ndarray, "left left"], Float[np.ndarray, "right right"]]
    between: Float[np.ndarray, "left right"]

    @classmethod
    def of(cls, X: Float[np.ndarray, "n left"], Y: Float[np.ndarray, "m right"]) -> Covariances:
        """Raises ValueError for tables of different lengths or of fewer than two rows."""
        if len(X) != len(Y) or len(X) < 2:
            raise ValueError(f"two tables of at least two rows each, not {len(X)} and {len(Y)}")
        means = X.mean(axis=0), Y.mean(axis=0)
        left, right = (table.astype(np.float64) - mean for table, mean in zip((X, Y), means, strict=True))
        return cls(means, (left.T @ left / len(X), right.T @ right / len(Y)), left.T @ right / len(X))


class RidgeCCA(BaseEstimator):
    """Regularised canonical correlation analysis of two tables with equal numbers of rows.

    ridge: added to both covariances, as a share of the features' mean variance. n_components: directions to keep, the
    most correlated ones.
    """

    def __init__(self, ridge: float = 0.01, n_components: int = 64) -> None:
        self.ridge = ridge
        self.n_components = n_components

    def fit(self, X: Float[np.ndarray, "n left"], Y: Float[np.ndarray, "m right"]) -> RidgeCCA:
        """Raises what Covariances.of raises."""
        return self.fit_covariances(Covariances.of(X, Y))

    def fit_covariances(self, known: Covariances) -> RidgeCCA:
        """The same as fit for covariances computed before, so that several ridges can be tried."""
        self.means_, roots = known.means, []
        for covariance in known.within:
            added = self.ridge * np.trace(covariance) / len(covariance) + 1e-12
            roots.append(cholesky(covariance + added * np.eye(len(covariance)), lower=True))
        between = solve_triangular(roots[0], known.between, lower=True)
        between = solve_triangular(roots[1], between.T, lower=True).T
        left, self.correlations_, right = np.linalg.svd(between, full_matrices=False)
        kept = slice(min(self.n_components, len(self.correlations_)))
        self.correlations_ = self.correlations_[kept]
        directions = zip(roots, (left[:, kept], right[kept].T), strict=True)
        self.directions_ = tuple(solve_triangular(root.T, turn, lower=False) for root, turn in directions)
        return self

    def project(self, table: Float[np.ndarray, "n features"], side: int) -> Float[np.ndarray, "n directions"]:
        """Unit vectors of a table in the common space, each direction weighted. side: 0 for X, 1 for Y."""
        scaled = (table - self.means_[side]) @ self.directions_[side] * self.correlations_**POWER
        return scaled / np.linalg.norm(scaled, axis=1, keepdims=True).clip(1e-12)

    def scores(
        self,
        X: Float[np.ndarray, "n left"],
        Y: Float[np.ndarray, "m right"],
    ) -> Float[np.ndarray, "n m"]:
        """The similarity of every row of X with every row of Y: the cosine in the common space."""
        return self.project(X, 0) @ self.project(Y, 1).T
