"""Label maps as pictures: the colour of each class, the rows, and the legend's names."""

import numpy as np

from ch07_applications.segmentation.drawn_fcn import draw_by_stride
from ch07_applications.segmentation.drawn_labels import draw_strips
from ch07_applications.segmentation.label_colours import examples, paint
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, score_semantic
from common.console import Console
from common.data import Scale
from common.data.segmented import IGNORE, SegmentedImages
from common.record import LessonRecord
from common.run import Run

SCENES = ("background", *"abcdefghij")


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
