"""Images of the wrong kind are refused at the door, and whole numbers do not wrap around on the way through a layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional as F

from ch05_cnn.convolution import conv2d_backward_loops, conv2d_loops
from ch05_cnn.filters import convolve, correlate
from ch05_cnn.hand_crafted import cut_word_patches
from ch05_cnn.layers.conv2d import conv2d, conv2d_backward
from ch05_cnn.layers.numpy_network import SmallNetwork, as_input
from ch05_cnn.layers.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from ch05_cnn.lenet.sixteen_pixels import shrink, shrink_ink_box
from ch05_cnn.lenet1989 import error_rate, share_to_reject
from ch05_cnn.occlusion import compute_margins, correlate_maps, cover, make_masks
from ch05_cnn.pretrained import crop_square
from ch05_cnn.sift.views import View
from common.features.pipelines import KernelMachine, thumbnail
from common.features.sift import DenseSIFT

RNG = np.random.default_rng
BYTES = RNG(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)


def test_nine_pixels_of_200_at_a_half_are_900():
    x, half = np.full((1, 1, 3, 3), 200, np.uint8), np.full((1, 1, 3, 3), 0.5)
    for layer in (conv2d_loops, conv2d):
        assert layer(x, half, np.zeros(1)).item() == 900
        assert layer(x, np.ones((1, 1, 3, 3), np.uint8), np.zeros(1)).item() == 1800
        assert layer(x.astype(np.int8), half.astype(np.float32), np.zeros(1, np.float32)).dtype == np.float32


@pytest.mark.parametrize("kinds", [(np.uint8, np.uint8), (np.uint8, np.int8), (np.int64, np.float64)])
def test_layers_of_whole_numbers_are_pytorch_s(kinds):
    x, weight = (
        RNG(1).integers(0, 100, (2, 3, 6, 5)).astype(kinds[0]),
        RNG(2).integers(0, 9, (4, 3, 3, 2)).astype(kinds[1]),
    )
    tx, tw = (torch.tensor(a.astype(float), requires_grad=True) for a in (x, weight))
    y = F.conv2d(tx, tw)
    delta = RNG(3).integers(0, 50, tuple(y.shape)).astype(np.uint8)
    y.backward(torch.tensor(delta.astype(float)))
    for layer in (conv2d_loops, conv2d):
        assert_allclose(layer(x, weight, np.zeros(4)), y.detach())
    for backward in (conv2d_backward_loops, conv2d_backward):
        dx, dweight, dbias = backward(delta, x, weight)
        assert_allclose(dx, tx.grad)
        assert_allclose(dweight, tw.grad)
        assert_allclose(dbias, delta.astype(float).sum(axis=(0, 2, 3)))


def test_filters_and_pooling_of_bytes():
    image, kernel = BYTES[0], np.uint8([[200, 100, 50], [7, 9, 255], [3, 2, 1]])
    for filtered in (correlate, convolve):
        assert_allclose(filtered(image, kernel), filtered(image.astype(float), kernel.astype(float)))
    x, delta = BYTES[:, None], np.full((2, 1, 27, 27), 200, np.uint8)
    assert_allclose(avg_pool2d(x), avg_pool2d(x.astype(float)))
    switches = max_pool2d(x, 2, 1)[1]
    assert_allclose(
        max_pool2d_backward(delta, switches, (28, 28)), max_pool2d_backward(delta.astype(float), switches, (28, 28))
    )
    assert_allclose(
        avg_pool2d_backward(delta, (28, 28), 2, 1), avg_pool2d_backward(delta.astype(float), (28, 28), 2, 1)
    )


WANT_BYTES = {
    "thumbnail": thumbnail,
    "keypoint_patches": lambda images: cut_word_patches(images, DenseSIFT(step=2, bin_size=3).fit(BYTES)),
    "as_input": lambda images: as_input(images, np.float64),
    "reduced": shrink,
    "box_reduced": shrink_ink_box,
    "square": lambda images: crop_square(images[0]),
}


@pytest.mark.parametrize("takes", WANT_BYTES.values(), ids=WANT_BYTES)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint16, bool])
def test_floats_and_other_kinds_are_refused_in_one_line(takes, kind):
    takes(BYTES)
    with pytest.raises(ValueError, match=rf"images must be uint8 .* got {np.dtype(kind)}") as error:
        takes((BYTES / 255).astype(kind))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["keypoint_patches", "as_input", "reduced", "box_reduced"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_colours_are_refused_where_grey_is_wanted(name, channels):
    with pytest.raises(ValueError, match=r"images must be uint8 \(n, height, width\), got"):
        WANT_BYTES[name](np.repeat(BYTES[..., None], channels, axis=-1))


def test_a_photo_in_grey_or_with_a_fourth_channel_becomes_three():
    photo = RNG(4).integers(0, 256, (300, 260), dtype=np.uint8)
    colours = np.repeat(photo[..., None], 3, axis=2)
    wanted = crop_square(colours)
    for same in (photo, photo[..., None], np.dstack([colours, np.full_like(photo, 255)])):
        assert_array_equal(crop_square(same), wanted)
    with pytest.raises(ValueError, match="got uint8"):
        crop_square(np.repeat(photo[..., None], 5, axis=2))


@pytest.mark.parametrize("photo", [BYTES[0], BYTES[0] / 1.0, np.zeros((8, 8, 3)), np.full((8, 8), np.nan)])
def test_a_view_is_of_grey_from_0_to_1(photo):
    with pytest.raises(ValueError, match="floats from 0 to 1"):
        View().of(photo, RNG(0))


def test_a_fill_that_bytes_cannot_have():
    masks = make_masks(28, 7, 7)
    assert (cover(BYTES, masks, 200)[0, :7, :7] == 200).all()
    assert (cover(BYTES / 255, masks, 0.5)[0, :7, :7] == 0.5).all()
    for fill in (0.5, -1, 256):
        with pytest.raises((ValueError, OverflowError)):
            cover(BYTES, masks, fill)


def test_labels_that_do_not_belong():
    scores, network = RNG(5).normal(size=(4, 3)), torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(256, 10))
    small, x = np.zeros((4, 16, 16), np.float32), as_input(np.repeat(BYTES, 2, axis=0), np.float64)
    assert compute_margins(scores, np.array([0, 1, 2, 0])).shape == (4,)
    takers = {
        "margins": lambda y: compute_margins(scores, y),
        "errors": lambda y: error_rate(network, small, y),
        "rejected": lambda y: share_to_reject(network, small, y),
        "loss": lambda y: SmallNetwork(RNG(0)).loss_and_gradients(x, y),
    }
    for name, takes in takers.items():
        for wrong in (np.zeros((4, 1), int), np.zeros(3, int), np.zeros((1, 4), int)):
            with pytest.raises(ValueError, match="shape"):
                takes(wrong)
        if name != "errors":
            for wrong in ([0, 0, 0, -1], [0, 0, 0, 10]):
                with pytest.raises(ValueError, match="must lie in 0"):
                    takes(np.array(wrong))
    with pytest.raises(ValueError, match="same shape"):
        correlate_maps(np.ones((2, 3, 3)), np.ones((1, 3, 3)))


@pytest.mark.parametrize(
    ("name", "value"), [("dimensions", 0), ("C", 0.0), ("C", np.nan), ("width", -1.0), ("width", 0)]
)
def test_settings_of_the_kernel_machine(name, value):
    with pytest.raises(ValueError, match=name):
        KernelMachine(**{name: value}).fit(RNG(0).normal(size=(8, 3)), [0, 1] * 4)
