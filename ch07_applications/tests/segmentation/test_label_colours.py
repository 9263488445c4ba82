"""Colours of classes, and which items are shown."""

import numpy as np
import pytest

from ch07_applications.segmentation.drawn_labels import draw_strips
from ch07_applications.segmentation.label_colours import BACKGROUND, STREET, best_median_worst, colours_of, paint
from common import plots
from common.data.camvid import CLASSES
from common.data.segmented import IGNORE

THINGS = ("background", "boot", "bag")


def test_each_class_has_a_colour_of_its_own():
    for classes in (THINGS, CLASSES, [str(n) for n in range(12)]):
        assert len(np.unique(colours_of(classes), axis=0)) == len(classes)
    assert tuple(colours_of(THINGS)[0]) == BACKGROUND
    assert tuple(colours_of(CLASSES)[CLASSES.index("road")]) == STREET["road"]
    with pytest.raises(ValueError, match="13 classes beside the background, but 12 colours"):
        colours_of([str(n) for n in range(13)])


def test_a_label_map_is_painted_in_them_and_pixels_that_do_not_count_are_white():
    labels = np.array([[0, 1], [2, IGNORE]])
    assert np.array_equal(paint(labels, THINGS)[labels == 2], colours_of(THINGS)[[2]])
    assert (paint(labels, THINGS)[1, 1] == 255).all()
    with pytest.raises(ValueError, match=r"label 3 is none of 0 … 2"):
        paint(labels + 3 * (labels == 0), THINGS)


def test_best_median_and_worst_are_found_among_items_with_a_score():
    assert best_median_worst(np.array([0.2, np.nan, 0.9, 0.5, 0.1, 0.7])).tolist() == [2, 3, 4]
    with pytest.raises(ValueError, match="no item has a score"):
        best_median_worst(np.array([np.nan]))


def test_a_strip_names_the_classes_that_occur():
    images, labels = np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 8, 8), np.uint8)
    labels[0, 0] = 2
    with plots.style():
        figure = draw_strips(images, {"truth": labels}, THINGS, ("best", "worst"))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["background", "bag"]
    assert [axis.get_title(loc="center") for axis in figure.axes[:2]] == ["image", "truth"]
