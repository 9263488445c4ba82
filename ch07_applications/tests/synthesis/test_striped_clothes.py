"""Grey and striped clothes: halves that are disjoint, partners that stay the same, and stripes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chi2_contingency

from ch07_applications.synthesis.fashion_parts import FashionParts, fashion_parts
from ch07_applications.synthesis.striped_clothes import (
    DEPTH,
    PERIODS,
    UnpairedBatches,
    draw_stripes,
    lay_stripes,
    shade,
    striped_clothes,
    stripes_left,
    unpaired,
)
from ch07_applications.tests.synthesis.small_runs import run_of
from common.data import Images, Scale


def garments(n, start=0):
    images = np.random.default_rng(start).integers(0, 256, (n, 28, 28)).astype(np.uint8)
    return Images(images, np.arange(n, dtype=np.int64) % 10, np.arange(start, start + n))


def clothes(seed=0):
    return striped_clothes(FashionParts(garments(41), garments(10, 50), garments(12, 70), tuple("abcdefghij")), seed)


def test_no_garment_is_in_both_domains_and_none_is_lost():
    made = clothes()
    grey, striped = set(made.grey.ids.tolist()), set(made.striped.ids.tolist())
    assert not grey & striped
    assert grey | striped == set(range(41))


def test_both_domains_have_the_same_mix_of_classes(tmp_path):
    """Split by turns they would not: in the order of the files, 568 of 800 pullovers are at even places."""
    parts = fashion_parts(replace(run_of("synthesis/cyclegan", tmp_path), scale=Scale("lecture")))
    for seed in range(3):
        made = striped_clothes(parts, seed)
        counts = np.array([np.bincount(part.labels, minlength=10) for part in (made.grey, made.striped)])
        assert chi2_contingency(counts).pvalue > 1e-3
    turns = np.array([np.bincount(parts.train.labels[start::2], minlength=10) for start in (0, 1)])
    assert chi2_contingency(turns).pvalue < 1e-3


def test_test_pairs_are_the_same_garments():
    made = clothes()
    for pairs in (made.validation, made.test):
        np.testing.assert_array_equal(pairs.grey.ids, pairs.striped.ids)
        np.testing.assert_array_equal(pairs.grey.labels, pairs.striped.labels)
        np.testing.assert_array_equal(lay_stripes(pairs.grey.images, pairs.grey.ids, 0), pairs.striped.images)


def test_stripes_depend_on_id_and_seed_alone():
    part = garments(9)
    whole = lay_stripes(part.images, part.ids, 3)
    np.testing.assert_array_equal(lay_stripes(part.images[4:6], part.ids[4:6], 3), whole[4:6])
    np.testing.assert_array_equal(lay_stripes(part.images[::-1], part.ids[::-1], 3), whole[::-1])
    assert (lay_stripes(part.images, part.ids, 4) != whole).mean() > 0.5
    assert len(np.unique(draw_stripes(part.ids, 3)[:, 0])) == 9
    assert draw_stripes(part.ids[:0], 3).shape == (0, 3)


def test_the_shade_is_a_wave_of_its_period_across_its_angle():
    vertical = shade(np.array([[6.0, 0.0, 0.0]]), 28, 30)[0]
    np.testing.assert_allclose(vertical[:, 6:], vertical[:, :-6])
    np.testing.assert_allclose(vertical, vertical[:1].repeat(28, axis=0))
    wave = (1 - DEPTH / 2) - DEPTH / 2 * np.sin(np.arange(30) * np.pi / 3)
    np.testing.assert_allclose(vertical[0], wave)
    level = shade(np.array([[6.0, np.pi / 2, 0.0]]), 28, 30)[0]
    np.testing.assert_allclose(level, wave[:28, None].repeat(30, axis=1))
    shades = shade(draw_stripes(np.arange(500), 0), 28, 28)
    assert shades.min() == pytest.approx(1 - DEPTH, abs=1e-3)
    assert shades.max() == pytest.approx(1, abs=1e-3)


def test_periods_and_angles_are_spread_over_their_ranges():
    period, angle, phase = draw_stripes(np.arange(2000), 0).T
    for values, low, high in ((period, *PERIODS), (angle, 0, np.pi), (phase, 0, 2 * np.pi)):
        assert low <= values.min() < values.max() <= high
        assert np.histogram(values, 4, (low, high))[0].min() > 400


def test_even_the_best_map_of_grey_levels_leaves_most_of_the_stripes():
    """Two even garments, one bright and one dark: the same tone occurs in both."""
    images = np.concatenate([np.full((60, 28, 28), level, np.uint8) for level in (90, 140, 200)])
    striped = lay_stripes(images, np.arange(180), 0)
    best = np.zeros(256)
    for level in np.unique(striped):
        best[level] = images[striped == level].mean()  # least squares, with the pairs known
    left = np.sqrt(((best[striped] - images) ** 2).mean())
    assert left > 30
    assert left > 0.7 * images.std()


def test_a_batch_has_an_image_of_the_larger_domain_per_place_and_draws_the_others():
    for n, m in ((6, 4), (4, 6), (5, 5)):
        first, second = (torch.arange(float(k)).reshape(k, 1, 1, 1).expand(k, 1, 4, 4) for k in (n, m))
        data = UnpairedBatches(first, second)
        assert len(data) == max(n, m)
        index = torch.randperm(len(data))
        drawn = [data.batch(index, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
        larger, smaller = (0, 1) if n >= m else (1, 0)
        for batch in drawn:
            assert torch.equal(batch[larger][:, 0, 0, 0], index.float())
            assert batch[smaller].max() < min(n, m)
        assert torch.equal(drawn[0][smaller], drawn[1][smaller])
        assert not torch.equal(drawn[0][smaller], drawn[2][smaller])


def test_images_of_other_sizes_and_empty_domains_are_refused():
    with pytest.raises(ValueError, match="not alike"):
        UnpairedBatches(torch.zeros(3, 1, 32, 32), torch.zeros(3, 1, 32, 28))
    with pytest.raises(ValueError, match="one or more"):
        UnpairedBatches(torch.zeros(3, 1, 32, 32), torch.zeros(0, 1, 32, 32))
    with pytest.raises(ValueError, match="uint8"):
        unpaired(np.zeros((2, 28, 28), np.uint8), np.zeros((2, 30, 28), np.uint8))
    made = unpaired(np.zeros((2, 28, 28), np.uint8), np.zeros((3, 28, 28), np.uint8))
    assert (made.first.shape, made.second.shape) == ((2, 1, 32, 32), (3, 1, 32, 32))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_contrast_that_stripes_keep_is_found_whatever_the_brightness(share):
    pairs = clothes(3).test
    grey = pairs.grey.images.astype(float)
    light = shade(draw_stripes(pairs.grey.ids, 3), 28, 28)
    even = light.mean(axis=(1, 2), keepdims=True)
    for dimmed in (0.6, 0.5):  # clothes, darker and darker, under stripes of so much of their contrast
        kept = np.rint(grey * (dimmed + share * (light - even))).clip(0, 255).astype(np.uint8)
        assert stripes_left(kept, pairs, 3) == pytest.approx(100 * share, abs=4)


def test_stripes_of_another_seed_are_not_found():
    pairs = clothes(3).test
    assert abs(stripes_left(pairs.striped.images, pairs, 4)) < 50
