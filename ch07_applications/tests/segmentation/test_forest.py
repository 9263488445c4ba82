"""The forest: its filter responses are scikit-image's, its context is cross-fitted, and it learns which classes are
neighbours.
"""

import numpy as np
import pytest
from skimage.feature import multiscale_basic_features

from ch07_applications.segmentation.filter_responses import blurs, filter_responses
from ch07_applications.segmentation.forest import ContextForest, context, describe, grid
from common.data.segmented import IGNORE, SegmentedImages


def picture(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


# --- Features ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(40, 56), (33, 17), (2, 3), (90, 5)])
def test_filter_responses_are_scikit_image_s(size):
    image = picture(*size)
    wanted = multiscale_basic_features(image, channel_axis=-1, workers=1)
    assert np.abs(filter_responses(image).transpose(1, 2, 0) - wanted).max() < 5e-6


def test_a_grey_image_has_no_edges():
    found = filter_responses(np.full((20, 30, 3), 77, np.uint8)).reshape(3, 6, 4, 20, 30)
    assert np.allclose(found[:, :, 0], 77 / 255, atol=1e-6)
    assert np.abs(found[:, :, 1:]).max() < 1e-6


def test_blurring_takes_means():
    assert np.allclose(blurs(31).sum(axis=2), 1, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 9), (9, 1)])
def test_an_image_without_a_gradient_is_refused(size):
    with pytest.raises(ValueError, match="no gradient"):
        filter_responses(picture(*size))


def test_a_pixel_is_described_by_its_place_too():
    rows, columns = describe(picture(21, 31))[72:74]
    assert rows[:, 0].tolist() == pytest.approx(np.linspace(0, 1, 21).tolist())
    assert np.array_equal(columns, columns[:, ::-1])  # the distance from the middle: streets have two sides
    assert describe(picture(21, 31)).shape == (77, 21, 31)


