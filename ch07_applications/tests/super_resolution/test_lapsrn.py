"""LapSRN: counts, a zero residual, the loss by hand, levels and their targets, tiles, learning, and the lesson."""

from functools import partial

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.nn.functional import l1_loss, mse_loss, pixel_shuffle

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.super_resolution import lapsrn
from ch07_applications.super_resolution.bicubic import enlarge
from ch07_applications.super_resolution.lapsrn import (
    A_PLUS,
    BICUBIC,
    EPSILON,
    LAST,
    ONE_STEP,
    OURS,
    PYRAMID,
    REACH,
    SQUARED,
    TWICE,
    LapSRN,
    Level,
    OneLevel,
    PublishedLapSRN,
    charbonnier,
    enlarged,
    enlarged_in_tiles,
    levels_of,
    new,
    pyramid_loss,
    train,
)
from ch07_applications.super_resolution.luma_chroma import enlarge_picture
from ch07_applications.super_resolution.patches import Patches
from ch07_applications.super_resolution.picture_pairs import held_out_photographs, pairs_of
from ch07_applications.super_resolution.shown_crops import hardest_crops, hardest_place
from ch07_applications.tests.super_resolution.small_runs import a_run, picture
from common.data.photo_pack import photographs
from common.errors import Problem
from common.metrics.super_resolution import luma, psnr


