"""Wavelet FISTA as a rival: its weight and its number of iterations, chosen on held-out slices."""

from __future__ import annotations

from ch07_applications.reconstruction.head_slices import Scans
from ch07_applications.reconstruction.slice_scores import psnr_by_slice
from ch07_applications.reconstruction.wavelet_fista import reconstruct
from common.run import Run
from common.tuning import choose

WEIGHTS, ITERATIONS = (0.001, 0.002, 0.004, 0.008, 0.016), (25, 50, 100)


def choose_fista(run: Run, held_out: Scans) -> tuple[float, int]:
    """λ and the number of iterations with the highest PSNR on held-out training slices."""
    options = [(weight, rounds) for weight in WEIGHTS for rounds in run.pick(smoke=(2,), lecture=ITERATIONS)]
    images = [reconstruct(held_out.inputs, held_out.mask, *option) for option in options]
    scores = [psnr_by_slice(held_out.answers, each, held_out.peak).mean() for each in images]
    weight, rounds = choose(options, scores, highest=True)
    run.fact("FISTA's weight λ", weight)
    run.fact("FISTA's iterations", rounds)
    return weight, rounds
