"""The tables and scikit-learn's digits: sizes, units, names, and the draw of the test part."""

import numpy as np
import pytest

from common import data

TABLES = pytest.mark.parametrize("load", [data.auto_mpg, data.diabetes, data.breast_cancer, data.digits])


@pytest.mark.parametrize(
    ("load", "train", "test", "columns"),
    [(data.auto_mpg, 294, 98, 7), (data.diabetes, 332, 110, 10), (data.breast_cancer, 427, 142, 30)],
)
def test_sizes(load, train, test, columns):
    dataset = load()
    assert dataset.train.features.shape == (train, columns)
    assert dataset.test.features.shape == (test, columns)
    assert len(dataset.train.names) == columns
    assert dataset.train.features.dtype == np.float64
    assert np.isfinite(dataset.train.features).all()


@TABLES
def test_the_draw_is_by_seed(load):
    first, again, other = load(seed=1), load(seed=1), load(seed=2)
    assert np.array_equal(first.test.inputs, again.test.inputs)
    assert np.array_equal(first.train.inputs, again.train.inputs)
    assert not np.array_equal(first.test.inputs, other.test.inputs)


@TABLES
def test_train_and_test_together_are_the_whole(load):
    rows = []
    for seed in (0, 1):
        dataset = load(seed)
        inputs = np.concatenate([dataset.train.inputs, dataset.test.inputs])
        rows.append(sorted(map(bytes, inputs.reshape(len(inputs), -1))))
    assert rows[0] == rows[1]


def test_auto_mpg_has_cars_in_their_units():
    cars = data.auto_mpg()
    ranges = {"cylinders": (3, 8), "horsepower": (46, 230), "weight": (1613, 5140), "model_year": (70, 82)}
    for name, (low, high) in ranges.items():
        column = np.concatenate([part.select(name).features for part in (cars.train, cars.test)])
        assert (column.min(), column.max()) == (low, high)
    mileage = np.concatenate([cars.train.targets, cars.test.targets])
    assert (mileage.min(), mileage.max()) == (9.0, 46.6)
    assert np.isclose(mileage.mean(), 23.44592)
    assert cars.train.names[:4] == ("cylinders", "displacement", "horsepower", "weight")
    assert cars.train.names[4:] == ("acceleration", "model_year", "origin")
    assert cars.classes == ()
    assert "gallon" in cars.target


def test_heavy_cars_go_less_far():
    cars = data.auto_mpg().train
    assert np.corrcoef(cars.select("weight").features[:, 0], cars.targets)[0, 1] < -0.8


def test_diabetes_keeps_its_units():
    patients = data.diabetes().train
    age, bmi = patients.select("age", "bmi").features.T
    assert 40 < age.mean() < 60
    assert 20 < bmi.mean() < 30
    assert set(patients.select("sex").features[:, 0]) == {1.0, 2.0}


@pytest.mark.parametrize("load", [data.breast_cancer, data.digits])
def test_classes_are_stratified(load):
    dataset = load(seed=4)
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    share = np.bincount(labels) / len(labels)
    assert np.abs(np.bincount(dataset.test.labels) - share * len(dataset.test)).max() < 2
    assert len(dataset.classes) == len(share)


def test_breast_cancer_says_which_label_is_which():
    dataset = data.breast_cancer()
    assert dataset.classes == ("malignant", "benign")
    radius = dataset.train.select("mean radius").features[:, 0]
    assert radius[dataset.train.labels == 0].mean() > radius[dataset.train.labels == 1].mean()


def test_digits_are_images():
    dataset = data.digits()
    assert dataset.train.images.shape == (1348, 8, 8)
    assert dataset.test.images.shape == (449, 8, 8)
    assert dataset.train.images.dtype == np.uint8
    assert dataset.train.images.max() == 16
