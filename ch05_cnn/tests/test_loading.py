"""Every way to load delivers the same numbers, each image once; and the clock counts what it should."""

from __future__ import annotations

import pickle
from pathlib import Path
from time import sleep

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.utils.data import DataLoader

from ch05_cnn import loading
from ch05_cnn.drawings.loading import draw_rates
from ch05_cnn.loading import (
    BATCH,
    WholeBatches,
    measure_loading,
    measure_training,
    one_by_one,
    transform_singly,
)
from ch05_cnn.models.networks import LeNet5
from common.console import Console
from common.data import Scale, cifar10, mnist
from common.image_classifier import Pixels
from common.record import LessonRecord
from common.run import Run

DIGITS = mnist(Scale("smoke")).train.take(slice(200))
PIXELS = Pixels.of(DIGITS.images)


def by_item(loader) -> tuple[np.ndarray, np.ndarray]:
    """All images and labels of a pass, in an order that does not depend on the shuffling."""
    batches = list(loader)
    assert [len(labels) for _, labels in batches] == [BATCH, BATCH, BATCH, 200 - 3 * BATCH]
    images, labels = (torch.cat(parts).numpy() for parts in zip(*batches, strict=True))
    order = np.lexsort(images.reshape(len(images), -1).round(3).T)
    return images[order], labels[order]


def test_whole_batches_and_torchvisions_transforms_deliver_the_same():
    expected, labels = by_item(WholeBatches(DIGITS, PIXELS))
    images, others = by_item(one_by_one(DIGITS, PIXELS))
    assert images.dtype == expected.dtype == np.float32
    assert_allclose(images, expected, atol=1e-5)
    assert_array_equal(labels, others)


def test_colours_too():
    photos = cifar10(Scale("smoke")).train.take(slice(10))
    pixels = Pixels.of(photos.images)
    images = torch.stack([transform_singly(photos, pixels, moved=False)[i][0] for i in range(10)])
    assert_allclose(images, pixels(photos.images), atol=1e-5)


def test_a_worker_delivers_the_same_and_stays_for_the_next_pass():
    loader = one_by_one(DIGITS, PIXELS, workers=1)
    next(iter(loader))  # left early, as the clock does
    first, process = by_item(loader), loader._iterator._workers[0].pid
    again = by_item(loader)
    assert loader._iterator._workers[0].pid == process
    for images, labels in (first, again):
        assert_allclose(images, by_item(WholeBatches(DIGITS, PIXELS))[0], atol=1e-5)
        assert_array_equal(np.sort(labels), np.sort(DIGITS.labels))


def test_workers_can_be_sent_the_images():
    images = transform_singly(DIGITS, PIXELS, moved=True)
    assert len(pickle.loads(pickle.dumps(images))) == 200  # as Windows and macOS do it


@pytest.mark.parametrize("make", [WholeBatches, one_by_one])
def test_moved_images_are_others_but_of_the_same_kind(make):
    (still, labels), (moved, others) = (by_item(make(DIGITS, PIXELS, moved=m)) for m in (False, True))
    assert np.abs(still - moved).max() > 1
    assert_array_equal(np.sort(labels), np.sort(others))
    assert_allclose([moved.mean(), moved.std()], [0, 1], atol=0.15)


def test_every_pass_is_shuffled_anew():
    for loader in (WholeBatches(DIGITS, PIXELS), one_by_one(DIGITS, PIXELS)):
        first, second = (torch.cat([labels for _, labels in loader]) for _ in range(2))
        assert not torch.equal(first, second)


def test_the_clock_counts_images_of_whole_passes():
    passes = []

    class Slow:
        def __iter__(self):
            passes.append(0)
            for size in (30, 10):
                sleep(0.01)
                yield torch.zeros(size, 1), torch.zeros(size)

    rate = measure_loading(Slow(), 0.1)
    assert 40 / 0.1 < rate <= 40 / 0.02
    assert len(passes) >= 3


def test_the_appetite_is_that_of_training():
    rate = measure_training(LeNet5, DIGITS, PIXELS)
    assert 0 < rate < measure_loading(WholeBatches(DIGITS, PIXELS), 0.05)


@pytest.mark.parametrize(("preset", "workers"), [("smoke", 0), ("lecture", 2)])
def test_worker_processes_start_at_the_lecture_preset_only(preset, workers, tmp_path, monkeypatch):
    seen, monkeypatched = [], {"whole batches": 1000.0, "one by one": 10.0}

    def rate(loader, seconds):
        seen.append(loader.num_workers if isinstance(loader, DataLoader) else None)
        return monkeypatched["whole batches" if seen[-1] is None else "one by one"] * (1 + (seen[-1] or 0))

    monkeypatch.setattr(loading, "measure_loading", rate)
    monkeypatch.setattr(loading, "measure_training", lambda build, *rest: 30.0)
    record = LessonRecord("", "")
    loading.lesson(Run("loading", 0, Scale(preset), record, Path(tmp_path), Console()))
    assert sorted(x for x in seen if x) == [workers] * workers
    facts = {fact.name: fact.value for fact in record.facts}
    assert facts["whole batches over single images"] == 100
    assert facts["LeNet-5: share of its time that whole batches take"] == pytest.approx(3)
    assert facts["LeNet-5: share of its time that single images take"] == pytest.approx(75)  # 1/10 of 1/10 + 1/30
    if workers:
        assert facts["two workers over one process"] == 3
        assert facts["whole batches over two workers"] == pytest.approx(1000 / 30)


def test_the_figure_shows_every_rate():
    rates = {"whole batches": 1e5, "one by one": 1e3}
    figure = draw_rates(rates, {"LeNet-5": 500.0, "modern network": 50.0})
    axis = figure.axes[0]
    dots = [line for line in axis.lines if line.get_marker() == "o"]
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == [(1e5, 0), (1e3, 1)]
    assert [label.get_text() for label in axis.get_yticklabels()] == list(rates)
    assert [line.get_xdata()[0] for line in axis.lines if line.get_linestyle() == "--"] == [500, 50]
    assert axis.get_xscale() == "log"
