"""Scores of chroma: plain, by colour, as a histogram, and as a picture."""

from pathlib import Path

import numpy as np
import pytest
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from ch07_applications.colour.ab_bins import Colours, nearest_bin
from ch07_applications.colour.lab_pictures import doubled, halved, lab_of, rgb_of
from ch07_applications.colour.scoring import (
    BALANCED,
    BALANCED_AUC,
    ERROR,
    PSNR,
    WITHIN,
    Judgement,
    colourfulness,
    histogram_distance,
)
from ch07_applications.tests.colour.small_runs import pictures, run_of
from common.method import Method
from common.results import rms


@pytest.fixture(scope="module")
def judgement():
    part = pictures()
    return Judgement(part, Colours.of(part.chroma))


def scored(judgement, chroma, **how):
    method = Method(run_of("colour/scoring", Path()), "one", "deep")
    method.pictures = judgement.score(method, chroma, **how)
    return method


def test_lightness_and_chroma_are_skimages_and_give_the_picture_back():
    part = pictures()
    assert np.allclose(part.lightness, rgb2lab(part.images)[..., 0], atol=1e-4)
    assert np.abs(rgb_of(part.lightness, part.chroma).astype(int) - part.images).max() <= 1
    grey = rgb_of(part.lightness, np.zeros_like(part.chroma))
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1  # sRGB's white is not exactly a = b = 0
    with pytest.raises(ValueError, match="\\(n, H, W, 3\\) of uint8, not \\(2, 4, 4\\)"):
        lab_of(np.zeros((2, 4, 4), np.uint8))
    assert len(part.take(slice(3))) == 3


def test_half_and_double():
    chroma = np.random.default_rng(0).normal(size=(2, 6, 8, 2)).astype(np.float32)
    half = halved(chroma)
    assert half[1, 2, 3] == pytest.approx(chroma[1, 4:6, 6:8].mean(axis=(0, 1)), rel=1e-5)
    flat = np.full((1, 3, 4, 2), 7.0, np.float32)
    assert np.array_equal(doubled(flat), np.full((1, 6, 8, 2), 7.0))
    with pytest.raises(ValueError, match="5 × 8 pixels have no half"):
        halved(chroma[:, :5])


def test_the_truth_is_without_error_and_a_prediction_of_another_shape_is_refused(judgement):
    method = scored(judgement, judgement.part.chroma, auc=True)
    assert method.items[ERROR].values == pytest.approx(0)
    assert method.items[BALANCED].values.mean() == pytest.approx(100)
    assert method.items[BALANCED_AUC].values.mean() == pytest.approx(100)
    assert np.abs(method.pictures.astype(int) - judgement.part.images).max() <= 1
    with pytest.raises(ValueError, match="one: chroma"):
        scored(judgement, judgement.part.chroma[:-1])


def test_the_plain_error_is_the_root_of_the_mean_over_all_numbers(judgement):
    chroma = np.zeros_like(judgement.part.chroma)
    values = scored(judgement, chroma).items[ERROR].values
    assert rms(values) == pytest.approx(np.sqrt((judgement.part.chroma**2).mean()), rel=1e-5)


def test_balanced_accuracy_is_the_mean_over_common_bins_of_the_share_within_a_bin(judgement):
    rng = np.random.default_rng(1)
    chroma = judgement.part.chroma + rng.normal(0, 12, judgement.part.chroma.shape).astype(np.float32)
    right = np.linalg.norm(chroma - judgement.part.chroma, axis=-1) < WITHIN
    bins = nearest_bin(judgement.part.chroma)
    by_bin = [right[bins == k].mean() for k in np.flatnonzero(judgement.colours.common) if np.any(bins == k)]
    found = scored(judgement, chroma).items[BALANCED].values
    assert found.mean() == pytest.approx(100 * np.mean(by_bin))
    assert 20 < found.mean() < 90


def test_a_picture_of_a_rare_colour_does_not_widen_the_interval_of_a_constant(judgement):
    """If every pixel has the same value, every picture has that value, for any pixel weights."""
    values = np.full(judgement.part.lightness.shape, 40.0)
    assert judgement.balanced(values) == pytest.approx(np.full(len(judgement.part), 40.0))


def test_rare_bins_have_no_weight():
    part = pictures()
    only = Colours(np.bincount([nearest_bin(part.chroma).ravel()[0]], minlength=261).astype(float))
    weights = Judgement(part, only).weights
    assert np.unique(nearest_bin(part.chroma)[weights > 0]).size == 1
    assert weights.mean() == pytest.approx(1)


def test_histograms_do_not_ask_where_a_colour_is(judgement):
    chroma = judgement.part.chroma
    assert histogram_distance(chroma[::-1, ::-1], chroma) == 0
    assert histogram_distance(np.zeros_like(chroma), chroma) > 0.8
    assert histogram_distance(np.full_like(chroma, 200), np.zeros_like(chroma)) == 1


def test_colourfulness_is_hasler_and_suesstrunks():
    picture = pictures(1).images
    r, g, b = np.moveaxis(picture[0].astype(float), -1, 0)
    rg, yb = r - g, 0.5 * (r + g) - b
    wanted = np.sqrt(rg.var() + yb.var()) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert colourfulness(picture)[0] == pytest.approx(wanted)
    assert colourfulness(np.repeat(picture[..., :1], 3, axis=3))[0] == 0


def test_psnr_is_that_of_the_picture_in_rgb(judgement):
    method = scored(judgement, 0.5 * judgement.part.chroma)
    wanted = peak_signal_noise_ratio(judgement.part.images[3], method.pictures[3])
    assert method.items[PSNR].values[3] == pytest.approx(wanted)
