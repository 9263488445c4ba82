"""Confusion matrix, IoU and accuracies against scikit-learn; independence of batches; intervals; bad labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, jaccard_score

from common.metrics.segmentation import (
    ConfusionMatrix,
    class_accuracy,
    global_accuracy,
    iou,
    mean_accuracy,
    mean_iou,
)

CLASSES, IGNORE = 6, 255


def labels(seed: int, images: int = 8, size: tuple[int, int] = (12, 17), dtype: type = np.uint8) -> tuple:
    """Truth and prediction of some images. Class 4 is only predicted, class 5 neither there nor predicted."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 0, 0, 1, 2, 3], (images, *size)) * (rng.random((images, 1, 1)) < 0.8)
    wrong = rng.integers(0, 5, truth.shape)
    prediction = np.where(rng.random(truth.shape) < 0.7, truth, wrong)
    return truth.astype(dtype), prediction.astype(dtype)


def filled(truth: np.ndarray, prediction: np.ndarray, ignore: int | None = None) -> ConfusionMatrix:
    matrix = ConfusionMatrix(CLASSES, ignore)
    matrix.add(truth, prediction)
    return matrix


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64])
@pytest.mark.parametrize("seed", range(5))
def test_all_metrics_are_scikit_learn_s(seed, dtype):
    truth, prediction = labels(seed, dtype=dtype)
    total, flat = filled(truth, prediction).total, (truth.ravel(), prediction.ravel())
    assert_array_equal(total, confusion_matrix(*flat, labels=range(CLASSES)))
    assert_allclose(iou(total)[:5], jaccard_score(*flat, labels=range(5), average=None))
    assert math.isnan(iou(total)[5])
    assert mean_iou(total) == pytest.approx(jaccard_score(*flat, average="macro"))  # over the classes in either
    assert global_accuracy(total) == pytest.approx(accuracy_score(*flat))
    assert mean_accuracy(total) == pytest.approx(balanced_accuracy_score(truth.ravel(), prediction.ravel()))
    assert np.isnan(class_accuracy(total)[4:]).all()


def test_labels_of_many_classes_do_not_wrap():
    """In eight bits 40 · 39 + 39 would be 63."""
    truth = np.arange(40, dtype=np.uint8).reshape(5, 8)
    matrix = ConfusionMatrix(40)
    matrix.add(truth, truth)
    assert_array_equal(matrix.total, np.eye(40))


@pytest.mark.parametrize("ignore", [255, 6, -1])
def test_ignored_pixels_do_not_count_whatever_is_predicted_there(ignore):
    truth, prediction = labels(0, dtype=np.int64)
    out = np.random.default_rng(1).random(truth.shape) < 0.3
    matrix = filled(np.where(out, ignore, truth), prediction, ignore)
    assert_array_equal(matrix.total, confusion_matrix(truth[~out], prediction[~out], labels=range(CLASSES)))
    elsewhere = np.where(out, 99, prediction)
    assert_array_equal(filled(np.where(out, ignore, truth), elsewhere, ignore).total, matrix.total)


def test_neither_batches_nor_their_order_nor_the_images_sizes_matter():
    truth, prediction = labels(2)
    whole, single = filled(truth, prediction), ConfusionMatrix(CLASSES)
    for k in (5, 1, 7, 0, 2, 3, 6, 4):
        single.add(truth[k], prediction[k])
    halves = ConfusionMatrix(CLASSES)
    for part in (slice(0, 3), slice(3, 8)):
        halves.add(truth[part], prediction[part])
    assert_array_equal(single.total, whole.total)
    assert_array_equal(halves.matrices, whole.matrices)
    assert whole.total.sum() == truth.size
    by_batch = np.mean([mean_iou(filled(truth[k : k + 1], prediction[k : k + 1]).total) for k in range(8)])
    assert by_batch != pytest.approx(mean_iou(whole.total))  # what a mean over batches would say
    single.add(truth[0, :4, :5], prediction[0, :4, :5])
    assert single.total.sum() == truth.size + 20


