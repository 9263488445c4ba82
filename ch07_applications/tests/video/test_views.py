"""Views of pictures: where their points lie, mirrors that swap left and right, and half a pixel nowhere lost."""

import numpy as np
import pytest
import torch

from ch07_applications.video import views as module
from ch07_applications.video.bodies import JOINTS
from ch07_applications.video.posed_people import MIRRORED
from ch07_applications.video.views import (
    RandomViews,
    around_boxes,
    bytes_of,
    composed,
    cut,
    disturbed,
    into_pictures,
    into_views,
    square_views,
    whole_pictures,
)


def pictures(count=2, side=64):
    return torch.randint(0, 256, (count, side, side, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def disc(side, centre, radius=5.0):
    """A bright disc with its middle at a point, by its covered share of each pixel, roughly."""
    y, x = np.mgrid[:side, :side] + 0.5
    share = np.clip(radius + 0.5 - np.hypot(x - centre[0], y - centre[1]), 0, 1)
    return torch.tensor(np.repeat((255 * share).round()[None, ..., None], 3, axis=-1).astype(np.uint8))


def middle(view):
    """The centre of brightness of the first view, as a point."""
    light = view[0, 0].double()
    places = torch.arange(len(light)) + 0.5
    return torch.stack([(light.sum(0) * places).sum(), (light.sum(1) * places).sum()]) / light.sum()


def test_the_view_of_the_whole_picture_is_the_picture():
    images = pictures()
    np.testing.assert_array_equal(bytes_of(cut(images, whole_pictures(2, 64))), images)


def test_a_view_of_whole_pixels_is_a_slice():
    images = pictures()
    found = cut(images, square_views(torch.tensor([[20.0, 30.0]] * 2), torch.tensor([16.0, 16.0]), 16), 16)
    np.testing.assert_array_equal(bytes_of(found), images[:, 22:38, 12:28])


def test_beyond_the_border_its_pixels_are_repeated():
    images = pictures()
    found = cut(images, square_views(torch.tensor([[0.0, 32.0]] * 2), torch.tensor([64.0, 64.0])))
    np.testing.assert_array_equal(bytes_of(found)[:, :, :32], np.repeat(images[:, :, :1], 32, axis=2))


def test_points_there_and_back_are_the_same():
    generator = torch.Generator().manual_seed(1)
    views, _ = disturbed(square_views(torch.rand(9, 2) * 64, 20 + 40 * torch.rand(9)), generator)
    points = 64 * torch.rand(9, 14, 2, generator=generator)
    torch.testing.assert_close(into_views(into_pictures(points, views), views), points, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_what_is_drawn_at_a_point_is_seen_at_the_point_s_place(seed):
    """In rotated, zoomed, shifted and mirrored views a disc's centre lies where into_views puts it (1/20 pixel)."""
    centre = np.array([30.3, 34.8])
    generator = torch.Generator().manual_seed(seed)
    views, _ = disturbed(square_views(torch.tensor([[32.0, 33.0]]), torch.tensor([50.0])), generator)
    found = middle(cut(disc(64, centre), views))
    wanted = into_views(torch.tensor(centre, dtype=torch.float32)[None, None], views)[0, 0].double()
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.05)


def test_random_views_turn_zoom_move_and_mirror_by_as_much_as_they_should():
    square = square_views(torch.full((400, 2), 32.0), torch.full((400,), 64.0))
    views, left = disturbed(square, torch.Generator().manual_seed(0))
    sizes = torch.linalg.det(views[:, :, :2])
    torch.testing.assert_close(sizes < 0, left)
    assert 0.4 < left.float().mean() < 0.6
    zoom = sizes.abs().sqrt().log().abs()
    assert 0.9 * module.ZOOM < zoom.max() <= module.ZOOM + 1e-5
    away = (into_pictures(torch.full((400, 1, 2), 32.0), views)[:, 0] - 32).abs() / 64
    assert 0.9 * module.MOVE < away.max() <= module.MOVE + 1e-5
    turned = torch.atan2(views[:, 1, 1], views[:, 0, 1]) - torch.pi / 2  # where the view's "down" goes
    assert 0.9 * module.TURN < turned.abs().max() <= module.TURN + 1e-5


def test_composed_views_are_one_after_the_other():
    first, second = torch.randn(3, 2, 3), torch.randn(3, 2, 3)
    points = torch.randn(3, 5, 2)
    wanted = into_pictures(into_pictures(points, second), first)
    torch.testing.assert_close(into_pictures(points, composed(first, second)), wanted)


def test_squares_around_boxes_hold_them_in_the_middle():
    boxes = np.float32([[10, 20, 30, 60], [0, 0, 64, 10]])
    views = around_boxes(boxes, 64)
    corners = into_views(torch.tensor(boxes).reshape(2, 2, 2), views)
    torch.testing.assert_close(corners.mean(dim=1), torch.full((2, 2), 32.0))
    longest = (corners[:, 1] - corners[:, 0]).amax(dim=1)
    torch.testing.assert_close(longest, torch.full((2,), 64 / module.REACH))


def test_of_nobody_the_view_is_the_whole_picture():
    views = around_boxes(np.zeros((2, 4), np.float32), 64)
    torch.testing.assert_close(views, whole_pictures(2, 64))


def test_a_mirror_makes_right_joints_left():
    for joint, other in enumerate(MIRRORED):
        swapped = JOINTS[joint].replace("right", "?").replace("left", "right").replace("?", "left")
        assert JOINTS[other] == swapped
    assert [MIRRORED[k] for k in MIRRORED] == list(range(14))


def test_batches_have_joints_where_they_are_seen(monkeypatch):
    """Each person is a disc at one joint: it appears where the batch puts this joint, or its mirror image."""
    monkeypatch.setattr(module, "TINT", 0.0)
    joints = torch.full((8, 14, 2), 32.0) + torch.arange(8)[:, None, None]
    images = torch.cat([disc(64, joints[k, 4].numpy(), 4.0) for k in range(8)])
    joints[:, [j for j in range(14) if j != 4]] += 9.0
    seen = torch.ones(8, 14, dtype=torch.bool)
    seen[:, 4] = torch.arange(8) < 6  # which is true of two views of it, too, that they do not see it
    data = RandomViews(images, joints, seen, whole_pictures(8, 64))
    shown, points, there = data.batch(torch.arange(8), torch.Generator().manual_seed(3))
    for k in range(8):
        spot = middle(shown[k : k + 1] + 0.5)
        near = (points[k].double() - spot).norm(dim=1).argmin().item()
        assert near in (4, MIRRORED[4])
        assert (points[k, near].double() - spot).norm() < 0.1
        assert there[k, near] == (k < 6)


def test_joints_that_a_view_leaves_out_are_not_seen():
    joints = torch.full((64, 14, 2), 1.0)
    data = RandomViews(pictures(64), joints, torch.ones(64, 14, dtype=torch.bool), whole_pictures(64, 64))
    _, points, seen = data.batch(torch.arange(64), torch.Generator().manual_seed(0))
    inside = ((points >= 0) & (points < 64)).all(dim=2)
    assert torch.equal(seen, inside)
    assert 0 < seen.float().mean() < 1
