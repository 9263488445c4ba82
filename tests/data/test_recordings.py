"""The recordings of a watch: what they hold, that splits share nobody, that rounding costs nothing that matters."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import data
from common.data import build_watch, embedded, recordings


@pytest.fixture(scope="module")
def found():
    return data.watch()


def test_ten_people_two_arms_seven_exercises_once_each(found):
    items = found.recordings
    assert len(items) == len(items.series) == 140
    combined = set(zip(items.subjects.tolist(), items.right.tolist(), items.labels.tolist(), strict=True))
    assert len(combined) == 140
    assert found.people == list(range(1, 11))
    assert len(found.classes) == len(set(items.labels.tolist())) == 7
    assert (len(found.channels), found.rate) == (6, 50)


def test_series_have_the_stated_lengths_and_ranges(found):
    lengths = [len(series) for series in found.recordings.series]
    assert (min(lengths), max(lengths), sum(lengths)) == (947, 2618, 244102)
    for series in found.recordings.series:
        assert series.shape[1] == 6
        assert series.dtype == np.float32
        assert not series.flags.writeable
        assert np.abs(series[:, :3]).max() < 6
        assert np.abs(series[:, 3:]).max() < 30


def test_a_wrist_that_is_lifted_slowly_feels_about_the_weight_of_the_watch(found):
    """The acceleration has gravity in it: its length is about 1 g in the median."""
    lengths = np.concatenate([np.linalg.norm(series[:, :3], axis=1) for series in found.recordings.series])
    assert abs(np.median(lengths) - 1) < 0.1


def test_a_split_shares_nobody_and_loses_nothing(found):
    train, test = found.split([3, 7])
    assert set(test.subjects.tolist()) == set(test.groups.tolist()) == {3, 7}
    assert set(train.subjects.tolist()) == set(found.people) - {3, 7}
    assert sorted([*train.ids, *test.ids]) == list(range(140))
    for part in (train, test):
        assert not part.labels.flags.writeable
        for series, label, place in zip(part.inputs, part.answers, part.ids, strict=True):
            assert series is found.recordings.series[place]
            assert label == found.recordings.labels[place]
    within = found.only(train).split([1])
    assert set(within[0].subjects.tolist()) == set(found.people) - {1, 3, 7}


def test_folds_test_everybody_once(found):
    folds = found.folds(3, seed=1)
    tested = [set(test.subjects.tolist()) for _, test in folds]
    assert sorted(len(people) for people in tested) == [3, 3, 4]
    assert set.union(*tested) == set(found.people)
    for train, test in folds:
        assert not set(train.subjects.tolist()) & set(test.subjects.tolist())
    again = [set(test.subjects.tolist()) for _, test in found.folds(3, seed=1)]
    assert again == tested
    assert [set(test.subjects.tolist()) for _, test in found.folds(3, seed=2)] != tested


def test_what_cannot_be_split_is_refused(found):
    for people in ([], [11], found.people):
        with pytest.raises(ValueError, match="leave a part empty"):
            found.split(people)
    for k in (1, 11):
        with pytest.raises(ValueError, match="folds of 10 people"):
            found.folds(k)


@given(st.lists(st.lists(st.integers(-32768, 32767), min_size=2, max_size=2), min_size=1, max_size=20))
@settings(max_examples=60, deadline=None)
def test_storing_loses_nothing_even_where_differences_wrap_around(rows):
    samples = np.array(rows, np.int16)
    assert np.array_equal(recordings.unsqueezed(build_watch.squeezed(samples)), samples)


def test_the_pack_loads_in_half_a_second():
    seconds = []
    for _ in range(4):
        start = time.process_time()
        data.watch()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.5


def test_a_class_per_name_of_the_package():
    pack = embedded.manifest()["packs"]["watch"]
    assert pack["classes"] == list(build_watch.CLASSES.values())
