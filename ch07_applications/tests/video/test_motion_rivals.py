"""Descriptors of motion: against loops, and what they have to see."""

import numpy as np
import pytest
import torch

from ch07_applications.video.motion_rivals import (
    BINS,
    CELL,
    STILL,
    TIMES,
    direction_histograms,
    fit_best,
    history_features,
    hog_hof,
    motion_history,
    predict_both,
    with_mirrored,
)


@pytest.fixture
def maps():
    return torch.randn(3, 5, 6, 16, 24, generator=torch.Generator().manual_seed(0)).half()


def test_histograms_are_those_of_a_loop(maps):
    vectors = maps[:, 3:].float()
    found = direction_histograms(vectors, STILL, 3).numpy()
    wanted = np.zeros((3, 3, 2, 3, BINS + 1))
    for film, frame, row, column in np.ndindex(3, 6, 16, 24):
        x, y = vectors[film, :, frame, row, column].tolist()
        own, length = wanted[film, frame // 2, row // CELL, column // CELL], np.hypot(x, y)
        if length < STILL:
            own[-1] += 1
            continue
        angle = np.arctan2(y, x) % (2 * np.pi) / (2 * np.pi) * BINS
        low = int(angle) % BINS
        own[low] += length * (1 - angle % 1)
        own[(low + 1) % BINS] += length * (angle % 1)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)


def test_features_have_length_one_per_kind_and_see_direction(maps):
    rows = hog_hof(maps)
    cells = TIMES * 2 * 3
    assert rows.shape == (3, cells * BINS + cells * (BINS + 1))
    np.testing.assert_allclose((rows[:, : cells * BINS] ** 2).sum(axis=1), 1, rtol=1e-4)
    turned = maps.clone()
    turned[:, 3:] *= -1
    hog, hof = rows[:, : cells * BINS], rows[:, cells * BINS :]
    others = hog_hof(turned)
    np.testing.assert_array_equal(others[:, : cells * BINS], hog)
    assert np.abs(others[:, cells * BINS :] - hof).max() > 0.02


def test_mirrored_films_have_mirrored_histograms():
    maps = torch.randn(2, 5, 6, 16, 16, generator=torch.Generator().manual_seed(1)).half()
    rows = with_mirrored(hog_hof, maps)
    assert rows.shape[0] == 4
    shape = (TIMES, 2, 2, BINS)  # times, rows, columns, directions
    film, mirror = (rows[place, : np.prod(shape)].reshape(shape) for place in (0, 2))
    turned = (BINS // 2 - np.arange(BINS)) % BINS  # what pointed right points left; up stays up
    np.testing.assert_allclose(mirror[:, :, ::-1][..., turned], film, atol=2e-3)


def test_a_motion_history_is_brighter_the_later_something_moved():
    maps = torch.zeros(1, 5, 4, 8, 8)
    maps[0, 3, 0, 1, 1], maps[0, 4, 2, 2, 2], maps[0, 3, 3, 3, 3], maps[0, 3, 1, 5, 5] = 1, -1, 2, 0.2
    history = motion_history(maps.half(), 0.5)[0]
    assert history[3, 3] == 255
    assert history[2, 2] == round(255 * 0.75)
    assert history[1, 1] == round(255 * 0.25)
    assert np.count_nonzero(history) == 3
    assert history_features(maps.half(), 0.5).shape[0] == 1


def test_the_way_that_is_right_on_held_out_films_is_taken():
    rng = np.random.default_rng(0)
    labels, held = np.arange(60) % 3, np.arange(30) % 3
    noise = [rng.normal(size=(n, 4)).astype(np.float32) for n in (60, 30)]
    signal = [(np.eye(3)[each] + 0.1 * rng.normal(size=(len(each), 3))).astype(np.float32) for each in (labels, held)]
    way, model = fit_best([tuple(noise), tuple(signal)], labels, held)
    assert way == 1
    assert (model.predict(signal[1]) == held).mean() > 0.95


def test_a_film_and_its_mirror_image_decide_together():
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    rows = (np.eye(3)[labels] + 0.4 * rng.normal(size=(90, 3))).astype(np.float32)
    _, model = fit_best([(rows, rows)], labels, labels)
    sums = model.decision_function(rows[:30]) + model.decision_function(rows[30:60])
    np.testing.assert_array_equal(predict_both(model, rows[:60]), sums.argmax(axis=1))
    alone, both = model.predict(rows[:30]), predict_both(model, np.concatenate([rows[:30], rows[60:]]))
    assert (both == labels[:30]).mean() > (alone == labels[:30]).mean(), "two noisy looks are better than one"
