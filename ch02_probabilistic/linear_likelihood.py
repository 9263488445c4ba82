"""Least squares as maximum likelihood: which assumption about the noise leads to squared errors?

Question   Least squares was a choice. Under which noise is it maximum likelihood, and how large is that noise?
Method     y⁽ⁱ⁾ = θᵀx⁽ⁱ⁾ + N(0, σ²): the log-likelihood is −N/2 log 2πσ² − C(θ) / 2σ² (Bishop 2006, Eq. 3.11), so the
           likeliest θ is that of least squares; the likeliest σ² is C(θ) / N (Eq. 3.21), which is too small on average.
Rival      A Gaussian process (Rasmussen and Williams 2006, ch. 2), which may curve; BayesianRidge is the reference.
Differs    The lecture writes y = N(θᵀx, σ²); read "is drawn from". y has a distribution, it is not one.
Costs      2 s on two cores.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ch02_probabilistic.drawings.linear_likelihood import draw_bias, draw_surfaces
from ch02_probabilistic.likelihood import gaussian_log_density, gaussian_log_likelihood
from common import data
from common.answers import refuse_text
from common.run import Run
from common.scales import powers_of_two, warn_of_scale

POUNDS = 1000.0
EPSILON = np.finfo(np.float64).eps


class GaussianLinearModel(RegressorMixin, BaseEstimator):
    """y = θ₀ + xᵀθ + N(0, σ²), by maximum likelihood.

    fit sets coef_ (m,), intercept_, sigma2_ (the likeliest σ², in squared units of y) and unbiased_sigma2_ (NaN where
    no degree of freedom is left).
    """

    def fit(self, X: ArrayLike, y: ArrayLike) -> GaussianLinearModel:
        """X: (n, m). y: (n,). Raises ValueError as scikit-learn does. Where many θ are best, takes one of them."""
        refuse_text(y)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = y.astype(np.float64)
        warn_of_scale(y, "the variance, which has the size of their squares, overflows or vanishes")
        self.factors_, self.factor_ = powers_of_two(X), float(powers_of_two(y))  # 1, unless squares would do so
        X, y = X / self.factors_, y / self.factor_
        self.mean_, y_mean = X.mean(axis=0), float(y.mean())
        centred = X - self.mean_
        size = np.abs(centred).max(axis=0)  # columns are scaled, so that units do not decide which ones are dependent
        size[size <= len(X) * EPSILON * np.abs(self.mean_)] = np.inf  # a constant, but for the rounding of its mean
        R = np.linalg.qr(np.column_stack([centred / size, y - y_mean]), mode="r")
        R, z = R[:, :-1], R[:, -1]  # ‖y − Xθ‖ = ‖z − Rθ‖, with as few rows as columns
        U, s, Vt = np.linalg.svd(R, full_matrices=False)
        kept = s > max(X.shape) * EPSILON * s.max(initial=0.0)
        root = Vt[kept].T / s[kept] / size[:, None]  # root rootᵀ = (XᵀX)⁻¹ of the centred X
        along = U[:, kept].T @ z
        coef = root @ along
        self.coef_ = coef / self.factors_ * self.factor_
        self.intercept_ = float(y_mean - self.mean_ @ coef) * self.factor_
        cost = float(np.sum((z - U[:, kept] @ along) ** 2))
        self.n_points_, self.precision_inverse_ = len(X), root @ root.T
        self.degrees_of_freedom_ = len(X) - 1 - int(kept.sum())
        self.variance_ = cost / self.degrees_of_freedom_ if self.degrees_of_freedom_ > 0 else np.nan  # over factor_²
        self.sigma2_ = cost / len(X) * self.factor_ * self.factor_
        self.unbiased_sigma2_ = self.variance_ * self.factor_ * self.factor_
        return self

    def predict(self, X: ArrayLike, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The mean of y at each row of X, (n,); with return_std also the standard deviation of a new y there, (n,).

        σ √(1 + 1/n + (x − x̄)ᵀ(XᵀX)⁻¹(x − x̄)): the noise, and the error of the fitted line itself (Seber and Lee
        2003, §5.3); σ from the unbiased estimate.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        mean = X @ self.coef_ + self.intercept_
        if not return_std:
            return mean
        off = X / self.factors_ - self.mean_
        leverage = 1 / self.n_points_ + np.einsum("ij,jk,ik->i", off, self.precision_inverse_, off)
        return mean, self.factor_ * np.sqrt(self.variance_ * (1 + leverage))


def variance_ratio(n: int, rng: np.random.Generator, draws: int) -> tuple[float, float]:
    """The mean σ̂² / σ² of many lines through n points each: by maximum likelihood (÷ n), and unbiased (÷ n − 2)."""
    x = rng.normal(size=(draws, n))
    y = rng.normal(size=(draws, n))  # θ = 0 and σ² = 1, which loses nothing: the residuals do not depend on θ
    dx, dy = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    slope = (dx * dy).sum(axis=1) / (dx * dx).sum(axis=1)
    cost = ((dy - slope[:, None] * dx) ** 2).sum(axis=1)
    return float(cost.mean() / n), float(cost.mean() / (n - 2))


def lesson(run: Run) -> None:
    cars = data.auto_mpg(seed=run.seed)
    noise = WhiteKernel(0.2, (1e-3, 1e1))
    process = GaussianProcessRegressor(1.0 * RBF(3.0, (0.3, 30)) + noise, normalize_y=True, random_state=run.seed)
    methods = {
        "Gaussian linear model": ("from scratch", GaussianLinearModel()),
        "BayesianRidge": ("reference", Pipeline([("scale", StandardScaler()), ("ridge", BayesianRidge())])),
        "Gaussian process": ("classical", Pipeline([("scale", StandardScaler()), ("process", process)])),
    }
    for name, (kind, model) in methods.items():
        with run.method(name, kind=kind) as method:
            method.fit(model, cars.train)
            method.score(cars.test)
            mean, std = model.predict(cars.test.features, return_std=True)
            density = gaussian_log_density(cars.test.targets, mean, std**2)
            method.score_items("log density per car", density, cars.test, unit="nats", higher_is_better=True)
    run.compare("Gaussian linear model", "Gaussian process", "log density per car")
    run.floor("Gaussian linear model", "RMSE", at_most=3.95)

    weight = cars.train.select("weight").features / POUNDS
    line = GaussianLinearModel().fit(weight, cars.train.targets)
    sigma = run.fact("σ around the line over weight", float(np.sqrt(line.sigma2_)), "mpg")
    height = gaussian_log_likelihood(cars.train.targets, line.predict(weight), line.sigma2_)
    run.fact("log-likelihood of the line over weight", height)
    sizes = [3, 5, 10, 20, 50, 100]
    ratios = [variance_ratio(n, run.rng, run.pick(smoke=500, lecture=5000)) for n in sizes]
    run.fact("most likely σ² over true σ², 5 points", ratios[1][0])
    run.figure(
        "surfaces",
        draw_surfaces,
        weight[:, 0],
        cars.train.targets,
        (line.intercept_, float(line.coef_[0])),
        line.sigma2_,
        caption="Mileage over weight: the cost of every line, darker where it is higher, and its log-likelihood, "
        "darker where it is higher. The contours are the same, and so is the best line (red): one surface is the "
        "other upside down.",
    )
    run.figure(
        "bias",
        draw_bias,
        sizes,
        ratios,
        caption="Mean estimate of the variance from many simulated lines, as a share of the true variance (grey "
        "line). A fitted line is drawn towards its own points, so residuals are smaller than the noise, and the most "
        "likely variance is on average (N − 2) / N of the true one (pale band).",
    )
    run.note(
        f"The maximum-likelihood line over weight has σ = {sigma:.2f} mpg and a log-likelihood of {height:.0f} nats: "
        "the maximum of the likelihood is the minimum of the squared error."
    )
