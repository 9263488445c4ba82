"""CIDEr: how like an image's references a caption is, where words count more the fewer images they describe.

Method     Vedantam et al. 2015: n-grams of n = 1 … 4 as vectors of tf-idf, the cosine of candidate and reference, the
           mean over n and over references. CIDEr-D: no n-gram counts more often than in the reference, and a Gaussian
           of the difference in length, σ = 6, so that repeating words does not pay. Both times 10.
Differs    Words are not stemmed: tokens are the caller's. As in COCO's caption code, document frequencies are those of
           the test set's own references, and lengths are counted in bigrams.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from common.metrics.ngrams import MOST, Caption, check_captions, ngrams

SIGMA = 6.0
Vector = dict[tuple[str, ...], float]


def document_frequencies(references: Sequence[Sequence[Caption]], n: int) -> Counter[tuple[str, ...]]:
    """In how many images' references each n-gram occurs."""
    return Counter(gram for own in references for gram in set().union(*(ngrams(caption, n) for caption in own)))


def tf_idf(caption: Caption, n: int, frequency: Counter, images: int) -> Vector:
    """Eq. (1): each n-gram's count times log(images / images that have it); where none has it, as where one has.

    The count is not divided by the caption's length, which a cosine does not see.
    """
    return {gram: tf * math.log(images / max(1, frequency[gram])) for gram, tf in ngrams(caption, n).items()}


def cosine(a: Vector, b: Vector, *, clip: bool) -> float:
    """Eq. (2), or with clip that of CIDEr-D, where a's entries are at most b's. 0 where a vector is 0."""
    product = sum((min(x, b[gram]) if clip else x) * b[gram] for gram, x in a.items() if gram in b)
    norms = math.sqrt(sum(x * x for x in a.values()) * sum(x * x for x in b.values()))
    return product / norms if norms else 0.0


def similarity(
    candidates: Sequence[Caption], references: Sequence[Sequence[Caption]], *, clip: bool, sigma: float
) -> Float64[np.ndarray, "images"]:
    """Ten times the mean of the cosines over n and references, each times the Gaussian of the difference in length."""
    check_captions(candidates, references)
    values = np.zeros((MOST, len(candidates)))
    for n in range(1, MOST + 1):
        frequency = document_frequencies(references, n)
        for image, (candidate, own) in enumerate(zip(candidates, references, strict=True)):
            vector = tf_idf(candidate, n, frequency, len(references))
            for reference in own:
                longer = max(len(candidate) - 1, 0) - max(len(reference) - 1, 0)
                like = cosine(vector, tf_idf(reference, n, frequency, len(references)), clip=clip)
                values[n - 1, image] += like * math.exp(-((longer / sigma) ** 2) / 2) / len(own)
    return 10 * values.mean(axis=0)


def cider(candidates: Sequence[Caption], references: Sequence[Sequence[Caption]]) -> Float64[np.ndarray, "images"]:
    """CIDEr of each image's candidate, 0 … 10; the metric is the mean, so that method.score_items gives its interval.

    Document frequencies are taken as given, in the interval too. With one image all are 0, as nothing sets words apart.
    Raises ValueError as check_captions does.
    """
    return similarity(candidates, references, clip=False, sigma=math.inf)


def cider_d(
    candidates: Sequence[Caption], references: Sequence[Sequence[Caption]], sigma: float = SIGMA
) -> Float64[np.ndarray, "images"]:
    """CIDEr-D of each image's candidate, 0 … 10; as cider. This is what COCO's caption code calls CIDEr."""
    return similarity(candidates, references, clip=True, sigma=sigma)
