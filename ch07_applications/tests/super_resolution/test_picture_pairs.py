"""Pairs: reduced by the protocol, separate from training data, grouped by author; scores and their names."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2ycbcr

from ch07_applications.super_resolution.bicubic import enlarge, reduce
from ch07_applications.super_resolution.luma_chroma import enlarge_picture, join, recoloured, split
from ch07_applications.super_resolution.picture_pairs import (
    every_fourth_held_out,
    held_out_photographs,
    judged_pairs,
    judged_photographs,
    pairs_of,
    score,
    training_photographs,
)
from ch07_applications.tests.super_resolution.small_runs import a_run, picture
from common.data import Scale
from common.data.photo_pack import photographs
from common.metrics.super_resolution import luma, psnr


@pytest.mark.parametrize("factor", [2, 4])
def test_pairs_are_test_photographs_and_their_reductions(factor):
    found = pairs_of(photographs().test, factor)
    for low, high in zip(found.inputs, found.answers, strict=True):
        assert high.shape[0] % 4 == high.shape[1] % 4 == 0
        assert (reduce(high, factor) == low).all()
        assert tuple(factor * n for n in low.shape[:2]) == high.shape[:2]
    assert len(found) == len(found.ids) == len(found.groups) == 7
    assert len(np.unique(found.groups)) == 6  # dogs and mountains are one photographer's
    assert found.credits == tuple(each.credit for each in photographs().test)
    assert found.credit(1) == f"Pictures: {photographs().test[0].credit}."
    assert found.metric("PSNR") == f"PSNR ×{factor}"


def test_nothing_that_is_judged_is_learned_from_or_chosen_on(tmp_path):
    run = a_run(tmp_path)
    run.scale = Scale("lecture", tmp_path)
    learned, chosen_on = held_out_photographs(run)
    names = [{each.name for each in part} for part in (learned, chosen_on, judged_photographs(run))]
    assert not names[0] & names[1]
    assert not (names[0] | names[1]) & names[2]
    assert names[0] | names[1] == {each.name for each in training_photographs(run)}
    assert not {each.author for each in learned} & {each.author for each in chosen_on}
    learned, chosen_on = every_fourth_held_out(run)
    assert [each.name for each in chosen_on] == ["dandelion", "planks", "forest"]
    assert {each.name for each in learned} == (names[0] | names[1]) - {each.name for each in chosen_on}


def test_another_factor_is_named():
    with pytest.raises(ValueError, match="the factor is 2 or 4, not 3"):
        pairs_of(photographs().test[:1], 3)


def test_a_set_of_the_data_folder_is_judged_with_its_own_low_resolution(tmp_path):
    run, place = a_run(tmp_path), tmp_path / "data" / "Set5" / "image_SRF_4"
    place.mkdir(parents=True)
    high, low = picture(0, (24, 32)), picture(1, (6, 8))
    Image.fromarray(high).save(place / "img_001_SRF_4_HR.png")
    Image.fromarray(low).save(place / "img_001_SRF_4_LR.png")
    carried, kept = judged_pairs(run, 4)
    assert (kept.where, kept.metric("SSIM"), kept.credits) == ("Set5", "SSIM ×4 on Set5", ())
    assert (kept.inputs[0] == low).all()
    assert (kept.answers[0] == high).all()
    assert carried.where == ""
    assert [each.where for each in judged_pairs(run, 2)] == [""]  # the folder has no factor of 2
    assert run.record.notes == []


def test_without_the_data_folder_one_note_says_so(tmp_path):
    run = a_run(tmp_path)
    for factor in (2, 4):
        assert [each.where for each in judged_pairs(run, factor)] == [""]
    assert len(run.record.notes) == 1
    assert run.record.notes[0].startswith("Left out")


def test_scores_follow_the_protocol(tmp_path):
    run, pairs = a_run(tmp_path), pairs_of(photographs().test[:2], 4)
    with run.method("bicubic", kind="classical") as method:
        score(method, pairs, [enlarge(each, 4) for each in pairs.lumas])
    row = next(each for each in run.record.rows if each.metric == "PSNR ×4")
    wanted = [
        psnr(rgb2ycbcr(high)[..., 0], np.clip(enlarge(rgb2ycbcr(low)[..., 0], 4), 0, 255), 4)
        for low, high in zip(pairs.inputs, pairs.answers, strict=True)
    ]
    assert row.value == pytest.approx(np.mean(wanted))
    assert row.higher_is_better


# --- Luma and chroma --------------------------------------------------------------------------------------------------


def test_luma_and_chroma_are_scikit_image_s_and_come_back():
    colours = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
    assert np.allclose(split(colours), rgb2ycbcr(colours))
    assert np.allclose(split(colours)[..., 0], luma(colours))
    assert np.allclose(join(split(colours)), colours)


def test_colours_come_from_bicubic_and_luma_from_the_method():
    low = picture(0, (16, 24)) // 2 + 60
    found = enlarge_picture(low, lambda y: enlarge(y, 2))
    assert np.abs(found.astype(float) - enlarge(low, 2)).max() <= 0.5 + 1e-6  # all is linear but the rounding
    brighter = recoloured(enlarge(luma(low), 2) + 10, low)
    assert np.allclose(split(brighter)[..., 0], enlarge(luma(low), 2) + 10, atol=0.6)
    assert np.allclose(split(brighter)[..., 1:], split(found)[..., 1:], atol=1)


def test_grey_pictures_stay_grey_and_others_are_named():
    grey = picture(0, (8, 16))[..., 0]
    assert (enlarge_picture(grey, lambda y: enlarge(y, 4)) == enlarge_picture(grey, lambda y: enlarge(y, 4))).all()
    assert enlarge_picture(grey, lambda y: enlarge(y, 4)).shape == (32, 64)
    with pytest.raises(ValueError, match=r"a picture is \(H, W\) or \(H, W, 3\)"):
        enlarge_picture(np.zeros((8, 8, 4), np.uint8), lambda y: y)
    flat = np.full((8, 8, 3), 77, np.uint8)
    assert (enlarge_picture(flat, lambda y: enlarge(y, 4)) == 77).all()
