"""Images, tables, and data sets of them."""

import numpy as np
import pytest

from common.data import Dataset, Images, Table
from common.data.dataset import drawn
from common.data.parts import fingerprint
from common.errors import Problem


def some_images(n=60, classes=3):
    rng = np.random.default_rng(0)
    return Images(rng.integers(0, 256, (n, 4, 5), dtype=np.uint8), np.arange(n) % classes)


def a_table(n=20):
    features = np.arange(3.0 * n).reshape(n, 3)
    return Table(features, features.sum(axis=1), ("height", "width", "depth"))


def test_inputs_and_answers_are_what_a_model_takes():
    images, table = some_images(), a_table()
    assert images.inputs is images.images
    assert images.answers is images.labels
    assert table.inputs is table.features
    assert table.answers is table.targets
    assert (len(images), len(table)) == (60, 20)


@pytest.mark.parametrize("indices", [np.array([5, 0, 5]), [5, 0, 5], slice(2, 9, 3), np.arange(20) % 7 == 0])
def test_take_keeps_inputs_and_answers_together(indices):
    for part in (some_images(20), a_table(20)):
        taken = part.take(indices)
        assert np.array_equal(taken.inputs, part.inputs[indices])
        assert np.array_equal(taken.answers, part.answers[indices])


def test_nothing_can_be_overwritten():
    images, table = some_images(), a_table()
    arrays = [images.images, images.labels, table.features, table.targets, images.take(slice(3)).images]
    for array in [*arrays, table.select("width").features, table.take([1]).targets]:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_the_maker_of_a_part_keeps_a_writeable_array():
    pixels = np.zeros((2, 3, 3), np.uint8)
    Images(pixels, np.zeros(2, np.int64))
    pixels[0] = 1


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 images but 2 labels"):
        Images.__post_init__(bare(Images, images=np.zeros((3, 2, 2), np.uint8), labels=np.zeros(2, np.int64)))
    with pytest.raises(ValueError, match="1 names"):
        Table(np.zeros((3, 2)), np.zeros(3), ("one",))


def bare(kind, **fields):
    """An instance whose fields were not checked yet, not even by the type checker of the test run."""
    made = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(made, name, value)
    return made


def test_select_takes_columns_in_the_asked_order():
    table = a_table()
    chosen = table.select("depth", "height")
    assert chosen.names == ("depth", "height")
    assert np.array_equal(chosen.features, table.features[:, [2, 0]])
    assert chosen.targets is not None
    assert np.array_equal(chosen.targets, table.targets)


def test_select_names_the_columns_there_are():
    with pytest.raises(Problem, match=r"no column 'colour'.*height, width, depth"):
        a_table().select("width", "colour")


def test_labels_of_a_table_are_for_classifications_only():
    with pytest.raises(AttributeError, match="quantities"):
        _ = a_table().labels
    assert not hasattr(a_table(), "labels")
    labelled = Table(np.zeros((4, 1)), np.array([0, 1, 1, 0]), ("x",))
    assert np.array_equal(labelled.labels, [0, 1, 1, 0])


def as_dataset(train, classes):
    return Dataset("made up", train, train.take(slice(2)), classes, "answer", "nowhere")


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.5])
def test_split_is_stratified_and_disjoint(fraction):
    images = some_images(60)
    train, validation = as_dataset(images, ("a", "b", "c")).split(fraction, seed=3)
    assert len(validation) == round(60 * fraction)
    assert np.bincount(validation.labels).tolist() == [round(20 * fraction)] * 3
    pixels = np.concatenate([train.images, validation.images]).reshape(60, -1)
    assert np.array_equal(np.unique(pixels, axis=0), np.unique(images.images.reshape(60, -1), axis=0))


def test_split_is_drawn_by_seed():
    table = as_dataset(a_table(), ())
    first, again, other = (table.split(seed=seed)[1].targets.tolist() for seed in (0, 0, 1))
    assert first == again != other
    assert first == sorted(first), "a part keeps the order of train"


@pytest.mark.parametrize("fraction", [0.0, 1.0, 0.001, -0.5, 1.5])
def test_split_leaves_no_part_empty(fraction):
    with pytest.raises(ValueError, match="empty"):
        as_dataset(some_images(), ("a", "b", "c")).split(fraction)


def test_drawn_parts_share_nothing_and_miss_nothing():
    whole = drawn("made up", a_table(40), classes=(), target="sum", source="nowhere", seed=5)
    assert (len(whole.train), len(whole.test)) == (30, 10)
    assert sorted([*whole.train.targets, *whole.test.targets]) == a_table(40).targets.tolist()


def test_a_fingerprint_sees_every_pixel_label_and_shape():
    train, test = some_images(6), some_images(3)
    whole = fingerprint(train, test)
    pixels, labels = train.images.copy(), train.labels.copy()
    pixels[5, 3, 4] ^= 1
    labels[0] = 2
    reshaped = Images(train.images.reshape(6, 5, 4), train.labels)
    others = [(Images(pixels, train.labels), test), (Images(train.images, labels), test), (reshaped, test)]
    assert len({whole, *(fingerprint(*other) for other in others), fingerprint(test, train)}) == 5
    assert whole == fingerprint(some_images(6), some_images(3))
