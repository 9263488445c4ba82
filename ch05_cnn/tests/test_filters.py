"""Filters are scipy's and scikit-image's; learned kernels equal those that made the examples, flipped if these were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage, signal
from skimage import filters as skimage_filters

from ch05_cnn.filters import (
    BOX,
    EMBOSS,
    KNOWN,
    LAPLACIAN,
    LETTER,
    LEVELS,
    PREWITT_X,
    SOBEL_X,
    apply_by_hand,
    convolve,
    correlate,
    edge_error,
    filter_with_known,
    gabor,
    gaussian,
    grouping_error,
    learn_kernels,
    least_squares,
    make_examples,
    separable_gain,
    sharpen,
    standardise,
)
from common.data import photo


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


@settings(max_examples=30, deadline=None)
@given(kernel=st.tuples(st.sampled_from([1, 3, 5]), st.sampled_from([1, 3, 7])), seed=st.integers(0, 999))
def test_correlation_and_convolution_are_scipys(kernel, seed):
    image, kernel = noise(12, 10, seed=seed), noise(*kernel, seed=seed + 1)
    assert_allclose(correlate(image, kernel), ndimage.correlate(image, kernel), atol=1e-12)
    assert_allclose(convolve(image, kernel), ndimage.convolve(image, kernel), atol=1e-12)


def test_the_operators_are_scipys_and_scikit_images():
    image = photo("camera")[100:160, 80:150] / 255
    assert_allclose(correlate(image, LAPLACIAN), ndimage.laplace(image), atol=1e-12)
    assert_allclose(correlate(image, BOX), ndimage.uniform_filter(image, 5), atol=1e-12)
    assert_allclose(correlate(image, SOBEL_X), ndimage.sobel(image, 1) / 8, atol=1e-12)
    assert_allclose(correlate(image, SOBEL_X.T), ndimage.sobel(image, 0) / 8, atol=1e-12)
    assert_allclose(correlate(image, PREWITT_X), ndimage.prewitt(image, 1) / 6, atol=1e-12)
    assert_allclose(correlate(image, gaussian(2, 6)), ndimage.gaussian_filter(image, 2, radius=6), atol=1e-12)
    expected = skimage_filters.unsharp_mask(image, 1.5, 0.7, preserve_range=True)
    assert_allclose(sharpen(image, 0.7)[8:-8, 8:-8], expected[8:-8, 8:-8], atol=2e-3)  # its Gaussian is cut elsewhere
    lengths = np.sqrt((ndimage.sobel(image, 0) / 8) ** 2 + (ndimage.sobel(image, 1) / 8) ** 2)
    assert_allclose(apply_by_hand(image)["Sobel, length"], lengths, atol=1e-12)


def test_on_a_ramp_slopes_are_the_slope_and_the_laplacian_is_zero():
    rows, columns = np.mgrid[:9, :9].astype(float)
    ramp = 3 * columns - 2 * rows
    inner = slice(1, -1), slice(1, -1)
    for kernel in (SOBEL_X, PREWITT_X):
        assert_allclose(correlate(ramp, kernel)[inner], 3, atol=1e-12)
        assert_allclose(correlate(ramp, kernel.T)[inner], -2, atol=1e-12)
    assert_allclose(correlate(ramp, LAPLACIAN)[inner], 0, atol=1e-12)


@pytest.mark.parametrize("angle", [0, 30, 90])
def test_gabor_is_scikit_images_less_its_mean_and_blind_to_even_light(angle):
    kernel = gabor(angle)
    assert abs(kernel.sum()) < 1e-12
    theirs = skimage_filters.gabor_kernel(1 / 6, np.deg2rad(angle), sigma_x=2.5, sigma_y=2.5, n_stds=4).real
    middle = len(theirs) // 2
    theirs = theirs[middle - 7 : middle + 8, middle - 7 : middle + 8]
    window = gaussian(2.5, 7)
    theirs = theirs * (window.max() / theirs.max())
    assert_allclose(kernel, theirs - window * theirs.sum(), atol=1e-6)


def test_gabor_sees_its_own_stripes_only():
    columns = np.mgrid[:48, :48][1]
    stripes = np.cos(2 * np.pi * columns / 6)  # light changes along x: φ = 0
    strength = {angle: correlate(stripes, gabor(angle))[12:-12, 12:-12].std() for angle in (0, 45, 90)}
    assert strength[0] > 5 * strength[45] > 5 * strength[90]


def test_a_point_leaves_the_kernel_turned_or_upright():
    point = np.zeros((9, 9))
    point[4, 4] = 1
    assert_array_equal(convolve(point, LETTER)[2:7, 3:6], LETTER)
    assert_array_equal(correlate(point, LETTER)[2:7, 3:6], LETTER[::-1, ::-1])


def test_only_convolution_is_associative_and_a_symmetric_kernel_does_not_tell():
    x, a, b = noise(20, 20), noise(3, 3, seed=1), noise(5, 3, seed=2)
    assert grouping_error(signal.convolve, x, a, b) < 1e-12
    assert grouping_error(signal.correlate, x, a, b) > 0.5
    even = gaussian(1, 2)
    assert_allclose(correlate(x, even), convolve(x, even), atol=1e-14)
    assert_allclose(correlate(x, SOBEL_X), -convolve(x, SOBEL_X), atol=1e-14)


def test_the_separable_pair_gives_the_square_s_result_and_is_faster():
    gains, apart = zip(*(separable_gain(noise(128, 128), 4.0, 12) for _ in range(3)), strict=True)
    assert max(apart) < 1e-12
    assert max(gains) > 1.2


# What is learned


def test_examples_are_scipys_and_rounded():
    x, t = make_examples(standardise("camera"), 5, np.random.default_rng(0))
    assert x.shape == (5, 1, 34, 34)
    assert t.shape == (5, 4, 32, 32)
    inner = slice(1, -1), slice(1, -1)
    expected = [ndimage.correlate(x[2, 0], k)[inner] for k in (SOBEL_X, SOBEL_X.T, LAPLACIAN)]
    expected.append(ndimage.convolve(x[2, 0], EMBOSS)[inner])
    assert_allclose(t[2], expected, atol=0.5 / LEVELS + 1e-9)
    assert_array_equal(t * LEVELS, np.round(t * LEVELS))
    assert np.ptp([tile.mean() for tile in x]) > 0  # not one and the same tile


def test_descent_finds_what_made_the_examples_and_least_squares_agrees():
    x, t = make_examples(standardise("camera"), 64, np.random.default_rng(0))
    path = learn_kernels(x, t, 500, np.random.default_rng(1))
    truth = np.stack([SOBEL_X, SOBEL_X.T, LAPLACIAN, EMBOSS[::-1, ::-1]])
    assert len(path) == 501
    assert_allclose(least_squares(x, t), truth, atol=0.01)
    assert np.abs(path[0] - truth).max() > 0.5
    assert_allclose(path[-1], truth, atol=0.02)
    assert np.abs(path[-1][3] - EMBOSS).max() > 0.9
    unseen = standardise("coins")
    assert edge_error(path[-1], unseen) < 2 < 30 < edge_error(path[0], unseen)


def test_a_step_of_descent_is_pytorchs():
    import torch

    from ch05_cnn import filters as module

    x, t = make_examples(standardise("camera"), 8, np.random.default_rng(0))
    path = learn_kernels(x, t, 2, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    theta = torch.tensor(0.3 * rng.normal(size=(4, 1, 3, 3)), requires_grad=True)
    bias = torch.zeros(4, dtype=torch.float64, requires_grad=True)
    fast = torch.optim.SGD([theta], module.LEARNING_RATE, momentum=module.MOMENTUM)
    plain = torch.optim.SGD([bias], module.LEARNING_RATE)
    for kernels in path[1:]:
        some = rng.integers(0, 8, module.BATCH)
        error = torch.nn.functional.conv2d(torch.tensor(x[some]), theta, bias) - torch.tensor(t[some])
        loss = 0.5 * (error**2).sum(dim=1).mean()
        for optimiser in (fast, plain):
            optimiser.zero_grad()
        loss.backward()
        fast.step()
        plain.step()
        assert_allclose(kernels, theta.detach().numpy()[:, 0], atol=1e-12)


def test_the_error_is_that_of_all_four_over_their_size():
    unseen = standardise("coins")
    truth = np.stack([SOBEL_X, SOBEL_X.T, LAPLACIAN, EMBOSS[::-1, ::-1]])
    assert edge_error(truth, unseen) < 1e-10
    assert_allclose(edge_error(1.1 * truth, unseen), 10, rtol=1e-9)
    assert_allclose(edge_error(0 * truth, unseen), 100, rtol=1e-9)
    assert filter_with_known(unseen).shape == (len(KNOWN), unseen.shape[0] - 2, unseen.shape[1] - 2)