def test_a_worked_example():
    """Two classes: 3 of 4 pixels right. IoU of class 0 is 2/3, of class 1 it is 1/2."""
    matrix = filled(np.array([[0, 0], [1, 1]]) * 1, np.array([[0, 0], [0, 1]]))
    assert_allclose(iou(matrix.total)[:2], [2 / 3, 1 / 2])
    assert mean_iou(matrix.total) == pytest.approx(7 / 12)
    assert_allclose(class_accuracy(matrix.total)[:2], [1, 1 / 2])
    assert (mean_accuracy(matrix.total), global_accuracy(matrix.total)) == (0.75, 0.75)


def test_without_a_pixel_there_is_no_number():
    empty = ConfusionMatrix(CLASSES, IGNORE)
    assert empty.matrices.shape == (0, CLASSES, CLASSES)
    empty.add(np.full((4, 5), IGNORE), np.zeros((4, 5), int))
    for metric in (mean_iou, mean_accuracy, global_accuracy):
        assert math.isnan(metric(empty.total))
        assert math.isnan(empty.interval(metric).value)


@pytest.mark.parametrize("metric", [mean_iou, mean_accuracy, global_accuracy])
def test_the_interval_is_of_confusion_matrices_added_up_anew(metric):
    truth, prediction = labels(3, images=40)
    matrix, rng = filled(truth, prediction), np.random.default_rng(0)
    draws = [metric(matrix.matrices[rng.integers(0, 40, 40)].sum(axis=0)) for _ in range(2000)]
    found = matrix.interval(metric)
    assert found.value == pytest.approx(metric(matrix.total))
    assert found.ends[1:] == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.15 * found.half_width)


@pytest.mark.parametrize("metric", [mean_iou, mean_accuracy, global_accuracy])
def test_values_by_image_have_the_metric_as_mean_and_its_spread(metric):
    truth, prediction = labels(4, images=60)
    matrix = filled(truth, prediction)
    values = matrix.values_by_image(metric)
    assert values.mean() == pytest.approx(metric(matrix.total), abs=2e-3)
    spread = values.std(ddof=1) / math.sqrt(60)
    assert 3.92 * spread == pytest.approx(2 * matrix.interval(metric).half_width, rel=0.25)


def test_frames_of_one_second_count_as_one():
    truth, prediction = labels(5, images=12)
    frames = filled(np.repeat(truth, 6, axis=0), np.repeat(prediction, 6, axis=0))
    once = filled(truth, prediction).values_by_image(mean_iou)
    seconds = np.repeat(np.arange(12), 6)
    assert_allclose(frames.values_by_image(mean_iou, seconds)[::6], once)
    assert frames.interval(mean_iou, seconds).half_width > 2 * frames.interval(mean_iou).half_width


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        (np.zeros((4, 5), int), np.zeros((4, 6), int), r"the truth is \(4, 5\) pixels, but the prediction \(4, 6\)"),
        (np.zeros((1, 4, 5), int), np.zeros((4, 5), int), r"truth is \(1, 4, 5\) pixels, but the prediction \(4, 5\)"),
        (np.zeros(5, int), np.zeros(5, int), r"labels \(5,\) are neither an image"),
        (np.zeros((2, 2)), np.zeros((2, 2), int), "the truth of image 1 is float64; labels are integers"),
        (np.full((2, 2), 6), np.zeros((2, 2), int), "the truth of image 1 has label 6, which is none of 0 … 5"),
        (np.full((2, 2), -1), np.zeros((2, 2), int), "the truth of image 1 has label -1, which is none of 0 … 5"),
        (np.zeros((2, 2), int), np.full((2, 2), IGNORE, np.uint8), "the prediction of image 1 has label 255"),
    ],
)
def test_labels_that_cannot_be_are_named(truth, prediction, message):
    matrix = filled(*labels(0, images=1), ignore=IGNORE)
    with pytest.raises(ValueError, match=message):
        matrix.add(truth, prediction)


def test_the_ignored_label_is_no_class():
    with pytest.raises(ValueError, match="the ignored label 3 is one of the classes 0 … 5"):
        ConfusionMatrix(CLASSES, 3)
