"""The judge's distance and spectra: by hand, for known signals, and for pictures without contrast."""

import numpy as np
import pytest
from torchvision.models.feature_extraction import create_feature_extractor

from ch07_applications.super_resolution.bicubic import enlarge, reduce, rounded
from ch07_applications.super_resolution.perceptual_judge import (
    LAYERS,
    Judge,
    radial_power,
    spectral_distance,
    upper_power,
)
from ch07_applications.tests.super_resolution.small_runs import picture, small_judge
from common.data.photo_pack import photographs
from common.data.scale import LECTURE
from common.data.squeezenet import squeezenet_or_none
from common.data.weights import imagenet_inputs


@pytest.fixture(scope="module")
def judge():
    return Judge.of(small_judge())


def test_distances_are_those_of_normalised_activations(judge):
    nodes = {str(place): str(place) for place in LAYERS}
    extract = create_feature_extractor(small_judge().features, nodes)
    ours, theirs = (extract(imagenet_inputs(picture(seed)[None])) for seed in (0, 1))
    wanted = []
    for place in nodes:
        a, b = (each[place][0].numpy() for each in (ours, theirs))
        a, b = (each / np.sqrt((each**2).sum(axis=0)).clip(1e-10) for each in (a, b))
        wanted.append(((a - b) ** 2).sum(axis=0).mean())
    assert judge.distance(picture(0), picture(1)) == pytest.approx(np.mean(wanted), rel=1e-4)
    assert judge.distance(picture(0), picture(0)) == 0


def test_grey_is_seen_as_colour_and_sizes_must_agree(judge):
    grey = picture(0)[..., 0]
    assert judge.distance(grey, picture(1)[..., 0]) == pytest.approx(
        judge.distance(*(np.repeat(each[..., :1], 3, axis=2) for each in (picture(0), picture(1))))
    )
    with pytest.raises(ValueError, match="the truth is"):
        judge.distance(picture(0), picture(0, (48, 72)))
    assert judge.distances([grey, grey], [grey, grey]).tolist() == [0, 0]
    assert Judge.of(None) is None


def test_one_colour_has_a_distance_and_no_upper_power(judge):
    flat = np.full((64, 64), 9.0)
    assert np.isfinite(judge.distance(rounded(flat), picture(0, (64, 64))[..., 0]))
    assert upper_power(flat, 4) == pytest.approx(-10.79, abs=0.01)
    assert spectral_distance(flat, flat, 4) == 0


def test_the_judge_finds_a_blurred_picture_further_away_than_a_moved_one():
    """PSNR's error: the truth, shifted by a pixel, has a larger squared error than a blurred picture."""
    network = squeezenet_or_none(LECTURE, pytest.skip)
    truth = photographs().test[0].image[:256, :256]
    moved, blurred = np.roll(truth, 1, axis=1), rounded(enlarge(reduce(truth, 4), 4))
    errors = [np.mean((each.astype(float) - truth) ** 2) for each in (moved, blurred)]
    distances = [Judge.of(network).distance(each, truth) for each in (moved, blurred)]
    assert distances[0] < 0.5 * distances[1]
    assert errors[0] > 0.5 * errors[1]


@pytest.mark.parametrize("cycles", [4, 8, 14])
def test_a_wave_has_its_power_at_its_frequency(cycles):
    wave = np.cos(2 * np.pi * cycles / 64 * np.arange(64))
    for picture_ in (np.tile(wave, (64, 1)), np.tile(wave, (64, 1)).T):
        power = radial_power(picture_, bins=16)
        assert power.argmax() == cycles // 2
        assert power[cycles // 2] > 4 * np.delete(power, [cycles // 2 - 1, cycles // 2, cycles // 2 + 1]).max()


def test_white_noise_has_its_variance_everywhere():
    noise = 3 * np.random.default_rng(0).normal(size=(256, 200))
    assert np.allclose(radial_power(noise)[2:], 9, rtol=0.25)
    assert upper_power(noise, 4) == pytest.approx(10 * np.log10(9), abs=0.2)


def test_an_enlarged_picture_lacks_the_frequencies_that_were_lost():
    truth = photographs().test[0].image[:256, :256, 1]
    low = enlarge(reduce(truth, 4), 4)
    assert upper_power(low, 4) < upper_power(truth.astype(float), 4) - 8
    assert spectral_distance(low, truth.astype(float), 4) > 8
    assert spectral_distance(truth + 20.0, truth.astype(float), 4) < 0.2  # its mean does not count
