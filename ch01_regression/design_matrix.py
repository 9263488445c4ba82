"""Ten measurements of a patient, one number to predict: the line becomes a plane, and the sums become a matrix.

Question   How are the best weights of many inputs found, and what do three ways to find them have in common?
Method     C(θ) = (Y − Xθ)ᵀ(Y − Xθ) is least where XᵀXθ = XᵀY: by Cholesky, QR or SVD (Golub and Van Loan 2013, §5.3).
Rival      k nearest neighbours, a tree, a forest and kernel ridge on the same patients; scikit-learn as the reference.
Differs    The lecture's X carries a column x₀ = 1. The estimator centres the columns instead: the same answer, better
           conditioned. (y is 1-dimensional, the lecture says, and asks why: k targets are k regressions with one X.)
Costs      1.5 s on two cores, nearly all of it to tune the rivals.
"""

from __future__ import annotations

import warnings
from numbers import Real

import numpy as np
from jaxtyping import Float
from jaxtyping import Real as RealArray
from numpy.typing import ArrayLike
from scipy import linalg
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression as Reference
from sklearn.utils import check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from ch01_regression.baselines.tuned_rivals import classical_rivals
from ch01_regression.drawings.design_matrix import draw_weights
from common import data
from common.answers import check_same_shape, refuse_text
from common.run import Run
from common.scales import LARGE, must_be, powers_of_two

BLOCK = 2048  # points in one block of the sums
EPSILON = np.finfo(np.float64).eps
AGREEMENT = "digits in which all solvers agree with scikit-learn"
WORST = 3e6  # condition of columns of length 1 up to which Cholesky keeps two or three digits: ε cond² = 0.002


def design_matrix(features: Float[np.ndarray, "n m"]) -> Float[np.ndarray, "n m+1"]:
    """X of the lecture: one row per point, x₀ = 1 in front, so that theta_0 is a weight like the others."""
    return np.column_stack([np.ones(len(features)), features])


def normal_equations(X: Float[np.ndarray, "n m"], y: Float[np.ndarray, "n"]) -> Float[np.ndarray, "m"]:
    """The textbook's solution: ∇C(θ) = −2Xᵀ(y − Xθ) = 0 where XᵀXθ = Xᵀy, one equation per weight.

    It forms XᵀX in one go, and is exact enough for a few inputs of similar size. The three solvers below find the same
    θ for more points, for columns that nearly repeat each other, and with a penalty; each says what it adds.
    """
    gram = X.T @ X
    moment = X.T @ y
    return np.linalg.solve(gram, moment)


def solve_cholesky(
    X: Float[np.ndarray, "n m"], mean: Float[np.ndarray, "m"], y: Float[np.ndarray, "n"], ridge: float
) -> Float[np.ndarray, "m"]:
    """∂C/∂θ = 0 gives the normal equations (XᵀX + λI) θ = Xᵀy, and XᵀX = LLᵀ solves them.

    Fast, and the data can be read in blocks, because the points enter only through sums. But cond(XᵀX) = cond(X)².
    Raises LinAlgError where a column is, to the precision that is left, a combination of those before it.
    """
    gram, moment = ridge * np.eye(X.shape[1]), np.zeros(X.shape[1])
    for start in range(0, len(X), BLOCK):
        block = X[start : start + BLOCK] - mean  # a block and its products stay in the processor's cache
        gram += block.T @ block
        moment += block.T @ y[start : start + BLOCK]
    length = np.sqrt(np.diag(gram))
    if not ((length > 1 / LARGE) & (length < np.inf)).all():
        raise linalg.LinAlgError("a column is 0, or its square is, or overflows")
    L = linalg.cholesky(gram, lower=True)
    constant = length <= len(X) ** 1.5 * EPSILON * np.abs(mean)  # but for the rounding of the mean
    if constant.any() or np.linalg.cond(L / length[:, None]) > WORST:  # L has the singular values of X
        raise linalg.LinAlgError("columns depend on each other")
    return linalg.cho_solve((L, True), moment)


