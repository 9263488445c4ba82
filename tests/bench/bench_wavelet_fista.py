"""Speed of wavelet FISTA beside pylops' FISTA with PyWavelets and numpy's transform, which gives the same images."""

from __future__ import annotations

from functools import partial

import numpy as np
import pylops
import pywt
import torch
from side_by_side import row

from ch07_applications.reconstruction.head_slices import Scans, head_scans
from ch07_applications.reconstruction.wavelet_fista import LEVELS, reconstruct

WEIGHT, ITERATIONS = 0.004, 50


class Measured(pylops.LinearOperator):
    """M F Ψ^H, from wavelet coefficients to k-space, with PyWavelets' Haar transform and numpy's Fourier transform."""

    def __init__(self, mask: np.ndarray, side: int) -> None:
        super().__init__(dtype=np.dtype(complex), shape=(side**2, side**2))
        self.mask, self.side = mask, side
        self.slices = self.coefficients(np.zeros((side, side), complex))[1]

    def coefficients(self, image: np.ndarray) -> tuple[np.ndarray, list]:
        return pywt.coeffs_to_array(pywt.wavedec2(image, "haar", mode="periodization", level=LEVELS))

    def image(self, found: np.ndarray) -> np.ndarray:
        """The image of coefficients."""
        parts = pywt.array_to_coeffs(found.reshape(self.side, self.side), self.slices, output_format="wavedec2")
        return pywt.waverec2(parts, "haar", mode="periodization")

    def _matvec(self, found: np.ndarray) -> np.ndarray:
        k_space = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(self.image(found)), norm="ortho"))
        return (k_space * self.mask).ravel()

    def _rmatvec(self, k_space: np.ndarray) -> np.ndarray:
        kept = np.fft.ifftshift(k_space.reshape(self.side, self.side) * self.mask)
        return self.coefficients(np.fft.fftshift(np.fft.ifft2(kept, norm="ortho")))[0].ravel()


def by_pylops(part: Scans) -> np.ndarray:
    """Slice by slice."""
    operator, found = Measured(part.mask.numpy(), part.inputs.shape[-1]), []
    for measured in part.inputs.numpy():
        y = measured.astype(complex).ravel()
        coefficients, *_ = pylops.optimization.sparsity.fista(
            operator, y, x0=operator.rmatvec(y), niter=ITERATIONS, eps=2 * WEIGHT, alpha=1.0, tol=0.0
        )
        found.append(operator.image(coefficients))
    return np.stack(found)


def measure() -> list[dict]:
    """Rows for run.py: the test slices of 128 × 128, on one grid of squares."""
    part = head_scans("test", 128)
    ours = partial(reconstruct, part.inputs, part.mask, WEIGHT, ITERATIONS, spin=False)
    difference = np.abs(ours().numpy() - by_pylops(part)).max()
    assert difference < 1e-4, difference
    name = f"wavelet FISTA: {len(part)} slices of 128 × 128, {ITERATIONS} iterations"
    with torch.inference_mode():
        return [row(name, ours, "pylops with PyWavelets", partial(by_pylops, part), 1, runs=3)]
