"""What bags of words and Fisher vectors share: rows, grids, samples, blank patches, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from common.features import local_descriptors as module
from common.features.bag_of_words import BagOfVisualWords
from common.features.fisher import FisherVector

SIZE, GRID = 6, (3, 4)
WORDS = BagOfVisualWords(5, descriptor_size=SIZE, grid=GRID, random_state=0)
ENCODERS = [
    WORDS,
    clone(WORDS).set_params(assignment="soft"),
    FisherVector(3, descriptor_size=SIZE, grid=GRID, random_state=0),
]
EACH = pytest.mark.parametrize("encoder", ENCODERS, ids=["hard", "soft", "fisher"])


def rows(n=20, seed=0, blank=0.3):
    """n images of 3×4 descriptors, some of them blank."""
    rng = np.random.default_rng(seed)
    descriptors = rng.random((n, GRID[0] * GRID[1], SIZE))
    descriptors[rng.random(descriptors.shape[:2]) < blank] = 0
    return descriptors.reshape(n, -1)


@EACH
def test_chunks_do_not_change_the_result(encoder, monkeypatch):
    encoder, X = clone(encoder).fit(rows()), rows(seed=1)
    whole = encoder.transform(X)
    for descriptors in (1, 30, 10**9):
        monkeypatch.setattr(module, "CHUNK", descriptors)
        assert_allclose(encoder.transform(X), whole, atol=1e-12)


@EACH
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_type_of_numbers_stays(encoder, kind):
    X = rows().astype(kind)
    features = clone(encoder).fit(X).transform(X)
    assert features.dtype == kind
    assert features.shape == (len(X), len(clone(encoder).fit(X).get_feature_names_out()))
    assert_allclose(features, clone(encoder).fit(X).transform(X.astype(float)), atol=1e-3)


@EACH
def test_the_same_seed_learns_the_same(encoder):
    assert_array_equal(clone(encoder).fit_transform(rows()), clone(encoder).fit_transform(rows()))
    other = clone(encoder).set_params(random_state=1, samples=40)
    assert not np.allclose(other.fit_transform(rows()), clone(encoder).fit_transform(rows()))


@EACH
def test_nothing_is_learnt_from_blank_patches(encoder):
    """Blank patches that come on top change nothing of what the others teach."""
    X = rows(blank=0)
    mostly_blank = np.concatenate([X, np.zeros((50, X.shape[1]))])
    assert_array_equal(clone(encoder).fit(mostly_blank).transform(X), clone(encoder).fit(X).transform(X))


@EACH
def test_a_blank_image_is_all_zero(encoder):
    features = clone(encoder).fit(rows()).transform(np.zeros((2, rows().shape[1])))
    assert_array_equal(features, 0)


@EACH
def test_no_more_descriptors_are_drawn_than_asked_for(encoder, monkeypatch):
    sizes = []
    encoder = clone(encoder).set_params(samples=50)
    learn = type(encoder)._learn
    monkeypatch.setattr(type(encoder), "_learn", lambda self, x, k, rng: sizes.append(len(x)) or learn(self, x, k, rng))
    encoder.fit(rows())
    assert sizes == [50]


@EACH
def test_a_square_number_of_keypoints_is_a_square_grid(encoder):
    X = rows()
    free = clone(encoder).set_params(grid=None)
    assert free.fit(X[:, : 9 * SIZE]).grid_ == (3, 3)
    assert free.fit(X).grid_ == (1, 12)


def test_fewer_descriptors_than_words_are_refused_in_one_line():
    message = (
        r"^300 visual words need at least as many descriptors, but n_samples=20 images have 1\d\d that are not blank\.$"
    )
    with pytest.raises(ValueError, match=message):
        clone(WORDS).set_params(words=300).fit(rows())
    with pytest.raises(ValueError, match=r"^5 visual words need at least as many .* have 0 that are not blank"):
        clone(WORDS).fit(np.zeros_like(rows()))
    with pytest.raises(ValueError, match=r"^500 components of the mixture need at least as many"):
        FisherVector(500, descriptor_size=SIZE).fit(rows())
    clone(WORDS).set_params(words=240).fit(rows(blank=0))  # as many as there are: all right


@EACH
def test_rows_that_fit_no_grid_are_refused(encoder):
    with pytest.raises(ValueError, match=r"rows of 71 numbers, no multiple of descriptor_size=6"):
        clone(encoder).fit(rows()[:, :-1])
    with pytest.raises(ValueError, match=r"rows of 11 descriptors, which no grid=\(3, 4\)"):
        clone(encoder).fit(rows()[:, :-SIZE])
    with pytest.raises(ValueError, match="66 features"):
        clone(encoder).fit(rows()).transform(rows()[:, :-SIZE])


@EACH
@pytest.mark.parametrize(
    ("name", "value"),
    [("descriptor_size", 0), ("descriptor_size", 2.0), ("grid", 3), ("grid", (3, 0)), ("samples", -1), ("power", 0)],
)
def test_refuses_a_parameter_that_makes_no_sense(encoder, name, value):
    with pytest.raises(ValueError, match=rf"The '{name}' parameter of \w+ must be .* Got .* instead\."):
        clone(encoder).set_params(**{name: value}).fit(rows())
