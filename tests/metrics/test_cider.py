"""CIDEr against COCO's caption code, its definition written out, and what it is meant to punish."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.feature_extraction.text import CountVectorizer

from common.metrics.cider import cider, cider_d
from tests.metrics.made_captions import CANDIDATES, COCOS_CIDER, REFERENCES, made


def test_cider_d_is_coco_s():
    """Per image, as pycocoevalcap 1.2 gives it; captions of two words and repeated words among them."""
    assert_allclose(cider_d(CANDIDATES, REFERENCES), COCOS_CIDER, rtol=1e-12)


def by_matrices(candidates: list, references: list, clip: bool, sigma: float) -> np.ndarray:
    """The definition with scikit-learn's counts: matrices of tf-idf, and their cosines."""
    values = np.zeros(len(candidates))
    for n in (1, 2, 3, 4):
        count = CountVectorizer(analyzer=lambda words, n=n: list(zip(*(words[k:] for k in range(n)), strict=False)))
        count.fit([*candidates, *(caption for own in references for caption in own)])
        tf = [count.transform(own).toarray() for own in references]
        frequency = np.sum([own.any(axis=0) for own in tf], axis=0)
        idf = np.log(len(references) / np.maximum(frequency, 1))
        for k, (candidate, own) in enumerate(zip(count.transform(candidates).toarray(), tf, strict=True)):
            a, b = candidate * idf, own * idf
            product = ((np.minimum(a, b) if clip else a) * b).sum(axis=1)
            norms = np.linalg.norm(a) * np.linalg.norm(b, axis=1)
            lengths = np.array([len(caption) for caption in references[k]])
            gauss = np.exp(-((len(candidates[k]) - lengths) ** 2) / (2 * sigma**2))
            values[k] += (gauss * np.divide(product, norms, out=np.zeros(len(own)), where=norms > 0)).mean() / 4
    return 10 * values


@pytest.mark.parametrize("seed", range(8))
def test_both_are_their_definitions(seed):
    candidates, references = made(seed, images=20, shortest=1)
    assert_allclose(cider(candidates, references), by_matrices(candidates, references, False, math.inf), atol=1e-10)
    assert_allclose(cider_d(candidates, references), by_matrices(candidates, references, True, 6), atol=1e-10)
    assert_allclose(cider_d(candidates, references, 2.0), by_matrices(candidates, references, True, 2), atol=1e-10)


def test_a_copy_of_the_only_reference_has_10():
    copies, _ = made(1, images=12, shortest=6)
    only = [[caption] for caption in copies]
    assert_allclose(cider(copies, only), 10)
    assert_allclose(cider_d(copies, only), 10)


def test_repeating_a_rare_word_pays_in_cider_and_not_in_cider_d():
    candidates, references = [list(own) for own in CANDIDATES], REFERENCES
    candidates[3] = ["bus"] * 12
    assert cider(candidates, references)[3] > 2 * cider_d(candidates, references)[3]
    assert cider_d(candidates, references)[3] < cider_d(CANDIDATES, references)[3]


def test_words_that_describe_every_image_count_nothing_and_one_image_sets_no_word_apart():
    references = [[["a", "dog"]], [["a", "cat"]]]
    assert_allclose(cider([["a"], ["a"]], references), 0)
    assert cider([["dog"], ["a"]], references)[0] > 0
    assert_allclose(cider_d([["a", "dog"]], references[:1]), 0)


def test_without_a_word_there_is_no_likeness():
    assert_allclose(cider_d([[]] * 5, REFERENCES), 0)
    assert cider([], []).shape == (0,)


def test_captions_that_cannot_be_judged_are_named():
    with pytest.raises(ValueError, match="image 0: the caption 'a dog' is a string"):
        cider(["a dog"], [[["a", "dog"]]])
    with pytest.raises(ValueError, match="2 candidates but references of 1 images"):
        cider_d([["a"], ["b"]], [[["a"]]])
