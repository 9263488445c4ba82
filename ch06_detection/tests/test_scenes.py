"""Edges under the magnifying glass: known edges, scikit-learn's AUC, and that the naive way is found out."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from ch06_detection.composition import edges as outlines
from ch06_detection.composition.edges import (
    CLOTHES,
    PHOTO,
    RIVALS,
    SHAPE,
    Edges,
    auc,
    brightness_by_depth,
    collect_edges,
    naive_composer,
)
from ch06_detection.scenes import compose_stages, examine_edges, lesson, off_by, seen_shares
from common import data
from common.console import Console
from common.data import Scale
from common.data.scene_composer import CHUNK
from common.data.scene_items import SIDE, Items
from common.data.scene_places import SIZE
from common.data.scenes import composers
from common.record import LessonRecord
from common.run import Run

SMOKE = Scale("smoke")


@pytest.fixture(scope="module")
def composer():
    return composers(SMOKE)[0]


@pytest.fixture(scope="module")
def found(composer):
    return collect_edges(composer, 2 * CHUNK, seed=0)


# Edges


def test_brightness_rises_to_the_right_across_every_patch(found):
    profile = found.patches.mean(axis=1)
    assert np.mean(profile[:, 3] > profile[:, 1]) > 0.99
    assert found.patches.shape[1:] == (5, 5)


def test_patches_are_what_lies_across_an_edge_of_known_direction():
    """A disc on a ground: whichever way its rim runs there, each patch shows the same steps."""
    y, x = np.mgrid[:SIZE, :SIZE] - 63.5
    disc = 40 + 120 * (0.5 - (np.hypot(x, y) - 30) / 4).clip(0, 1)
    kinds = np.where(np.hypot(x, y) < 30, CLOTHES, PHOTO)
    some = outlines._edges_of(disc[None].astype(np.float32), kinds[None], 0, np.random.default_rng(0))
    assert (some.kinds == CLOTHES).all()
    assert len(some.kinds) == outlines.EACH_SCENE
    assert_allclose(some.patches.mean(axis=1) - 100, np.tile([-60, -30, 0, 30, 60], (6, 1)), atol=18)
    assert_allclose(np.diff(some.patches[:, 2, 1:4]), 30, atol=4)
    assert_allclose(some.steepness, 0.5, atol=0.07)


def test_an_edge_belongs_to_the_outline_that_is_there():
    """Three squares: clothes and a shape on the photograph, and one that is part of the photograph."""
    grey, kinds = np.full((1, SIZE, SIZE), 50, np.float32), np.zeros((1, SIZE, SIZE), int)
    for left, kind in ((15, CLOTHES), (55, SHAPE), (95, PHOTO)):
        grey[0, 30:50, left : left + 20], kinds[0, 30:50, left : left + 20] = 150, kind
    grey = ndimage.gaussian_filter(grey, (0, 0.8, 0.8))
    some = outlines._edges_of(grey, kinds, 7, np.random.default_rng(0))
    assert np.bincount(some.kinds).tolist() == [6, 6, 6]
    assert (some.scenes == 7).all()


def test_of_each_scene_and_kind_a_few_are_taken(found):
    for kind in (PHOTO, CLOTHES, SHAPE):
        per_scene = np.bincount(found.of(kind).scenes)
        assert per_scene.max() == outlines.EACH_SCENE
        assert (found.of(kind).kinds == kind).all()
    assert len(found.of(PHOTO, SHAPE).kinds) + len(found.of(CLOTHES).kinds) == len(found.kinds)


def test_features_know_neither_brightness_nor_contrast(found):
    brighter = Edges(7 + 1.5 * found.patches, found.kinds, found.scenes)
    assert_allclose(brighter.features, found.features, atol=1e-9)


def test_auc_is_scikit_learns():
    rng = np.random.default_rng(0)
    positive = rng.random(400) < 0.4
    scores = rng.normal(0.8 * positive, 1)
    scenes = rng.integers(40, size=400)
    interval = auc(scores, positive, scenes)
    assert interval.value == pytest.approx(roc_auc_score(positive, scores))
    assert interval.low < interval.value < interval.high
    assert interval.high - interval.low == pytest.approx(0.1, abs=0.03)
    assert auc(np.arange(400.0), np.arange(400) > 300, scenes).value == 1


def test_an_interval_is_wider_where_all_edges_of_a_scene_are_alike():
    rng = np.random.default_rng(1)
    scenes = np.repeat(np.arange(40), 10)
    positive = np.tile([True, False], 200)
    apart = auc(rng.normal(0.5 * positive, 1), positive, scenes)
    shift = rng.normal(0, 3, 40)
    positive = scenes % 2 == 0
    together = auc(shift[scenes] + rng.normal(0.5 * positive, 0.1), positive, scenes)
    assert together.high - together.low > 2 * (apart.high - apart.low)


# Rims


def test_brightness_by_depth_of_a_known_item():
    values, alphas = np.zeros((2, SIDE, SIDE), np.uint8), np.zeros((2, SIDE, SIDE), np.uint8)
    alphas[0, 4:26, 4:26], values[0, 4:26, 4:26] = 255, 100
    values[0, 5:25, 5:25], values[0, 6:24, 6:24] = 150, 200
    alphas[1, 10:14, 4:26] = 255  # nothing lies deeper than two pixels
    depths = brightness_by_depth(Items(values, alphas, np.array([1, 1])))
    assert_allclose(depths[0], [0.5, 0.75, 1, 1, 1, 1])
    assert np.isnan(depths[1]).all()


def test_the_rim_is_dark_where_items_are_cut_out_and_not_where_they_are_composed(composer):
    fashion = data.fashion_mnist(SMOKE)
    plain = naive_composer(composer, fashion.train)
    assert not plain.camera
    assert_array_equal(plain.items.values[0, 1:-1, 1:-1], fashion.train.images[0])
    rims = [100 * np.nanmedian(brightness_by_depth(way.items)[:, 0]) for way in (plain, composer)]
    assert rims[0] < 85
    assert 95 < rims[1] < 112


def test_off_by_is_a_distance():
    assert off_by(np.array([90.0, 93, 120]), axis=0) == 7
    assert_allclose(off_by(np.array([[90.0, 93, 120], [104, 104, 300]]), axis=1), [7, 4])


# The test, and the lesson


def test_a_way_that_gives_clothes_away_is_found_out(composer):
    testing = composers(SMOKE)[1]
    fashion = data.fashion_mnist(SMOKE)
    ours = examine_edges(composer, testing, 128, 0)
    plain = examine_edges(naive_composer(composer, fashion.train), naive_composer(testing, fashion.test), 128, 0)
    assert plain.aucs[SHAPE].low > 0.65
    assert ours.aucs[SHAPE].value < 0.65
    assert ours.aucs[SHAPE].value < plain.aucs[SHAPE].low


def test_what_is_the_same_cannot_be_told_apart(composer):
    """Shapes that are called clothes at random."""
    items = composer.items
    shapes = items.labels == 0
    labels = np.where(np.arange(shapes.sum()) % 2, 1, 0)
    only = replace(composer, items=Items(items.values[shapes], items.alphas[shapes], labels))
    assert examine_edges(only, only, 96, 0).aucs[SHAPE].value == pytest.approx(0.5, abs=0.08)


def test_who_is_seen_where(composer):
    shares = seen_shares(composer, 3, 0)
    assert 0 <= shares.min() < 0.9
    assert shares.max() == 1
    assert len(shares) > 2 * 3 * CHUNK
    pictures, titles = compose_stages(composer, 0)
    assert len(pictures) == len(titles) == 6
    assert all(picture.shape == (SIZE, SIZE, 3) for picture in pictures)
    assert (np.diff([np.mean(picture != pictures[0]) for picture in pictures[:4]]) > 0).all()


def test_lesson(tmp_path):
    record = LessonRecord("scenes", "?")
    run = Run("scenes", 0, SMOKE, record, tmp_path, Console())
    lesson(run)
    facts = {fact.name: fact.value for fact in record.facts}
    assert facts["scenes a second of one processor"] > 0
    assert 0 < facts["boxes that reach the border"] < 100
    assert 0 < facts["partly under another thing"] < 50
    metrics = {(row.method, row.metric) for row in record.rows}
    assert {("composed", f"AUC against {whose}") for whose in RIVALS.values()} < metrics
    assert {("cut out", "rim, off by"), ("composed", "rim, off by")} < metrics
    assert [picture.name for picture in record.pictures] == ["examples", "stages", "counts", "cues"]
