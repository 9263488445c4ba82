"""Random windows of frames: enlarged, reduced and mirrored, with their boxes."""

import pytest
import torch
from numpy.testing import assert_allclose

from ch06_detection.augmentation.frame_windows import FrameWindows


def frames(count=60, high=120, wide=160):
    """Black frames with one white rectangle of 16 × 24 pixels each, and its box."""
    generator = torch.Generator().manual_seed(1)
    images, targets = torch.zeros(count, 3, high, wide), []
    for image in images:
        x, y = (int(torch.randint(side - size, (1,), generator=generator)) for side, size in ((wide, 16), (high, 24)))
        image[:, y : y + 24, x : x + 16] = 1
        targets.append({"boxes": torch.tensor([[x, y, x + 16, y + 24]]).float(), "labels": torch.tensor([1])})
    return images, targets


@pytest.mark.parametrize("zoom", [(0.8, 1.5), (1.0, 1.0), (1.4, 1.4)])
def test_boxes_go_where_their_pixels_go(zoom):
    images, targets = frames()
    windows, found = FrameWindows((80, 96), zoom)(images, targets, torch.Generator().manual_seed(0))
    assert windows.shape == (60, 3, 80, 96)
    heights = []
    for window, target in zip(windows, found, strict=True):
        rows, columns = ((window[0] > 0.5).any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
        for box in target["boxes"]:
            assert_allclose(box, [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], atol=0.75)
            if box[1] > 0 and box[3] < 80:
                heights.append(float(box[3] - box[1]) / 24)
    assert zoom[0] - 1e-4 <= min(heights) <= max(heights) <= zoom[1] + 1e-4
    assert max(heights) - min(heights) > 0.6 * (zoom[1] - zoom[0]) - 1e-4


def test_about_half_are_mirrored_and_the_same_draw_gives_the_same_windows():
    images, targets = frames(200)
    images[:, :, :, :] = torch.linspace(0, 1, 160)  # brighter to the right
    windows, _ = FrameWindows((80, 96), (0.9, 1.3))(images, targets, torch.Generator().manual_seed(0))
    turned = (windows[:, 0, 0, 0] > windows[:, 0, 0, -1]).float().mean()
    assert 0.4 < turned < 0.6
    again, _ = FrameWindows((80, 96), (0.9, 1.3))(images, targets, torch.Generator().manual_seed(0))
    assert torch.equal(windows, again)


def test_a_window_as_large_as_the_frame_is_the_frame():
    images, targets = frames(4)
    windows, found = FrameWindows((120, 160))(images, targets, torch.Generator().manual_seed(3))
    for window, image, own, target in zip(windows, images, found, targets, strict=True):
        mirrored = not torch.allclose(window, image, atol=1e-4)
        assert_allclose(window, image.flip(2) if mirrored else image, atol=1e-4)
        x1, y1, x2, y2 = target["boxes"][0].tolist()
        assert own["boxes"].tolist() == [[160 - x2, y1, 160 - x1, y2] if mirrored else [x1, y1, x2, y2]]


def test_who_has_the_middle_in_the_window_is_kept_with_a_label():
    images, targets = frames(200)
    windows, found = FrameWindows((80, 96))(images, targets, torch.Generator().manual_seed(2))
    kept = dropped = 0
    for window, target in zip(windows, found, strict=True):
        rows, columns = (int((window[0] > 0.5).any(dim=axis).sum()) for axis in (1, 0))
        inside = rows > 12 and columns > 8  # of a rectangle of 24 × 16 pixels more than half either way
        assert len(target["boxes"]) == len(target["labels"]) == inside
        kept, dropped = kept + inside, dropped + (rows > 0 and not inside)
    assert kept > 20
    assert dropped > 5


def test_windows_that_keep_their_size_are_cut_out_as_they_are():
    images, targets = frames()
    windows, _ = FrameWindows((80, 96))(images, targets, torch.Generator().manual_seed(0))
    assert_allclose(windows, windows.round(), atol=1e-4)  # black and white have no grey between them


def test_factors_are_even_on_a_logarithmic_scale():
    images = torch.linspace(0, 1, 160).expand(400, 1, 120, 160)
    nobody = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    windows, _ = FrameWindows((40, 48), (0.5, 2.0))(images, [nobody] * 400, torch.Generator().manual_seed(0))
    slopes = (windows[:, 0, 20, 30] - windows[:, 0, 20, 20]).abs() * 159 / 10  # pixels of the frame per pixel
    factors = (1 / slopes).log2()
    assert_allclose(factors.quantile(torch.tensor([0.25, 0.5, 0.75])), [-0.5, 0, 0.5], atol=0.15)


def test_a_window_may_lie_at_either_border():
    images = torch.arange(120.0)[:, None].expand(100, 1, 120, 160)
    nobody = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    windows, _ = FrameWindows((118, 160))(images, [nobody] * 100, torch.Generator().manual_seed(0))
    first = windows[:, 0, 0, 80].round().long()
    assert (torch.bincount(first, minlength=3) > 20).all()
