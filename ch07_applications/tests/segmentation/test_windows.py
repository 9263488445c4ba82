"""Windows move images and labels together, a label is never a mean of two."""

import numpy as np
import torch
from torch.nn import functional

from ch07_applications.segmentation.windows import Windows, sample
from common.image_classifier import Pixels

PLAIN = Pixels((0.0,) * 3, (1.0,) * 3)


def patches(n=6, height=24, width=32, seed=0):
    """Images of random rectangles whose brightness is their class, 0, 5 or 9, and those classes."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, height, width), np.uint8)
    for label in labels:
        for value in (5, 9):
            row, column = rng.integers(0, height - 9), rng.integers(0, width - 9)
            label[row : row + 9, column : column + 9] = value
    return labels[..., None].repeat(3, axis=3), labels


def test_a_whole_window_is_the_image_or_its_mirror_image():
    images, labels = patches()
    moved, same = Windows(images, labels, PLAIN, (24, 32)).batch(torch.arange(6), torch.Generator().manual_seed(0))
    mirrored = 0
    for k, label in enumerate(torch.tensor(labels).long()):
        turned = not torch.equal(same[k], label)
        mirrored += turned
        assert torch.equal(same[k], label.flip(1) if turned else label)
        own = torch.tensor(images[k]).permute(2, 0, 1).float()
        assert torch.allclose(moved[k], own.flip(2) if turned else own, atol=1e-4)
    assert 0 < mirrored < 6


def test_images_and_labels_move_together_and_no_label_is_a_mean_of_two():
    images, labels = patches()
    windows = Windows(images, labels, PLAIN, (17, 20), (0.5, 0.9))
    moved, near = windows.batch(torch.arange(6), torch.Generator().manual_seed(1))
    assert moved.shape == (6, 3, 17, 20)
    assert set(near.unique().tolist()) <= {0, 5, 9}
    exact = torch.isclose(moved[:, 0], moved[:, 0].round(), atol=1e-3) & torch.isin(
        moved[:, 0].round(), torch.tensor([0.0, 5.0, 9.0])
    )
    inside = torch.nn.functional.avg_pool2d(exact.float()[:, None], 3, 1, 1)[:, 0] == 1
    assert inside.float().mean() > 0.3
    assert torch.equal(near[inside], moved[:, 0].round().long()[inside])


def test_a_window_spans_its_share_of_the_image():
    images, labels = patches()
    for share in (0.5, 1.0):
        grid = Windows(images, labels, PLAIN, (24, 32), (share, share)).grid(50, torch.Generator().manual_seed(0))
        width = (grid[..., 0].amax((1, 2)) - grid[..., 0].amin((1, 2))) / (2 - 2 / 32)
        assert torch.allclose(width, torch.full((50,), share), atol=1e-5)
        assert grid.abs().max() <= 1


def test_the_same_generator_makes_the_same_windows():
    images, labels = patches()
    windows = Windows(images, labels, PLAIN, (17, 20), (0.5, 0.9), 0.2)
    a, b = (windows.batch(torch.arange(6), torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(a[0], b[0])
    assert torch.equal(a[1], b[1])


def test_labels_are_not_interpolated_even_half_way_between_two():
    images, labels = patches()
    half = functional.affine_grid(torch.eye(2, 3).repeat(6, 1, 1), [6, 3, 48, 64], align_corners=False)
    assert set(
        sample(torch.tensor(images).permute(0, 3, 1, 2).float(), torch.tensor(labels), half)[1].unique().tolist()
    ) == {0, 5, 9}
