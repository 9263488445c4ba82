"""One style that leaves no trace, and figures that are the same bytes each time."""

import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageSequence

from common import plots


def draw(title="Ten points"):
    figure, axis = plots.panels()
    plots.dots(axis, np.arange(10.0), np.arange(10.0) ** 2)
    axis.set_title(title)
    return figure


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("L"))


def test_the_style_does_not_leak():
    before = dict(mpl.rcParams)
    with plots.style():
        assert mpl.rcParams["axes.spines.top"] is False
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == list(plots.CYCLE)
        plots.png(draw())
    assert dict(mpl.rcParams) == before


def test_a_reader_s_own_settings_stay_and_do_not_get_in():
    with mpl.rc_context({"font.size": 33, "lines.marker": "s"}):
        with plots.style():
            assert mpl.rcParams["font.size"] == 10
            assert mpl.rcParams["lines.marker"] == "None"
        assert mpl.rcParams["font.size"] == 33


def test_the_style_ends_with_an_exception():
    before = mpl.rcParams["axes.spines.top"]
    with pytest.raises(RuntimeError), plots.style():
        raise RuntimeError
    assert mpl.rcParams["axes.spines.top"] == before


@pytest.mark.parametrize("draft", [True, False])
def test_the_same_figure_is_the_same_bytes(draft):
    def png(title):
        with plots.style():
            return plots.png(draw(title), draft=draft)

    assert png("one") == png("one")
    assert png("one") != png("two")


def test_a_png_says_nothing_of_when_and_with_what_it_was_made():
    assert not Image.open(io.BytesIO(plots.png(draw()))).text


def test_a_picture_shows_something():
    with plots.style():
        assert pixels(plots.png(draw())).std() > 5


def test_a_draft_is_small():
    draft, full = (pixels(plots.png(draw(), draft=draft)) for draft in (True, False))
    assert draft.shape == (round(3.4 * 40), round(4.6 * 40))
    assert full.size > 4 * draft.size


def test_panels():
    figure, axes = plots.panels(3, 2, width=2, height=1.5, sharex=True)
    assert axes.shape == (2, 3)
    assert tuple(figure.get_size_inches()) == (6.0, 3.0)


def test_colours_differ_also_without_colour_vision():
    # Relative luminance of each pair of neighbours in the cycle, so that a grey print tells them apart too, and enough
    # contrast with white (3 : 1, WCAG 1.4.11) for the darkest four.
    def luminance(colour):
        c = np.array(mpl.colors.to_rgb(colour))
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    assert len(set(plots.CYCLE)) == len(plots.CYCLE)
    assert sum(1.05 / (luminance(colour) + 0.05) >= 3 for colour in plots.CYCLE) >= 4


def test_importing_it_imports_no_matplotlib():
    code = "import sys, common.plots; raise SystemExit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_figure_is_left_open():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    with plots.style():
        plots.png(draw())
    assert plt.get_fignums() == before


def test_figures_become_one_picture_that_moves():
    frames = []
    for height in (0.2, 0.5, 0.9):
        figure, axis = plots.panels(width=2, height=1.5)
        axis.bar([0], [height], color=plots.BLUE)
        axis.set_ylim(0, 1)
        frames.append(figure)
    with Image.open(io.BytesIO(plots.moving_png(frames, milliseconds=50))) as picture:
        assert picture.n_frames == 3
        durations, blue = [], []
        for frame in ImageSequence.Iterator(picture):
            durations.append(frame.info["duration"])
            pixels = np.asarray(frame.convert("RGB")).astype(int)
            assert (pixels[1, 1] == 255).all(), "white stays white"
            blue.append(int((pixels[..., 2] - pixels[..., 0] > 100).sum()))
    assert durations == [50, 50, 1050]
    assert blue[0] < blue[1] < blue[2]


@pytest.mark.parametrize(("shape", "height"), [((30, 60, 3), 1.0), ((60, 30), 4.0), ((2000, 4), 6.0)])
def test_a_panel_is_as_high_as_its_picture_but_no_tower(shape, height):
    assert plots.panel_height(np.zeros(shape), 2.0) == height
