"""Rivals that need no pairs: transport against scikit-image's, CORAL's covariances, Otsu's tones, filters."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.exposure import match_histograms

from ch07_applications.synthesis.unpaired_rivals import (
    OTSU,
    PER_IMAGE,
    RIDGE,
    TRANSPORT,
    Coral,
    OtsuLevels,
    Smoothing,
    Transport,
    TransportPerImage,
    blur,
    close_gaps,
    rivals,
    take_median,
)


def images(n=20, low=0, high=256, seed=0):
    return np.random.default_rng(seed).integers(low, high, (n, 28, 28)).astype(np.uint8)


def cloths(n=30, seed=0):
    """Smooth images, whose patches have covariances of their own."""
    rng = np.random.default_rng(seed)
    smooth = gaussian_filter(rng.normal(size=(n, 28, 28)), (0, 1.0, 1.0))
    return (120 + 160 * smooth).clip(0, 255).astype(np.uint8)


def test_transport_is_scikit_image_s_match_of_histograms():
    source, target = images(10) // 2, cloths(12)
    wanted = match_histograms(source.reshape(-1, 28), target.reshape(-1, 28)).reshape(source.shape)
    np.testing.assert_allclose(Transport().fit(source, target).transform(source), wanted, atol=0.51)


def test_transport_per_image_is_scikit_image_s_match_for_each():
    source, target = images(4) // 3, cloths(5)
    found = TransportPerImage().fit(source, target).transform(source)
    for one, other in zip(source, found, strict=True):
        np.testing.assert_allclose(other, match_histograms(one, target.reshape(-1, 28)), atol=0.51)


def test_transport_undoes_any_increasing_map_of_grey_levels():
    target = cloths(40)
    for change in (lambda x: x // 2 + 40, lambda x: 255 * (x / 255.0) ** 1.7):
        source = change(target).astype(np.uint8)
        back = Transport().fit(source, target).transform(source)
        assert np.abs(back.astype(int) - target).mean() < 1.5


def test_transport_costs_no_more_than_any_other_pairing():
    """In one dimension the cheapest pairing of equally many levels keeps their order."""
    rng = np.random.default_rng(3)
    source, target = (rng.permutation(256)[:144].astype(np.uint8).reshape(1, 12, 12) for _ in range(2))
    found = Transport().fit(source, target).transform(source).ravel().astype(float)
    np.testing.assert_array_equal(np.sort(found), np.sort(target.ravel()))
    cost = ((found - source.ravel()) ** 2).sum()
    for _ in range(50):
        assert cost <= ((rng.permutation(target.ravel()).astype(float) - source.ravel()) ** 2).sum()


@pytest.mark.parametrize("side", [1, 3, 5])
def test_coral_gives_patches_the_mean_and_covariance_of_the_other_domain(side):
    source, target = images(30) // 2, cloths(30)
    coral = Coral(side).fit(source, target)
    rows = coral._patches(source).reshape(-1, side**2).astype(np.float64)
    mapped, wanted = coral.map_patches(rows), coral._patches(target).reshape(-1, side**2).astype(np.float64)
    np.testing.assert_allclose(mapped.mean(axis=0), wanted.mean(axis=0), rtol=1e-6)
    found, right = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (mapped, wanted))
    np.testing.assert_allclose(found, right, atol=2 * RIDGE)
    assert np.abs(right).max() > 100 * RIDGE


def test_coral_of_a_domain_to_itself_changes_nothing():
    cloth = cloths()
    assert np.abs(Coral(3).fit(cloth, cloth).transform(cloth).astype(int) - cloth).max() <= 1


def test_otsu_makes_two_tones_one():
    image = np.zeros((28, 28), np.uint8)
    image[4:24, 4:24] = 180
    striped = image.copy()
    striped[:, ::2] = striped[:, ::2] // 2
    found = OtsuLevels().fit(image[None], image[None]).transform(striped[None])[0]
    np.testing.assert_array_equal(found, image)


@pytest.mark.parametrize("levels", [(0,), (0, 200), (7, 7)])
def test_otsu_leaves_images_of_fewer_tones_alone(levels):
    image = np.resize(np.array(levels, np.uint8), (1, 28, 28))
    np.testing.assert_array_equal(OtsuLevels().fit(image, image).transform(image), image)


def test_filters_do_not_mix_images_and_smooth_as_they_should():
    lone = np.zeros((3, 28, 28), np.uint8)
    lone[1] = 200
    for smooth in (lambda x: blur(x, 1.0), lambda x: take_median(x, 3), lambda x: close_gaps(x, 3)):
        assert smooth(lone)[0].max() == 0
        assert smooth(lone)[1].min() == 200
    gap = np.full((1, 28, 28), 200, np.uint8)
    gap[0, :, 10:12] = 20
    assert close_gaps(gap, 3).min() == 200
    assert take_median(gap, 5).min() == 200
    assert 20 < blur(gap, 1.0).min() < 200


def test_smoothing_restores_the_distribution_of_grey_levels():
    striped, grey = images(30) // 2, cloths(30)
    found = Smoothing(blur, 1.0).fit(striped, grey).transform(striped)
    assert abs(float(found.mean()) - float(grey.mean())) < 2
    assert abs(float(found.std()) - float(grey.std())) < 3


def test_every_rival_gives_as_many_images_of_256_levels():
    striped, grey = images(6) // 2, cloths(7)
    for name, options in rivals().items():
        for rival in options:
            found = rival.fit(striped, grey).transform(striped)
            assert (found.shape, found.dtype) == (striped.shape, np.uint8), name
    assert [len(options) for name, options in rivals().items() if name in (TRANSPORT, PER_IMAGE, OTSU)] == [1, 1, 1]
