"""Windows: they cover k-space of any size, and their weights sum to 1."""

from __future__ import annotations

import pytest
import torch

from ch07_applications.reconstruction.band_windows import middle_of, starts_of, windows_of

SIZES = [(128, 128, 64), (192, 192, 64), (181, 145, 64), (215, 64, 64), (65, 67, 64), (40, 33, 16), (33, 33, 32)]


@pytest.mark.parametrize(("height", "width", "side"), SIZES)
def test_weights_sum_to_one_everywhere(height, width, side):
    total = torch.zeros(height, width)
    for window in windows_of(height, width, side):
        assert window.weights.shape == (side, side)
        assert float(window.weights.min()) >= 0
        window.cut(total).add_(window.weights)
    torch.testing.assert_close(total, torch.ones(height, width))


@pytest.mark.parametrize(("height", "width", "side"), SIZES)
def test_one_window_has_frequency_0_in_its_middle_and_places_count_from_there(height, width, side):
    windows = windows_of(height, width, side)
    middle = middle_of(windows)
    assert middle.place == 0
    assert tuple(c + side // 2 for c in middle.corner) == (height // 2, width // 2)
    for window in windows:
        rows, columns = ((a - b) / side for a, b in zip(window.corner, middle.corner, strict=True))
        assert window.place == complex(rows, columns)
    assert len({window.corner for window in windows}) == len(windows)


def test_starts_are_strides_apart_and_end_at_the_borders():
    assert starts_of(128, 64) == [0, 32, 64]
    assert starts_of(192, 64) == [0, 32, 64, 96, 128]
    assert starts_of(216, 64) == [0, 12, 44, 76, 108, 140, 152]
    assert starts_of(64, 64) == [0]
    with pytest.raises(ValueError, match="no patch of 64"):
        starts_of(63, 64)


def test_weights_fall_towards_the_borders_of_inner_windows():
    middle = middle_of(windows_of(192, 192)).weights
    assert float(middle[32, 32]) > 0.99
    assert float(middle[0, 32]) < 0.01
    torch.testing.assert_close(middle, middle.T)


def test_the_whole_is_one_window():
    (window,) = windows_of(9, 14, side=None)
    x = torch.randn(2, 9, 14, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(window.cut(x), x)
    assert torch.equal(window.weights, torch.ones(9, 14))
    assert window.place == 0
