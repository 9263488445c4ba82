"""Random kernels: each feature against a convolution by hand; what windows are refused; and that they recognise."""

import numpy as np
import pytest
from scipy.ndimage import correlate1d

from ch07_applications.video.random_kernels import RandomKernels, doubled, kernel_classifier, responses, spread


def windows(n=12, time=40, channels=3, seed=0):
    return np.random.default_rng(seed).normal(size=(n, time, channels)).astype(np.float32)


def kernel(number, dilation):
    """The weights with their gaps."""
    weights = np.zeros(8 * dilation + 1)
    weights[::dilation] = -1
    weights[doubled()[number] * dilation] = 2
    return weights


def test_there_are_84_kernels_whose_weights_sum_to_0():
    assert len(doubled()) == 84
    assert all(kernel(number, 1).sum() == 0 for number in range(84))


@pytest.mark.parametrize("dilation", [1, 2, 4])
def test_responses_are_scipy_s_dilated_correlations(dilation):
    X, rng = windows(), np.random.default_rng(1)
    chosen = (rng.random((84, 3)) < 0.6).astype(np.float32)
    found = responses(X, dilation, chosen, np.arange(84))
    for number in (0, 17, 83):
        wanted = correlate1d((X * chosen[number]).sum(axis=2), kernel(number, dilation), axis=1, mode="constant")
        np.testing.assert_allclose(found[number], wanted, atol=1e-4)


def test_features_are_shares_of_places_above_the_bias():
    X = windows()
    model = RandomKernels(84 * 6).fit(X)
    found, column = model.transform(X), 0
    assert found.shape == (12, 84 * 6)
    for dilation, chosen, biases in zip(model.dilations_, model.chosen_, model.biases_, strict=True):
        response, inside = responses(X, dilation, chosen, np.arange(84)), slice(4 * dilation, 40 - 4 * dilation)
        for first, places in ((0, slice(None)), (1, inside)):
            for bias in biases[first::2].T:
                for kernel_of, limit in zip(range(first, 84, 2), bias, strict=True):
                    wanted = (response[kernel_of][:, places] > limit).mean(axis=1)
                    np.testing.assert_allclose(found[:, column], wanted, atol=1e-6)
                    column += 1
    assert column == found.shape[1]


def test_dilations_reach_the_window_s_ends_and_features_are_shared_out():
    for steps, per_kernel in ((128, 119), (40, 6), (9, 3), (500, 1)):
        dilations, counts = spread(steps, per_kernel, 32)
        assert sum(counts) == per_kernel
        assert dilations[0] == 1
        assert 8 * dilations[-1] <= steps - 1
        assert len(set(dilations)) == len(dilations)
    assert max(spread(128, 119, 32)[0]) == 15


def test_blocks_do_not_matter():
    X = windows(300, 30)
    model = RandomKernels(84).fit(X[:50])
    np.testing.assert_array_equal(model.transform(X)[260:], model.transform(X[260:]))


def test_the_seed_decides():
    X = windows()
    first, second, other = (RandomKernels(84, random_state=seed).fit_transform(X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_windows_that_do_not_fit_are_refused():
    model = RandomKernels(84).fit(windows())
    for wrong in (windows(time=41), windows(channels=2)):
        with pytest.raises(ValueError, match="as in fit"):
            model.transform(wrong)
    with pytest.raises(ValueError, match="a kernel has 9"):
        RandomKernels(84).fit(windows(time=8))
    broken = windows()
    broken[3, 4, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        model.transform(broken)
    with pytest.raises(ValueError, match="items, time, channels"):
        model.transform(windows()[0])


def test_one_channel_is_enough():
    assert RandomKernels(84).fit_transform(windows(channels=1)).shape == (12, 84)


def test_time_reversed_bursts_are_told_apart():
    """A rise and a fall have the same values in another order."""
    rng, time = np.random.default_rng(0), np.arange(60)
    saw = (time[None] + rng.integers(0, 20, (80, 1))) % 20 / 20 + 0.1 * rng.normal(size=(80, 60))
    labels = np.arange(80) % 2
    X = np.where(labels[:, None] == 1, saw[:, ::-1], saw)[..., None].astype(np.float32)
    model = kernel_classifier(84 * 4).fit(X[:40], labels[:40])
    assert (model.predict(X[40:]) == labels[40:]).mean() == 1
