"""Band-passed reconstruction: bands, their sum, the network's steps, training, and the published size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction import bandpass, head_slices
from ch07_applications.reconstruction.band_windows import middle_of, windows_of
from ch07_applications.reconstruction.bandpass import (
    PUBLISHED_STEPS,
    STEPS,
    WIDTH,
    Proximal,
    TrainingBands,
    Unrolled,
    band_image,
    band_loss,
    inputs_of,
)
from ch07_applications.reconstruction.fista_rival import choose_fista
from ch07_applications.reconstruction.head_slices import Augmented, head_scans, magnitudes, places, random_mask
from ch07_applications.reconstruction.k_space import apply, draw_mask, inverse, measure, transform
from ch07_applications.reconstruction.kept_bytes import bytes_to_train
from ch07_applications.reconstruction.slice_scores import psnr_by_slice
from ch07_applications.reconstruction.wavelet_fista import reconstruct as reconstruct_by_fista
from common import data
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run
from common.train import Training
from tests.recorded_lesson import recorded


def some(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def stirred(network, seed=0):
    """The network with weights that are not 0 anywhere."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for each in network.parameters():
            each.add_(0.02 * torch.randn(each.shape, generator=generator))
    return network.eval()


def measured_slices(height=64, width=64, side=32, seed=0):
    mask = draw_mask(width, width // 3, 6, torch.Generator().manual_seed(seed))
    x = some(2, height, width, seed=seed)
    return x, measure(x, mask, 0.01, torch.Generator().manual_seed(seed)), mask


# --- Bands ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "side"), [((32, 32), 16), ((33, 30), 16), ((31, 37), 15), ((24, 41), 8)])
def test_a_band_image_is_the_demodulated_image_low_passed(size, side):
    """exp(−2πi c·r) x has frequency c at 0; its middle frequencies, on a coarser grid, are the band image."""
    x = some(*size).to(torch.complex128)
    rows, columns = (torch.arange(n, dtype=torch.float64) - n // 2 for n in size)
    for window in windows_of(*size, side):
        middle = [corner + side // 2 - n // 2 for corner, n in zip(window.corner, size, strict=True)]
        angle = middle[0] * rows[:, None] / size[0] + middle[1] * columns / size[1]
        demodulated = x * torch.exp(-2j * torch.pi * angle)
        k_space = transform(demodulated)
        top, left = (n // 2 - side // 2 for n in size)
        low = inverse(k_space[top : top + side, left : left + side])
        torch.testing.assert_close(band_image(transform(x), window), low)


@pytest.mark.parametrize("size", [(128, 128), (181, 145), (64, 90)])
def test_all_bands_of_full_k_space_together_are_the_image(size):
    x = some(2, *size)
    found = torch.zeros_like(x)
    for window in windows_of(*size):
        window.cut(found).add_(window.weights * transform(band_image(transform(x), window)))
    torch.testing.assert_close(inverse(found), x, atol=1e-5, rtol=0)


def test_the_network_sees_its_patch_its_mask_the_low_band_and_its_place():
    _, measured, mask = measured_slices()
    start = some(2, 64, 64, seed=3)
    windows = windows_of(64, 64, 32)
    middle = middle_of(windows)
    for window in windows:
        bands = inputs_of(measured, mask.expand(2, -1), start, window, middle)
        top, left = window.corner
        assert torch.equal(bands[:, 0], measured[:, top : top + 32, left : left + 32])
        assert torch.equal(bands[:, 1].real.bool(), mask[left : left + 32].expand(2, 32, 32))
        torch.testing.assert_close(inverse(start[:, top : top + 32, left : left + 32]), bands[:, 2])
        torch.testing.assert_close(inverse(start[:, 16:48, 16:48]), bands[:, 3])
        assert (bands[:, 4] == window.place).all()


# --- The network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(64, 64), (80, 65), (67, 90)])
@pytest.mark.parametrize("side", [32, None])
def test_a_new_network_keeps_what_was_measured_and_changes_nothing_else(size, side):
    """Proximal steps begin at 0 and gradient steps at length 1: measured lines are put in, all others stay."""
    _, measured, mask = measured_slices(*size)
    network = Unrolled(2, 8, side)
    found = transform(network.reconstruct(measured, mask))
    start = network.begin(measured, mask)
    torch.testing.assert_close(found, apply(measured, mask) + apply(start, ~mask), atol=2e-4, rtol=0)
    zero_filled = Unrolled(2, 8, side, fista=False).reconstruct(measured, mask)
    torch.testing.assert_close(zero_filled, inverse(measured), atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", [32, None])
def test_k_space_seven_times_as_strong_is_an_image_seven_times_as_strong(side):
    _, measured, mask = measured_slices()
    network = stirred(Unrolled(3, 8, side, fista=False))
    once, seven = network.reconstruct(measured, mask), network.reconstruct(7 * measured, mask)
    torch.testing.assert_close(seven, 7 * once, rtol=1e-3, atol=1e-3)
    assert float((once - inverse(measured)).norm() / once.norm()) > 0.01
    plain = stirred(Unrolled(3, 8, side, fista=False, normalised=False))
    difference = plain.reconstruct(7 * measured, mask) - 7 * plain.reconstruct(measured, mask)
    assert float(difference.norm() / once.norm()) > 0.05


def test_guides_matter_where_a_network_is_guided():
    _, measured, mask = measured_slices()
    window = windows_of(64, 64, 32)[0]
    bands = inputs_of(measured, mask.expand(2, -1), measured, window, middle_of(windows_of(64, 64, 32)))
    for channel in (3, 4):
        other = bands.clone()
        other[:, channel] = some(2, 32, 32, seed=9)
        guided, alone = (stirred(Unrolled(2, 8, guided=guided)) for guided in (True, False))
        assert not torch.allclose(guided(bands), guided(other), atol=1e-3)
        assert torch.equal(alone(bands), alone(other))


def test_what_was_not_measured_of_k_space_does_not_matter():
    _, measured, mask = measured_slices()
    network = stirred(Unrolled(2, 8, 32))
    window, middle = windows_of(64, 64, 32)[1], middle_of(windows_of(64, 64, 32))
    bands = inputs_of(measured, mask.expand(2, -1), measured, window, middle)
    other = bands.clone()
    other[:, 0] += (1 - bands[:, 1]) * 5
    torch.testing.assert_close(network(bands), network(other), rtol=1e-4, atol=1e-5)


def test_a_band_depends_on_its_own_patch_and_the_low_band_alone():
    _, measured, mask = measured_slices(96, 96)
    network = stirred(Unrolled(2, 8, 32, fista=False))
    changed = measured.clone()
    changed[:, 80:, :8] += 5 * mask[:8]
    changed[:, 80:, 40:56] += 5 * mask[40:56]
    before, after = (transform(network.reconstruct(each, mask)) for each in (measured, changed))
    torch.testing.assert_close(before[:, :48], after[:, :48])
    assert not torch.allclose(before[:, 64:], after[:, 64:], atol=1e-2)


def test_bad_measurements_are_refused():
    _, measured, mask = measured_slices()
    network = Unrolled(1, 4, 32)
    without = mask.clone()
    without[32] = False
    for wrong, lines, text in (
        (measured, without, "middle"),
        (measured, mask[1:], "63 lines"),
        (measured * torch.nan, mask, "finite"),
        (measured[:, :20], mask, "no patch of 32"),
    ):
        with pytest.raises(ValueError, match=text):
            network.reconstruct(wrong, lines)


def test_steps_hand_their_features_on():
    torch.manual_seed(0)
    proximal = stirred(Proximal(2, 8))
    maps = torch.randn(1, 2, 7, 10)
    change, features = proximal(maps, 0.0)
    assert change.shape == (1, 7, 10)
    assert not torch.allclose(proximal(maps, features)[0], change)


def test_the_published_network_has_eight_steps_of_patches_of_64():
    with torch.device("meta"):
        network = Unrolled(PUBLISHED_STEPS)
    assert network.side == 64
    assert len(network.proximal) == len(network.lengths) == 8
    first, second, last = 9 * 24 * WIDTH + WIDTH, 9 * WIDTH**2 + WIDTH, 9 * WIDTH * 8 + 8
    assert parameters_of(network) == 8 * (first + second + last + 1)
    assert parameters_of(Unrolled()) == STEPS * (first + second + last + 1) == 207_990


# --- Training ---------------------------------------------------------------------------------------------------------


def test_the_loss_counts_k_space_as_it_is_put_together():
    found, truths = some(2, 16, 16), some(2, 16, 16, seed=1)
    whole = band_loss(found, truths, torch.ones(2, 16, 16))
    torch.testing.assert_close(whole, (found - truths).abs().square().mean())
    weights = torch.zeros(2, 16, 16)
    weights[:, 8, 8] = 1  # frequency 0 alone
    mean = (found - truths).mean((1, 2)).abs().square() * 256
    torch.testing.assert_close(band_loss(found, truths, weights), mean.mean() / 256)


@pytest.fixture(scope="module")
def bands():
    fine = magnitudes(data.head().slices)[[30, 42]]
    return TrainingBands.of(Unrolled(1, 4, 32), Augmented(fine, 64, 0.5), images=24, count=32, seed=0)


def test_training_bands_are_true_bands_of_their_images(bands):
    network = Unrolled(1, 4, 32)
    inputs, truths, weights = bands.batch(torch.arange(16), torch.Generator().manual_seed(0))
    assert inputs.shape == (16, 5, 32, 32)
    assert weights.shape == (16, 32, 32)
    mask = inputs[:, 1].real.bool()
    error = (transform(truths) - inputs[:, 0])[mask]
    assert float(torch.view_as_real(error).std()) == pytest.approx(0.02, rel=0.1)  # the noise
    left = band_loss(inputs[:, 2], truths, weights)
    assert 0.6 < float(left) < 1.6  # FISTA's error is 1, whichever bands were drawn
    assert torch.isfinite(network(inputs).abs()).all()


def test_bands_are_drawn_as_often_as_they_have_errors(bands):
    generator, places = torch.Generator().manual_seed(0), []
    for _ in range(60):
        places += bands.batch(torch.arange(16), generator)[0][:, 4, 0, 0].tolist()
    shares = np.array([np.mean([place == window.place for place in places]) for window in bands.windows])
    expected = (bands.errors / bands.errors.sum()).numpy()
    np.testing.assert_allclose(shares, expected, atol=0.06)
    total = sum(
        float((w.weights * w.cut((bands.truths - bands.start).abs().square().mean(0))).sum()) for w in bands.windows
    )
    whole = float((bands.truths - bands.start).abs().square().mean(0).sum())
    assert total == pytest.approx(whole, rel=1e-4)  # weights sum to 1: so do errors


def test_training_bands_repeat_with_their_seed(bands):
    fine = magnitudes(data.head().slices)[[30, 42]]
    again = TrainingBands.of(Unrolled(1, 4, 32), Augmented(fine, 64, 0.5), images=24, count=32, seed=0)
    other = TrainingBands.of(Unrolled(1, 4, 32), Augmented(fine, 64, 0.5), images=24, count=32, seed=1)
    assert torch.equal(bands.measured, again.measured)
    assert not torch.equal(bands.measured, other.measured)
    a, b = (each.batch(torch.arange(4), torch.Generator().manual_seed(5)) for each in (bands, again))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("side", [32, None])
def test_a_network_learns_to_reconstruct_what_it_is_shown(side):
    torch.manual_seed(0)
    network = Unrolled(2, 16, side, fista=False)
    fine = magnitudes(data.head().slices)[[30, 42]]
    bands = TrainingBands.of(network, Augmented(fine, 64, 1.0), images=2, count=8 * 120, seed=0)
    truths = inverse(bands.truths)

    def error():
        return float((network.reconstruct(bands.measured, head_slices.test_mask(64)) - truths).norm() ** 2)

    before = error()
    Training(1, 2e-3, 8, torch.optim.AdamW, loss=band_loss, warm_up=0.1, half=False)(network, bands, 0)
    assert error() < 0.8 * before


# --- Choices ----------------------------------------------------------------------------------------------------------


def test_fista_s_weight_is_the_best_on_the_slices_it_is_given(tmp_path):
    run = Run("reconstruction/bandpass", 0, Scale("lecture"), LessonRecord("", ""), tmp_path, Console(quiet=True))
    part = head_scans("held out", 64, most=3)
    weight, rounds = choose_fista(run, part)

    def error(weight):
        found = reconstruct_by_fista(part.inputs, part.mask, weight, rounds)
        return float((found.abs() - part.answers.abs()).square().mean())

    assert error(weight) <= min(error(other) for other in (weight / 2, 2 * weight, weight / 4, 4 * weight))


def test_masks_of_other_sizes_follow_the_same_rule():
    for size in (64, 96, 128, 192, 215):
        mask = random_mask(size, torch.Generator().manual_seed(1))
        assert int(mask.sum()) == round(size / 4)
        assert mask[size // 2 - 2 : size // 2 + 2].all()


@pytest.fixture(scope="module")
def told():
    """The lesson at smoke, and the training slices of each of its networks."""
    sources, of = [], TrainingBands.of.__func__

    def noted(cls, network, source, *others):
        sources.append((network.side, source.fine))
        return of(cls, network, source, *others)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingBands, "of", classmethod(noted))
        yield recorded(bandpass, patch), sources


def test_networks_learn_from_training_slices_and_choices_are_judged_on_others(told):
    found, sources = told
    fine = magnitudes(data.head().slices)
    assert [side for side, _ in sources] == [None, 32, 32, 32, 32]
    for k, (_, slices) in enumerate(sources):
        assert torch.equal(slices, fine[places("train" if k < 2 else "learned")])
    judged = {(row.method, row.metric) for row in found.run.record.rows}
    assert {name for name, metric in judged if metric == "PSNR, held-out slices"} == {"base", *bandpass.CHANGES}
    assert {name for name, metric in judged if metric == "PSNR"} == {
        "zero-filled", "wavelet FISTA", "whole images", "band-passed",
    }  # fmt: skip


def test_the_setting_that_was_chosen_is_the_one_that_is_judged(told):
    found, _ = told
    (choice,) = found.choices
    assert choice.highest
    part, held_out = head_scans("test", 64, most=4), head_scans("held out", 64, most=4)
    for scans, expected in ((held_out, max(choice.scores)), (part, found.value("wavelet FISTA", "PSNR"))):
        images = reconstruct_by_fista(scans.inputs, scans.mask, *choice.taken)
        assert psnr_by_slice(scans.answers, images, scans.peak).mean() == pytest.approx(expected, abs=1e-3)


def test_what_is_changed_is_changed_in_the_network(told):
    found, _ = told
    for name, change in bandpass.CHANGES.items():
        network = found.run.methods[name].model
        assert {key: getattr(network, key) for key in change} == change
    base = found.run.methods["base"].model
    assert (base.guided, base.normalised, base.fista) == (True, True, True)
    whole = found.run.methods["whole images"].model
    assert (whole.side, whole.guided, whole.fista) == (None, False, True)


def test_a_band_is_trained_in_less_memory_than_an_image(told):
    found, _ = told
    band, image = (found.facts[f"memory of {name}"] for name in ("a band", "an image of 128 × 128"))
    assert 2.5 < image / band < 4  # four times the pixels, and no guides among the inputs
    network = Unrolled(2, 8)
    small, large = (bytes_to_train(network, side, band_loss) for side in (64, 128))
    assert large / small == pytest.approx(4, rel=0.02)
    assert found.facts["parameters with eight steps"] == parameters_of(Unrolled(8))
