"""Skeletons: what must not be known is gone, what must remain does, and the hip's path sorts shuffled frames."""

import numpy as np
import pytest
import torch

from ch07_applications.video import skeleton_clips as module
from ch07_applications.video.skeleton_clips import (
    Clips,
    DrawnClips,
    comparable,
    mirrored,
    padded,
    resampled,
)
from ch07_applications.video.skeleton_rivals import RESAMPLED, fit_svm, flat, without_order
from common.data.utkinect import Clip
from common.errors import Problem


def body(time=20, seed=0):
    rng = np.random.default_rng(seed)
    pose = rng.normal(size=(20, 3))
    pose[[0, 2, 12, 16]] = [[0, 0, 0], [0, 0.5, 0], [-0.1, 0, 0], [0.1, 0, 0]]
    sway = 0.1 * rng.normal(size=(time, 20, 3))
    sway[:, [0, 2, 12, 16]] = 0
    return (pose + sway).astype(np.float32)


def clip(joints):
    return Clip(joints.astype(np.float32), 3, 1, 2)


def turned(joints, angle):
    c, s = np.cos(angle), np.sin(angle)
    return joints @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]).T


def test_place_direction_and_size_are_gone():
    joints, path = body(), np.cumsum(np.random.default_rng(1).normal(size=(20, 1, 3)), axis=0)
    wanted = comparable(clip(joints))
    for other in (joints + path, 1.7 * joints, turned(joints, 2.0), turned(0.6 * joints, -0.7) + path):
        np.testing.assert_allclose(comparable(clip(other)), wanted, atol=2e-5)
    np.testing.assert_allclose(wanted, 2 * joints, atol=1e-5)  # its spine has a length of 0.5, its hips lie along x


def test_frames_in_another_order_are_the_same_frames():
    """Nothing of a frame depends on which frame comes first: with the hip of the first frame kept, it would."""
    joints = body() + np.linspace(0, 3, 20)[:, None, None]
    order = np.random.default_rng(2).permutation(20)
    np.testing.assert_allclose(comparable(clip(joints[order])), comparable(clip(joints))[order], atol=1e-5)
    assert (comparable(clip(joints))[:, module.HIP] == 0).all()


def test_long_clips_keep_every_so_many_frames_and_a_single_frame_is_a_clip():
    assert len(comparable(clip(body(174)))) == 29
    assert len(comparable(clip(body(32)))) == 32
    assert comparable(clip(body(1))).shape == (1, 20, 3)
    assert resampled(np.ones((1, 60), np.float32), 16).shape == (16, 60)


def test_a_body_at_one_point_is_refused():
    with pytest.raises(Problem, match="at one place"):
        comparable(clip(np.ones((5, 20, 3))))


def test_the_mirror_exchanges_the_hands_and_twice_is_nothing():
    joints = body()
    found = mirrored(joints)
    np.testing.assert_array_equal(mirrored(found), joints)
    np.testing.assert_array_equal(found[:, 7], joints[:, 11] * [-1, 1, 1])
    np.testing.assert_array_equal(found[:, 3], joints[:, 3] * [-1, 1, 1])


def test_resampling_is_numpy_s_interpolation():
    series = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
    places = np.linspace(0, 22, 9)
    wanted = np.stack([np.interp(places, np.arange(23), column) for column in series.T], axis=1)
    np.testing.assert_allclose(resampled(series, 9), wanted, atol=1e-5)


def test_statistics_do_not_know_the_order_and_frames_side_by_side_do():
    series = np.random.default_rng(0).normal(size=(30, 60)).astype(np.float32)
    other = series[::-1].copy()
    np.testing.assert_allclose(without_order([series]), without_order([other]), rtol=1e-4, atol=1e-5)
    assert np.abs(flat([series]) - flat([other])).max() > 0.5


def clips(n=8):
    inputs = tuple(comparable(clip(body(5 + 3 * k, seed=k))).reshape(-1, 60) for k in range(n))
    return Clips(inputs, np.arange(n) % 3, np.arange(n), np.arange(n) % 5)


def test_folds_share_nobody_and_a_person_with_a_single_clip_is_judged_once():
    part = clips(6)  # person 0 has two clips, the others have one
    tested = []
    for train, test in part.folds():
        assert not set(train.groups) & set(test.groups)
        assert sorted([*train.ids, *test.ids]) == list(range(6))
        tested += test.ids.tolist()
    assert sorted(tested) == list(range(6))
    with pytest.raises(Problem, match="there are 3"):
        part.take(np.array([0, 1, 2])).folds()


def test_clips_of_the_svm_s_length_are_the_svm_s_inputs():
    part = clips()
    equal = part.of_length(RESAMPLED)
    assert {len(each) for each in equal.inputs} == {16}
    np.testing.assert_array_equal(np.stack([each.ravel() for each in equal.inputs]), flat(part.inputs))
    for name in ("answers", "ids", "groups"):
        np.testing.assert_array_equal(getattr(equal, name), getattr(part, name))


def test_padding_comes_after_a_clip_s_end():
    series = [np.ones((n, 2), np.float32) for n in (3, 5)]
    found = padded(series)
    assert found.isfinite().sum(dim=1).tolist() == [[3, 3], [5, 5]]
    assert found[0, :3].isfinite().all()


def test_drawn_clips_without_a_change_are_the_clips_or_their_mirrors_and_repeat():
    part = clips()
    drawing = DrawnClips(part, turn=0, speed=0, size=0)
    found, labels = drawing.batch(torch.arange(8), torch.Generator().manual_seed(0))
    again, _ = drawing.batch(torch.arange(8), torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, again, equal_nan=True)
    kept = 0
    for row, wanted in zip(found.numpy(), part.inputs, strict=True):
        row = row[: len(wanted)]
        mirror = mirrored(wanted.reshape(-1, 20, 3)).reshape(-1, 60)
        same, other = np.abs(row - wanted).max() < 1e-5, np.abs(row - mirror).max() < 1e-5
        assert same or other
        kept += same
    assert 0 < kept < 8
    assert labels.tolist() == part.answers.tolist()


def test_a_changed_clip_keeps_the_angles_between_its_joints():
    part = clips(1)
    found, _ = DrawnClips(part, turn=1.0, speed=0, size=0).batch(
        torch.zeros(1).long(), torch.Generator().manual_seed(0)
    )
    a, b = (x.reshape(-1, 20, 3)[0] for x in (found[0].numpy(), part.inputs[0]))
    lengths = [np.sort(np.linalg.norm(x, axis=1)) for x in (a, b)]
    np.testing.assert_allclose(*lengths, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.sort(a[:, 1]), np.sort(b[:, 1]), atol=1e-5)


def test_an_svm_tells_kinds_of_bodies_apart():
    part = Clips(tuple(clips().inputs[k % 3] for k in range(9)), np.arange(9) % 3, np.arange(9), np.arange(9))
    for features in (flat, without_order):
        assert (fit_svm(features, part)(part.inputs) == part.answers).all()
