"""Gated PixelCNN: each output depends on all earlier pixels and on no other, and on the class in every layer."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction.pixel_rnn import loss
from ch07_applications.reconstruction.receptive_field import past, receptive_field
from ch07_applications.synthesis import pixelcnn
from ch07_applications.synthesis.labelled_digits import FromChannels, LabelledDigits
from ch07_applications.synthesis.pixelcnn import (
    GatedLayer,
    GatedPixelCNN,
    class_nats,
    digit_nats,
    gate,
    see_above,
    see_left,
    shift_down,
    start_at_means,
)
from common.train import Training

SIZE = (5, 6)


def lively(size=SIZE, width=6, kernels=(5, 3, 3), classes=3, scale=0.4):
    """A network none of whose weights is 0, in double precision."""
    torch.manual_seed(0)
    network = GatedPixelCNN(width, kernels, classes, size).double()
    for weights in network.parameters():
        nn.init.normal_(weights, std=scale)
    return network.eval()


def noise(n=4, size=SIZE, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(torch.full((n, 1, *size), 0.5, dtype=torch.float64), generator=generator)


def labels(n=4, classes=3):
    return torch.eye(classes, dtype=torch.float64)[torch.arange(n) % classes]


def changed_by_each_pixel(function, size=SIZE):
    """[pixel changed, output]: whether flipping the one changes the other, for some image."""
    images, pixels = noise(size=size), size[0] * size[1]
    found = torch.zeros(pixels, pixels, dtype=torch.bool)
    with torch.no_grad():
        before = function(images)
        for pixel in range(pixels):
            other = images.clone()
            other.view(len(images), -1)[:, pixel] = 1 - other.view(len(images), -1)[:, pixel]
            found[pixel] = (function(other) != before).flatten(2).any(dim=1).any(dim=0)
    return found


def assert_causal(network, size=SIZE):
    changed = changed_by_each_pixel(lambda images: network(images, labels()), size)
    assert changed.any()
    assert not changed.tril().any(), "an output depends on its own pixel or on a later one"


# --- The context of a pixel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernels", "size"), [((5, 3, 3), SIZE), ((3, 3), (3, 7)), ((7, 5), (6, 4)), ((3,), (4, 4))])
def test_no_output_depends_on_its_own_pixel_or_a_later_one(kernels, size):
    assert_causal(lively(size, kernels=kernels), size)


def stacks(network, images):
    """The maps of both stacks after all layers."""
    above = left = 2 * images - 1
    for layer in network.layers:
        above, left = layer(above, left, labels())
    return above, left


def test_the_vertical_stack_sees_its_row_and_those_above_and_the_horizontal_one_what_is_before_its_pixel():
    network, (height, width) = lively(kernels=(3, 3, 3, 3, 3, 3)), SIZE
    rows = torch.arange(height * width) // width
    vertical = changed_by_each_pixel(lambda images: stacks(network, images)[0])
    assert torch.equal(vertical, rows[:, None] <= rows[None])  # no filter of the vertical stack sees a row below
    horizontal = changed_by_each_pixel(lambda images: stacks(network, images)[1])
    assert torch.equal(horizontal, torch.ones(height * width, height * width, dtype=torch.bool).triu(1))


def test_a_vertical_stack_that_is_not_shifted_down_leaks(monkeypatch):
    monkeypatch.setattr(pixelcnn, "shift_down", lambda maps: maps)
    with pytest.raises(AssertionError, match="later one"):
        assert_causal(lively())


def test_a_first_layer_that_sees_its_own_pixel_leaks(monkeypatch):
    network = lively()
    network.layers[0].horizontal = nn.Conv2d(1, 12, (1, 3)).double()
    real = pixelcnn.see_left
    monkeypatch.setattr(pixelcnn, "see_left", lambda layer, maps, own: real(layer, maps, True))
    with pytest.raises(AssertionError, match="later one"):
        assert_causal(network)


def test_there_is_no_blind_spot():
    size, place = (13, 15), (6, 7)
    seen = receptive_field(GatedPixelCNN(6, (7, 3, 3, 3, 3), 3, size), size, place)  # they reach 3 + 4 pixels
    assert torch.equal(seen, past(size, place))


def test_every_earlier_pixel_has_a_gradient_at_the_lesson_s_place():
    network = GatedPixelCNN(8, pixelcnn.KERNELS)
    assert torch.equal(receptive_field(network, pixelcnn.SIZE, pixelcnn.PLACE), past(pixelcnn.SIZE, pixelcnn.PLACE))


def test_convolutions_are_those_of_full_filters_whose_other_taps_are_0():
    torch.manual_seed(0)
    maps, vertical, horizontal = torch.randn(2, 3, 6, 5), nn.Conv2d(3, 4, (3, 5)), nn.Conv2d(3, 4, (1, 2))
    full = torch.zeros(4, 3, 5, 5)
    full[:, :, :3] = vertical.weight
    expected = nn.functional.conv2d(maps, full, vertical.bias, padding=2)
    assert torch.allclose(see_above(vertical, maps), expected, atol=1e-6)
    for own, taps in ((True, slice(1, 3)), (False, slice(0, 2))):
        full = torch.zeros(4, 3, 1, 5)
        full[..., taps] = horizontal.weight
        expected = nn.functional.conv2d(maps, full, horizontal.bias, padding=(0, 2))
        assert torch.allclose(see_left(horizontal, maps, own), expected, atol=1e-6)


def test_rows_move_down_by_one():
    maps = torch.randn(2, 3, 4, 5)
    moved = shift_down(maps)
    assert not moved[:, :, 0].any()
    assert torch.equal(moved[:, :, 1:], maps[:, :, :-1])


class Noise(LabelledDigits):
    """Random images of random classes."""

    def __init__(self):
        greys = torch.rand(1, 16, *SIZE, generator=torch.Generator().manual_seed(0))
        super().__init__(greys, torch.eye(3)[torch.arange(16) % 3], 0.3)


def test_a_trained_and_a_stored_network_are_causal():
    network = lively(scale=0.1).float()
    Training(2, 1e-2, 8, loss=loss, half=False)(FromChannels(network), Noise(), 0)
    assert_causal(network.double())
    other = lively()
    other.load_state_dict(network.state_dict())
    assert torch.allclose(other(noise(), labels()), network(noise(), labels()), atol=1e-9)


# --- The class -------------------------------------------------------------------------------------------------------


def test_a_gate_is_tanh_times_sigma_of_both_sums():
    torch.manual_seed(0)
    maps, condition = torch.randn(2, 6, 3, 4), torch.randn(2, 6)
    got = gate(maps, condition)
    for n, c, y, x in product(range(2), range(3), range(3), range(4)):
        features = np.tanh(float(maps[n, c, y, x] + condition[n, c]))
        gates = 1 / (1 + np.exp(-float(maps[n, 3 + c, y, x] + condition[n, 3 + c])))
        assert float(got[n, c, y, x]) == pytest.approx(features * gates, abs=1e-6)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("part", range(4), ids=["vertical f", "vertical g", "horizontal f", "horizontal g"])
def test_the_class_reaches_both_halves_of_both_gates_of_every_layer(layer, part):
    """With V = 0 everywhere else, and no maps of the places: only this one can distinguish the classes."""
    network, images = lively(), noise(2)
    with torch.no_grad():
        for each in network.layers:
            each.condition.weight.zero_()
        for maps in (network.places, network.offsets):
            maps.added.zero_()
        first, second = (network(images, one.double()[None].expand(2, -1)) for one in torch.eye(3)[:2])
        assert torch.equal(first, second)
        network.layers[layer].condition.weight[6 * part : 6 * part + 6, 0] = 1
        first, second = (network(images, one.double()[None].expand(2, -1)) for one in torch.eye(3)[:2])
    seen_later = not (part < 2 and layer == 2)  # the last layer's vertical output goes nowhere
    assert torch.equal(first, second) != seen_later


def without_condition(network):
    """The same weights in layers that know of no class."""
    with torch.no_grad():
        for layer in network.layers:
            layer.condition.weight.zero_()
        network.places.added.zero_()
        network.offsets.added.zero_()
    return network


def test_without_a_class_the_network_is_one_that_has_no_conditioning():
    images = noise()
    with torch.no_grad():
        told, nothing = lively()(images, labels()), lively()(images, torch.zeros(4, 3, dtype=torch.float64))
        bare = without_condition(lively())
        assert torch.equal(nothing, bare(images, labels()))
        assert torch.equal(nothing, lively()(images))
    assert not torch.allclose(told, nothing)


def test_residuals_are_in_the_horizontal_stack_alone_and_not_in_the_first_layer():
    layer, maps = GatedLayer(6, 6, 3, 3), torch.randn(2, 6, 4, 5)
    nn.init.zeros_(layer.expand.weight)
    nn.init.zeros_(layer.expand.bias)
    above, left = layer(maps, maps, torch.zeros(2, 3))
    assert torch.equal(left, maps)
    assert above.abs().max() < 1  # tanh · σ, to which nothing was added
    first, image = GatedLayer(1, 6, 3, 7, first=True), torch.randn(2, 1, 4, 5)
    nn.init.zeros_(first.expand.weight)
    _, left = first(image, image, torch.zeros(2, 3))
    assert torch.equal(left, first.expand.bias[None, :, None, None].expand_as(left))


# --- Probabilities ---------------------------------------------------------------------------------------------------


def every_image(size=(2, 3)):
    values = list(product([0, 1], repeat=size[0] * size[1]))
    return np.array(values, np.uint8).reshape(-1, *size)


@pytest.mark.parametrize("y", [0, 1, 2, None])
def test_the_probabilities_of_all_images_of_a_class_sum_to_1(y):
    network, images = lively((2, 3)).float(), every_image()
    h = torch.zeros(64, 3)
    if y is not None:
        h[:, y] = 1
    nats = digit_nats(network, images, h)
    assert np.exp(-nats).sum() == pytest.approx(1, abs=1e-5)
    assert nats.std() > 0.1


def test_nats_of_every_class_are_those_of_the_loss_and_of_that_class():
    network, images = lively((2, 3)).float(), every_image()[::7]
    nats = class_nats(network, images, 3)
    pixels = torch.from_numpy(images).float()[:, None]
    for y in range(3):
        h = torch.eye(3)[torch.full((len(images),), y)]
        assert nats[:, y].mean() == pytest.approx(float(loss(network(pixels, h), pixels).detach()), rel=1e-5)
    assert np.ptp(nats, axis=1).min() > 1e-3


def test_grey_values_have_no_nats():
    with pytest.raises(ValueError, match="0 or 1"):
        digit_nats(lively().float(), np.full((2, *SIZE), 255, np.uint8), torch.zeros(2, 3))


def test_at_the_start_a_network_predicts_the_mean_of_the_class_or_of_all_digits():
    greys = 0.1 + 0.8 * torch.rand(30, *SIZE, generator=torch.Generator().manual_seed(0))
    classes = torch.arange(30) % 3
    network = GatedPixelCNN(6, (5, 3), 3, SIZE)
    with torch.no_grad():
        nn.init.zeros_(network.last.weight)
        nn.init.zeros_(network.last.bias)
        start_at_means(network, greys, torch.eye(3)[classes])
        for y in range(3):
            ones = network(torch.zeros(1, 1, *SIZE), torch.eye(3)[y : y + 1]).sigmoid()[0, 0]
            assert torch.allclose(ones, greys[classes == y].mean(dim=0), atol=1e-5)
        assert torch.allclose(network(torch.zeros(1, 1, *SIZE)).sigmoid()[0, 0], greys.mean(dim=0), atol=1e-5)


def test_a_small_network_learns_images_by_class_and_without():
    """Two classes of one image each: with the class it needs nearly 0 nats; without it, log 2."""
    torch.manual_seed(0)
    greys = torch.zeros(1, 40, 4, 4)
    greys[0, ::2, :2], greys[0, 1::2, 2:] = 1, 1
    h = torch.eye(2)[torch.arange(40) % 2]
    network = GatedPixelCNN(8, (3, 3), 2, (4, 4))
    Training(60, 1e-2, 10, loss=loss, half=False)(FromChannels(network), LabelledDigits(greys, h, 0.5), 0)
    images = greys[0].byte().numpy()
    assert digit_nats(network, images, h).mean() < 0.2
    assert digit_nats(network, images, torch.zeros(40, 2)).mean() == pytest.approx(np.log(2), abs=0.15)
    assert digit_nats(network, images, 1 - h).mean() > 3


# --- Full size -------------------------------------------------------------------------------------------------------


def test_the_paper_s_layers_have_the_parameters_of_their_formula():
    p, classes = 384, 1000

    def layer(inputs, reach, own):
        sees = inputs * ((reach + 1) * (2 * reach + 1) + reach + own) * 2 * p + 4 * p
        return sees + (4 * p * p + 2 * p) + (p * p + p) + classes * 4 * p

    head = (p * p + p) + p + 1
    with torch.device("meta"):
        counted = parameters_of(GatedPixelCNN(p, (7, *[5] * 19), classes))
    assert counted == layer(1, 3, 0) + 19 * layer(p, 2, 1) + head
