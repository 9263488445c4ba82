"""Capsules: areas and centres in closed form, Pillow as an oracle, farther limbs below nearer ones."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ch07_applications.video.capsules import Capsules, paint


def limbs(starts, ends, radius, depths=None, colours=None, cuts=1.0, stripes=(0, 1, 0)):
    """One frame of plain capsules."""
    count = len(starts)
    shown = [np.broadcast_to(np.asarray(each, np.float32), (1, count, *shape)) for each, shape in (
        (starts, (2,)), (ends, (2,)), (radius, (2,)), (np.zeros(count) if depths is None else depths, ()), (cuts, ()),
        (np.full((count, 2, 3), 200.0) if colours is None else colours, (2, 3)), (stripes, (3,)),
    )]  # fmt: skip
    return Capsules(*shown)


def shares_of(*args, side=40, **how):
    return paint(np.zeros((3, 1, side, side), np.float32), limbs(*args, **how))[0]


def test_a_capsule_covers_its_area_and_has_its_centre_where_the_convention_says():
    start, end, radius = np.array([12.3, 9.8]), np.array([25.1, 28.4]), 3.2
    shares = shares_of([start], [end], radius)
    area = np.pi * radius**2 + 2 * radius * np.linalg.norm(end - start)
    assert shares.sum() == pytest.approx(area, rel=0.01)
    rows, columns = np.indices(shares.shape) + 0.5
    centre = np.array([(shares * columns).sum(), (shares * rows).sum()]) / shares.sum()
    np.testing.assert_allclose(centre, (start + end) / 2, atol=0.02)


def test_a_capsule_is_pillow_s_line_with_round_ends_on_a_fine_grid():
    fine, side, start, end, radius = 16, 40, (8.0, 11.0), (30.0, 25.0), 3.0
    picture = Image.new("L", (side * fine, side * fine))
    draw = ImageDraw.Draw(picture)
    draw.line([tuple(fine * v for v in start), tuple(fine * v for v in end)], fill=255, width=int(2 * radius * fine))
    for x, y in (start, end):
        draw.ellipse([fine * (v + sign * radius) for sign in (-1, 1) for v in (x, y)], fill=255)
    wanted = np.asarray(picture, float).reshape(side, fine, side, fine).mean(axis=(1, 3)) / 255
    shares = shares_of([start], [end], radius)
    assert np.abs(shares - wanted).mean() < 0.003
    assert np.abs(shares - wanted).max() < 0.2


def test_what_lies_outside_leaves_no_trace():
    shares = shares_of([[-30.0, 5.0], [-1e4, -1e4], [60.0, 50.0]], [[-20.0, 5.0], [-1e4, -1e4], [70.0, 90.0]], 4.0)
    assert not shares.any()


def test_a_limb_partly_outside_is_the_part_of_the_whole():
    inside = shares_of([[20.0, 30.0]], [[42.0, 30.0]], 3.0, side=64)
    cut = shares_of([[20.0, 30.0]], [[42.0, 30.0]], 3.0, side=40)
    np.testing.assert_allclose(cut, inside[:40, :40], atol=1e-6)


def test_nearer_limbs_hide_farther_ones():
    colours = np.zeros((2, 2, 3))
    colours[0, :, 0], colours[1, :, 1] = 200, 200
    for depths, channel in (([1, 2], 1), ([2, 1], 0)):
        canvas = np.zeros((3, 1, 20, 20), np.float32)
        paint(canvas, limbs([[5.0, 10.0], [10.0, 5.0]], [[15.0, 10.0], [10.0, 15.0]], 3.0, depths, colours))
        assert canvas[:, 0, 10, 10].argmax() == channel
        assert canvas[1 - channel, 0, 10, 10] < 1


def test_colours_change_at_the_cut_and_taper_is_linear():
    colours = np.zeros((1, 2, 3))
    colours[0, 0, 0], colours[0, 1, 2] = 200, 200
    canvas = np.zeros((3, 1, 40, 40), np.float32)
    shares = paint(canvas, limbs([[5.0, 20.0]], [[35.0, 20.0]], [[6.0, 2.0]], None, colours, 0.5))[0]
    assert canvas[:, 0, 20, 10].argmax() == 0
    assert canvas[:, 0, 20, 30].argmax() == 2
    widths = shares[:, [10, 20, 30]].sum(axis=0)
    np.testing.assert_allclose(widths, 2 * np.interp([10.5, 20.5, 30.5], [5, 35], [6, 2]), rtol=0.03)


def test_frames_do_not_mix():
    rng = np.random.default_rng(0)
    both = [rng.uniform(5, 30, (3, 4, 2)).astype(np.float32) for _ in range(2)]
    rest = [np.full((3, 4, 2), 2.0), rng.normal(size=(3, 4)), np.ones((3, 4)), rng.uniform(0, 255, (3, 4, 2, 3)),
            rng.uniform(0, 1, (3, 4, 3))]  # fmt: skip
    arrays = both + [each.astype(np.float32) for each in rest]
    canvas = rng.uniform(0, 255, (3, 3, 32, 32)).astype(np.float32)
    together, alone = canvas.copy(), canvas.copy()
    shares = paint(together, Capsules(*arrays))
    for frame in range(3):
        own = np.ascontiguousarray(alone[:, frame : frame + 1])
        single = paint(own, Capsules(*(each[frame : frame + 1] for each in arrays)))
        alone[:, frame : frame + 1] = own
        np.testing.assert_array_equal(single[0], shares[frame])
    np.testing.assert_array_equal(alone, together)


def test_a_canvas_that_would_be_copied_is_refused():
    canvas = np.zeros((1, 20, 20, 3), np.float32).transpose(3, 0, 1, 2)
    with pytest.raises(ValueError, match="contiguous"):
        paint(canvas, limbs([[5.0, 10.0]], [[15.0, 10.0]], 3.0))
