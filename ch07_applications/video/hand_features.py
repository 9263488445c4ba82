"""Hand-designed features of a window: statistics, a spectrum, and correlations of channels.

They follow the 561 features of Anguita et al. 2013 (UCI HAR), for each of the six channels, and for the lengths of the
acceleration and of the turning rate, which no rotation of the watch changes. Most of them ignore the order of the
samples; those of the spectrum and of the changes from sample to sample do not.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float, Shaped
from sklearn.base import BaseEstimator, TransformerMixin

from ch07_applications.video.random_kernels import series

BANDS = (0.0, 0.6, 1.2, 2.0, 3.0, 5.0, 8.0, 12.0, 25.1)  # Hz
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
SMALLEST = 1e-8
Signals = Float[np.ndarray, "items time signals"]
Values = Float[np.ndarray, "items features"]


class HandFeatures(TransformerMixin, BaseEstimator):
    """Maps windows of any length to features. rate: samples per second."""

    def __init__(self, rate: float = 50.0) -> None:
        self.rate = rate

    def fit(
        self, X: Float[np.ndarray, "items time channels"], y: Shaped[np.ndarray, "items"] | None = None
    ) -> HandFeatures:
        """Store the number of channels, the only thing that is learned."""
        self.n_channels_ = series(X).shape[2]
        return self

    def transform(self, X: Float[np.ndarray, "items time channels"]) -> Values:
        """Compute the features. Raises ValueError if the channels differ from those in fit."""
        X = series(X).astype(np.float64)
        if X.shape[2] != self.n_channels_:
            raise ValueError(f"{X.shape[2]} channels, not {self.n_channels_} as in fit")
        triples = X.reshape(*X.shape[:2], -1, 3) if X.shape[2] % 3 == 0 else X[..., None]
        signals = np.concatenate([X, np.linalg.norm(triples, axis=3)], axis=2)
        return np.concatenate(
            [statistics(signals), changes(signals), spectrum(signals, self.rate), together(X)], axis=1
        )


def statistics(signals: Signals) -> Values:
    """Mean, deviation, mean absolute value, extremes and quantiles: the same in any order of the samples."""
    quantiles = np.quantile(signals, QUANTILES, axis=1)
    moments = (signals.mean(axis=1), signals.std(axis=1), np.abs(signals).mean(axis=1))
    return np.concatenate([*moments, signals.min(axis=1), signals.max(axis=1), *quantiles], axis=1)


def changes(signals: Signals) -> Values:
    """Deviation of differences, crossings of the mean, and correlations with the signal 0.2 to 0.8 s later."""
    centred = signals - signals.mean(axis=1, keepdims=True)
    crossings = (np.diff(np.sign(centred), axis=1) != 0).mean(axis=1)
    power = (centred**2).mean(axis=1) + SMALLEST
    steps = signals.shape[1]
    lags = [min(lag, steps - 1) for lag in (10, 20, 40)]
    correlations = [(centred[:, lag:] * centred[:, : steps - lag]).mean(axis=1) / power for lag in lags]
    return np.concatenate([np.diff(signals, axis=1).std(axis=1), crossings, *correlations], axis=1)


def spectrum(signals: Signals, rate: float) -> Values:
    """The log power of each signal in each band, the entropy of its spectrum, and its strongest frequency."""
    centred = signals - signals.mean(axis=1, keepdims=True)
    taper = np.hanning(signals.shape[1] + 2)[1:-1, None]
    power = np.abs(np.fft.rfft(centred * taper, axis=1)) ** 2 / signals.shape[1]
    frequencies = np.fft.rfftfreq(signals.shape[1], 1 / rate)
    edges = pairwise(BANDS)
    bands = [power[:, (frequencies >= low) & (frequencies < high)].sum(axis=1) for low, high in edges]
    shares = power / (power.sum(axis=1, keepdims=True) + SMALLEST)
    entropy = -(shares * np.log(shares + SMALLEST)).sum(axis=1)
    return np.concatenate([*(np.log(band + SMALLEST) for band in bands), entropy, frequencies[power.argmax(axis=1)]], 1)


def together(X: Float[np.ndarray, "items time channels"]) -> Float[np.ndarray, "items pairs"]:
    """The correlations of all pairs of channels."""
    centred = X - X.mean(axis=1, keepdims=True)
    scaled = centred / (np.sqrt((centred**2).sum(axis=1, keepdims=True)) + SMALLEST)
    first, second = np.triu_indices(X.shape[2], 1)
    return (scaled.swapaxes(1, 2) @ scaled)[:, first, second]
