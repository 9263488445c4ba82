"""Crops: where they are cut, what hides them, how they are scored; and the bank that networks learn from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from skimage.metrics import peak_signal_noise_ratio

from ch07_applications.reconstruction.hidden_crops import (
    CEILING,
    HiddenCrops,
    cut_crops,
    held_out_crops,
    hide,
    judged_crops,
    psnr_by_band,
    psnr_in_holes,
    score,
    shown_crop,
)
from ch07_applications.reconstruction.holes import BANDS
from ch07_applications.reconstruction.smooth_fills import fill_smoothly
from ch07_applications.reconstruction.training_crops import TrainingCrops, inputs_of, learned_images
from ch07_applications.tests.reconstruction.small_runs import a_run
from common.data import Scale
from common.data.photo_pack import photographs


def noise(*size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3)).astype(np.uint8)


def lecture(tmp_path):
    run = a_run(tmp_path)
    run.scale = Scale("lecture", tmp_path)
    return run


def test_judged_crops_are_of_more_than_ten_photographers_and_of_no_training_photograph(tmp_path):
    (part,) = judged_crops(lecture(tmp_path))
    assert len(part) == 60 * len(BANDS)
    assert len(np.unique(part.groups)) == 11
    assert part.answers.shape[1:] == (64, 64, 3)
    assert all((part.answers[:60] == part.answers[60 * k : 60 * (k + 1)]).all() for k in range(len(BANDS)))
    for k, (low, high) in enumerate(BANDS):
        shares = part.holes[part.bands == k].mean(axis=(1, 2))
        assert low <= shares.min() <= shares.max() <= high
    train = {each.credit for each in photographs().train}
    assert not train & set(part.credits)
    assert sum("scikit-image" in each for each in part.credits[:60]) == 25
    third = part.every_third
    assert len(third) == len(part) / 3
    assert set(np.unique(third.groups)) == set(np.unique(part.groups))
    assert (third.answers == part.answers[part.thirds]).all()


def test_crops_of_one_photographer_are_a_group(tmp_path):
    (part,) = judged_crops(lecture(tmp_path))
    by_author = {}
    for credit, group in zip(part.credits, part.groups, strict=True):
        by_author.setdefault(credit.split(" by ")[1].split(",")[0], set()).add(int(group))
    assert all(len(groups) == 1 for groups in by_author.values())
    assert len(by_author) == 11


def test_what_is_held_out_is_not_learned_from(tmp_path):
    run, train = lecture(tmp_path), photographs().train
    assert len(learned_images(run)) == 10
    held_out = held_out_crops(run)
    assert len(np.unique(held_out.groups)) == 3
    cut = np.stack([crop for own in train[3::4] for crop in cut_crops(own.image, 12)])
    assert (held_out.answers[: len(cut)] == cut).all()
    learned = {image.tobytes() for image in learned_images(run)}
    assert not learned & {own.image.tobytes() for own in train[3::4]}


def test_crops_lie_along_the_longer_side():
    picture = np.zeros((128, 300, 3), np.uint8)
    picture[..., 0] = np.arange(300) % 256
    assert [int(crop[0, 0, 0]) for crop in cut_crops(picture, 3)] == [0, 118, 236]
    tall = [int(crop[0, 0, 0]) for crop in cut_crops(picture.transpose(1, 0, 2), 3)]
    assert tall == [0, 118, 236]
    assert {crop.shape for crop in cut_crops(noise(500, 260), 4)} == {(64, 64, 3)}


def test_what_may_be_seen_holds_nothing_hidden():
    part = hide([noise(64, 64)], np.arange(1), ("",), 0, "")
    assert not part.inputs[part.holes].any()
    assert (part.inputs[~part.holes] == part.answers[~part.holes]).all()
    both = np.concatenate(fill_smoothly(part.answers[2], part.holes[2]), axis=2)
    assert_allclose(part.fills[2], both, atol=1e-3)


def test_psnr_is_over_hidden_pixels_alone():
    part = hide([noise(64, 64), noise(64, 64, seed=1)], np.arange(2), ("", ""), 0, "")
    found = noise(64, 64, seed=2)[None].repeat(len(part), axis=0)
    values = psnr_in_holes(part.answers, found, part.holes)
    for k in (0, 5, 11):
        hole = part.holes[k]
        wanted = peak_signal_noise_ratio(part.answers[k][hole], found[k][hole], data_range=255)
        assert values[k] == pytest.approx(wanted)
    assert_allclose(psnr_in_holes(part.answers, np.where(part.holes[..., None], part.answers, 0), part.holes), CEILING)


def test_the_pooled_error_counts_every_crop_by_its_squares(tmp_path):
    crops = np.full((12, 64, 64, 3), 100, np.uint8)
    part = hide(list(crops[:2]), np.arange(2), ("", ""), 0, "")
    found = part.answers + np.where(np.arange(12) % 2, 10, 1).astype(np.uint8)[:, None, None, None]
    run = a_run(tmp_path)
    with run.method("a", kind="classical") as method:
        values = score(method, part, found)
    rows = {row.metric: row.value for row in run.record.rows}
    assert_allclose(values, np.where(np.arange(12) % 2, 20 * np.log10(25.5), 20 * np.log10(255)))
    assert rows["PSNR in holes"] == pytest.approx(values.mean())
    assert rows["pooled PSNR"] == pytest.approx(10 * np.log10(255**2 / 50.5))
    assert rows["PSNR in holes, 50–60 %"] == pytest.approx(values[-2:].mean())
    assert psnr_by_band(part, found) == pytest.approx(values.reshape(-1, 2).mean(axis=1))


def test_what_is_judged_on_is_scored_overall_and_at_the_widest_holes_and_other_parts_overall(tmp_path):
    run = a_run(tmp_path)
    for where in ("BSDS500", "held-out photographs"):
        part = hide([noise(64, 64)], np.arange(1), (), 0, where)
        with run.method("a", kind="classical") as method:
            score(method, part, part.answers)
    names = {row.metric for row in run.record.rows}
    judged = {f"{name} on BSDS500" for name in ("PSNR in holes", "PSNR in holes, 50–60 %", "pooled PSNR")}
    assert names == {*judged, "PSNR in holes on held-out photographs"}


def test_the_crop_that_is_shown_is_the_median_one():
    part = hide([noise(64, 64, seed=k) for k in range(3)], np.arange(3), ("",) * 3, 0, "")
    values = np.tile([3.0, 1.0, 2.0], len(BANDS))
    assert shown_crop(part, values).tolist() == [2, 5, 8, 11, 14, 17]


def test_inputs_are_known_pixels_the_fill_and_the_mask():
    part = hide([noise(64, 64)], np.arange(1), ("",), 0, "")
    given = inputs_of(part.answers, part.fills, part.holes).numpy()
    assert given.shape == (6, 10, 64, 64)
    known = ~part.holes
    assert (given[:, 9] == known).all()
    assert not given[:, :3].transpose(0, 2, 3, 1)[part.holes].any()
    assert_allclose(given[:, :3].transpose(0, 2, 3, 1)[known] * 255, part.answers[known], atol=1e-3)
    assert_allclose(given[:, 3:9].transpose(0, 2, 3, 1) * 255, part.fills, atol=1e-3)


# --- The bank ---------------------------------------------------------------------------------------------------------


def bank(count=12, seed=0):
    return TrainingCrops.of([noise(80, 90), noise(70, 100, seed=1)], count, seed, side=32)


def test_the_bank_holds_crops_of_all_sizes_with_their_fills():
    crops = bank(36)
    assert len(crops) == 36
    for k in (0, 7, 23):
        hole = ~crops.known[k, 0].numpy()
        fill = np.concatenate(fill_smoothly(crops.crops[k].permute(1, 2, 0).numpy(), hole), axis=2)
        assert_allclose(crops.fills[k].permute(1, 2, 0).numpy(), fill, atol=0.3)  # kept in 16 bits
    shares = (1 - crops.known.float().mean(dim=(1, 2, 3))).numpy()
    assert shares.min() < 0.11
    assert shares.max() > 0.49


def test_a_batch_is_changed_alike_in_all_its_parts():
    crops, index = bank(), torch.arange(12)
    seen = set()
    for seed in range(24):
        inputs, target, known = crops.batch(index, torch.Generator().manual_seed(seed))
        assert inputs.shape == (12, 10, 32, 32)
        assert torch.equal(inputs[:, 9:], known)
        assert torch.equal(inputs[:, :3], target * known)
        outside = known.expand_as(target) > 0
        for fill in (inputs[:, 3:6], inputs[:, 6:9]):
            torch.testing.assert_close(fill[outside], target[outside], atol=1e-3, rtol=0)
        assert sorted(target[0].sum(dim=(1, 2)).tolist()) == pytest.approx(
            sorted((crops.crops[0].float() / 255).sum(dim=(1, 2)).tolist()), rel=1e-4
        )
        seen.add(tuple(target[0, :, 0, 0].tolist()))
    assert len(seen) > 8


def test_the_bank_is_of_its_seed():
    assert torch.equal(bank().crops, bank().crops)
    assert not torch.equal(bank().crops, bank(seed=1).crops)


def test_a_part_can_be_taken():
    part = hide([noise(64, 64)], np.arange(1), ("me",), 0, "x")
    few = part.take(np.array([1, 4]))
    assert isinstance(few, HiddenCrops)
    assert few.bands.tolist() == [1, 4]
    assert few.credits == ("me", "me")
    assert few.metric("PSNR", 5) == "PSNR, 50–60 % on x"
