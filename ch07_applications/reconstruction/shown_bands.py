"""The figures of a lesson on bands: slices chosen by a rule, one slice's bands, and the errors by frequency."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Complex
from torch import Tensor

from ch07_applications.reconstruction import drawn_bandpass as drawn
from ch07_applications.reconstruction.band_windows import middle_of, windows_of
from ch07_applications.reconstruction.head_slices import Scans
from ch07_applications.reconstruction.k_space import inverse, power, transform
from ch07_applications.reconstruction.slice_scores import distances, errors_by_distance, psnr_by_slice
from common.run import Run

Found = Mapping[str, Complex[Tensor, "slices _ _"]]  # images by method


def measure_errors(run: Run, part: Scans, found: Found) -> None:
    """Measure the errors by frequency, and the effect of PSNR's data range."""
    size = part.answers.shape[1]
    middle = torch.from_numpy(distances(*part.answers.shape[1:]) < size / 8)
    for name, images in found.items():
        missed = transform(images - part.answers).abs().square().sum(0)
        of_all = transform(part.answers).abs().square().sum(0)
        for where, place in (("low", middle), ("high", ~middle)):
            share = 100 * float(missed[place].sum() / of_all[place].sum())
            run.fact(f"error of {where} frequencies, {name}", share, "%")
    own, shared = (psnr_by_slice(part.answers, inverse(part.inputs), peak).mean() for peak in (None, part.peak))
    run.fact("PSNR with each slice's own range less PSNR", float(own - shared), "dB")
    errors = errors_by_distance(part.answers, found)
    run.figure("frequencies", drawn.draw_frequencies, errors, size, caption=drawn.LOOKS["frequencies"])


def show_slices(run: Run, part: Scans, found: Found, ours: str) -> None:
    """Show all methods' results for the best, the median and the worst slice of one method."""
    order = np.argsort(-psnr_by_slice(part.answers, found[ours], part.peak))
    rows = order[[0, len(order) // 2, -1]]
    shown = {name: (images[rows].abs() / part.peak).numpy() for name, images in found.items()}
    truths = (part.answers[rows].abs() / part.peak).numpy()
    run.figure("slices", drawn.draw_slices, truths, shown, caption=drawn.LOOKS["slices"])


def show_bands(run: Run, part: Scans, side: int) -> None:
    """Show k-space of the slice in the middle of the part: three of its bands, and the power of all."""
    place = len(part) // 2
    k_space, measured = transform(part.answers[place]), part.inputs[place]
    windows = windows_of(*k_space.shape, side)
    lines = round(len(windows) ** 0.5)
    powers = [float(power(w.cut(measured), part.mask[w.corner[1] :][: w.weights.shape[1]])) for w in windows]
    middle = windows.index(middle_of(windows))
    shown = [windows[k] for k in (middle, middle - 1, middle - lines)]
    bands = {window.corner: inverse(window.cut(k_space)).numpy() for window in shown}
    table = np.reshape(powers, (lines, lines)) / powers[middle]
    run.figure(
        "bands", drawn.draw_bands, k_space.numpy(), part.mask.numpy(), bands, table, caption=drawn.LOOKS["bands"]
    )
