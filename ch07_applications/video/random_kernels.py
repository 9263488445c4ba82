"""Random kernels and a ridge classifier: counted responses of convolutions, where only the last layer is learned.

Method     Dempster, Schmidt & Webb 2021 (MiniRocket). 84 kernels of length 9 have three weights of 2 and six of −1.
           Each is dilated by many factors, so that it responds to slow and to fast patterns, and a feature is the share
           of places at which its response exceeds a bias:

               feature = mean_t [ (x ⋆ w)(t) > b ]            with b a quantile of the response to a training window

           A ridge classifier uses these ten thousand shares; its penalty is chosen by leave-one-out.
Differs    As in the authors' version for several channels, a kernel sums over some of the channels, drawn at random.
           Features of one kernel at one dilation are counted from one response, for all windows at once.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

LENGTH, DOUBLED, COUNT = 9, 3, 84  # weights per kernel; weights that are 2; number of kernels
GOLDEN = (5**0.5 + 1) / 2  # the fractional parts of its multiples cover 0 to 1 evenly, for any number of them
BLOCK = 256  # windows at a time
PENALTIES = np.logspace(-3, 5, 9)
Series = Float32[np.ndarray, "items time channels"]
Features = Float32[np.ndarray, "items features"]


class RandomKernels(TransformerMixin, BaseEstimator):
    """Maps windows to shares of exceeded biases. features: approximate number. dilations: the most per kernel."""

    def __init__(self, features: int = 9996, dilations: int = 32, random_state: int | None = 0) -> None:
        self.features = features
        self.dilations = dilations
        self.random_state = random_state

    def fit(self, X: Series, y: Shaped[np.ndarray, "items"] | None = None) -> RandomKernels:
        """Draw channels, and take biases from the responses to one training window per kernel and dilation.

        Raises ValueError for windows that are shorter than a kernel.
        """
        X, rng = series(X), check_random_state(self.random_state)
        self.n_steps_, self.n_channels_ = X.shape[1:]
        if self.n_steps_ < LENGTH:
            raise ValueError(f"windows of {self.n_steps_} samples: a kernel has {LENGTH}")
        self.dilations_, counts = spread(self.n_steps_, max(1, self.features // COUNT), self.dilations)
        self.chosen_, self.biases_ = [], []
        ends, place = np.log2(min(self.n_channels_, LENGTH) + 1), 0
        for dilation, count in zip(self.dilations_, counts, strict=True):
            chosen = np.zeros((COUNT, self.n_channels_), np.float32)
            for row in chosen:
                row[rng.choice(self.n_channels_, int(2 ** rng.uniform(0, ends)), replace=False)] = 1
            quantiles = np.arange(place + 1, place + 1 + COUNT * count) * GOLDEN % 1
            place += COUNT * count
            examples = X[rng.randint(len(X), size=COUNT)]
            biases = []
            for kernel, example in enumerate(examples):
                response = responses(example[None], dilation, chosen[kernel : kernel + 1], np.array([kernel]))[0, 0]
                biases.append(np.quantile(response, quantiles[kernel * count : (kernel + 1) * count]))
            self.chosen_.append(chosen)
            self.biases_.append(np.array(biases, np.float32))
        return self

    def transform(self, X: Float32[np.ndarray, "..."]) -> Features:
        """Compute the shares. Raises ValueError if the windows' length or channels differ from those in fit."""
        X = series(X)
        if X.shape[1:] != (self.n_steps_, self.n_channels_):
            raise ValueError(f"windows of {X.shape[1:]}, not of {(self.n_steps_, self.n_channels_)} as in fit")
        return np.concatenate([self._block(X[start : start + BLOCK]) for start in range(0, len(X), BLOCK)])

    def _block(self, X: Series) -> Features:
        found = []
        for dilation, chosen, biases in zip(self.dilations_, self.chosen_, self.biases_, strict=True):
            padding = dilation * (LENGTH // 2)
            response = responses(X, dilation, chosen, np.arange(COUNT))
            # every other kernel counts only places within the window, because padding is not part of the movement
            for first, inside in ((0, slice(None)), (1, slice(padding, X.shape[1] - padding))):
                part = response[first::2, :, inside]
                shares = [(part > bias[:, None, None]).mean(axis=2, dtype=np.float32) for bias in biases[first::2].T]
                found.append(np.concatenate(shares).T)
        return np.concatenate(found, axis=1)


def doubled() -> Int[np.ndarray, "kernels 3"]:
    """The places of the weights that are 2 in each kernel."""
    return np.array(list(combinations(range(LENGTH), DOUBLED)))


def spread(steps: int, per_kernel: int, most: int) -> tuple[list[int], list[int]]:
    """Dilations from 1 to the largest that fits, evenly on a logarithmic scale, and the number of features of each."""
    largest = np.log2((steps - 1) / (LENGTH - 1))
    wanted = np.logspace(0, largest, min(per_kernel, most), base=2).astype(int)
    dilations, shares = np.unique(wanted, return_counts=True)
    counts = (shares * per_kernel / shares.sum()).astype(int)
    for extra in range(per_kernel - counts.sum()):
        counts[extra % len(counts)] += 1
    return dilations.tolist(), counts.tolist()


def responses(
    X: Series, dilation: int, chosen: Float32[np.ndarray, "kernels channels"], kernels: Int[np.ndarray, "kernels"]
) -> Float32[np.ndarray, "kernels items time"]:
    """The dilated kernels' responses, with zero padding.

    A kernel is −1 everywhere, and 3 more at three places: all share the sum of nine shifted copies of a channel, and
    add three of these copies.
    """
    items, steps, channels = X.shape
    padding = dilation * (LENGTH // 2)
    padded = np.zeros((channels, items, steps + 2 * padding), np.float32)
    padded[..., padding : padding + steps] = X.transpose(2, 0, 1)
    shifts = [padded[..., place * dilation : place * dilation + steps] for place in range(LENGTH)]
    flat = np.stack(shifts).reshape(LENGTH, channels, -1)
    weights = np.full((len(kernels), LENGTH), -1.0, np.float32)
    np.put_along_axis(weights, doubled()[kernels], 2.0, axis=1)
    filters = weights[:, :, None] * chosen[:, None, :]
    return (filters.reshape(len(kernels), -1) @ flat.reshape(LENGTH * channels, -1)).reshape(-1, items, steps)


def series(X: Float[np.ndarray, "..."]) -> Series:
    """The windows in single precision. Raises ValueError for another number of axes, and for non-finite values."""
    X = np.asarray(X, np.float32)
    if X.ndim != 3 or not len(X):
        raise ValueError(f"windows are (items, time, channels), not {X.shape}")
    if not np.isfinite(X).all():
        raise ValueError("windows with a number that is not finite")
    return X


def kernel_classifier(features: int = 9996, random_state: int = 0) -> Pipeline:
    """Random kernels, standardised, and a ridge classifier whose penalty is chosen by leave-one-out."""
    kernels = RandomKernels(features, random_state=random_state)
    return make_pipeline(kernels, StandardScaler(), RidgeClassifierCV(alphas=PENALTIES))
