"""Scores of slices: PSNR and SSIM with the volume's range, errors by frequency, what autograd keeps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ch07_applications.reconstruction.k_space import inverse, transform
from ch07_applications.reconstruction.kept_bytes import bytes_to_train
from ch07_applications.reconstruction.slice_scores import distances, errors_by_distance, psnr_by_slice, ssim_by_slice


def volume(seed=0):
    """A bright slice and a dark one, and both with errors of one size."""
    generator = torch.Generator().manual_seed(seed)
    truths = torch.rand(2, 24, 20, generator=generator) * torch.tensor([1.0, 0.1])[:, None, None]
    phases = torch.polar(torch.ones(()), 6 * torch.rand(2, 24, 20, generator=generator))
    noise = 0.02 * torch.randn(2, 24, 20, generator=generator)
    return truths * phases, (truths + noise).clamp(min=0) * phases.conj()


def test_psnr_and_ssim_are_scikit_image_s_with_the_volume_s_range():
    truths, estimates = volume()
    peak = float(truths.abs().max())
    for k, (psnr, ssim) in enumerate(
        zip(psnr_by_slice(truths, estimates, peak), ssim_by_slice(truths, estimates, peak), strict=True)
    ):
        a, b = (each[k].abs().double().numpy() for each in (truths, estimates))
        assert psnr == pytest.approx(peak_signal_noise_ratio(a, b, data_range=peak))
        assert ssim == pytest.approx(structural_similarity(a, b, data_range=peak))


def test_phases_do_not_count():
    truths, _ = volume()
    turned = truths * torch.polar(torch.tensor(1.001), torch.tensor(2.0))
    assert psnr_by_slice(truths, turned, 1.0).min() > 60


def test_a_range_per_slice_is_another_number():
    truths, estimates = volume()
    shared, own = (psnr_by_slice(truths, estimates, peak) for peak in (float(truths.abs().max()), None))
    assert own[0] == pytest.approx(shared[0])
    assert own[1] == pytest.approx(shared[1] - 20, abs=0.2)  # a tenth as bright


def test_errors_by_distance_find_the_frequency_that_is_wrong():
    truths, _ = volume()
    rings = errors_by_distance(truths, {"right": truths, "zero": 0 * truths})
    np.testing.assert_allclose(rings["right"], 0, atol=1e-6)
    np.testing.assert_allclose(rings["zero"], 1, atol=1e-6)
    k_space = transform(truths)
    wrong = torch.from_numpy((distances(24, 20) >= 4) & (distances(24, 20) < 8))
    found = errors_by_distance(truths, {"": inverse(torch.where(wrong, 0.5 * k_space, k_space))})[""]
    np.testing.assert_allclose(found, [0, 0.5], atol=1e-6)  # as far as the nearest border, at 10


def test_distances_count_from_frequency_0():
    assert distances(5, 8)[2, 4] == 0
    assert distances(5, 8)[2, 0] == 4
    assert distances(5, 8)[0, 4] == 2


def test_kept_bytes_are_counted_once_and_without_parameters():
    class Squared(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, item):
            kept = (self.weight * item[:, 0].real).exp()
            return torch.complex(kept, kept)

    def loss(found, truths, weights):
        return found.real.sum()

    side = 16
    plane = 4 * side**2  # of float32: autograd keeps the real part's storage for the weight, and what exp() gives
    kept = bytes_to_train(Squared(), side, loss)
    assert kept in (2 * plane, plane + 5 * 2 * plane)
    assert bytes_to_train(Squared(), 2 * side, loss) == 4 * kept
