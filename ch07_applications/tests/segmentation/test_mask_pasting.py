"""Masks to a box's grid and back: the two maps are inverse, to a fraction of a pixel."""

import numpy as np
import pytest
import torch
from torch.nn import functional
from torchvision.models.detection.roi_heads import paste_masks_in_image

from ch07_applications.segmentation.mask_pasting import (
    bilinear_weights,
    cell_places,
    crop_masks,
    paste,
    paste_masks,
)


def ellipse(size, centre, radii):
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return torch.from_numpy(((x - centre[0]) / radii[0]) ** 2 + ((y - centre[1]) / radii[1]) ** 2 <= 1)


def box_of(mask):
    rows, columns = mask.any(dim=1).nonzero()[:, 0], mask.any(dim=0).nonzero()[:, 0]
    return torch.tensor([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).float()


def iou(a, b):
    return ((a & b).sum() / (a | b).sum()).item()


def test_weights_interpolate_between_values_and_repeat_the_ends():
    weights = bilinear_weights(torch.tensor([0.0, 1.25, 2.0, -3.0, 9.0]), 3)
    wanted = torch.tensor([[1, 0, 0], [0, 0.75, 0.25], [0, 0, 1], [1, 0, 0], [0, 0, 1]])
    assert torch.allclose(weights, wanted)
    assert torch.allclose(bilinear_weights(torch.rand(50) * 9 - 2, 5).sum(dim=1), torch.ones(50))


def test_places_are_the_middles_of_cells():
    assert cell_places(torch.tensor(2.0), torch.tensor(10.0), 4).tolist() == [3, 5, 7, 9]
    assert cell_places(torch.tensor(2.0), torch.tensor(10.0), 2, samples=2).tolist() == [3, 5, 7, 9]


@pytest.mark.parametrize("radii", [(13.0, 9.0), (20.0, 33.0), (41.0, 37.0)])
@pytest.mark.parametrize("side", [28, 56])
def test_a_mask_cropped_and_pasted_is_the_mask(radii, side):
    mask = ellipse((96, 110), (52.3, 47.8), radii)
    box = box_of(mask)[None]
    grid = crop_masks(mask[None], box, side)
    back = paste_masks(grid.float(), box, (96, 110))[0]
    assert iou(back, mask) > 0.97
    shifted = [iou(back.roll(step, dims=axis), mask) for step in (-1, 1) for axis in (0, 1)]
    assert max(shifted) < iou(back, mask) - 0.01
    balance = [(back & ~mask).roll(0).sum().item(), (mask & ~back).sum().item()]
    assert abs(balance[0] - balance[1]) < 0.03 * mask.sum()  # neither larger nor smaller


@pytest.mark.parametrize(("x", "y"), [(0.0, 0.0), (0.5, 0.25), (3.75, 7.5)])
def test_a_fractional_box_keeps_a_ramp_in_its_place(x, y):
    """Cell k has its centre at x1 + (k + ½) w / m: pasting a ramp of these places gives each pixel its own centre."""
    box, side = torch.tensor([[10 + x, 8 + y, 38 + x, 50 + y]]), 14
    across = cell_places(box[:, 0], box[:, 2], side)[:, None].expand(1, side, side)
    down = cell_places(box[:, 1], box[:, 3], side)[:, :, None].expand(1, side, side)
    for ramp, axis, ends in ((across, 1, box[0, 0::2]), (down, 0, box[0, 1::2])):
        pasted = paste(ramp, box, (64, 64))[0]
        centre = torch.arange(64) + 0.5
        cell = (ends[1] - ends[0]) / side
        inner = (centre > ends[0] + cell / 2) & (centre < ends[1] - cell / 2)  # beyond, the ends are repeated
        line = pasted[30] if axis == 1 else pasted[:, 25]
        assert torch.allclose(line[inner], centre[inner], atol=1e-3)


def test_pasting_is_pytorch_s_resizing_for_a_box_of_whole_pixels():
    grid = torch.rand(1, 28, 28)
    box = torch.tensor([[7.0, 5, 48, 60]])
    own = paste(grid, box, (70, 64))[0]
    resized = functional.interpolate(grid[None], size=(55, 41), mode="bilinear", align_corners=False)[0, 0]
    assert torch.allclose(own[5:60, 7:48], resized, atol=1e-5)
    own[5:60, 7:48] = 0
    assert not own.any()


def test_torchvision_s_pasting_is_a_pixel_larger():
    """Theirs rounds the box to pixels and counts both ends: the masks agree to about one pixel, not exactly."""
    mask = ellipse((96, 96), (50, 44), (25, 31))
    box = box_of(mask)[None]
    grid = crop_masks(mask[None], box, 28).float()
    theirs = paste_masks_in_image(grid[:, None], box, (96, 96))[0, 0] >= 0.5
    own = paste_masks(grid, box, (96, 96))[0]
    assert iou(own, mask) > iou(theirs, mask)
    assert iou(own, theirs) > 0.9


def test_a_box_partly_outside_keeps_its_scale():
    grid = torch.zeros(1, 28, 28)
    grid[:, :, 14:] = 1
    pasted = paste_masks(grid, torch.tensor([[-20.0, 10, 20, 50]]), (60, 60))[0]
    assert pasted[10:50, :20].all()
    assert pasted.sum() == 40 * 20


def test_no_masks_at_all():
    assert paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), (30, 40)).shape == (0, 30, 40)
    assert crop_masks(torch.zeros(0, 30, 40, dtype=torch.bool), torch.zeros(0, 4), 28).shape == (0, 28, 28)


def test_an_empty_mask_stays_empty_and_a_full_one_full():
    box = torch.tensor([[3.2, 4.7, 30.1, 28.8]])
    for value in (False, True):
        grid = crop_masks(torch.full((1, 40, 40), value), box, 28)
        assert (grid == value).all()
    inside = paste_masks(grid.float(), box, (40, 40))[0]
    assert inside.sum() == 27 * 24  # pixels whose centre lies in the box: columns 3 … 29, rows 5 … 28
