"""Densities of principal components: moments of samples, and a likelihood that scikit-learn agrees with."""

import numpy as np
import pytest
from sklearn.neighbors import KernelDensity

from ch07_applications.synthesis.density_samplers import DensitySampler, samplers
from ch07_applications.synthesis.sample_judge import nearest


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(300, 3)) @ rng.normal(size=(3, 36)) * 12 + 120
    return (smooth + rng.normal(0, 4, smooth.shape)).round().clip(0, 255).astype(np.uint8).reshape(300, 6, 6)


@pytest.mark.parametrize("sampler", [DensitySampler(10, 2), DensitySampler(10, width=1.0)])
def test_samples_have_the_images_mean_and_spread(images, sampler):
    drawn = sampler.fit(images).sample(4000, np.random.default_rng(1))
    assert drawn.shape == (4000, 6, 6)
    assert drawn.dtype == np.uint8
    assert np.abs(drawn.mean(axis=0) - images.mean(axis=0)).max() < 4
    spread = drawn.std(axis=0) / images.std(axis=0)
    assert spread.min() > 0.85
    assert spread.max() < 1.15


def test_samples_of_a_mixture_have_its_covariances(images):
    sampler = DensitySampler(3, 1).fit(images)
    points = sampler.draw(50_000, np.random.default_rng(0))
    covariance = np.cov(points, rowvar=False)
    np.testing.assert_allclose(covariance, sampler.mixture_.covariances_[0], atol=0.05 * covariance.max())


def test_kernels_without_width_repeat_the_training_images(images):
    copies = DensitySampler(36).fit(images).sample(50, np.random.default_rng(0))
    assert nearest(copies, images)[1].max() < 0.1


def test_the_likelihood_of_kernels_is_scikit_learn_s(images):
    sampler = DensitySampler(4, width=9.0).fit(images)  # scikit-learn's tree rounds far from all points: none is here
    rows = sampler.components_.transform(images.reshape(300, -1).astype(np.float32)).astype(float)
    wanted = KernelDensity(bandwidth=9.0).fit(sampler.points_.astype(float)).score_samples(rows).mean()
    assert sampler.log_likelihood(images) == pytest.approx(wanted, rel=1e-5)


def test_a_width_that_overfits_has_the_lower_likelihood(images):
    values = {w: DensitySampler(8, width=w).fit(images[:200]).log_likelihood(images[200:]) for w in (0.5, 8.0, 200.0)}
    assert max(values, key=values.get) == 8.0


def test_what_makes_no_sense_is_refused(images):
    with pytest.raises(ValueError, match="too few"):
        DensitySampler(20).fit(images[:10])
    with pytest.raises(ValueError, match="no mixture"):
        DensitySampler(5, 2).fit(images).log_likelihood(images)
    with pytest.raises(ValueError, match="width above 0"):
        DensitySampler(5).fit(images).log_likelihood(images)


def test_the_same_seed_draws_the_same(images):
    a, b = (samplers(3, small=True)["PCA + mixture"].fit(images).sample(5, np.random.default_rng(2)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
