"""Random orders: the same on every machine, and fair at every head."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from common.data.order import shuffled, stratified


def test_an_order_is_the_same_on_every_machine():
    assert shuffled(8, 1989).tolist() == [4, 2, 0, 5, 7, 3, 1, 6]
    assert stratified(np.array([0, 0, 0, 0, 1, 1]), 1989).tolist() == [2, 4, 0, 3, 5, 1]


def test_seeds_give_other_orders():
    assert not np.array_equal(shuffled(100, 0), shuffled(100, 1))
    labels = np.arange(100) % 3
    assert not np.array_equal(stratified(labels, 0), stratified(labels, 1))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=200), st.integers(0, 2**32))
def test_every_head_holds_each_class_in_its_share(labels, seed):
    labels = np.array(labels)
    order = stratified(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    for label in np.unique(labels):
        share = np.mean(labels == label)
        counts = np.cumsum(labels[order] == label)
        assert np.abs(counts - share * np.arange(1, len(labels) + 1)).max() < 2


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 1000))
def test_equal_classes_are_served_in_rounds(classes, rounds, seed):
    labels = np.tile(np.arange(classes), rounds)
    served = labels[stratified(labels, seed)].reshape(rounds, classes)
    assert (np.sort(served, axis=1) == np.arange(classes)).all()
