"""Slices of heads: disjoint parts with gaps, complex images without symmetry, one mask, measured noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ch07_applications.reconstruction import head_slices
from ch07_applications.reconstruction.head_slices import (
    FIELD,
    NOISE,
    Augmented,
    head_scans,
    images_of,
    magnitudes,
    moved,
    other_scans,
    places,
)
from ch07_applications.reconstruction.k_space import transform
from common import data


def test_training_and_test_slices_are_six_millimetres_apart():
    train, test = places("train"), places("test")
    assert (len(train), len(test)) == (36, 12)
    millimetres = data.head().voxel[0] * np.abs(train[:, None] - test)
    assert millimetres.min() == 6
    assert max(train.max(), test.max()) < len(data.head())


def test_held_out_slices_are_training_slices_far_from_those_that_are_learned_from():
    learned, held_out = places("learned"), places("held out")
    assert sorted([*learned, *held_out]) == sorted(places("train"))
    assert np.abs(learned[:, None] - held_out).min() > 6
    with pytest.raises(ValueError, match="none of"):
        places("validation")


def test_parts_have_groups_of_neighbours_and_one_mask():
    part, held_out, other = head_scans("test", 64), head_scans("held out", 64), other_scans(64)
    assert np.unique(part.groups, return_counts=True)[1].tolist() == [2] * 6
    assert len(np.unique(held_out.groups)) == 6
    assert np.unique(other.groups, return_counts=True)[1].tolist() == [2] * 5
    assert torch.equal(part.mask, other.mask)
    assert torch.equal(part.mask, head_scans("test", 64, most=3).mask)
    assert part.metric("PSNR") == "PSNR"
    assert other.metric("PSNR") == "PSNR, other head"
    again = head_scans("test", 64)
    assert torch.equal(part.inputs, again.inputs)  # the same noise and phases every time
    few = head_scans("test", 64, most=3)
    assert torch.equal(few.inputs, part.inputs[:3])
    assert few.peak == part.peak  # of the volume, not of the selected slices


def test_a_quarter_of_the_lines_is_measured_with_noise():
    part = head_scans("test", 128)
    assert int(part.mask.sum()) == 32
    assert part.mask[59:69].all()
    difference = (part.inputs - transform(part.answers))[..., part.mask]
    assert (part.inputs[..., ~part.mask] == 0).all()
    assert float(torch.view_as_real(difference).std()) == pytest.approx(NOISE, rel=0.01)


def test_phases_leave_no_symmetry_that_half_of_k_space_could_be_filled_by():
    part = head_scans("test", 64)
    k_space = transform(part.answers)[:, 1:, 1:]  # without the Nyquist line, which has no mirror image
    mirrored = k_space.flip(-1, -2).conj()
    assert float((k_space - mirrored).norm() / k_space.norm()) > 0.5
    real = transform(part.answers.abs().to(torch.complex64))[:, 1:, 1:]
    assert float((real - real.flip(-1, -2).conj()).norm() / real.norm()) < 1e-5


def test_magnitudes_are_the_slices_in_the_middle_of_the_field():
    slices = data.head().slices
    fine = magnitudes(slices)
    assert fine.shape == (78, FIELD, FIELD)
    assert float(fine.max()) == 1
    top, left = (FIELD - 215) // 2, (FIELD - 181) // 2
    inner = fine[40, top : top + 215, left : left + 181]
    np.testing.assert_allclose(inner.numpy(), slices[40] / slices.max(), rtol=1e-6)
    assert float(fine[40].sum() - inner.sum()) == pytest.approx(0, abs=1e-2)


def test_a_scan_of_full_size_has_the_magnitudes_and_a_smooth_phase():
    fine = magnitudes(data.head().slices)[40:42]
    images = images_of(fine, FIELD, torch.Generator().manual_seed(0))
    torch.testing.assert_close(images.abs(), fine, atol=1e-5, rtol=0)
    phases = images / images.abs().clamp(min=1e-9)
    inside = (fine[:, :, 1:] > 0.2) & (fine[:, :, :-1] > 0.2)
    steps = torch.angle(phases[:, :, 1:] * phases[:, :, :-1].conj())[inside]
    assert float(steps.abs().max()) < 0.15
    assert float(torch.angle(phases[fine > 0.2]).std()) > 0.2
    assert not torch.allclose(phases[0], phases[1], atol=0.1)
    small = images_of(fine, 128, torch.Generator().manual_seed(0))
    assert float(small.abs().mean()) == pytest.approx(float(fine.mean()), rel=0.03)  # the same intensities


def test_augmented_images_are_fresh_and_repeat_with_their_generator():
    fine = magnitudes(data.head().slices)[places("learned")][:3]
    source = Augmented(fine, 64, fixed=0.5)
    index = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2, 0])
    truths, measured, masks = source.draw(index, torch.Generator().manual_seed(0))
    again = source.draw(index, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip((truths, measured, masks), again, strict=True))
    assert not torch.allclose(truths[0], truths[3])
    same = (masks == head_slices.test_mask(64)).all(1)
    assert 0 < int(same.sum()) < len(index)
    assert (masks.sum(1) == 16).all()
    noise = (measured - transform(truths)) * masks[:, None]
    assert float(torch.view_as_real(noise).std()) == pytest.approx(NOISE / 2, rel=0.05)  # a quarter is measured
    assert (source.draw(index, torch.Generator().manual_seed(1))[0] != truths).any()


def test_moved_images_stay_heads():
    fine = magnitudes(data.head().slices)[[30, 40]]
    found = moved(fine.repeat(20, 1, 1), torch.Generator().manual_seed(0))
    assert float(found.min()) >= 0
    assert float(found.max()) < 2
    ratio = found.mean((1, 2)) / fine.repeat(20, 1, 1).mean((1, 2))
    assert 0.4 < float(ratio.min()) < float(ratio.max()) < 2
    mirrored = sum(  # half of them: those that are nearer to the mirrored slice's left-right difference
        float(((image - image.flip(-1)) * (own - own.flip(-1))).sum()) < 0
        for image, own in zip(found, fine.repeat(20, 1, 1), strict=True)
    )
    assert 8 <= mirrored <= 32


def test_moving_by_nothing_changes_nothing(monkeypatch):
    fine = magnitudes(data.head().slices)[[30]]
    for name in ("TURN", "SCALE", "SHEAR", "GAMMA"):
        monkeypatch.setattr(head_slices, name, 0.0)
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: torch.zeros(shape))
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, 0.9))
    torch.testing.assert_close(moved(fine, torch.Generator()), fine, atol=1e-4, rtol=0)
