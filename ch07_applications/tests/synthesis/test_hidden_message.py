"""The hidden message: what disturbs it and what cannot hold it; and the scores of translations."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from ch07_applications.synthesis.fashion_parts import pixels_of
from ch07_applications.synthesis.hidden_message import (
    LEFT,
    LOST,
    NOISES,
    PARTNER,
    ROUNDED,
    UNTOUCHED,
    disturbed,
    error,
    state_shares,
    under_noise,
    ways_back,
)
from ch07_applications.synthesis.striped_clothes import HiddenPairs, lay_stripes
from ch07_applications.synthesis.translation_scores import psnr_of_each
from ch07_applications.tests.synthesis.small_runs import run_of
from common.data import Images


def pairs(n=6):
    images = np.random.default_rng(0).integers(0, 256, (n, 28, 28)).astype(np.uint8)
    labels, ids = np.zeros(n, np.int64), np.arange(n)
    return HiddenPairs(Images(images, labels, ids), Images(lay_stripes(images, ids, 0), labels, ids))


def test_a_generator_that_hides_below_a_grey_level_is_found_out_by_rounding_and_by_noise():
    """F writes y a five-hundredth as strong, which is invisible; G reads it: a perfect reconstruction."""
    hidden = pairs()
    back = ways_back(lambda y: y / 500, lambda x: 500 * x, hidden, 0)
    wanted = pixels_of(hidden.striped.images)
    errors = {name: error(pixels, wanted) for name, pixels in back.items()}
    assert errors[UNTOUCHED] < 0.01
    assert errors[ROUNDED] > 50
    assert errors[under_noise(NOISES[0])] > 500
    assert [errors[under_noise(sigma)] for sigma in NOISES] == sorted(errors[under_noise(sigma)] for sigma in NOISES)


def test_a_generator_that_hides_nothing_loses_nothing():
    hidden = pairs()
    back = ways_back(lambda y: y, lambda x: x, hidden, 0)
    wanted = pixels_of(hidden.striped.images)
    assert error(back[ROUNDED], wanted) < 0.01
    for sigma in NOISES:
        assert error(back[under_noise(sigma)], wanted) == pytest.approx(sigma, rel=0.05)
    assert error(back[PARTNER], pixels_of(hidden.grey.images)) == 0


def test_disturbances_are_alike_for_a_seed():
    pixels = torch.rand(3, 1, 32, 32)
    first, second, other = (disturbed(pixels, seed) for seed in (0, 0, 1))
    name = under_noise(NOISES[0])
    assert torch.equal(first[name], second[name])
    assert not torch.equal(first[name], other[name])
    assert float((first[ROUNDED] - pixels).abs().max()) <= 0.5 / 127.5 + 1e-6


def test_errors_are_of_the_garment_and_not_of_the_border():
    wanted = torch.zeros(2, 1, 32, 32)
    found = wanted.clone()
    found[:, :, :2] = 1.0
    assert error(found, wanted) == 0
    assert error(wanted + 10 / 127.5, wanted) == pytest.approx(10, rel=1e-5)


def test_psnr_is_scikit_image_s_and_finite_for_equal_images():
    first, second = (np.random.default_rng(s).integers(0, 256, (4, 28, 28)).astype(np.uint8) for s in (0, 1))
    wanted = [peak_signal_noise_ratio(b, a, data_range=255) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(psnr_of_each(first, second), wanted)
    np.testing.assert_allclose(psnr_of_each(first, first), 68.13, atol=0.01)


@pytest.mark.parametrize(("noisy", "share"), [(14.0, 0.0), (24.0, 50.0), (34.0, 100.0)])
def test_shares_are_of_the_way_from_the_translation_to_the_partner(tmp_path, noisy, share):
    run = run_of("synthesis/cyclegan", tmp_path)
    state_shares(run, {UNTOUCHED: 14.0, under_noise(2): 15.0, under_noise(8): noisy, PARTNER: 34.0})
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts == {LOST: pytest.approx(share), LEFT: pytest.approx(100 - share)}
