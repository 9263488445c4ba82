"""BLEU of a set of captions: precision of n-grams, over the whole corpus, and a penalty for brevity.

Method     Papineni et al. 2002, §2: of all n-grams of all candidates, the share that occurs in a reference of the same
           image, where no n-gram counts more often than in one of the references; the geometric mean for n = 1 … N;
           times exp(1 − r/c) where the candidates' c tokens are fewer than the references' r.
Differs    r takes from each image the reference whose length is closest to the candidate's, of two as close the
           shorter, as COCO's caption code does. Nothing is smoothed: without a match of some n, BLEU is 0.
           BLEU belongs to a corpus; a mean over images of single captions' BLEU is another, lower number. Candidates
           are to be generated freely: next to a decoder that is given the reference's words, it measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from jaxtyping import Float, Float64, Int64

from common.metrics.image_groups import Groups
from common.metrics.ngrams import MOST, Caption, check_captions, ngrams
from common.results import Interval

COUNTS = 2 * MOST + 2  # per image: matches and n-grams for n = 1 … 4, lengths of candidate and closest reference


def closest_length(candidate: Caption, references: Sequence[Caption]) -> int:
    """Of the references' lengths the closest to the candidate's; of two as close the shorter."""
    return min(map(len, references), key=lambda length: (abs(length - len(candidate)), length))


def matches(candidate: Caption, references: Sequence[Caption], n: int) -> int:
    """The candidate's n-grams that occur in a reference, each at most as often as in one of them. §2.1."""
    allowed = reduce(lambda a, b: a | b, (ngrams(reference, n) for reference in references))
    return (ngrams(candidate, n) & allowed).total()


def counts_of(candidate: Caption, references: Sequence[Caption]) -> list[int]:
    """COUNTS of one image: all that BLEU has to know of it."""
    orders = range(1, MOST + 1)
    found = [matches(candidate, references, n) for n in orders]
    possible = [max(len(candidate) - n + 1, 0) for n in orders]
    return [*found, *possible, len(candidate), closest_length(candidate, references)]


def bleu(counts: Float[np.ndarray, "*batch counts"], order: int = MOST) -> Float64[np.ndarray, "*batch"]:
    """BLEU-order, 0 … 1, from COUNTS summed over a corpus. Eq. in §2.3 with equal weights. 0 without any candidate."""
    found, possible = counts[..., :order], counts[..., MOST : MOST + order]
    with np.errstate(divide="ignore"):  # the logarithm of no match
        mean = np.log(found / np.maximum(possible, 1)).mean(axis=-1)
    length, reference = counts[..., -2], counts[..., -1]
    brevity = np.minimum(1 - reference / np.maximum(length, 1), 0)
    return np.where(length > 0, np.exp(mean + brevity), 0.0)


class CorpusBleu:
    """BLEU-1 … 4 of candidates, one per image, beside each image's references.

    groups: of images that depend on each other; None: each stands alone. Raises ValueError as check_captions does, and
    where groups are not as many as images.
    """

    def __init__(
        self,
        candidates: Sequence[Caption],
        references: Sequence[Sequence[Caption]],
        groups: Int64[np.ndarray, "images"] | None = None,
    ) -> None:
        check_captions(candidates, references)
        counts = [counts_of(candidate, own) for candidate, own in zip(candidates, references, strict=True)]
        self.counts = np.array(counts, float).reshape(-1, COUNTS)
        self.groups = Groups(groups, len(candidates))

    def weighted(self, weights: Float[np.ndarray, "draws images"], order: int = MOST) -> Float64[np.ndarray, "draws"]:
        """BLEU-order if each image were there so many times, for many draws of weights."""
        return bleu(weights @ self.counts, order)

    def score(self, order: int = MOST) -> float:
        """BLEU-order of the whole corpus, 0 … 1."""
        return float(bleu(self.counts.sum(axis=0), order))

    def interval(self, order: int = MOST) -> Interval:
        """BLEU-order with its 95 % interval over images, or groups of images."""
        return self.groups.interval(lambda weights: self.weighted(weights, order))

    def by_image(self, order: int = MOST) -> Float64[np.ndarray, "images"]:
        """A number per image, whose mean is BLEU-order: for method.score_items and run.compare. See Groups.by_image."""
        return self.groups.by_image(lambda weights: self.weighted(weights, order))