def solve_qr(
    X: Float[np.ndarray, "n m"], mean: Float[np.ndarray, "m"], y: Float[np.ndarray, "n"], ridge: float
) -> Float[np.ndarray, "m"]:
    """X = QR turns ‖y − Xθ‖ into ‖Qᵀy − Rθ‖ with R triangular. It works on X itself: the condition is not squared.

    Factoring [X y] in one go leaves Qᵀy as R's last column, so Q is never formed. Ridge is least squares with √λ I as
    further rows. Raises LinAlgError where a column is, to working precision, a combination of those before it.
    """
    m = len(mean)
    rows = np.zeros((m + 1, len(X) + m))  # [X y; √λ I 0] lying on its side, as LAPACK reads it
    np.subtract(X.T, mean[:, None], out=rows[:m, : len(X)])
    rows[m, : len(X)] = y
    np.fill_diagonal(rows[:m, len(X) :], np.sqrt(ridge))
    _, R = linalg.qr(rows.T, mode="raw", overwrite_a=True, check_finite=False)
    R, z = R[:m, :m], R[:m, m]
    size = np.sqrt((R**2).sum(axis=0) + len(X) * mean**2)
    if (np.abs(np.diag(R)) <= max(X.shape) * EPSILON * size).any():
        raise linalg.LinAlgError("columns depend on each other")
    return linalg.solve_triangular(R, z)


def solve_svd(
    X: Float[np.ndarray, "n m"], mean: Float[np.ndarray, "m"], y: Float[np.ndarray, "n"], ridge: float
) -> Float[np.ndarray, "m"]:
    """X = U diag(s) Vᵀ gives θ = V diag(s / (s² + λ)) Uᵀy. It takes the most operations of the three and never fails.

    A direction with s = 0, to working precision, gets weight 0, with a warning: of all the best θ this is the shortest.
    """
    centred = X - mean
    constant = np.abs(centred).max(axis=0) <= len(X) * EPSILON * np.abs(mean)  # but for the rounding of the mean
    centred[:, constant] = 0.0
    U, s, Vt = np.linalg.svd(centred, full_matrices=False)
    size = np.hypot(s.max(initial=0.0), np.sqrt(len(X)) * np.linalg.norm(mean[~constant]))  # of X before centring
    kept = s > size * max(X.shape) * EPSILON
    if kept.sum() < len(mean) and not ridge:
        warnings.warn(
            f"{len(X)} points settle {kept.sum()} of {len(mean)} directions, so many weights fit alike: these are the "
            "shortest; use ridge > 0, fewer columns or more points",
            stacklevel=3,
        )
    s, U, Vt = s[kept], U[:, kept], Vt[kept]
    return Vt.T @ (s / (s**2 + ridge) * (U.T @ y))


SOLVE = {"cholesky": solve_cholesky, "qr": solve_qr, "svd": solve_svd}


def column_means(values: RealArray[np.ndarray, "n *columns"]) -> np.ndarray | np.floating:
    """The means, also where the sums would overflow."""
    with np.errstate(over="ignore"):
        means = values.mean(axis=0)
    if np.isfinite(means).all():
        return means
    factors = powers_of_two(values)
    return (values / factors).mean(axis=0) * factors


def solve_at_any_scale(
    solver: str, X: Float[np.ndarray, "n m"], mean: Float[np.ndarray, "m"], y: Float[np.ndarray, "n"], ridge: float
) -> Float[np.ndarray, "m"]:
    """The weights by this solver; where it finds that columns depend on each other, by SVD.

    They seem to where their squares overflow or vanish. Such columns are brought near 1 first, and each gets the
    penalty that its weight had: as further rows, √λ I in the old units.
    """
    try:
        if solver != "svd":
            with np.errstate(over="ignore", invalid="ignore"):
                return SOLVE[solver](X, mean, y, ridge)
    except linalg.LinAlgError:
        pass
    factors = powers_of_two(X)
    if (factors == 1).all():
        return solve_svd(X, mean, y, ridge)
    X, mean = X / factors, mean / factors
    if ridge:
        rows = mean + np.diag(np.minimum(np.sqrt(ridge) / factors, LARGE))
        X, y = np.vstack([X, rows]), np.r_[y, np.zeros(len(mean))]
    try:
        return solve_qr(X, mean, y, 0.0) / factors
    except linalg.LinAlgError:
        return solve_svd(X, mean, y, 0.0) / factors