@pytest.mark.parametrize(("side", "step"), [(180, 3), (181, 6), (4, 6), (2, 6)])
def test_the_grid_has_the_middles_of_squares(side, step):
    rows, _ = grid(side, 7, step)
    assert rows[0, 0] == min(step // 2, side - 1)
    assert rows.max() < side
    assert len(rows) == max(1, -(-(side - step // 2) // step))


def test_context_has_the_answers_at_places_around_and_those_at_the_border_beyond():
    maps = np.zeros((20, 20, 2), np.float32)
    maps[10, 10, 0] = 1
    found = context(maps, np.array([10, 11, 10, 0]), np.array([10, 10, 13, 0])).reshape(4, 14, 2)[..., 0]
    own, below, above = found[:, 0], found[:, 1], found[:, 2]
    assert own.tolist() == [1, 0, 0, 0]
    assert (below[0], above[1]) == (0, 1)
    assert found[2, 8] == pytest.approx(1 / 9)  # three cells to the left: the mean of 3 × 3 cells
    assert np.allclose(found[:, 13], 1 / 400)
    maps[0, 0, 0] = 1
    assert context(maps, np.array([0]), np.array([0])).reshape(14, 2)[2, 0] == 1  # above the first row: itself


# --- Fit and predict --------------------------------------------------------------------------------------------------


def stripes(n=6, seed=0, size=(42, 36)):
    """Noise of two kinds; class 2 looks like class 1, but lies below class 0: only context tells them apart."""
    rng = np.random.default_rng(seed)
    labels = np.ones((n, *size), np.uint8)
    for label in labels:
        top = rng.integers(6, 24)
        label[top : top + 9] = 0
        label[top + 9 : top + 18] = 2
    images = rng.integers(0, 60, (*labels.shape, 3)) + 150 * (labels == 0)[..., None]
    labels[:, :2] = IGNORE
    return images.astype(np.uint8), labels


SMALL = {"trees": 8, "pixels": 120, "leaf": 2}


def right(forest, data):
    images, labels = data
    return (forest.predict(images) == labels)[labels != IGNORE].mean()


def test_it_learns_and_context_helps():
    data, other = stripes(), stripes(seed=1)
    with_context, without = (ContextForest(3, **SMALL, context=c).fit(*data) for c in (True, False))
    assert right(with_context, other) > 0.8
    assert right(with_context, other) > right(without, other) - 0.02


def test_the_same_seed_gives_the_same_labels():
    data = stripes(4)
    a, b = (ContextForest(3, trees=3, pixels=60, seed=1).fit(*data).predict(data[0]) for _ in range(2))
    assert np.array_equal(a, b)


class Recorded(ContextForest):
    """Keeps what each forest was fitted to."""

    def _forest(self, inputs, answers, number):
        self.__dict__.setdefault("seen", {})[number] = inputs
        return super()._forest(inputs, answers, number)


def test_first_answers_on_training_images_are_of_forests_that_have_not_seen_them():
    images, labels = stripes(6)
    images[:, :, :, 0] = np.arange(6, dtype=np.uint8)[:, None, None] * 40  # the first channel identifies the image
    forest = Recorded(3, trees=2, pixels=50, folds=3).fit(images, labels)
    shown = {number: sorted(set(np.round(seen[:, 0] * 255 / 40).tolist())) for number, seen in forest.seen.items()}
    assert shown[0] == shown[1] == [0, 1, 2, 3, 4, 5]
    assert [shown[number] for number in (2, 3, 4)] == [[2, 3, 4, 5], [0, 1, 4, 5], [0, 1, 2, 3]]  # blocks of neighbours


def test_ignored_pixels_are_not_learned_from():
    images, labels = stripes(3)
    labels[:, :, 18:] = IGNORE
    images[:, :, 18:] = 255
    forest = Recorded(3, trees=2, pixels=400).fit(images, labels)
    assert forest.seen[0][:, 73].min() >= 0  # distance from the middle
    assert np.unique(labels[labels != IGNORE]).tolist() == forest.first_.classes_.tolist()


def test_a_class_without_training_pixels_has_probability_0():
    images, labels = stripes(3)
    forest = ContextForest(5, **SMALL).fit(images, labels)
    found = forest.probabilities(images[0])
    assert found.shape[-1] == 5
    assert not found[..., 3:].any()
    assert np.allclose(found.sum(axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize("size", [(41, 37), (10, 4)])
def test_odd_and_small_images_and_a_single_one(size):
    images, labels = stripes(1, size=(42, 36))
    images, labels = images[:, : size[0], : size[1]], labels[:, : size[0], : size[1]]
    assert ContextForest(3, trees=2, pixels=30).fit(images, labels).predict(images).shape == labels.shape


def test_what_cannot_be_learned_from_is_refused():
    images, labels = stripes(2)
    with pytest.raises(ValueError, match="none of the"):
        ContextForest(3).fit(images, np.full_like(labels, IGNORE))
    with pytest.raises(ValueError, match="label 2 is none of 0 … 1"):
        ContextForest(2).fit(images, labels)


def test_its_size_is_that_of_both_forests():
    from common.model_size import model_size

    data = stripes(2)
    one, two = (ContextForest(3, trees=2, pixels=30, context=c).fit(*data) for c in (False, True))
    assert model_size(two) > model_size(one) > 0


def test_the_background_s_bias_is_that_of_the_best_mean_iou_and_moves_what_is_predicted():
    images, labels = stripes(4)
    images = (images // 2 + np.random.default_rng(0).integers(128, size=images.shape)).astype(np.uint8)  # not certain
    forest = ContextForest(3, **SMALL).fit(images, labels)
    shares = [(forest.predict(images) == 0).mean()]
    for forest.bias in (-20.0, 20.0):
        shares.append((forest.predict(images) == 0).mean())
    assert shares[1] < shares[0] < shares[2]
    part = SegmentedImages(images, labels, ("a", "b", "c"), ("x",) * 4)
    assert forest.choose_bias(part, (-20.0, 0.0, 20.0)) == forest.bias == 0
    assert 0 < (forest.predict(images) == labels).mean() <= 1
