"""Optical flow: known shifts, scikit-image as the reference, and regions without edges."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, shift
from skimage.registration import optical_flow_ilk

from ch07_applications.video.flow import find_flow, gradients, warp


@pytest.fixture(scope="module")
def texture():
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(60, 60)), 1.5)
    return (128 + 60 * smooth / smooth.std()).astype(np.float32)


def pair(texture, right, down):
    """Two frames of 40 × 40: the point at (x, y) in the first is at (x + right, y + down) in the second."""
    moved = shift(texture, (down, right), order=3, mode="nearest")
    return [torch.tensor(np.ascontiguousarray(each[10:50, 10:50]))[None] for each in (texture, moved)]


@pytest.mark.parametrize(("right", "down"), [(1.0, 0.0), (0.0, -1.0), (0.4, 0.7), (2.5, -1.5), (-3.0, 2.0)])
def test_flow_of_a_moved_texture_is_its_shift(texture, right, down):
    flow = find_flow(*pair(texture, right, down))[0, :, 5:-5, 5:-5]
    wanted = torch.tensor([right, down])
    assert flow.flatten(1).median(dim=1).values == pytest.approx(wanted.numpy(), abs=0.12)
    assert (flow - wanted[:, None, None]).norm(dim=0).mean() < 0.35


def test_it_agrees_with_scikit_image(texture):
    first, second = pair(texture, 1.2, -0.8)
    down, right = optical_flow_ilk(first[0].numpy() / 255, second[0].numpy() / 255, radius=3)
    flow = find_flow(first, second)[0, :, 5:-5, 5:-5].numpy()
    theirs = np.stack([right, down])[:, 5:-5, 5:-5]
    assert np.abs(flow - theirs).mean() < 0.15


def test_where_nothing_has_an_edge_nothing_moves():
    flat = torch.full((1, 20, 20), 90.0)
    assert not find_flow(flat, flat + 3).abs().max() > 1e-4
    assert not find_flow(flat, flat).any()


def test_pairs_do_not_mix(texture):
    one, other = pair(texture, 1.0, 0.0), pair(texture, -2.0, 1.0)
    both = find_flow(*(torch.cat(frames) for frames in zip(one, other, strict=True)))
    torch.testing.assert_close(both[:1], find_flow(*one), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(both[1:], find_flow(*other), rtol=1e-4, atol=1e-4)


def test_warping_by_nothing_changes_nothing_and_by_a_pixel_moves_by_it(texture):
    frames = torch.tensor(texture[:20, :24])[None]
    torch.testing.assert_close(warp(frames, torch.zeros(1, 2, 20, 24)), frames, rtol=1e-4, atol=1e-3)
    right = torch.zeros(1, 2, 20, 24)
    right[:, 0] = 1
    torch.testing.assert_close(warp(frames, right)[..., :-1], frames[..., 1:], rtol=1e-4, atol=1e-2)


def test_gradients_are_numpy_s(texture):
    x, y = gradients(torch.tensor(texture)[None])
    wanted_y, wanted_x = np.gradient(texture)
    np.testing.assert_allclose(x[0], wanted_x, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(y[0], wanted_y, rtol=1e-5, atol=1e-4)
