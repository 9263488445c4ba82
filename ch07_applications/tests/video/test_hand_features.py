"""Hand features: known signals have known values, and each group knows just what it should."""

import numpy as np
import pytest

from ch07_applications.video import hand_features as module
from ch07_applications.video.hand_features import HandFeatures, changes, spectrum, statistics, together


def windows(n=5, time=128, channels=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, time, channels))


def test_statistics_do_not_know_the_order_but_changes_and_the_spectrum_do():
    X = np.cumsum(windows(), axis=1)
    shuffled = X[:, np.random.default_rng(1).permutation(X.shape[1])]
    np.testing.assert_allclose(statistics(shuffled), statistics(X))
    np.testing.assert_allclose(together(shuffled), together(X), atol=1e-12)
    assert np.abs(changes(shuffled) - changes(X)).max() > 0.5
    assert np.abs(spectrum(shuffled, 50) - spectrum(X, 50)).max() > 0.5


def test_a_sine_s_strongest_frequency_and_band():
    time = np.arange(256) / 50
    frequency = 50 * 8 / 256
    X = np.sin(2 * np.pi * frequency * time)[None, :, None]
    found = spectrum(X, 50)[0]
    assert found[-1] == pytest.approx(frequency)
    bands = found[: len(module.BANDS) - 1]
    assert module.BANDS[bands.argmax()] <= frequency < module.BANDS[bands.argmax() + 1]


def test_correlations_are_numpy_s():
    X = windows()
    first, second = np.triu_indices(6, 1)
    for window, found in zip(X, together(X), strict=True):
        np.testing.assert_allclose(found, np.corrcoef(window.T)[first, second], atol=1e-6)


def test_a_turned_watch_has_the_same_lengths():
    X = windows(channels=3)
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    a, b = (HandFeatures().fit(each).transform(each) for each in (X, X @ turn))
    per_signal = a.shape[1] - 3
    lengths = [column for column in range(per_signal) if column % 4 == 3]  # three channels, then their length
    np.testing.assert_allclose(a[:, lengths], b[:, lengths], atol=1e-4)


@pytest.mark.parametrize("time", [9, 32, 128, 900])
@pytest.mark.parametrize("channels", [1, 6])
def test_windows_of_any_length_have_as_many_features_all_finite(time, channels):
    found = HandFeatures().fit(windows(2, 64, channels)).transform(windows(3, time, channels))
    assert np.isfinite(found).all()
    assert found.shape == HandFeatures().fit_transform(windows(3, 64, channels)).shape


def test_a_watch_that_lies_still_has_finite_features():
    assert np.isfinite(HandFeatures().fit_transform(np.ones((2, 64, 6)))).all()


def test_other_channels_and_holes_are_refused():
    model = HandFeatures().fit(windows())
    with pytest.raises(ValueError, match="3 channels, not 6"):
        model.transform(windows(channels=3))
    with pytest.raises(ValueError, match="not finite"):
        model.transform(np.full((1, 64, 6), np.nan))
