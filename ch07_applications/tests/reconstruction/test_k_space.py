"""k-space: adjoint, unitary, centred for every size; masks and noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ch07_applications.reconstruction.k_space import (
    apply,
    check_measured,
    cropped,
    draw_mask,
    inverse,
    measure,
    power,
    residual,
    transform,
)

SIZES = pytest.mark.parametrize("size", [(8, 8), (7, 7), (8, 7), (9, 12), (5, 16), (1, 3)])


def some(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def alternating(width):
    mask = torch.arange(width) % 2 == 0
    mask[width // 2] = True
    return mask


@SIZES
def test_the_inverse_is_the_adjoint_and_the_inverse(size):
    x, y = some(2, *size), some(2, *size, seed=1)
    assert torch.isclose(torch.vdot(y.flatten(), transform(x).flatten()), torch.vdot(inverse(y).flatten(), x.flatten()))
    torch.testing.assert_close(inverse(transform(x)), x)
    torch.testing.assert_close(transform(x).norm(), x.norm())


@SIZES
def test_the_transform_is_the_sum_that_defines_it(size):
    """The transform equals the matrix of exp(−2πi k r / N) / √N with places and frequencies counted from the middle."""
    x = some(*size)
    rows, columns = (np.arange(n) - n // 2 for n in size)
    by_rows, by_columns = (
        np.exp(-2j * np.pi * np.outer(axis, axis) / len(axis)) / len(axis) ** 0.5 for axis in (rows, columns)
    )
    np.testing.assert_allclose(transform(x).numpy(), by_rows @ x.numpy() @ by_columns.T, atol=1e-12)


@SIZES
def test_a_constant_stands_in_the_middle_and_a_point_in_the_middle_is_flat(size):
    middle = tuple(n // 2 for n in size)
    k_space = transform(torch.ones(size, dtype=torch.complex128))
    assert torch.isclose(k_space[middle].real, torch.tensor(size).prod().double().sqrt())
    k_space[middle] = 0
    assert k_space.abs().max() < 1e-12
    point = torch.zeros(size, dtype=torch.complex128)
    point[middle] = 1
    torch.testing.assert_close(transform(point), torch.full(size, (size[0] * size[1]) ** -0.5, dtype=torch.complex128))


@SIZES
def test_the_gradient_of_the_data_term_is_autograd_s(size):
    mask, y = alternating(size[1]), some(*size, seed=1)
    y = apply(y, mask)
    parts = torch.view_as_real(some(*size)).clone().requires_grad_()
    x = torch.view_as_complex(parts)
    (0.5 * (apply(transform(x), mask) - y).abs().square().sum()).backward()
    torch.testing.assert_close(residual(x.detach(), y, mask), torch.view_as_complex(parts.grad))


@SIZES
def test_a_whole_step_leaves_what_was_measured_as_it_is(size):
    mask, x = alternating(size[1]), some(*size)
    y = apply(some(*size, seed=1), mask)
    after = transform(x - residual(x, y, mask))
    torch.testing.assert_close(apply(after, mask), y)
    torch.testing.assert_close(apply(after, ~mask), apply(transform(x), ~mask))


def test_a_mask_is_a_projection_of_whole_columns():
    mask, y = alternating(7), some(3, 5, 7)
    once = apply(y, mask)
    assert torch.equal(apply(once, mask), once)
    assert (once[..., ~mask] == 0).all()
    assert torch.equal(once[..., mask], y[..., mask])
    each = torch.stack([mask, ~mask, mask])
    assert torch.equal(apply(y, each)[1], apply(y[1], ~mask))


@pytest.mark.parametrize(("width", "lines", "middle"), [(128, 32, 10), (181, 45, 13), (9, 3, 3), (8, 8, 1)])
def test_masks_have_their_lines_and_their_middle(width, lines, middle):
    masks = torch.stack([draw_mask(width, lines, middle, torch.Generator().manual_seed(k)) for k in range(50)])
    assert (masks.sum(1) == lines).all()
    first = width // 2 - middle // 2
    assert masks[:, first : first + middle].all()
    if width > 100:
        share = masks.float().mean(0)
        assert (
            share[: width // 6].mean() < share[width // 6 : width // 3].mean() < share[width // 3 : width // 2].mean()
        )
        assert (share[width // 2 + middle :].sum() / share[: width // 2 - middle].sum() - 1).abs() < 0.3


@pytest.mark.parametrize(("lines", "middle"), [(3, 4), (9, 2), (3, 0)])
def test_an_impossible_mask_is_refused(lines, middle):
    with pytest.raises(ValueError, match="middle"):
        draw_mask(8, lines, middle, torch.Generator())


def test_noise_has_its_deviation_in_both_parts_and_where_it_was_measured_alone():
    mask = alternating(129)
    y = measure(torch.zeros(40, 64, 129, dtype=torch.complex64), mask, 0.02, torch.Generator().manual_seed(0))
    assert (y[..., ~mask] == 0).all()
    for part in (y[..., mask].real, y[..., mask].imag):
        assert abs(float(part.std()) - 0.02) < 2e-4
        assert abs(float(part.mean())) < 2e-4
    everything = measure(torch.zeros(40, 64, 64, dtype=torch.complex64), torch.ones(64).bool(), 0.02, torch.Generator())
    assert abs(float(inverse(everything).real.std()) - 0.02) < 2e-4  # F is unitary: as much in the image


def test_bad_measurements_are_refused():
    y, mask = some(6, 8), alternating(8)
    check_measured(y, mask)
    with pytest.raises(ValueError, match="9 lines for k-space of 8"):
        check_measured(y, alternating(9))
    without = mask.clone()
    without[4] = False
    with pytest.raises(ValueError, match="middle"):
        check_measured(y, without)
    with pytest.raises(ValueError, match="middle"):
        measure(y, without, 0.0, torch.Generator())
    for wrong in (torch.nan, torch.inf, complex(0, torch.nan)):
        broken = y.clone()
        broken[2, 3] = wrong
        with pytest.raises(ValueError, match="finite"):
            check_measured(broken, mask)


@pytest.mark.parametrize(("fine", "size"), [(16, 8), (15, 8), (16, 7), (15, 7), (9, 9)])
def test_a_cropped_scan_has_the_same_intensities_and_the_same_middle(fine, size):
    constant = torch.full((fine, fine), 2 + 1j, dtype=torch.complex128)
    small = inverse(cropped(transform(constant), size, size))
    torch.testing.assert_close(small, torch.full((size, size), 2 + 1j, dtype=torch.complex128))
    axis = (torch.arange(fine) - fine // 2) / fine
    wave = torch.exp(2j * torch.pi * 2 * axis).expand(fine, fine).to(torch.complex128)
    axis = (torch.arange(size) - size // 2) / size
    coarse = torch.exp(2j * torch.pi * 2 * axis).expand(size, size).to(torch.complex128)
    torch.testing.assert_close(inverse(cropped(transform(wave), size, size)), coarse, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="no middle"):
        cropped(constant, fine + 1, size)


def test_power_is_the_root_mean_square_of_what_was_measured():
    mask = alternating(8)
    y = some(2, 6, 8)
    expected = y[..., mask].abs().square().mean((-2, -1)).sqrt()
    torch.testing.assert_close(power(y, mask), expected)
    torch.testing.assert_close(power(7 * y, mask), 7 * expected)
    assert float(power(0 * y, mask).min()) > 0
