"""Fréchet distance, precision and recall, nearest images: against SciPy, loops and formulas."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from ch07_applications.synthesis.sample_judge import SampleJudge, belongs, frechet_distance, nearest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def correlated(rng, n, d=6):
    return (rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)).astype(np.float32)


def test_the_distance_is_that_of_the_formula_with_scipy_s_matrix_root(rng):
    a, b = correlated(rng, 50), correlated(rng, 80)
    covariances = [np.cov(each.astype(float), rowvar=False) for each in (a, b)]
    gap = a.mean(axis=0, dtype=float) - b.mean(axis=0, dtype=float)
    root = sqrtm(covariances[0] @ covariances[1]).real
    wanted = gap @ gap + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=1e-6)


def test_the_distance_of_gaussians_with_diagonal_covariances():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, [1, 2], (200_000, 2)), rng.normal([3, 0], [2, 5], (200_000, 2))
    wanted = 3**2 + (1 - 2) ** 2 + (2 - 5) ** 2  # (Δμ)² + Σ (σ − σ')²
    assert frechet_distance(a, b) == pytest.approx(wanted, rel=0.02)


def test_it_is_zero_for_the_same_symmetric_and_blind_to_rotations(rng):
    a, b = correlated(rng, 60), correlated(rng, 60)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0].astype(np.float32)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), rel=1e-3)


def test_few_items_look_further_apart_than_many(rng):
    rows = rng.normal(size=(4000, 20))
    few = np.mean([frechet_distance(rows[k : k + 100], rows[k + 100 : k + 200]) for k in range(0, 4000, 200)])
    assert few > 5 * frechet_distance(rows[:2000], rows[2000:])


@pytest.mark.parametrize(
    ("real", "samples", "words"),
    [(np.zeros((1, 3)), np.zeros((5, 3)), "two of each"), (np.zeros((5, 3)), np.full((5, 3), np.nan), "finite")],
)
def test_what_has_no_distance_is_refused(real, samples, words):
    with pytest.raises(ValueError, match=words):
        frechet_distance(real, samples)


def test_points_belong_where_a_loop_finds_that_they_do(rng):
    members, points = rng.normal(size=(40, 3)), 1.5 * rng.normal(size=(60, 3))
    radii = [sorted(np.linalg.norm(members - own, axis=1))[3] for own in members]
    pairs = list(zip(members, radii, strict=True))
    wanted = [any(np.linalg.norm(x - own) <= radius for own, radius in pairs) for x in points]
    np.testing.assert_array_equal(belongs(points, members), wanted)
    assert 0 < np.mean(wanted) < 1


def test_members_belong_to_their_own_set_and_what_is_far_off_does_not(rng):
    members = rng.normal(size=(30, 4))
    assert belongs(members, members).all()
    assert not belongs(members + 100, members).any()


def test_samples_of_one_kind_are_precise_and_not_varied(rng):
    real = np.concatenate([rng.normal(0, 1, (200, 2)), rng.normal(50, 1, (200, 2))])
    one = rng.normal(0, 0.8, (200, 2))
    assert belongs(one, real).mean() > 0.9
    assert belongs(real, one).mean() < 0.55


def test_a_set_without_third_neighbours_is_refused(rng):
    with pytest.raises(ValueError, match="3-th neighbours"):
        belongs(rng.normal(size=(5, 2)), rng.normal(size=(3, 2)))


def test_the_nearest_image_in_grey_levels(rng):
    training = rng.integers(0, 256, (20, 4, 4)).astype(np.uint8)
    images = training[[7, 3]].copy()
    images[1, 0, 0] ^= 8
    index, away = nearest(images, training)
    np.testing.assert_array_equal(index, [7, 3])
    np.testing.assert_allclose(away, [0, 8 / 4], atol=0.05)  # root of the mean over 16 pixels


def shapes(n, rng):
    """Bright above, or bright below."""
    labels = np.arange(n) % 2
    images = rng.integers(0, 60, (n, 12, 12))
    images[labels == 0, :6] += 150
    images[labels == 1, 6:] += 150
    return images.astype(np.uint8), labels


def test_a_judge_recognises_and_its_features_have_variance_one(rng):
    images, labels = shapes(120, rng)
    judge = SampleJudge(epochs=15).fit(images, labels)
    assert (judge.predict(images) == labels).mean() > 0.9
    assert judge.features(images).var(axis=0).mean() == pytest.approx(1, rel=1e-4)


def test_features_of_an_image_do_not_depend_on_the_others(rng):
    images, labels = shapes(40, rng)
    judge = SampleJudge(epochs=1).fit(images, labels)
    np.testing.assert_allclose(judge.features(images[:1]), judge.features(images)[:1], rtol=1e-3, atol=1e-4)
    assert not judge.classifier_.network_.training
    assert all(
        layer.eps == 1e-5 for layer in judge.classifier_.network_.modules() if isinstance(layer, torch.nn.BatchNorm2d)
    )


def test_a_class_without_images_is_refused(rng):
    images, _ = shapes(6, rng)
    with pytest.raises(ValueError, match="class 1"):
        SampleJudge().fit(images, np.array([0, 2, 0, 2, 0, 2]))
