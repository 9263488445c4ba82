"""Luma, PSNR and SSIM against scikit-image; the protocol's border, worked values, and pictures of the wrong kind."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from skimage import data
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from common.metrics.super_resolution import CEILING, luma, psnr, psnr_by_image, ssim, ssim_by_image

GREY = np.random.default_rng(0).integers(0, 256, (40, 50), dtype=np.uint8)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return data.astronaut()[60:160, 150:270]


def worse(picture: np.ndarray, seed: int = 0, sigma: float = 12.0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def test_luma_is_scikit_image_s_and_bt_601_s(photo):
    assert_allclose(luma(photo), rgb2ycbcr(photo)[..., 0], atol=1e-9)
    white, black, red = (np.full((1, 1, 3), colour, np.uint8) for colour in (255, 0, (255, 0, 0)))
    assert [luma(white)[0, 0], luma(black)[0, 0], luma(red)[0, 0]] == pytest.approx([235, 16, 81.481])
    assert_allclose(luma(GREY), GREY)
    assert_allclose(luma(photo.astype(np.float32)), luma(photo))


@pytest.mark.parametrize("scale", [0, 2, 3, 4])
def test_both_are_scikit_image_s_on_cropped_luma(photo, scale):
    estimate = worse(photo)
    crop = slice(scale, -scale or None)
    a, b = (rgb2ycbcr(picture)[crop, crop, 0] for picture in (photo, estimate))
    assert psnr(photo, estimate, scale) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255), abs=1e-9)
    settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    assert ssim(photo, estimate, scale) == pytest.approx(structural_similarity(a, b, **settings), abs=1e-9)
    assert 0.3 < ssim(photo, estimate, scale) < 0.9


def test_ssim_is_the_mean_over_whole_windows_written_out():
    """Wang et al. 2004, Eq. (13), window by window: only those that lie wholly in the picture."""
    a, b = GREY[:16, :14].astype(float), worse(GREY[:16, :14], sigma=40).astype(float)
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    values = []
    for y in range(6):
        for x in range(4):
            one, other = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            means = (weights * one).sum(), (weights * other).sum()
            spread = [(weights * (p - m) ** 2).sum() for p, m in zip((one, other), means, strict=True)]
            both = (weights * (one - means[0]) * (other - means[1])).sum()
            c1, c2 = 2.55**2, 7.65**2
            top = (2 * means[0] * means[1] + c1) * (2 * both + c2)
            values.append(top / ((means[0] ** 2 + means[1] ** 2 + c1) * (sum(spread) + c2)))
    assert ssim(a, b, 0) == pytest.approx(np.mean(values))


def test_one_grey_level_off_everywhere_is_48_13_db():
    off = np.where(GREY < 255, GREY + 1, GREY - 1).astype(np.uint8)
    assert psnr(GREY, off, 2) == pytest.approx(48.13, abs=0.005)
    assert psnr(GREY, off, 2) == pytest.approx(20 * math.log10(255))
    colour = np.full((20, 20, 3), 100, np.uint8)  # in colour a grey level is 219/255 of luma
    assert psnr(colour, colour + 1, 2) == pytest.approx(20 * math.log10(255 * 255 / 219))


def test_the_border_does_not_count():
    spoilt = GREY.copy()
    spoilt[:3], spoilt[-3:], spoilt[:, :3], spoilt[:, -3:] = 0, 255, 0, 255
    assert psnr(GREY, spoilt, 3) == math.inf
    assert ssim(GREY, spoilt, 3) == pytest.approx(1)
    assert psnr(GREY, spoilt, 2) < 30


def test_equal_pictures_are_infinitely_good_and_count_100_db_in_a_mean():
    assert psnr(GREY, GREY, 2) == math.inf
    assert ssim(GREY, GREY, 2) == pytest.approx(1)
    values = psnr_by_image([GREY, GREY], [GREY, worse(GREY)], 2)
    assert_allclose(values, [CEILING, psnr(GREY, worse(GREY), 2)])
    assert np.isfinite(values.mean())


def test_pictures_of_several_sizes(photo):
    truths = [photo, photo[:60, :70], GREY]
    estimates = [worse(picture) for picture in truths]
    for by_image, single in ((psnr_by_image, psnr), (ssim_by_image, ssim)):
        assert_allclose(
            by_image(truths, estimates, 2), [single(a, b, 2) for a, b in zip(truths, estimates, strict=True)]
        )
        assert by_image([], [], 2).shape == (0,)


def test_unsigned_integers_do_not_wrap():
    dark, light = np.zeros((20, 20), np.uint8), np.full((20, 20), 200, np.uint8)
    assert psnr(dark, light, 2) == psnr(light, dark, 2) == pytest.approx(20 * math.log10(255 / 200))


@pytest.mark.parametrize(
    ("estimate", "message"),
    [
        (GREY[:-1], r"the truth is \(40, 50\), but the estimate \(39, 50\)"),
        (np.dstack([GREY] * 3), r"the truth is \(40, 50\), but the estimate \(40, 50, 3\)"),
        (GREY / 255, "values are 0 … 1: multiply them by 255"),
        (GREY + 10.0, "values are 10 … 265, but must lie in 0 … 255"),
        (GREY.astype(int) - 3, "values are -3 … 252, but must lie in 0 … 255"),
        (np.where(GREY[3, 3] == GREY, np.nan, GREY), "values that are no finite numbers"),
    ],
)
def test_pictures_that_cannot_be_compared_are_named(estimate, message):
    for metric in (psnr, ssim):
        with pytest.raises(ValueError, match=message):
            metric(GREY, estimate, 2)


def test_pictures_of_the_wrong_shape_and_too_small_ones():
    four = np.zeros((20, 20, 4), np.uint8)
    with pytest.raises(ValueError, match=r"a picture is \(H, W\) or \(H, W, 3\), not \(20, 20, 4\)"):
        psnr(four, four, 2)
    with pytest.raises(ValueError, match=r"a border of 20 pixels cannot be cropped from \(40, 50\)"):
        psnr(GREY, GREY, 20)
    with pytest.raises(ValueError, match="a border of -1 pixels"):
        psnr(GREY, GREY, -1)
    with pytest.raises(ValueError, match=r"\(10, 10\) pixels are left without the border; SSIM needs 11 × 11"):
        ssim(GREY[:14, :14], GREY[:14, :14], 2)
    with pytest.raises(ValueError, match="2 pictures but 1 estimates"):
        psnr_by_image([GREY, GREY], [GREY], 2)
