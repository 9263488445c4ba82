"""Windows: split by person, cut exactly, drawn and changed as a watch could be; and recordings that can't be used."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from ch07_applications.video import watch_windows as module
from ch07_applications.video.watch_windows import Change, DrawnWindows, checked, resampled, turned, windows_of
from common import data
from common.data.recordings import Recordings
from common.errors import Problem


def recordings(*series, people=None):
    n = len(series)
    people = np.arange(n) if people is None else np.array(people)
    return Recordings(tuple(np.asarray(s, np.float32) for s in series), np.arange(n), people, people > 0, np.arange(n))


def ramp(n, channels=6):
    return np.arange(n, dtype=np.float32)[:, None] + 1000 * np.arange(channels, dtype=np.float32)


@pytest.fixture(scope="module")
def watch():
    return data.watch()


def drawn(part, change=None, lengths=(64, 64), n=200):
    windows = DrawnWindows(part, lengths, change or Change())
    return windows.batch(torch.arange(n) % len(windows), torch.Generator().manual_seed(0))


# Cutting


def test_windows_are_the_recording_s_own_samples_in_order():
    part = recordings(ramp(30), ramp(21) + 0.5)
    found = windows_of(part, 10, 5)
    assert found.recordings.tolist() == [0] * 5 + [1] * 3
    for window, recording, start in zip(found.inputs, found.recordings, [0, 5, 10, 15, 20, 0, 5, 10], strict=True):
        np.testing.assert_array_equal(window, part.series[recording][start : start + 10])
    assert len(set(found.ids.tolist())) == len(found)
    assert found.groups.tolist() == part.subjects[found.recordings].tolist()


def test_side_by_side_windows_of_the_watch_are_1900_and_share_no_sample(watch):
    found = windows_of(watch.recordings, 128, 128)
    assert len(found) == sum(len(series) // 128 for series in watch.recordings.series)
    assert len(np.unique(found.ids)) == len(found)


def test_a_recording_shorter_than_a_window_has_none():
    assert set(windows_of(recordings(ramp(9), ramp(10)), 10, 5).recordings.tolist()) == {1}
    with pytest.raises(Problem, match="10 samples in a row"):
        windows_of(recordings(ramp(9)), 10, 5)


def test_windows_with_a_nan_are_left_out_and_only_those():
    broken = ramp(40)
    broken[12, 3] = np.nan
    found = windows_of(recordings(broken), 10, 10)
    assert found.inputs[:, 0, 0].tolist() == [0, 20, 30]
    with pytest.raises(Problem, match="all numbers"):
        windows_of(recordings(np.full((40, 6), np.nan)), 10, 10)


def test_other_channels_are_refused():
    with pytest.raises(Problem, match=r"\[3, 6\] channels"):
        windows_of(recordings(ramp(20), ramp(20, 3)), 10, 10)


def test_a_person_with_a_single_recording_is_a_fold_of_its_own(watch):
    part = watch.recordings
    single = part.take(np.flatnonzero((part.subjects > 2) | (part.ids == part.ids[part.subjects == 1][0])))
    for train, test in replace(watch, recordings=single).folds(3):
        assert not set(windows_of(train, 128, 64).groups) & set(windows_of(test, 128, 128).groups)


def test_recordings_that_can_t_be_recognised_are_named():
    checked([ramp(20)], 6, 4)
    broken = ramp(20)
    broken[7, 2] = np.inf
    for series, words in (
        (ramp(20, 3), "recording 1 has the shape"),
        (ramp(20)[:, 0], "recording 1 has the shape"),
        (broken, "recording 1 has no number at sample 7"),
        (ramp(3), "recording 1 has 3 samples"),
    ):
        with pytest.raises(Problem, match=words):
            checked([ramp(20), series], 6, 4)


@pytest.mark.parametrize("rate", [25, 100, 62.5])
def test_another_rate_keeps_what_happens_at_which_second(rate):
    times = np.arange(0, 4, 1 / rate)
    found = resampled(np.stack([times, np.sin(times)], axis=1).astype(np.float32), rate)
    assert abs(len(found) - 4 * module.RATE) <= module.RATE / rate + 1
    np.testing.assert_allclose(found[:, 0], np.arange(len(found)) / module.RATE, atol=1e-5)
    np.testing.assert_allclose(found[:, 1], np.sin(found[:, 0]), atol=1e-3)


def test_the_same_rate_changes_nothing_and_no_rate_is_refused():
    series = ramp(10)
    assert resampled(series, module.RATE) is series
    for rate in (0, -50, float("nan")):
        with pytest.raises(Problem, match="samples per second"):
            resampled(series, rate)


# Drawing


def test_windows_without_a_change_lie_in_their_recording():
    part = recordings(ramp(200), ramp(150) + 10_000)
    found, labels = drawn(part)
    for window, label in zip(found.numpy(), labels.numpy(), strict=True):
        start = window[0, 0] - 10_000 * label
        assert 0 <= start <= len(part.series[label]) - 64
        np.testing.assert_allclose(np.diff(window[:, 0]), 1, atol=0.01)
    assert set(labels.tolist()) == {0, 1}


def test_faster_windows_stay_in_their_recording_too():
    part = recordings(ramp(70), ramp(66) + 10_000)
    found, labels = drawn(part, Change(speed=0.5))
    first = found[:, :, 0].numpy() - 10_000 * labels.numpy()[:, None]
    assert (first >= -0.01).all()
    assert (first[:, -1] <= np.array([69, 65])[labels] + 0.01).all()
    steps = np.diff(first, axis=1)
    assert np.ptp(steps.mean(axis=1)) > 0.3, "every window has a speed of its own"
    np.testing.assert_allclose(steps, np.broadcast_to(steps.mean(axis=1, keepdims=True), steps.shape), atol=0.02)


def test_a_faster_movement_turns_faster_and_feels_the_same_gravity():
    still = np.ones((300, 6))
    found, _ = drawn(recordings(still), Change(speed=0.3))
    torch.testing.assert_close(found[..., :3], torch.ones_like(found[..., :3]))
    assert float(found[:, 0, 3].std()) == pytest.approx(0.3, abs=0.06)


def test_a_turned_watch_keeps_lengths_and_angles():
    rng = np.random.default_rng(0)
    series = rng.normal(size=(64, 6))
    found, _ = drawn(recordings(series), Change(turn=40), n=20)
    for window in found.numpy():
        vectors = window.reshape(-1, 3)
        np.testing.assert_allclose(vectors @ vectors.T, series.reshape(-1, 3) @ series.reshape(-1, 3).T, atol=1e-3)
        assert abs(window - series).max() > 0.05


def test_turns_are_scipy_s():
    axes = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    np.testing.assert_allclose(turned(axes), Rotation.from_rotvec(axes.numpy()).as_matrix(), atol=1e-12)


def test_mirrored_movements_of_one_arm_are_like_those_of_the_other(watch):
    """A person's pendulum, left and right: gravity is along x, the other way round. The mirror makes it the same."""
    part = watch.recordings
    means = {}
    for right in (False, True):
        chosen = part.take((part.right == right) & (part.labels == 0))
        means[right] = np.mean([series.mean(axis=0) for series in chosen.series], axis=0)
    assert abs(means[False][0] - means[True][0]) > 1.5
    mirrored = means[True] * np.array(module.MIRRORED)
    np.testing.assert_allclose(mirrored[:3], means[False][:3], atol=0.2)


def test_a_mirror_turns_a_vector_s_cross_product_against_it():
    """Turning rates are axial: v = w × r must hold in the mirror as well."""
    rng = np.random.default_rng(1)
    w, r = rng.normal(size=(2, 5, 3))
    polar, axial = np.array(module.MIRRORED[:3]), np.array(module.MIRRORED[3:])
    np.testing.assert_allclose(np.cross(w * axial, r * polar), np.cross(w, r) * polar)


def test_batches_have_lengths_from_the_range_and_repeat_with_the_generator(watch):
    windows = DrawnWindows(watch.recordings, (64, 128), Change(10, 0.1, 0.1, 0.02, True))
    generator = torch.Generator().manual_seed(3)
    lengths = {windows.batch(torch.arange(2), generator)[0].shape[1] for _ in range(60)}
    assert min(lengths) == 64
    assert max(lengths) == 128
    assert all(length % 4 == 0 for length in lengths)
    a, b = (windows.batch(torch.arange(9), torch.Generator().manual_seed(5))[0] for _ in range(2))
    assert torch.equal(a, b)


def test_recordings_too_short_for_a_draw_are_refused():
    with pytest.raises(Problem, match="63 samples, and 64"):
        DrawnWindows(recordings(ramp(63)), (64, 64))
