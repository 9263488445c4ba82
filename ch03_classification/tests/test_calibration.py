"""Calibration errors against loops, Murphy's three against the Brier score, the temperature against a known truth."""

from __future__ import annotations

import inspect
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import special
from skimage.transform import downscale_local_mean
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from ch03_classification.calibration import (
    bin_of,
    calibration_error,
    fit_temperature,
    forecasters,
    halve_images,
    honest_error,
    judge,
    murphy,
    temper,
)
from ch03_classification.digits.tables import pixels
from ch03_classification.softmax import SoftmaxRegression
from common.console import Console
from common.data import Images, Scale, Table, digits
from common.record import LessonRecord
from common.run import Method, Run


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threadpool_limits(1):
        yield


def make_run(preset: str = "smoke") -> Run:
    return Run("calibration", 0, Scale(preset), LessonRecord("", ""), Path(), Console())


def forecast(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, some of them at the ends of bins, and what was right."""
    rng = np.random.default_rng(seed)
    confidence = rng.choice([rng.random(50), np.round(rng.random(50), 1)])
    return confidence, rng.random(50) < confidence ** rng.uniform(0.3, 3)


forecasts = st.integers(0, 2**32 - 1).map(forecast)


def scores(seed: int = 0, n: int = 4000, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn from their softmax."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, classes))
    return z, (z + rng.gumbel(size=z.shape)).argmax(axis=1)


# --- Calibration error ------------------------------------------------------------------------------------------------


def test_bins():
    assert_array_equal(bin_of(np.array([0.0, 0.05, 0.1, 0.95, 1.0])), [0, 0, 1, 9, 9])


@settings(max_examples=100)
@given(forecasts)
def test_calibration_error_by_its_definition(found):
    confidence, right = found
    expected = 0.0
    for k in range(10):
        inside = [i for i, c in enumerate(confidence) if int(10 * c) == k or (k == 9 and c == 1)]
        if inside:
            share = len(inside) / len(right)
            expected += share * abs(right[inside].mean() - confidence[inside].mean())
    assert_allclose(calibration_error(confidence, right), expected, atol=1e-12)


def test_calibration_error_from_scikit_learns_reliability_curve():
    confidence, right = np.random.default_rng(0).random(500), np.random.default_rng(1).random(500) < 0.5
    was, said = calibration_curve(right, confidence, n_bins=10)
    share = np.bincount(bin_of(confidence), minlength=10) / 500
    assert_allclose(calibration_error(confidence, right), share @ np.abs(was - said), rtol=1e-12)


def test_calibration_error_of_rows():
    confidence, right = (np.stack(part) for part in zip(*map(forecast, range(5)), strict=True))
    assert_allclose(calibration_error(confidence, right), [calibration_error(*forecast(k)) for k in range(5)])


def test_always_sure_and_always_right_is_0_and_always_wrong_is_1():
    assert calibration_error(np.ones(5), np.ones(5, bool)) == 0
    assert calibration_error(np.ones(5), np.zeros(5, bool)) == 1


@pytest.mark.parametrize("n", [100, 1600])
def test_chance_alone_makes_an_error_that_shrinks_with_the_root_of_n(n):
    """One bin: E|share − p| = √(2 p (1 − p) / π n), the mean of a folded Gaussian."""
    found = honest_error(np.full(n, 0.75), 4000, np.random.default_rng(0))
    assert_allclose(found, np.sqrt(2 * 0.75 * 0.25 / np.pi / n), rtol=0.05)


# --- The Brier score --------------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(forecasts)
def test_murphys_three_make_the_brier_score_of_binned_forecasts(found):
    confidence, right = found
    reliability, resolution, uncertainty = murphy(confidence, right)
    bins = bin_of(confidence)
    binned = np.array([confidence[bins == k].mean() for k in bins])
    assert_allclose(reliability - resolution + uncertainty, np.mean((binned - right) ** 2), atol=1e-12)
    assert_allclose(uncertainty, right.var(), atol=1e-12)
    assert min(reliability, resolution) >= 0


def test_who_says_the_overall_share_is_reliable_and_resolves_nothing():
    right = np.arange(10) < 7
    assert_allclose(murphy(np.full(10, 0.7), right), (0, 0, 0.21), atol=1e-12)


def test_who_knows_resolves_all_the_uncertainty():
    right = np.arange(10) < 7
    assert_allclose(murphy(right.astype(float), right), (0, 0.21, 0.21), atol=1e-12)


# --- The temperature --------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(seed=st.integers(0, 1000), temperature=st.floats(0.05, 20))
def test_tempering_divides_the_logits_and_keeps_the_order(seed, temperature):
    z, _ = scores(seed, 20)
    P = special.softmax(z, axis=1)
    found = temper(P, temperature)
    assert_allclose(found, special.softmax(z / temperature, axis=1), atol=1e-9)
    assert_array_equal(found.argmax(axis=1), P.argmax(axis=1))


def test_a_temperature_of_1_changes_nothing_and_zeros_are_no_trouble():
    P = np.array([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5]])
    assert_allclose(temper(P, 1.0), P, atol=1e-300)
    assert np.isfinite(temper(P, 0.1)).all()


@pytest.mark.parametrize("truth", [0.3, 1.0, 4.0])
def test_the_temperature_is_found(truth):
    z, labels = scores()
    assert_allclose(fit_temperature(special.softmax(truth * z, axis=1), labels), truth, rtol=0.05)


@pytest.mark.parametrize("truth", [0.3, 4.0])
def test_no_other_temperature_has_less_log_loss(truth):
    z, labels = scores(1, 300)
    P = special.softmax(truth * z, axis=1)
    best = fit_temperature(P, labels)
    least = log_loss(labels, temper(P, best), labels=range(4))
    for other in (0.5, 0.9, 0.99, 1.01, 1.1, 2):
        assert least <= log_loss(labels, temper(P, other * best), labels=range(4)) + 1e-9


@pytest.mark.skipif(
    "temperature" not in inspect.getsource(CalibratedClassifierCV), reason="this scikit-learn has no temperature"
)
def test_the_temperature_is_scikit_learns():
    part = pixels(digits(seed=0).train, white=16)
    model = SoftmaxRegression(1e-3).fit(part.features[:300], part.labels[:300])
    held, labels = part.features[300:], part.labels[300:]
    peer = CalibratedClassifierCV(FrozenEstimator(model), method="temperature").fit(held, labels)
    P = model.predict_proba(held)
    assert_allclose(temper(P, fit_temperature(P, labels)), peer.predict_proba(held), atol=1e-3)


# --- The lesson's own -------------------------------------------------------------------------------------------------


def test_halve_images_takes_the_mean_of_two_by_two():
    images = Images(
        np.random.default_rng(0).integers(0, 256, (3, 6, 8)).astype(np.uint8), np.arange(3), np.arange(3) + 5
    )
    small = halve_images(images)
    expected = [downscale_local_mean(image, (2, 2)) for image in images.images]
    assert np.abs(small.images - np.array(expected)).max() < 1
    assert_array_equal(small.labels, images.labels)
    assert_array_equal(small.ids, images.ids)


def test_judge_measures_all_four():
    run = make_run()
    part = Table(np.zeros((4, 1)), np.array([0, 0, 1, 2]), ("x",))
    method = Method(run, "says", "classical")
    P = judge(method, part, lambda X: np.tile([0.8, 0.2, 0.0], (len(X), 1)))
    assert P.shape == (4, 3)
    found = {row.metric: row.value for row in run.record.rows}
    assert_allclose(found["accuracy"], 50)
    assert_allclose(found["log loss"], -np.log([0.8, 0.8, 0.2, 1e-6]).mean())
    assert_allclose(found["Brier score"], (2 * 0.2**2 + 2 * 0.8**2) / 4)
    assert_allclose(found["ECE"], 0.3)


def test_the_forecasters_are_tuned_for_accuracy_but_for_k():
    models = forecasters(make_run())
    scoring = {name: getattr(getattr(model, "search", model), "scoring", None) for name, model in models.items()}
    assert scoring.pop("k nearest") == "neg_log_loss"
    assert scoring.pop("softmax, λ = 0.01") is None
    assert set(scoring.values()) == {"accuracy"}
