"""Bayes' rule: from class-conditional densities of an image to its class, and to its density without a class.

           p(y | x) = p(x | y) p(y) / p(x),     p(x) = Σ_y p(x | y) p(y)

Gain       −log p(x) + log p(x | y) = log p(y | x) − log p(y) nats are saved if the class y is known. Since
           p(y | x) ≤ 1, that is at most −log p(y) for every single image. Its average over images and classes that the
           densities and priors describe is the mutual information I(x; y), which the entropy of y bounds.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.special import logsumexp

Nats = Float[np.ndarray, "images classes"]  # −log p(x | y), for every y
Priors = Float[np.ndarray, "classes"]


def log_joint(nats: Nats, priors: Priors) -> Float[np.ndarray, "images classes"]:
    """log p(x | y) p(y). Raises ValueError for priors that are negative or do not sum to 1, and for NaN."""
    if not (np.all(priors >= 0) and np.isclose(priors.sum(), 1)):
        raise ValueError(f"priors are shares that sum to 1, not {priors}")
    if np.isnan(nats).any():
        raise ValueError("an image has no likelihood (NaN)")
    with np.errstate(divide="ignore"):  # a class that never occurs has log 0 = −∞
        return np.log(priors) - nats.astype(np.float64)


def marginal_nats(nats: Nats, priors: Priors) -> Float[np.ndarray, "images"]:
    """−log p(x), for the mixture of all classes."""
    return -logsumexp(log_joint(nats, priors), axis=1)


def log_posterior(nats: Nats, priors: Priors) -> Float[np.ndarray, "images classes"]:
    """log p(y | x) for every y."""
    return log_joint(nats, priors) + marginal_nats(nats, priors)[:, None]


def most_probable(nats: Nats, priors: Priors) -> Int[np.ndarray, "images"]:
    """argmax_y log p(x | y) + log p(y): the decision with the fewest errors, if the densities are right."""
    return log_joint(nats, priors).argmax(axis=1)
