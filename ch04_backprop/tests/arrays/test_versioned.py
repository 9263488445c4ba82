"""Every change of an array is counted, and nothing else."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ch04_backprop.arrays.versioned import VersionedArray, values


class Doubled(VersionedArray):
    """An array with just enough arithmetic for in-place changes."""

    def __add__(self, other):
        return Doubled(self.data + values(other))

    __radd__ = __add__

    def __sub__(self, other):
        return Doubled(self.data - values(other))

    def __mul__(self, other):
        return Doubled(self.data * values(other))

    def __truediv__(self, other):
        return Doubled(self.data / values(other))


def data_operator(change):
    def changed(x):
        x.data = change(x.data, 2.0)  # what x.data += 2 does

    return changed


def subtract_from_data(x):
    x.data -= 2


def set_items(x):
    x[1:] = [7.0, 8.0]


def set_all(x):
    x[...] = Doubled([4.0, 5.0, 6.0])


def set_by_mask(x):
    x[x > 1.5] = 0


CHANGES = {
    "+=": (lambda x: operator.iadd(x, 2), [3, 4, 5]),
    "-=": (lambda x: operator.isub(x, np.ones(3)), [0, 1, 2]),
    "*=": (lambda x: operator.imul(x, Doubled(2.0)), [2, 4, 6]),
    "/=": (lambda x: operator.itruediv(x, 2), [0.5, 1, 1.5]),
    "data +=": (data_operator(operator.iadd), [3, 4, 5]),
    "data -=": (subtract_from_data, [-1, 0, 1]),
    "data =": (lambda x: setattr(x, "data", np.array([9.0, 9.0, 9.0])), [9, 9, 9]),
    "[1:] =": (set_items, [1, 7, 8]),
    "[...] =": (set_all, [4, 5, 6]),
    "[mask] =": (set_by_mask, [1, 0, 0]),
}
EACH_CHANGE = pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=CHANGES)


@EACH_CHANGE
def test_every_change_makes_one_version_more(change, expected):
    x = Doubled([1.0, 2.0, 3.0])
    assert x.version == 0
    change(x)
    assert x.version == 1
    assert_array_equal(x.data, expected)
    change(x)
    assert x.version == 2
    assert (x.shape, x.dtype) == ((3,), np.float64)


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv"])
def test_a_change_in_place_returns_what_was_changed(name):
    x = Doubled([1.0, 2.0])
    assert getattr(operator, name)(x, 2) is x


def test_looking_is_no_change():
    x = Doubled(np.array([[1.0, 2.0]]))
    for look in (
        repr,
        len,
        np.asarray,
        hash,
        lambda x: x > 0,
        lambda x: x.data + 1,
        lambda x: x + 1,
        lambda x: x.shape,
    ):
        look(x)
    assert x.version == 0


@pytest.mark.parametrize("wrong", [np.ones(2), np.ones((1, 3)), np.ones((3, 1)), np.array(1.0), np.ones(0)])
def test_data_of_another_shape_is_refused(wrong):
    x = Doubled([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=r"data has shape \(3,\); an array of shape \(.*\) can't replace it"):
        x.data = wrong
    assert x.version == 0
    assert_array_equal(x.data, [1, 2, 3])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_a_replacement_takes_on_the_array_s_precision(kind):
    """Whole numbers would make gradients whole, too."""
    for replacement in (np.array([1, 2]), np.array([True, False]), np.ones(2, np.float16), np.ones(2, np.float64)):
        x = Doubled(np.zeros(2, kind))
        x.data = replacement
        assert x.dtype == kind
        assert_array_equal(x.data, replacement)


def test_a_single_number_may_be_replaced_by_numpy_s_kind_of_number():
    x = Doubled(3.0)
    x.data = x.data - 1  # no array any more, but np.float64
    assert type(x.data) is np.ndarray
    x[...] = 5
    assert (x.item(), x.version) == (5.0, 2)


def test_a_change_that_fails_is_none():
    x = Doubled([1.0, 2.0, 3.0])
    for wrong in (lambda: x.__setitem__(5, 1.0), lambda: x.__setitem__(slice(0, 2), np.ones(3))):
        with pytest.raises((IndexError, ValueError)):
            wrong()
    with pytest.raises(ValueError, match="broadcast"):
        x += np.ones((2, 3))
    assert x.version == 0
    assert_array_equal(x.data, [1, 2, 3])


@pytest.mark.parametrize("compare", [operator.gt, operator.ge, operator.lt, operator.le, operator.eq, operator.ne])
@pytest.mark.parametrize("other", [2.0, np.array([3.0, 2.0, 1.0]), np.array([[1.0], [2.0]])])
def test_comparisons_are_numpy_s_masks(compare, other):
    array = np.array([1.0, 2.0, 3.0])
    x = VersionedArray(array)
    masks = compare(x, other), compare(x, VersionedArray(other)), compare(other, x)
    expected = compare(array, other), compare(array, other), compare(other, array)
    for mask, wanted in zip(masks, expected, strict=True):
        assert type(mask) is np.ndarray
        assert_array_equal(mask, wanted, strict=True)


def test_comparisons_of_single_numbers():
    x = VersionedArray(2.0)
    assert x > 1
    assert not x > 2
    assert x >= 2
    assert x == 2
    assert x <= VersionedArray(2.0)
    assert 1 < x < 3


def test_equality_is_of_numbers_but_identity_keeps_dictionaries():
    x, y = VersionedArray([1.0]), VersionedArray([1.0])
    assert (x == y).all()
    assert {x: "x", y: "y"}[x] == "x"
    assert len({x, y}) == 2


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ([1, 2], np.float64),
        (3, np.float64),
        ([True, False], np.float64),
        (np.array([1, 2], np.int32), np.float64),
        (np.array([1.5], np.float32), np.float32),
        (np.array([1.5], np.float16), np.float16),
        ([[1.5, 2.5]], np.float64),
    ],
)
def test_whole_numbers_become_floats_and_floats_stay(given, kind):
    x = VersionedArray(given)
    assert x.dtype == kind
    assert (x.shape, x.ndim) == (np.shape(given), np.ndim(given))
    assert_array_equal(x.data, given)
    again = VersionedArray(x)
    assert_array_equal(again.data, x.data, strict=True)


def test_as_an_array_and_as_a_number():
    x = VersionedArray(np.array([[1.5, 2.5]], np.float32))
    assert_array_equal(np.asarray(x), x.data, strict=True)
    assert np.asarray(x, np.float64).dtype == x.__array__(np.float64).dtype == np.float64
    assert np.array(x) is not x.data
    assert len(x) == 1
    assert (float(VersionedArray([[3.0]])), VersionedArray(3.0).item()) == (3.0, 3.0)
    for read in (float, VersionedArray.item):
        with pytest.raises(ValueError, match=r"size 1|scalar|one"):
            read(x)


def test_an_array_on_the_left_leaves_the_work_to_it():
    """NumPy would add its numbers one by one, and make an array of objects."""
    both = np.ones(2) + Doubled([1.0, 2.0])
    assert type(both) is Doubled
    assert_array_equal(both.data, [2, 3])


def test_it_says_what_it_is():
    assert repr(VersionedArray([1.0, 2.0])) == "VersionedArray([1. 2.])"
    assert repr(Doubled(1.0)) == "Doubled(1.0)"


def test_values():
    array = np.ones(2)
    assert values(VersionedArray(array)) is array
    assert values(array) is array
    assert values(None) is None
