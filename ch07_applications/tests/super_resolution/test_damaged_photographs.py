"""Damages and the rivals: D is linear with its adjoint, noise has its deviation, the variation is the least."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch.nn import functional

from ch07_applications.super_resolution.classical_restoration import (
    RIVALS,
    STRENGTH,
    TV,
    VARIATION,
    average_alike,
    choose_setting,
    enlarge_bicubically,
    enlarge_with_variation,
    fill_smoothly,
)
from ch07_applications.super_resolution.damaged_photographs import (
    SIGMA,
    Observation,
    add_noise,
    choosing_squares,
    make_holes,
    middle_of,
    picture_of,
    pixels_of,
    reduce,
)
from ch07_applications.super_resolution.lanczos import Downsampler, lanczos_matrix
from ch07_applications.super_resolution.total_variation import enlarge, gradient, gradient_adjoint, objective
from common.metrics.super_resolution import psnr


def photograph(side=48):
    return choosing_squares(side, 1).inputs[0]


def random(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


# --- The downsampler --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_the_adjoint_is_the_adjoint(factor):
    down = Downsampler(24, 36, factor)
    x, y = random(2, 3, 24, 36), random(2, 3, 24 // factor, 36 // factor, seed=1)
    assert float((down(x) * y).sum()) == pytest.approx(float((x * down.adjoint(y)).sum()), rel=1e-5)
    x.requires_grad_()
    assert_allclose(torch.autograd.grad((down(x) * y).sum(), x)[0], down.adjoint(y), atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_it_is_linear_and_keeps_constants_and_ramps(factor):
    down = Downsampler(24, 24, factor)
    a, b = random(1, 3, 24, 24), random(1, 3, 24, 24, seed=1)
    assert_allclose(down(2 * a - 3 * b), 2 * down(a) - 3 * down(b), atol=1e-5)
    assert_allclose(down(torch.full((1, 3, 24, 24), 0.7)), 0.7, atol=1e-6)
    ramp = torch.arange(24.0).expand(1, 3, 24, 24)
    inside = down(ramp)[..., 2:-2]  # no shift by half a pixel: a coarse pixel has the value at its own centre
    centres = ((torch.arange(24 // factor) + 0.5) * factor - 0.5)[2:-2]
    assert_allclose(inside, centres.expand_as(inside), atol=1e-4)
    if factor == 1:
        assert_allclose(down(a), a, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_it_is_the_authors_convolution_with_a_stride(factor):
    """Their kernel, written out: 4 s taps around a centre between two pixels, replicated borders."""
    kernel = torch.zeros(4 * factor, 4 * factor, dtype=torch.float64)
    for i in range(4 * factor):
        for j in range(4 * factor):
            value = 1.0
            for place in (i, j):
                t = abs(place + 0.5 - 2 * factor) / factor
                value *= 2 * np.sin(np.pi * t) * np.sin(np.pi * t / 2) / (np.pi**2 * t**2)
            kernel[i, j] = value
    kernel /= kernel.sum()
    x = random(1, 3, 24, 32)
    padded = functional.pad(x, [3 * factor // 2] * 4, mode="replicate").transpose(0, 1)
    expected = functional.conv2d(padded, kernel.float()[None, None], stride=factor).transpose(0, 1)
    assert_allclose(Downsampler(24, 32, factor)(x), expected, atol=1e-6)


def test_it_removes_fine_detail_before_it_takes_every_fourth_pixel():
    stripes = (torch.arange(64) % 2).float().expand(1, 3, 64, 64)
    assert float((Downsampler(64, 64, 4)(stripes)[..., 2:-2] - 0.5).abs().max()) < 0.02
    picture = photograph(96)  # near Pillow's filter with three lobes
    pillow = Image.fromarray(picture).resize((24, 24), Image.Resampling.LANCZOS)
    assert psnr(np.array(pillow), reduce(picture, 4).observation.seen, 1) > 32


@pytest.mark.parametrize(("size", "factor"), [(30, 4), (24, 0), (24, -2), (0, 2)])
def test_sizes_and_factors_that_do_not_fit_are_refused(size, factor):
    with pytest.raises(ValueError, match="cannot be reduced"):
        lanczos_matrix(size, factor)


# --- Damages ----------------------------------------------------------------------------------------------------------


def test_pictures_come_back_and_grey_ones_are_refused():
    picture = photograph()
    assert_array_equal(picture_of(pixels_of(picture)), picture)
    for refuse in (pixels_of, lambda grey: reduce(grey, 4), lambda grey: middle_of(grey, 16)):
        with pytest.raises(ValueError, match=r"shape|H, W, 3"):
            refuse(picture[..., 0])
    with pytest.raises(ValueError, match="no square"):
        middle_of(picture, 64)


def test_the_middle_is_averaged_over_boxes():
    picture = photograph(48)[:, 8:40]  # 48 × 32
    boxes = picture[8:40].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    assert np.abs(middle_of(picture, 16) - boxes).max() <= 0.5
    assert_array_equal(middle_of(picture, 32), picture[8:40])


def test_noise_has_its_standard_deviation_and_its_seed():
    grey = np.full((64, 64, 3), 128, np.uint8)
    noisy = add_noise(grey, 5).observation.seen
    assert noisy.astype(float).std() == pytest.approx(SIGMA, rel=0.03)
    assert noisy.mean() == pytest.approx(128, abs=1)
    assert_array_equal(noisy, add_noise(grey, 5).observation.seen)
    assert (noisy != add_noise(grey, 6).observation.seen).any()
    assert add_noise(grey, 5).score(noisy) == pytest.approx(20 * np.log10(255 / SIGMA), abs=0.2)


def test_holes_are_black_and_only_they_are_scored():
    picture = np.maximum(photograph(), 1)
    damaged = make_holes(picture, 2)
    known = damaged.observation.known
    assert 0.03 < 1 - known.mean() < 0.3
    assert_array_equal(damaged.observation.seen[known], picture[known])
    assert not damaged.observation.seen[~known].any()
    filled = np.where(known[..., None], 0, picture).astype(np.uint8)  # right in the holes, wrong elsewhere
    holed = np.where(known[..., None], picture, 9).astype(np.uint8)
    assert damaged.score(filled) > damaged.score(holed)
    with pytest.raises(ValueError, match="too small"):
        make_holes(picture[:20], 0)


def test_super_resolution_is_scored_on_luma_without_its_border():
    picture = photograph()
    damaged = reduce(picture, 4)
    assert damaged.observation.size == (48, 48)
    wrong = picture.copy()
    wrong[:4] = 0
    assert damaged.score(wrong) > 200  # equal, but for rounding of luma
    wrong[20] = 0
    assert damaged.score(wrong) == psnr(picture, wrong, 4) < 35


# --- Rivals -----------------------------------------------------------------------------------------------------------


def test_gradient_and_adjoint_belong_together():
    x, fields = random(1, 3, 7, 9), random(2, 3, 7, 9, seed=1)
    assert float((gradient(x) * fields).sum()) == pytest.approx(float((x * gradient_adjoint(fields)).sum()), rel=1e-5)
    assert not gradient(torch.ones(1, 3, 4, 5)).any()


def test_the_least_variation_is_the_least():
    """No step away from it is lower, and a general optimiser on a smoothed objective finds nothing lower either."""
    down, weight = Downsampler(16, 16, 4), 1e-2
    coarse = down(random(1, 3, 16, 16))
    start = functional.interpolate(coarse, (16, 16), mode="nearest")
    found = enlarge(down, coarse, start, weight)
    least = objective(found, down, coarse, weight)
    assert least < objective(start, down, coarse, weight)
    free = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([free], max_iter=120, line_search_fn="strong_wolfe")

    def evaluate():
        optimiser.zero_grad()
        variation = (gradient(free).square().sum(dim=(0, 1)) + 1e-8).sqrt().sum()
        value = 0.5 * (down(free) - coarse).square().sum() + weight * variation
        value.backward()
        return value

    optimiser.step(evaluate)
    assert least <= objective(free.detach(), down, coarse, weight) * 1.01
    for seed in range(5):
        away = found + 0.01 * (random(1, 3, 16, 16, seed=seed) - 0.5)
        assert least < objective(away, down, coarse, weight)


def test_more_weight_leaves_less_variation_and_little_agrees_with_what_was_seen():
    damaged = reduce(photograph(), 4)
    total = [np.abs(np.diff(enlarge_with_variation(damaged.observation, weight).astype(int), axis=0)).sum()
             for weight in VARIATION]  # fmt: skip
    assert total == sorted(total, reverse=True)
    assert total[-1] < 0.95 * total[0]
    close = enlarge_with_variation(damaged.observation, 1e-4)
    back = reduce(close, 4).observation.seen
    assert np.abs(back.astype(int) - damaged.observation.seen).mean() < 2


def test_rivals_are_as_good_as_they_are_known_to_be_and_their_settings_lie_within_the_options():
    training = choosing_squares(48, 3)
    for task, how, options in (
        ("super-resolution", lambda picture, _: reduce(picture, 4), VARIATION),
        ("denoising", add_noise, STRENGTH),
    ):
        items = training.damage(how, 0)
        restore = list(RIVALS[task].values())[-1][0]
        scores = [np.mean([each.score(restore(each.observation, option)) for each in items]) for option in options]
        assert choose_setting(restore, options, items) == options[int(np.argmax(scores))]
        assert 0 < int(np.argmax(scores)) < len(options) - 1  # else the grid ends too early
    reduced = training.damage(lambda picture, _: reduce(picture, 4), 0)
    bicubic, smooth = (
        np.mean([each.score(restore(each.observation)) for each in reduced])
        for restore in (enlarge_bicubically, lambda seen: enlarge_with_variation(seen, 3e-4))
    )
    assert smooth > bicubic + 0.3
    noisy = training.damage(add_noise, 0)
    gains = [each.score(average_alike(each.observation, 0.8)) - each.score(each.observation.seen) for each in noisy]
    assert min(gains) > 2


def test_holes_are_filled_and_the_rest_is_left_alone():
    ramp = np.add.outer(3 * np.arange(48), 2 * np.arange(48))[..., None].repeat(3, axis=2).astype(np.uint8)
    damaged = make_holes(np.maximum(ramp, 1), 4)
    found = fill_smoothly(damaged.observation)
    assert_array_equal(found[damaged.observation.known], damaged.truth[damaged.observation.known])
    assert damaged.score(found) > 35  # a plane solves the biharmonic equation
    assert TV in RIVALS["super-resolution"]
    assert fill_smoothly(Observation(damaged.truth, known=np.ones((48, 48), bool))) is not None
