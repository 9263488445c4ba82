"""Label maps as pictures: each class its colour, what is drawn in which row, and what the legend names."""

import numpy as np
import pytest

from ch07_applications.segmentation.drawn_fcn import draw_by_stride
from ch07_applications.segmentation.drawn_labels import (
    STREET,
    best_median_worst,
    colours_of,
    draw_strips,
    examples,
    paint,
)
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, score_semantic
from common.console import Console
from common.data import Scale
from common.data.camvid import CLASSES
from common.data.segmented import IGNORE, SegmentedImages
from common.record import LessonRecord
from common.run import Run

SCENES = ("background", *"abcdefghij")


def test_classes_have_different_colours_and_camvid_its_own():
    assert len({tuple(colour) for colour in colours_of(SCENES).tolist()}) == 11
    assert colours_of(CLASSES).tolist() == [list(STREET[name]) for name in CLASSES]
    with pytest.raises(ValueError, match="13 classes beside the background, but 12 colours"):
        colours_of(tuple("abcdefghijklm"))


def test_each_pixel_has_its_class_s_colour_and_those_that_do_not_count_are_white():
    labels = np.array([[0, 3], [IGNORE, 10]], np.uint8)
    colours = colours_of(SCENES)
    painted = paint(labels, SCENES)
    assert np.array_equal(painted[[0, 0, 1], [0, 1, 1]], colours[[0, 3, 10]])
    assert painted[1, 0].tolist() == [255, 255, 255]
    with pytest.raises(ValueError, match="label 11 is none of 0 … 10"):
        paint(np.full((2, 2), 11, np.uint8), SCENES)


def test_the_best_the_median_and_the_worst():
    assert best_median_worst(np.array([0.2, np.nan, 0.9, 0.5, 0.1, 0.4])).tolist() == [2, 5, 4]
    assert best_median_worst(np.array([0.7])).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="no item has a score"):
        best_median_worst(np.array([np.nan]))


def test_examples_are_ranked_by_the_picture_s_own_mean_iou():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[:, :2] = 1
    predicted = labels.copy()
    predicted[0] = 1 - labels[0]
    predicted[2, 0] = 0
    part = SegmentedImages(np.zeros((3, 4, 4, 3), np.uint8), labels, ("a", "b"), ("",) * 3)
    assert examples(part, predicted).tolist() == [1, 2, 0]


def test_a_row_per_picture_a_column_per_label_map_and_a_legend_of_what_is_seen():
    images = np.zeros((2, 8, 12, 3), np.uint8)
    truth, ours = np.zeros((2, 8, 12), np.uint8), np.full((2, 8, 12), 2, np.uint8)
    truth[0, 0] = IGNORE
    figure = draw_strips(images, {"truth": truth, "ours": ours}, SCENES, ("first", "second"))
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["image", "truth", "ours", "", "", ""]
    assert figure.axes[3].get_ylabel() == "second"
    assert np.array_equal(figure.axes[5].images[0].get_array(), paint(ours[1], SCENES))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["background", "b"]


def test_metrics_by_stride_are_those_of_the_record(tmp_path):
    run = Run("fcn", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True))
    labels = np.zeros((6, 16, 16), np.uint8)
    labels[:, 4:12, 4:12] = 1
    part = SegmentedImages(np.zeros((6, 16, 16, 3), np.uint8), labels, ("a", "b"), ("",) * 6)
    for name, shift in (("coarse, validation", 3), ("fine, validation", 0)):
        with run.method(name, kind="deep") as method:
            score_semantic(method, part, np.roll(labels, shift, axis=1))
    figure = draw_by_stride(run.record, ["coarse, validation", "fine, validation"])
    curves = {
        line.get_label(): line.get_ydata() for line in figure.axes[0].lines if line.get_label() in (IOU, BOUNDARY)
    }
    assert curves.keys() == {IOU, BOUNDARY}
    assert [values[1] for values in curves.values()] == [100, 100]
    assert all(values[0] < 80 for values in curves.values())
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["coarse", "fine"]
