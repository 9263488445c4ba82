"""Haar's transform against PyWavelets, soft thresholds against a search, FISTA against ISTA and pylops."""

from __future__ import annotations

import numpy as np
import pylops
import pytest
import pywt
import torch

from ch07_applications.reconstruction import wavelet_fista
from ch07_applications.reconstruction.k_space import apply, draw_mask, inverse, residual, transform
from ch07_applications.reconstruction.wavelet_fista import (
    haar,
    inverse_haar,
    objective,
    reconstruct,
    shrink,
    soft,
)


def some(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def measured_squares(height=32, width=32, seed=0):
    """A few squares with a phase, measured with a little noise; the truth, what was measured, the mask."""
    x = torch.zeros(height, width, dtype=torch.complex128)
    x[4:20, 6:17] = 1
    x[10:28, 12:25] += 0.5j
    mask = draw_mask(width, width // 2, 6, torch.Generator().manual_seed(seed))
    return x, apply(transform(x) + 0.01 * some(height, width), mask), mask


@pytest.mark.parametrize(("shape", "levels"), [((16, 16), 4), ((32, 16), 2), ((8, 24), 3), ((4, 6), 1)])
def test_haar_is_pywavelets(shape, levels):
    x = some(3, *shape)
    ours = haar(x, levels)
    for own, image in zip(ours, x.numpy(), strict=True):
        found, _ = pywt.coeffs_to_array(pywt.wavedec2(image, "haar", mode="periodization", level=levels))
        np.testing.assert_allclose(np.sort_complex(own.numpy().ravel()), np.sort_complex(found.ravel()), atol=1e-10)
        side = tuple(n >> levels for n in shape)
        np.testing.assert_allclose(own[: side[0], : side[1]].numpy(), found[: side[0], : side[1]], atol=1e-12)
        down, across = np.array(shape) // 2  # details of the first level: PyWavelets has rows' differences below
        np.testing.assert_allclose(own[down:, :across].numpy(), found[down:, :across], atol=1e-12)
        np.testing.assert_allclose(own[:down, across:].numpy(), found[:down, across:], atol=1e-12)
        np.testing.assert_allclose(own[down:, across:].numpy(), found[down:, across:], atol=1e-12)


def test_haar_is_orthonormal_and_leaves_its_input_alone():
    x, y = some(2, 16, 32), some(2, 16, 32, seed=1)
    before = x.clone()
    torch.testing.assert_close(inverse_haar(haar(x)), x)
    torch.testing.assert_close(haar(inverse_haar(y)), y)
    torch.testing.assert_close(haar(x).norm(), x.norm())
    inner = torch.vdot(y.flatten(), haar(x).flatten())
    torch.testing.assert_close(inner, torch.vdot(inverse_haar(y).flatten(), x.flatten()))
    assert torch.equal(x, before)
    with pytest.raises(ValueError, match="multiples of 16"):
        haar(some(16, 24))


def test_soft_is_the_minimum_of_its_objective():
    axis = torch.linspace(-3, 3, 601, dtype=torch.float64)
    grid = torch.complex(axis[:, None].expand(601, 601), axis.expand(601, 601))
    for c in (2 + 1j, -0.3 + 0.2j, -1.5j, 0.75 + 0j, 0j):
        values = 0.5 * (grid - c).abs().square() + 0.7 * grid.abs()
        best = grid.flatten()[values.argmin()]
        found = soft(torch.tensor([[c]], dtype=torch.complex128), 0.7)
        assert abs(complex(found) - complex(best)) < 0.012
    x = some(4, 4)
    torch.testing.assert_close(soft(x, 0.0), x)


@pytest.mark.parametrize("shape", [(32, 32), (16, 48)])
def test_fista_reaches_the_minimum_of_ista(shape):
    _, y, mask = measured_squares(*shape)
    weight, long = 0.02, inverse(y)
    for _ in range(1000):
        long = shrink(long - residual(long, y, mask), weight)
    found = reconstruct(y, mask, weight, 300, spin=False)
    least = objective(long, y, mask, weight)
    assert objective(found, y, mask, weight) == pytest.approx(least, rel=1e-4)
    assert objective(found, y, mask, weight) < 0.9 * objective(inverse(y), y, mask, weight)
    for change in (0.01 * some(*shape), -0.01 * found):
        assert objective(found + change, y, mask, weight) > least


def test_fista_converges_faster_than_ista():
    _, y, mask = measured_squares()
    slow = inverse(y)
    for _ in range(40):
        slow = shrink(slow - residual(slow, y, mask), 0.02)
    assert objective(reconstruct(y, mask, 0.02, 40, spin=False), y, mask, 0.02) < objective(slow, y, mask, 0.02)


def test_fista_is_that_of_pylops():
    _, y, mask = measured_squares()
    n, size = 32 * 32, (32, 32)

    class Measured(pylops.LinearOperator):
        """M F Ψ^H, from wavelet coefficients to k-space."""

        def __init__(self):
            super().__init__(dtype=np.dtype(complex), shape=(n, n))

        def _matvec(self, c):
            image = inverse_haar(torch.from_numpy(np.ascontiguousarray(c)).reshape(size))
            return apply(transform(image), mask).numpy().ravel()

        def _rmatvec(self, k):
            k_space = torch.from_numpy(np.ascontiguousarray(k)).reshape(size)
            return haar(inverse(apply(k_space, mask))).numpy().ravel()

    start = haar(inverse(y)).numpy().ravel()
    theirs, *_ = pylops.optimization.sparsity.fista(
        Measured(), y.numpy().ravel(), x0=start, niter=60, eps=0.04, alpha=1.0, tol=0.0, threshkind="soft"
    )
    image = inverse_haar(torch.from_numpy(theirs).reshape(size))
    torch.testing.assert_close(reconstruct(y, mask, 0.02, 60, spin=False), image, atol=1e-4, rtol=0)


def test_many_slices_at_once_are_each_by_itself():
    y = torch.stack([measured_squares(seed=0)[1], 2 * measured_squares(seed=0)[1]])
    mask = measured_squares(seed=0)[2]
    both = reconstruct(y, mask, 0.01, 20)
    torch.testing.assert_close(both[1], reconstruct(y[1], mask, 0.01, 20))
    each = reconstruct(y, torch.stack([mask, mask]), 0.01, 20)
    torch.testing.assert_close(each, both)


def test_spinning_has_no_grid_of_its_own():
    x, y, mask = measured_squares(64, 64)
    spun, fixed = (reconstruct(y, mask, 0.02, 60, spin=spin) for spin in (True, False))
    assert (spun - x).norm() < (fixed - x).norm()


def test_a_shift_comes_back():
    x = some(16, 32)
    for shift in wavelet_fista.SHIFTS:
        torch.testing.assert_close(shrink(x, 0.0, shift), x)
    torch.testing.assert_close(shrink(x, 0.3, (0, 16)), shrink(x, 0.3, (0, 0)))  # by a whole coarsest square


@pytest.mark.parametrize("shape", [(33, 21), (20, 37)])
def test_odd_and_unequal_sides_work(shape):
    x, y, mask = measured_squares(*shape)
    found = reconstruct(y, mask, 0.01, 60)
    assert found.shape == shape
    assert (found - x).norm() < 0.9 * (inverse(y) - x).norm()


def test_bad_input_is_refused():
    _, y, mask = measured_squares()
    with pytest.raises(ValueError, match="weight"):
        reconstruct(y, mask, -0.1, 3)
    with pytest.raises(ValueError, match="31 lines"):
        reconstruct(y, mask[1:], 0.1, 3)
    with pytest.raises(ValueError, match="finite"):
        reconstruct(y * torch.nan, mask, 0.1, 3)
