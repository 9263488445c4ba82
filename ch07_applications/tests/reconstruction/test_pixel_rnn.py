"""Pixel networks: each output depends on earlier pixels alone, and the probabilities of all images sum to 1."""

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.reconstruction import pixel_rnn
from ch07_applications.reconstruction.pixel_rnn import (
    Bottleneck,
    DiagonalBiLSTM,
    MaskedConvolution,
    PixelNetwork,
    RowLSTM,
    causal_mask,
    loss,
    lstm_step,
    skew,
    unskew,
)
from ch07_applications.reconstruction.receptive_field import past, receptive_field
from common.train import Training

LAYERS = [Bottleneck, RowLSTM, DiagonalBiLSTM]
EACH = pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.__name__)


def lively(layer, size=(5, 6), width=8, depth=2, scale=0.4):
    """A network none of whose weights is 0, in double precision."""
    torch.manual_seed(0)
    network = PixelNetwork(layer, width, depth, size).double()
    for weights in network.parameters():
        nn.init.normal_(weights, std=scale)
    return network.eval()


def noise(n=4, size=(5, 6), seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.bernoulli(torch.full((n, 1, *size), 0.5, dtype=torch.float64), generator=generator)


def changed_by_each_pixel(network, size=(5, 6)):
    """[pixel changed, output]: whether flipping the one changes the other, for some image."""
    images, pixels = noise(size=size), size[0] * size[1]
    with torch.no_grad():
        before = network(images)
        found = torch.zeros(pixels, pixels, dtype=torch.bool)
        for pixel in range(pixels):
            other = images.clone()
            other.view(len(images), -1)[:, pixel] = 1 - other.view(len(images), -1)[:, pixel]
            found[pixel] = (network(other) != before).flatten(1).any(dim=0)
    return found


def assert_causal(network, size=(5, 6)):
    changed = changed_by_each_pixel(network, size)
    assert changed.any()
    assert not changed.tril().any(), "an output depends on its own pixel or on a later one"


# --- Causality -------------------------------------------------------------------------------------------------------


@EACH
def test_no_output_depends_on_its_own_pixel_or_a_later_one(layer):
    assert_causal(lively(layer))
    assert_causal(lively(layer, depth=3, size=(3, 7)), (3, 7))


class Noise:
    """Random images as batches."""

    def __init__(self):
        self.images = noise(16).float()

    def __len__(self):
        return len(self.images)

    def batch(self, index, generator):
        return self.images[index], self.images[index]


@EACH
def test_a_trained_and_a_stored_network_are_causal_though_masked_weights_are_kept(layer):
    network = lively(layer, scale=0.1).float()
    kept = network.first.weight.detach().clone()
    Training(2, 1e-2, 8, loss=loss, half=False)(network, Noise(), 0)
    hidden = network.first.mask == 0
    assert (kept[:, :, hidden] != 0).all()
    assert torch.equal(network.state_dict()["first.weight"][:, :, hidden] != 0, kept[:, :, hidden] != 0)
    assert_causal(network.double())
    other = lively(layer)
    other.load_state_dict(network.state_dict())
    assert torch.allclose(other(noise()), network(noise()), atol=1e-9)
    assert_causal(other)


def test_the_gradient_of_a_batch_comes_from_earlier_pixels_alone():
    """The same test by gradient instead of perturbation, for one pixel of each network."""
    for layer in LAYERS:
        images = noise().requires_grad_()
        lively(layer)(images)[:, 0, 2, 3].sum().backward()
        assert not images.grad.abs().sum(dim=(0, 1))[~past((5, 6), (2, 3))].any()


def test_a_right_stream_that_is_not_moved_down_leaks(monkeypatch):
    def pad(maps, sides):
        return real(maps, (0, 0, 0, 0, 0, 1) if sides == (0, 0, 0, 0, 1, 0) else sides)

    network, real = lively(DiagonalBiLSTM), pixel_rnn.functional.pad
    monkeypatch.setattr(pixel_rnn.functional, "pad", pad)  # so that the row that is cut off is the added one
    with pytest.raises(AssertionError, match="later one"):
        assert_causal(network)


@EACH
def test_a_second_mask_a_is_not_needed_and_a_first_mask_b_leaks(layer):
    network = lively(layer)
    network.first.mask.copy_(causal_mask("B", (7, 7)))
    with pytest.raises(AssertionError, match="later one"):
        assert_causal(network)


# --- Masks -----------------------------------------------------------------------------------------------------------


def test_masks_keep_what_precedes_and_b_the_centre():
    assert causal_mask("A", (3, 3)).tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert causal_mask("B", (3, 3)).tolist() == [[1, 1, 1], [1, 1, 0], [0, 0, 0]]
    assert causal_mask("A", (7, 7)).sum() == 24
    assert causal_mask("B", (7, 7)).sum() == 25
    assert causal_mask("B", (1, 3)).tolist() == [[1, 1, 0]]
    assert causal_mask("B", (5, 5))[2].tolist() == [1, 1, 1, 0, 0]  # the centre's row is not wiped


@pytest.mark.parametrize(("kind", "kernel"), [("C", (3, 3)), ("A", (2, 3)), ("B", (3, 4))])
def test_masks_that_do_not_exist_are_refused(kind, kernel):
    with pytest.raises(ValueError, match="mask"):
        causal_mask(kind, kernel)


@pytest.mark.parametrize("kind", ["A", "B"])
@pytest.mark.parametrize("kernel", [(3, 3), (7, 7), (1, 3), (5, 3)])
def test_a_masked_convolution_is_torch_s_with_zeros_in_its_weights(kind, kernel):
    torch.manual_seed(0)
    layer = MaskedConvolution(kind, 3, 4, kernel)
    maps = torch.randn(2, 3, 6, 5)
    padding = (kernel[0] // 2, kernel[1] // 2)
    expected = nn.functional.conv2d(maps, layer.weight * causal_mask(kind, kernel), layer.bias, padding=padding)
    assert torch.allclose(layer(maps), expected, atol=1e-6)


# --- Probabilities ---------------------------------------------------------------------------------------------------


def every_image(size=(2, 3)):
    values = list(product([0.0, 1.0], repeat=size[0] * size[1]))
    return torch.tensor(values, dtype=torch.float64).view(-1, 1, *size)


@EACH
def test_the_probabilities_of_all_images_sum_to_1(layer):
    network, images = lively(layer, size=(2, 3)), every_image()
    with torch.no_grad():
        nats = torch.stack([loss(network(image[None]).float(), image[None].float()) for image in images])
    assert len(nats) == 64
    assert float((-nats.double()).exp().sum()) == pytest.approx(1, abs=1e-5)
    assert nats.std() > 0.1


def test_a_network_that_knows_nothing_needs_784_log_2():
    torch.manual_seed(0)
    network = PixelNetwork(Bottleneck, 8, 1, (28, 28))
    nn.init.zeros_(network.last.weight)
    nn.init.zeros_(network.last.bias)
    images = noise(3, (28, 28)).float()
    assert loss(network(images), images).item() == pytest.approx(784 * np.log(2), rel=1e-5)  # 543.4


def test_the_loss_is_a_sum_over_pixels_and_a_mean_over_images():
    logits, images = torch.randn(3, 1, 4, 5, generator=torch.Generator().manual_seed(0)), noise(3, (4, 5)).float()
    ones = logits.sigmoid()
    expected = -torch.where(images == 1, ones, 1 - ones).log().sum() / 3
    assert float(loss(logits, images)) == pytest.approx(float(expected), rel=1e-5)


# --- LSTMs -----------------------------------------------------------------------------------------------------------


def test_a_step_is_that_of_torch_s_cell():
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 5)
    x, hidden, memory = torch.randn(4, 3), torch.randn(4, 5), torch.randn(4, 5)
    gates = x @ cell.weight_ih.T + cell.bias_ih + hidden @ cell.weight_hh.T + cell.bias_hh
    for ours, theirs in zip(lstm_step(gates, memory), cell(x, (hidden, memory)), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_row_lstm_with_kernels_of_one_is_torch_s_lstm_down_each_column():
    torch.manual_seed(0)
    layer, maps = RowLSTM(6, kernel=1), torch.randn(2, 6, 4, 5)
    peer = nn.LSTM(6, 3)
    with torch.no_grad():
        nn.init.normal_(layer.input_to_state.bias)
        peer.weight_ih_l0.copy_(layer.input_to_state.weight.flatten(1))
        peer.bias_ih_l0.copy_(layer.input_to_state.bias)
        peer.weight_hh_l0.copy_(layer.state_to_state.T)
        peer.bias_hh_l0.zero_()
        states = peer(maps.permute(2, 0, 3, 1).reshape(4, 10, 6))[0].view(4, 2, 5, 3).permute(1, 3, 0, 2)
        assert torch.allclose(layer(maps), maps + layer.expand(states), atol=1e-5)


def test_a_row_lstm_s_state_sees_three_pixels_of_the_row_above_and_none_to_the_right_of_its_own():
    torch.manual_seed(0)
    layer, maps = RowLSTM(4).double(), torch.randn(1, 4, 3, 7, dtype=torch.float64, requires_grad=True)
    (layer(maps) - maps)[0, :, 2, 3].sum().backward()
    seen = maps.grad[0].abs().sum(dim=0) > 0
    assert seen.int().tolist() == [[1, 1, 1, 1, 1, 1, 0], [0, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 0, 0]]


def test_skewing_moves_row_i_by_i_and_unskewing_moves_it_back():
    maps = torch.randn(2, 4, 6, 3, generator=torch.Generator().manual_seed(0))
    expected = np.zeros((2, 4, 9, 3), np.float32)
    for row in range(4):
        expected[:, row, row : row + 6] = maps[:, row].numpy()
    assert np.array_equal(skew(maps).numpy(), expected)
    assert torch.equal(unskew(skew(maps)), maps)
    square = torch.randn(5, 5, 1)
    assert skew(square).shape == (5, 9, 1)  # n × (2n − 1)


def loop_over_pixels(layer, gates):
    """The states of both directions, pixel by pixel."""
    both, n, height, width, size = gates.shape
    hidden = torch.zeros(both, n, height + 1, width + 1, size // 4, dtype=gates.dtype)
    cells = torch.zeros_like(hidden)
    for row in range(height):
        for column in range(width):
            left, above = hidden[:, :, row + 1, column], hidden[:, :, row, column + 1]
            past = torch.cat([left, above], dim=-1) @ layer.state_to_state
            state = lstm_step(gates[:, :, row, column] + past, cells[:, :, row + 1, column])
            hidden[:, :, row + 1, column + 1], cells[:, :, row + 1, column + 1] = state
    return hidden[:, :, 1:, 1:]


def test_diagonals_at_once_are_pixels_one_by_one():
    torch.manual_seed(0)
    layer, gates = DiagonalBiLSTM(6).double(), torch.randn(2, 3, 4, 5, 12, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(layer.cross(gates), loop_over_pixels(layer, gates), atol=1e-12)


# --- Receptive fields ------------------------------------------------------------------------------------------------


def blind_spot(side, place, depth, first=3):
    """The receptive field of masked convolutions by arithmetic: offsets reachable through the masks."""
    seen = np.zeros((side, side), bool)
    a = causal_mask("A", (2 * first + 1,) * 2).numpy().astype(bool)
    b = causal_mask("B", (3, 3)).numpy().astype(bool)
    frontier = np.zeros((side, side), bool)
    frontier[place] = True
    for mask, reach in [(b, 1)] * depth + [(a, first)]:
        grown = np.zeros_like(frontier)
        for y, x in np.argwhere(frontier):
            for dy, dx in np.argwhere(mask) - reach:
                if 0 <= y + dy < side and 0 <= x + dx < side:
                    grown[y + dy, x + dx] = True
        seen |= grown if mask is a else False
        frontier = grown
    return seen


def test_masked_filters_have_a_blind_spot_on_the_right():
    seen = receptive_field(PixelNetwork(Bottleneck, 8, 4, (19, 19)), (19, 19), (9, 9)).numpy()
    assert np.array_equal(seen, blind_spot(19, (9, 9), 4))
    before = past((19, 19), (9, 9)).numpy()
    near = np.zeros_like(before)
    near[9 - 7 : 10, 9 - 7 : 9 + 8] = True  # what kernels without masks would reach
    assert not (seen & ~before).any()
    assert (near & before & ~seen).sum() == 10  # a triangle on the right


def test_a_row_lstm_sees_a_triangle_and_a_diagonal_one_nearly_all():
    size, place = (15, 15), (10, 7)
    before = past(size, place)
    row = receptive_field(PixelNetwork(RowLSTM, 8, 1, size), size, place)
    diagonal = receptive_field(PixelNetwork(DiagonalBiLSTM, 8, 1, size), size, place)
    for fields in (row, diagonal):
        assert not (fields & ~before).any()
    widths = row.sum(dim=1)
    assert (widths[:5] == 15).all()
    assert not row[9].all()
    assert (before & ~diagonal).nonzero().tolist() == [[9, 14]]  # the last pixel of the row above, which mask A hides


# --- Full size -------------------------------------------------------------------------------------------------------


def test_the_paper_s_networks_have_the_parameters_of_their_layers():
    h = 16
    first, head = 49 * 2 * h + 2 * h, (4 * h * h + 2 * h) + 2 * h + 1
    bilstm = (2 * h * 8 * h + 8 * h) + 2 * (2 * h * 4 * h) + (h * 2 * h + 2 * h)
    row = (3 * 2 * h * 4 * h + 4 * h) + 3 * h * 4 * h + (h * 2 * h + 2 * h)
    with torch.device("meta"):
        assert parameters_of(PixelNetwork(DiagonalBiLSTM, 2 * h, 7)) == first + 7 * bilstm + head
        assert parameters_of(PixelNetwork(RowLSTM, 2 * h, 7)) == first + 7 * row + head
        h = 128  # fifteen layers of h = 128 are the PixelCNN of §4 for CIFAR-10, here with one channel
        block = (2 * h * h + h) + (9 * h * h + h) + (2 * h * h + 2 * h)
        first, head = 49 * 2 * h + 2 * h, (4 * h * h + 2 * h) + 2 * h + 1
        assert parameters_of(PixelNetwork(Bottleneck, 2 * h, 15)) == first + 15 * block + head


# --- Starts ----------------------------------------------------------------------------------------------------------


@EACH
def test_a_new_network_s_residual_layers_change_nothing(layer):
    torch.manual_seed(0)
    block = PixelNetwork(layer, 8, 1, (4, 4)).layers[0]
    maps = torch.randn(2, 8, 4, 4)
    assert torch.allclose(block(maps), maps + block.expand.bias[:, None, None], atol=1e-6)


@pytest.mark.parametrize(("layer", "directions"), [(RowLSTM, 1), (DiagonalBiLSTM, 2)])
def test_forget_gates_begin_open_and_all_others_half_open(layer, directions):
    bias = layer(8).input_to_state.bias
    i, f, g, o = bias.view(directions, 4, 4).unbind(1)
    assert (f == 1).all()
    assert not torch.stack([i, g, o]).any()
