"""The figure: bars are the counts, points lie at their ratios, and costs that are unknown are not drawn."""

import numpy as np

from ch07_applications.summary.contest import Contest
from ch07_applications.summary.drawn_contests import COLOURS, draw_contests
from ch07_applications.tests.summary.made_results import row


def contest(winner, seconds=None, parameters=None):
    ours = row("net", "deep", 1, fit_seconds=seconds, parameters=parameters)
    return Contest("", "", "", "", ours, row("x", "classical", 1, fit_seconds=2.0, parameters=10), winner)


def test_bars_points_and_lines():
    places = {"first": [contest("net", 20.0), contest("net"), contest("x", 1.0, 40)], "second": [contest(None, 2.0)]}
    tally, seconds, size = draw_contests(places, 1).axes
    bars = [(round(bar.get_x()), round(bar.get_width())) for bar in tally.patches]
    assert bars == [(0, 2), (0, 0), (2, 0), (0, 1), (2, 1), (1, 0)]
    assert [text.get_text() for text in tally.texts] == ["2", "1", "1"]
    points = {line.get_color(): line.get_xydata() for line in seconds.lines if line.get_marker() == "o"}
    assert {colour: xy[:, 0].tolist() for colour, xy in points.items()} == {
        COLOURS["won"]: [10.0],
        COLOURS["tied"]: [1.0],
        COLOURS["lost"]: [0.5],
    }
    assert {colour: np.round(xy[:, 1]).tolist() for colour, xy in points.items()} == {
        COLOURS["won"]: [0],
        COLOURS["tied"]: [1],
        COLOURS["lost"]: [0],
    }
    assert [line.get_xdata().tolist() for line in size.lines if line.get_marker() == "o"] == [[4.0]]
    assert seconds.get_xscale() == size.get_xscale() == "log"
