"""Bayesian regression: every line has a probability, and each car makes some lines less probable.

Question   What changes if theta is not one unknown truth but a distribution, and where does ridge come from?
Method     Bayes' rule: a Gaussian prior N(0, τ²) on each weight, times the likelihood, is proportional to a Gaussian
           posterior (Bishop 2006, §3.3). Its maximum is ridge with λ = σ²/τ². σ² and τ² come from the evidence
           (MacKay 1992; Bishop 2006, §3.5.2).
Rival      Ridge with λ by cross-validation; scikit-learn's BayesianRidge as the reference.
Differs    In the lecture theta is a fixed unknown, which its ";" expresses. Here theta is random, with a distribution.
Costs      0.8 s on two cores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Real
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import BayesianRidge, LinearRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ch02_probabilistic.likelihood import gaussian_log_density
from common import data, plots
from common.answers import as_floats, refuse_text
from common.claims import beats
from common.run import Run
from common.scales import must_be, powers_of_two, warn_of_scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PRIOR_VARIANCE = 36.0  # mpg²: before any car is seen, weights of about ±6 mpg per standard deviation are plausible
FEW = 40  # training patients: the fewer there are, the more the prior matters


def posterior(
    design: Real[np.ndarray, "n m"], y: Real[np.ndarray, "..."], noise_variance: float, prior_variance: float
) -> tuple[Float[np.ndarray, "m"], Float[np.ndarray, "m m"]]:
    """Mean m = S Xᵀy/σ² and covariance S = (I/τ² + XᵀX/σ²)⁻¹ of θ, given the points. Eqs. 3.53, 3.54, Bishop 2006.

    Raises ValueError for a variance that is not above 0, and unless there is one y for each row of the design.
    """
    must_be("noise_variance", noise_variance, open_end=True)
    must_be("prior_variance", prior_variance, open_end=True)
    design, y = as_floats(design), as_floats(y)
    if y.shape != design.shape[:1]:
        raise ValueError(f"design has shape {design.shape}, y {y.shape}: there must be one y for each row")
    precision = np.eye(design.shape[1]) / prior_variance + design.T @ design / noise_variance
    covariance = np.linalg.inv(precision)
    return covariance @ design.T @ y / noise_variance, covariance


class EvidenceRidge(RegressorMixin, BaseEstimator):
    """Ridge whose λ = σ²/τ² maximises p(y | σ², τ²), the probability of the targets with theta integrated out.

    No validation data is needed. The intercept has a flat prior. fit sets coef_ (m,), intercept_, noise_variance_ (σ²),
    prior_variance_ (τ²), covariance_ (m, m) of theta, and n_iter_.
    """

    def __init__(self, max_iter: int = 300, tol: float = 1e-6) -> None:
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: ArrayLike, y: ArrayLike) -> EvidenceRidge:
        """X: (n, m), standardise it: one prior for all weights. y: (n,). Raises ValueError as scikit-learn does."""
        must_be("max_iter", self.max_iter, least=1, whole=True)
        must_be("tol", self.tol)
        refuse_text(y)
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = y.astype(np.float64)
        warn_of_scale(y, "the variances, which have the size of their squares, overflow or vanish")
        warn_of_scale(X, "covariance_ and prior_variance_ may overflow or vanish")
        # 1, unless squares would do so; one factor for all columns, as there is one prior for all weights.
        self.factor_, self.y_factor_ = float(powers_of_two(X.ravel())), float(powers_of_two(y))
        X, y = X / self.factor_, y / self.y_factor_
        self.mean_, y_mean = X.mean(axis=0), float(y.mean())
        X, y = X - self.mean_, y - y_mean
        U, s, _ = np.linalg.svd(X, full_matrices=False)
        projected, rest = U.T @ y, max(0.0, float(y @ y - np.sum((U.T @ y) ** 2)))
        tiny = np.finfo(float).tiny
        noise, prior = float(y.var()) or 1.0, 1.0
        least = 1e-10 * noise  # below this, noise cannot be distinguished from 0, which would make 1/σ² infinite
        for iteration in range(1, self.max_iter + 1):
            self.n_iter_ = iteration
            along = s * projected / (s**2 + noise / prior)  # the posterior mean in the directions of V
            settled = np.sum(s**2 / (s**2 + noise / prior))  # γ, Eq. (3.91): how many directions the data determine
            before = noise / prior
            prior = max(float(along @ along) / max(settled, tiny), tiny)  # Eq. (3.92)
            misses = rest + float(np.sum((projected - s * along) ** 2))
            noise = max(misses / max(len(y) - settled, tiny), least)  # Eq. (3.95)
            if abs(noise / prior - before) <= self.tol * before:
                break
        coef, self._covariance = posterior(X, y, noise, prior)
        self.intercept_ = float(y_mean - self.mean_ @ coef) * self.y_factor_
        self.n_points_, self._noise, size = len(X), noise, self.y_factor_ / self.factor_
        with np.errstate(over="ignore", under="ignore"):
            self.coef_, self.covariance_ = coef * size, self._covariance * size * size
            self.noise_variance_, self.prior_variance_ = noise * self.y_factor_ * self.y_factor_, prior * size * size
        return self

    def predict(self, X: ArrayLike, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The mean of y at each row, (n,); with return_std also the standard deviation of a new y there, (n,).

        √(σ² + σ²/N + (x − x̄)ᵀ S (x − x̄)): the noise and the weights' uncertainty (Bishop 2006, Eq. 3.59), and between
        them the intercept's, which scikit-learn's BayesianRidge leaves out.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        mean = X @ self.coef_ + self.intercept_
        if not return_std:
            return mean
        off = X / self.factor_ - self.mean_
        variance = self._noise * (1 + 1 / self.n_points_) + np.einsum("ij,jk,ik->i", off, self._covariance, off)
        return mean, self.y_factor_ * np.sqrt(variance)


def draw_posterior(x: Float[np.ndarray, "n"], y: Float[np.ndarray, "n"], noise: float, counts: list[int]) -> Figure:
    """Above: the distribution of lines after each number of cars. Below: twenty lines drawn from it, and the cars."""
    figure, axes = plots.panels(len(counts), 2, width=2.9, height=2.6)
    rng = np.random.default_rng(0)
    ends = np.array([x.min(), x.max()])
    for column, n in enumerate(counts):
        above, below = axes[:, column]
        design = np.column_stack([np.ones(n), x[:n]])
        mean, covariance = posterior(design, y[:n], noise, prior_variance=PRIOR_VARIANCE)
        draw_density(above, mean, covariance)
        for theta in rng.multivariate_normal(mean, covariance, 20):
            below.plot(ends, theta[0] + theta[1] * ends, color=plots.BLUE, alpha=0.35, linewidth=1)
        below.plot(x[:n], y[:n], "o", color=plots.ORANGE, markersize=4)
        above.set(title=f"{n} cars" if n else "No car: the prior", xlabel=r"$\theta_0$")
        below.set(xlabel="weight (standardised)", ylim=(-25, 25), xlim=ends)
    axes[0, 0].set_ylabel(r"$\theta_1$")
    axes[1, 0].set_ylabel("mileage − its mean")
    return figure


def draw_density(axis: Axes, mean: Float[np.ndarray, "2"], covariance: Float[np.ndarray, "2 2"]) -> None:
    """Contours of a Gaussian density over (θ₀, θ₁)."""
    theta = np.stack(np.meshgrid(np.linspace(-14, 14, 141), np.linspace(-14, 14, 141)), axis=-1)
    off = theta - mean
    distance = np.einsum("ijk,kl,ijl->ij", off, np.linalg.inv(covariance), off)
    axis.contourf(theta[..., 0], theta[..., 1], np.exp(-distance / 2), levels=np.linspace(0.02, 1, 9), cmap="Blues")
    axis.set(xlim=(-14, 14), ylim=(-14, 14), aspect="equal")


def lesson(run: Run) -> None:
    patients = data.diabetes(seed=run.seed)
    train, test = patients.train.take(slice(FEW)), patients.test
    methods = {
        "no prior (least squares)": ("reference", LinearRegression()),
        "ridge, λ by cross-validation": ("classical", RidgeCV(np.logspace(-2, 4, 61))),
        "ridge, λ by evidence": ("from scratch", EvidenceRidge()),
        "BayesianRidge": ("reference", BayesianRidge(tol=1e-6)),
    }
    for name, (kind, model) in methods.items():
        with run.method(name, kind=kind) as method:
            method.fit(make_pipeline(StandardScaler(), model), train)
            method.score(test)
    run.compare("ridge, λ by evidence", "no prior (least squares)")
    run.compare("ridge, λ by evidence", "ridge, λ by cross-validation")
    run.floor("ridge, λ by evidence", "R²", at_least=0.25)

    ours = run.methods["ridge, λ by evidence"].model[-1]
    by_evidence = run.fact("λ = σ²/τ² by evidence", ours.noise_variance_ / ours.prior_variance_)
    chosen = run.methods["ridge, λ by cross-validation"].model[-1].alpha_
    by_validation = run.fact("λ by cross-validation", float(chosen))
    mean, std = run.methods["ridge, λ by evidence"].model.predict(test.features, return_std=True)
    run.fact("log density per test patient", float(gaussian_log_density(test.targets, mean, std**2).mean()), "nats")

    cars = data.auto_mpg(seed=run.seed).train.select("weight")
    x = (cars.features[:, 0] - cars.features.mean()) / cars.features.std()
    y = cars.targets - cars.targets.mean()
    noise = float(np.var(y - (x @ y) / (x @ x) * x))
    run.figure(
        "posterior",
        draw_posterior,
        x,
        y,
        noise,
        [0, 2, 10, len(x)],
        caption="Above: the posterior density of (θ₀, θ₁), given the cars in the title. Below: "
        "twenty lines drawn from that distribution, and the cars used so far (orange). Each car makes some lines less "
        "probable.",
    )
    run.note(f"λ, the ratio σ²/τ²: {by_evidence:.1f} by evidence, {by_validation:.1f} by cross-validation.")
    run.claim(
        f"With {FEW} patients the prior helps: ridge with λ by evidence has a lower error than least squares.",
        beats("ridge, λ by evidence", "no prior (least squares)"),
    )
