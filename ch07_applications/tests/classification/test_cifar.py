"""CIFAR-10's parts: validation images are not used in training, and the test part is the official one."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.classification.cifar import FISHER, HOG, cifar, classifier, score_rivals
from common import data
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


@pytest.fixture
def run():
    return Run("toy", 0, Scale("smoke"), LessonRecord("", ""), Path(), Console(quiet=True), device_name="cpu")


def test_validation_is_the_last_fifth_of_the_training_images(run):
    parts, images = cifar(run), data.cifar10(run.scale)
    assert len(parts.train) == 4 * len(parts.validation) == len(images.train) * 4 // 5
    assert np.array_equal(np.concatenate([parts.train.images, parts.validation.images]), images.train.images)
    assert np.array_equal(parts.whole.images, images.train.images)
    assert np.array_equal(parts.test.images, images.test.images)
    assert not set(parts.train.ids) & set(parts.validation.ids)
    assert len(parts.classes) == 10


def test_at_lecture_it_is_four_thousand_and_one_thousand():
    run = Run("toy", 0, Scale(), LessonRecord("", ""), Path(), Console(quiet=True))
    assert [len(part) for part in (cifar(run).train, cifar(run).validation, cifar(run).test)] == [4000, 1000, 1000]


def test_the_rivals_learn_from_all_training_images_once_a_run(run):
    parts = cifar(run)
    small = type(parts)(parts.train, parts.validation, parts.whole.take(slice(80)), parts.test.take(slice(20)), ())
    score_rivals(run, small)
    first = {name: run.methods[name].model for name in (FISHER, HOG)}
    score_rivals(run, small)
    assert {name: run.methods[name].model for name in (FISHER, HOG)} == first
    assert first[FISHER][-1].estimator_[-1].shape_fit_[0] == 80
    assert {row.n for row in run.record.rows} == {20}


def test_a_network_learns_what_its_images_show(run):
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=200)
    images = rng.integers(0, 60, (200, 32, 32, 3)) + 150 * labels[:, None, None, None]
    network = classifier(
        run,
        lambda: nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 2)),
        4,
        optimiser=torch.optim.Adam,
        groups=None,
        augment=None,
    )
    network.fit(images.astype(np.uint8), labels)
    assert np.mean(network.predict(images.astype(np.uint8)) == labels) == 1