class LinearRegression(RegressorMixin, BaseEstimator):
    """argmin of ‖y − θ₀ − Xθ‖² + λ‖θ‖², theta_0 unpenalised.

    solver: "cholesky", "qr" or "svd". ridge: λ ≥ 0. fit sets coef_ (m,) and intercept_. Where the first two solvers
    find that columns depend on each other, the third takes over.
    """

    def __init__(self, solver: str = "qr", ridge: float = 0.0) -> None:
        self.solver = solver
        self.ridge = ridge

    def fit(self, X: ArrayLike, y: ArrayLike) -> LinearRegression:
        """X: (n, m). y: (n,). Raises ValueError as scikit-learn does: NaN, empty, non-numeric, misshaped."""
        if self.solver not in SOLVE:
            raise ValueError(f"solver must be one of {', '.join(SOLVE)}, got {self.solver!r}")
        check_scalar(self.ridge, "ridge", Real, min_val=0)
        must_be("ridge", self.ridge)
        refuse_text(y)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        # ∂C/∂θ₀ = 0 makes the plane pass through the mean point: with centred columns theta_0 drops out of the system.
        x_mean, y_mean = column_means(X), float(column_means(y))
        self.coef_ = solve_at_any_scale(self.solver, X, x_mean, y - y_mean, self.ridge)
        self.intercept_ = float(y_mean - x_mean @ self.coef_)
        return self

    def predict(self, X: ArrayLike) -> Float[np.ndarray, "n"]:
        """θ₀ + Xθ. X: (n, m)."""
        check_is_fitted(self)
        return validate_data(self, X, dtype=np.float64, reset=False) @ self.coef_ + self.intercept_


def relative_gap(a: Float[np.ndarray, "m"], b: Float[np.ndarray, "m"]) -> float:
    """The largest difference of two weights, as a share of the largest weight."""
    check_same_shape(a=a, b=b)
    return float(np.abs(a - b).max() / np.abs(b).max())


def lesson(run: Run) -> None:
    patients = data.diabetes(seed=run.seed)
    train, test = patients.train, patients.test
    for solver in SOLVE:
        with run.method(f"plane, {solver}", kind="from scratch") as method:
            method.fit(LinearRegression(solver), train)
            method.score(test)
    with run.method("scikit-learn's plane", kind="reference") as method:
        reference = method.fit(Reference(), train)
        method.score(test)
    for name, rival in classical_rivals(run).items():
        with run.method(name, kind="classical") as method:
            method.fit(rival, train)
            method.score(test)
        run.compare("plane, qr", name)
    run.floor("plane, qr", "R²", at_least=0.39)

    weights = {solver: run.methods[f"plane, {solver}"].model.coef_ for solver in SOLVE}
    gap = max(relative_gap(w, reference.coef_) for w in weights.values())
    run.fact(AGREEMENT, -np.log10(gap))
    X = design_matrix(train.features)
    by_hand = normal_equations(X, train.targets)  # as the lecture writes it, column of ones and all
    run.fact(
        "digits in which the column of ones agrees with centring", -np.log10(relative_gap(by_hand[1:], weights["qr"]))
    )
    run.fact("condition number with the column of ones", float(np.linalg.cond(X)))
    centred = train.features - train.features.mean(axis=0)
    run.fact("condition number centred", float(np.linalg.cond(centred)))
    run.fact("condition number standardised", float(np.linalg.cond(centred / centred.std(axis=0))))
    run.figure(
        "weights",
        draw_weights,
        weights["qr"] * train.features.std(axis=0),
        train.names,
        caption="What one standard deviation more of each measurement adds to the predicted progression of diabetes: "
        "blue bars raise it, orange bars lower it. Where two measurements rise and fall together, their joint effect "
        "is well determined and the weight of each alone is not.",
    )
    together = np.corrcoef(train.select("s1", "s2").features.T)[0, 1]
    run.note(f"The correlation of s1 and s2 is {together:.2f}. The weights agree in {-np.log10(gap):.1f} digits.")
    run.claim(
        "Three solvers, one plane: on these columns the choice of solver does not matter; in the next lesson it does.",
        lambda record: record.findings()[AGREEMENT][0].value > 6,
    )