def seeded(build, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build()


def trained_looking(network, size=0.02):
    """Random residuals in place of zero ones."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Level):
                module.residual.weight.normal_(0, size, generator=torch.Generator().manual_seed(0))
    return network


def low_luma(size=(21, 26)):
    return luma(picture(0, size))


# --- The network ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "count"), [(2, 436_114), (4, 871_588), (8, 1_307_062)])
def test_the_published_network_has_the_counts_of_arithmetic_and_doubles_at_each_level(factor, count):
    with torch.device("meta"):
        network = PublishedLapSRN(factor)
        found = network(torch.zeros(1, 1, 24, 20))
    assert parameters_of(network) == count
    assert [each.shape[2:] for each in found] == [(24 * k, 20 * k) for k in (2, 4, 8) if k <= factor]
    convolutions = [each for each in layers_of(network, (1, 24, 20)) if each.name.startswith("features.0")]
    assert sum(each.kind == "Conv2d" for each in convolutions) == 10
    assert all(each.map[1:] == (24, 20) for each in convolutions if each.kind == "Conv2d")  # on the coarse grid


def test_the_small_network_computes_on_coarse_grids():
    layers = layers_of(LapSRN(), (1, 16, 16))
    assert {each.map[1:] for each in layers if each.kind == "Conv2d"} == {(16, 16), (32, 32)}
    assert 100_000 < parameters_of(LapSRN()) < 130_000
    assert abs(parameters_of(OneLevel(4, blocks=7)) / parameters_of(LapSRN()) - 1) < 0.1  # a fair rival


@pytest.mark.parametrize("build", [LapSRN, partial(OneLevel, 2), partial(OneLevel, 4)])
def test_an_untrained_network_is_the_bicubic_enlargement(build):
    network, low = seeded(build), low_luma()
    for factor, found in zip(network.factors, enlarged(network, low), strict=True):
        once = enlarge(low, 2)
        wanted = enlarge(once, 2) if build is LapSRN and factor == 4 else enlarge(low, factor)
        assert_allclose(found, wanted, atol=1e-3)


def test_levels_add_residuals_to_what_lies_below():
    network, low = trained_looking(seeded(LapSRN)), torch.rand(2, 1, 9, 11)
    twice, four = network(low)
    features, residual = network.first(low)
    assert torch.allclose(
        twice[0, 0] - residual[0, 0], torch.from_numpy(enlarge(low[0, 0].numpy(), 2)).float(), atol=1e-5
    )
    _, second = network.second(pixel_shuffle(network.enlarge(features), 2))
    below = torch.from_numpy(enlarge(twice[0, 0].detach().numpy(), 2)).float()
    assert torch.allclose(four[0, 0] - second[0, 0], below, atol=1e-5)


def test_a_residual_s_channels_are_the_pixels_in_place_of_one():
    """PixelShuffle rearranges and loses nothing: channel 2 i + j goes to row i, column j of each 2 × 2 pixels."""
    maps = torch.arange(2 * 4 * 3 * 5.0).view(2, 4, 3, 5)
    found = pixel_shuffle(maps, 2)
    for i in range(2):
        for j in range(2):
            assert torch.equal(found[:, 0, i::2, j::2], maps[:, 2 * i + j])


def test_no_pixel_depends_on_more_than_the_reach():
    network = trained_looking(seeded(LapSRN), 1.0)
    low = torch.rand((1, 1, 49, 49), generator=torch.Generator().manual_seed(0), requires_grad=True)
    network(low)[1][0, 0, 97, 97].backward()
    rows = low.grad[0, 0].abs().sum(dim=1).nonzero().ravel()
    assert 24 - rows.min() <= REACH
    assert rows.max() - 24 <= REACH
    assert rows.max() - rows.min() > 20


@pytest.mark.parametrize("size", [(60, 50), (17, 80), (8, 8)])
def test_tiles_give_the_whole(size):
    network, low = trained_looking(seeded(LapSRN)), low_luma(size)
    assert_allclose(enlarged_in_tiles(network, low, tile=20), enlarged(network, low)[1], atol=2e-3)


def test_small_grey_and_flat_pictures_are_enlarged():
    network = trained_looking(seeded(LapSRN), 0.0)
    assert enlarged_in_tiles(network, np.full((1, 1), 80.0)).shape == (4, 4)
    flat = np.full((9, 12, 3), 130, np.uint8)
    assert (enlarge_picture(flat, partial(enlarged_in_tiles, network)) == 130).all()
    assert enlarge_picture(flat[..., 0], partial(enlarged_in_tiles, network)).shape == (36, 48)


# --- The loss, and training -------------------------------------------------------------------------------------------


def test_charbonnier_s_limits():
    zero = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    assert float(charbonnier(zero, zero)) == pytest.approx(EPSILON)
    assert float(charbonnier(zero + 1e-5, zero)) - EPSILON == pytest.approx(1e-10 / (2 * EPSILON), rel=1e-3)
    large = torch.full_like(zero, 0.7)
    assert float(charbonnier(large, zero)) == pytest.approx(float(l1_loss(large, zero)), rel=1e-5)
    assert float(charbonnier(zero, large)) == float(charbonnier(large, zero))


def test_charbonnier_has_a_gradient_of_zero_at_zero_and_of_one_far_from_it():
    x = torch.tensor([[[[0.0, 0.5, -0.5, EPSILON]]]], requires_grad=True)
    (4 * charbonnier(x, torch.zeros(1, 1, 1, 4))).backward()
    assert x.grad.ravel().tolist() == pytest.approx([0, 1, -1, 2**-0.5], abs=1e-4)


def test_the_loss_is_the_sum_over_levels_each_with_its_share():
    found, truths = ([torch.rand(2, 1, n, n) for n in (4, 8)] for _ in range(2))
    each = [charbonnier(*both) for both in zip(found, truths, strict=True)]
    assert float(pyramid_loss(tuple(found), *truths)) == pytest.approx(float(sum(each)))
    assert float(pyramid_loss(tuple(found), *truths, shares=(0.0, 1.0))) == pytest.approx(float(each[1]))
    squares = mse_loss(found[0], truths[0]) + mse_loss(found[1], truths[1])
    assert float(pyramid_loss(tuple(found), *truths, penalty=mse_loss)) == pytest.approx(float(squares))


def test_a_level_s_target_is_the_high_resolution_reduced_by_bicubic():
    """Not the enlarged low resolution, nor every other pixel."""
    high = photographs().train[0].image[:256, :256]
    data = Patches.of([high], 64, 1)
    data = Patches(data.pictures[:1], 64, 1)
    low, twice, four = data._scales[0]
    assert low.shape == (64, 64)
    assert_allclose(four.numpy(), luma(high), atol=1e-3)
    wanted = lapsrn.Patches.of([high], 64, 1, (2,))._scales[0][0].numpy()  # reduced by 2, for a network of ×2
    assert_allclose(twice.numpy(), wanted, atol=0.51)  # which is rounded
    assert np.abs(twice.numpy() - enlarge(low.numpy(), 2)).max() > 10


def test_training_lowers_the_loss_and_beats_bicubic(tmp_path, monkeypatch):
    run = a_run(tmp_path)
    monkeypatch.setattr(run, "pick", lambda **values: {8: 12}.get(values["smoke"], values["smoke"]))
    network = train(
        run, new(run, partial(LapSRN, (16, 8), (2, 1))), [each.image for each in photographs().train[:3]], 80
    )
    pairs = pairs_of(photographs().train[5:6], 4)
    ours, bicubic = enlarged(network, pairs.lumas[0])[1], enlarge(pairs.lumas[0], 4)
    values = [psnr(pairs.truths[0], np.clip(each, 0, 255).astype(float), 4) for each in (ours, bicubic)]
    assert values[0] > values[1] + 0.1
    again = train(run, new(run, partial(LapSRN, (16, 8), (2, 1))), [each.image for each in photographs().train[:3]], 80)
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


# --- What is shown ----------------------------------------------------------------------------------------------------


def test_the_crop_is_where_the_error_is_largest():
    error = np.zeros((40, 60))
    error[25:31, 44:50] = 1
    top, left = hardest_place(error, 12)
    assert (error[top : top + 12, left : left + 12] == 1).sum() == 36
    for corner in ((0, 0), (0, 59), (39, 0), (39, 59)):
        error = np.zeros((40, 60))
        error[corner] = 1
        top, left = hardest_place(error, 12)
        assert 0 <= top <= 28
        assert 0 <= left <= 48
        assert error[top : top + 12, left : left + 12].sum() == 1


def test_crops_show_the_same_place_of_all_methods_and_of_the_truth():
    pairs = pairs_of(photographs().train[:2], 4)
    same = [truth.copy() for truth in pairs.truths]
    (crop, _) = hardest_crops(pairs, {"a": [enlarge(low, 4) for low in pairs.lumas], "b": same}, side=64)
    assert list(crop.pictures) == ["a", "b", "truth"]
    assert {each.shape for each in crop.pictures.values()} == {(64, 64, 3)}
    assert np.abs(luma(crop.pictures["b"]) - luma(crop.pictures["truth"])).mean() < 2  # its chroma is bicubic
    assert np.abs(luma(crop.pictures["a"]) - luma(crop.pictures["truth"])).mean() > 5


def test_the_pyramid_that_is_drawn_adds_up():
    network, low = trained_looking(seeded(LapSRN)), low_luma()
    pictures, residuals = levels_of(network, low)
    _, twice, four = pictures.values()
    assert_allclose(enlarge(twice, 2) + residuals["residual of level 2"], four, atol=1e-3)
    assert_allclose(enlarge(low, 2) + residuals["residual of level 1"], twice, atol=1e-3)


# --- The lesson -------------------------------------------------------------------------------------------------------


def test_the_lesson_scores_network_and_rivals_on_the_same_pairs_and_claims_nothing_at_smoke(tmp_path, monkeypatch):
    trained_on = []
    real = lapsrn.train
    monkeypatch.setattr(lapsrn, "train", lambda *args, **kw: trained_on.append(args[2]) or real(*args, **kw))
    run = a_run(tmp_path, photo=picture(0, (30, 44)))
    lapsrn.lesson(run)
    assert list(run.methods) == [OURS, BICUBIC, A_PLUS, PYRAMID, ONE_STEP, SQUARED, LAST, TWICE]
    for metric in ("PSNR ×2", "PSNR ×4", "SSIM ×2", "SSIM ×4"):
        assert all(metric in run.methods[name].items for name in (OURS, BICUBIC, A_PLUS))
    assert {metric for *_, metric in run.pairs if "held-out" not in metric} == {"PSNR ×2", "PSNR ×4"}  # not of Set5
    assert list(run.methods[ONE_STEP].items) == ["PSNR ×4 on held-out photographs", "SSIM ×4 on held-out photographs"]
    assert [each.name for each in run.record.pictures] == ["crops", "pyramid", "photo"]
    assert all(photographs().test[0].credit in each.caption for each in run.record.pictures[:2])
    held_out = {each.image.tobytes() for each in held_out_photographs(run)[1]}
    assert not any(image.tobytes() in held_out for images in trained_on[1:] for image in images)
    test = {each.image.tobytes() for each in photographs().test}
    assert not any(image.tobytes() in test for images in trained_on for image in images)
    assert (tmp_path / "super_resolution_lapsrn_enlarged.png").exists()
    assert any("×4 to 176 × 120 pixels" in note for note in run.record.notes)


def test_a_photo_that_is_too_small_is_one_line(tmp_path):
    from ch07_applications.super_resolution.own_enlargement import enlarge_own, within

    run = a_run(tmp_path, photo=picture(0, (7, 40)))
    with pytest.raises(Problem, match="--photo has 40×7 pixels, super-resolution needs at least 8×8"):
        enlarge_own(run, lambda y: enlarge(y, 4), OURS)
    large = np.zeros((3000, 5000, 3), np.uint8)
    assert within(large).shape[:2] == (774, 1290)
    assert within(np.zeros((9, 300_000, 3), np.uint8)).shape[0] == 8
    whole = picture(0, (30, 40))
    assert within(whole) is whole
