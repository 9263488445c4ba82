"""The way down is held against torch's autograd: as it is, and with the backward step of its rectifiers changed."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from ch05_cnn.deconvnet import (
    LAST,
    correlate_with_other_image,
    deconvnet_rule,
    gradient_rule,
    guided_rule,
    make_tiles,
    project,
    rank_pixels,
    there_and_back,
)
from ch05_cnn.models.mobilenet import layers_of
from ch05_cnn.models.networks import Modern, build_five_layers
from ch05_cnn.seeing.exciting import TOPS, UNITS, find_most_exciting, in_grid, photo_crops
from ch05_cnn.seeing.invariance import distances, move
from ch05_cnn.seeing.masking import COVERED, activation_left, find_most_excited
from ch05_cnn.seeing.units import find_strongest, pixels_in_field, receptive_field

RECTIFIERS = nn.ReLU | nn.ReLU6


def small(seed: int, stride: int = 1, pool: int = 2, rectifier: type = nn.ReLU) -> nn.Sequential:
    """The cases of a backward rule: strides, padding, groups, overlapping pools, BatchNorm with learned means."""
    torch.manual_seed(seed)
    layers = nn.Sequential(
        nn.Conv2d(2, 6, 3, stride=stride, padding=1),
        nn.BatchNorm2d(6),
        rectifier(),
        nn.MaxPool2d(3, pool),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        rectifier(),
        nn.Conv2d(6, 4, (1, 2)),
        rectifier(),
    )
    for values in (layers[1].weight, layers[1].bias, layers[1].running_mean):
        nn.init.normal_(values)
    nn.init.uniform_(layers[1].running_var, 0.5, 2)
    return layers.double().eval()


def by_autograd(layers: nn.Module, x: torch.Tensor, signal: torch.Tensor, rule) -> torch.Tensor:
    """Backpropagation of signal; at every rectifier a hook puts the rule's step in the place of the derivative."""
    replaced = {
        deconvnet_rule: lambda module, below, above: (above[0].clamp(min=0),),
        guided_rule: lambda module, below, above: (below[0].clamp(min=0),),
        gradient_rule: None,
    }[rule]
    rectifiers = [module for module in layers.modules() if isinstance(module, RECTIFIERS)]
    for module in rectifiers:
        module.inplace = False
    hooks = [module.register_full_backward_hook(replaced) for module in rectifiers] if replaced else []
    x = x.clone().requires_grad_()
    (down,) = torch.autograd.grad(layers(x), x, signal)
    for hook in hooks:
        hook.remove()
    return down


def assert_the_same(layers: nn.Module, x: torch.Tensor, rule, alive: bool = True) -> None:
    """alive: the signal has to arrive somewhere."""
    with torch.no_grad():
        y, back = there_and_back(layers, x, rule)
        signal = torch.randn_like(y)
        down = back(signal)
        assert_close(y, layers(x))
    assert down.abs().max() > 0 or not alive
    assert_close(down, by_autograd(layers, x, signal, rule))


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 999),
    sides=st.tuples(st.integers(12, 18), st.integers(12, 18)),
    stride=st.integers(1, 2),
    pool=st.integers(1, 3),
    rule=st.sampled_from([deconvnet_rule, gradient_rule, guided_rule]),
)
def test_the_way_down_is_backpropagation_with_another_rectifier(seed, sides, stride, pool, rule):
    x = torch.randn(2, 2, *sides, dtype=torch.float64)
    assert_the_same(small(seed, stride, pool), x, rule, alive=False)  # of some networks, every unit of a layer is dead


def test_a_full_relu6_has_no_derivative():
    assert_the_same(small(0, rectifier=nn.ReLU6), 20 * torch.randn(2, 2, 12, 12, dtype=torch.float64), gradient_rule)


@pytest.mark.parametrize("rule", [deconvnet_rule, gradient_rule])
def test_shortcuts_and_depthwise_strides_of_mobilenet(rule):
    from torchvision.models import mobilenet_v2

    torch.manual_seed(0)
    network = mobilenet_v2(width_mult=0.25).eval()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, mean=1)
            nn.init.normal_(layer.running_mean, std=0.1)
    x = torch.randn(1, 3, 33, 32, dtype=torch.float64)
    for layers in layers_of(network.double()).values():
        assert_the_same(layers, x, rule)


def test_our_own_residual_blocks():
    torch.manual_seed(0)
    assert_the_same(
        Modern(1, 12, widths=(4, 6, 8)).features.double().eval(), torch.randn(2, 1, 12, 12).double(), deconvnet_rule
    )


@pytest.mark.parametrize(
    "layer", [nn.Tanh(), nn.BatchNorm2d(2).train(), nn.Sequential(nn.Conv2d(2, 2, 1), nn.AvgPool2d(2))]
)
def test_a_layer_without_a_way_down_is_refused(layer):
    with pytest.raises(TypeError, match="no way back through"):
        there_and_back(layer, torch.randn(2, 2, 4, 4))


def test_only_the_strongest_activation_comes_down():
    layers, x, units = small(3), torch.randn(3, 2, 12, 12, dtype=torch.float64), torch.tensor([0, 2, 3])
    down, places = project(layers, x, units)
    y, back = there_and_back(layers, x)
    for i, (unit, (row, column)) in enumerate(zip(units, places, strict=True)):
        assert y[i, unit, row, column] == y[i, unit].max()
        alone = torch.zeros_like(y)
        alone[i, unit, row, column] = y[i, unit, row, column]
        assert_close(down[i], back(alone)[i])


def test_without_switches_the_deconvnet_draws_the_same_for_every_image_and_with_them_it_does_not():
    x = torch.randn(8, 2, 16, 16, dtype=torch.float64)
    layers, units = small(1), torch.zeros(8, dtype=torch.int64)
    without = nn.Sequential(*[layer for layer in layers if not isinstance(layer, nn.MaxPool2d)])
    assert correlate_with_other_image(without, x, units) == pytest.approx(1)
    assert correlate_with_other_image(without, x, units, guided_rule) < 0.9
    assert correlate_with_other_image(layers, x, units) < 0.9


@pytest.mark.parametrize("layers", [*build_five_layers(1, 28)[:5], build_five_layers(1, 28)[:3], small(0, stride=2)])
def test_the_field_is_where_the_gradient_is(layers):
    """With positive weights and inputs nothing cancels: a unit in the middle has a gradient on all of its field."""
    layers = nn.Sequential(
        *[m for m in layers.modules() if isinstance(m, nn.Conv2d | nn.MaxPool2d) and m.kernel_size != (1, 2)]
    )
    for module in layers:
        if isinstance(module, nn.Conv2d):
            nn.init.ones_(module.weight)
    layers = nn.Sequential(
        *[nn.AvgPool2d(m.kernel_size, m.stride) if isinstance(m, nn.MaxPool2d) else m for m in layers]
    ).double()
    x = torch.ones(1, layers[0].in_channels, 60, 60, dtype=torch.float64, requires_grad=True)
    y = layers(x)
    middle = y.shape[2] // 2
    (slope,) = torch.autograd.grad(y[0, 0, middle, middle], x)
    touched = torch.nonzero(slope[0, 0].sum(dim=1)).flatten()
    for module in layers:  # receptive_field knows maximum pooling only
        module.__class__ = nn.MaxPool2d if isinstance(module, nn.AvgPool2d) else module.__class__
    size, step, start = receptive_field(layers)
    assert (int(touched[0]), len(touched)) == (start + step * middle, size)


def test_covering_is_exact_for_a_linear_unit_and_takes_a_tenth_of_its_field():
    torch.manual_seed(0)
    filters = nn.Conv2d(1, 3, 10, bias=False).double()
    images = torch.rand(5, 1, 14, 14, dtype=torch.float64) + 0.1
    nn.init.uniform_(filters.weight, 0.1, 1)
    units = torch.tensor([0, 1, 2, 0, 1])
    values, places = find_strongest(filters(images).detach(), units)
    important = rank_pixels(filters, images, units, torch.Generator())["gradient × input"]
    seen = pixels_in_field(filters, places, 14)
    assert seen.sum(dim=(1, 2, 3)).tolist() == [100] * 5
    left = activation_left(filters, images, units, important)
    for i, share in enumerate(left):
        # the projection of an activation a is a · w, so its products with the input add up to a²
        products = torch.where(seen[i], important[i], 0.0).flatten().sort(descending=True).values
        assert share == pytest.approx(100 * float(1 - products[: round(100 * COVERED)].sum() / values[i] ** 2))
    for other in rank_pixels(filters, images, units, torch.Generator()).values():
        assert (activation_left(filters, images, units, other) >= left - 1e-9).all()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_lies_outside_of_its_field_does_not_move_a_unit(depth):
    torch.manual_seed(0)
    layers, images, units = (
        build_five_layers(1, 28)[:depth].double(),
        torch.rand(9, 1, 28, 28).double(),
        torch.arange(9),
    )
    with torch.no_grad():
        values, places = find_strongest(layers(images), units)
        seen = pixels_in_field(layers, places, 28)
        others = layers(torch.where(seen, images, torch.rand(9, 1, 28, 28)))
    assert not seen.all()
    assert_close(others[units, units, places[:, 0], places[:, 1]], values)


def test_the_unit_that_stands_out():
    filters = nn.Conv2d(1, 2, 1, bias=False)
    filters.weight.data = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    images = torch.stack([torch.full((1, 3, 3), 1.0), torch.full((1, 3, 3), -1.0)])
    assert find_most_excited(nn.Sequential(filters, nn.ReLU()), images).tolist() == [0, 1]


def test_the_most_exciting_images_are_the_largest_activations_and_their_tiles_what_the_unit_sees():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.ReLU())
    nn.init.uniform_(layers[0].weight, -0.2, 0.6)
    images = torch.rand(20, 1, 9, 9)
    chosen = find_most_exciting(layers, images, np.random.default_rng(0))
    assert chosen.shape == (UNITS, 1 + TOPS)
    assert len(set(chosen[:, 0].tolist())) == UNITS
    with torch.no_grad():
        maps = layers(images)
    for unit, *best in chosen.tolist():
        peaks = maps[:, unit].amax(dim=(1, 2))
        assert sorted(peaks.tolist(), reverse=True)[:TOPS] == peaks[best].tolist()
    pictures = images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy()
    found = make_tiles(layers, images, pictures, chosen, {"deconvnet": deconvnet_rule})
    weights = layers[0].weight.detach()
    for row, (unit, *best) in enumerate(chosen.tolist()):
        filters = weights[unit, 0].numpy()
        drawn = found["deconvnet"][row, :, :, :, 0]
        for i, item in enumerate(best):
            assert float((found["seen"][row, i, :, :, 0] * filters).sum()) == pytest.approx(
                float(maps[item, unit].max()), rel=1e-4
            )
            assert (
                np.corrcoef(drawn[i].ravel(), filters.ravel())[0, 1] > 0.9
            )  # the filter itself, clipped at its largest


def test_crops_are_pieces_of_the_photos():
    from common import data

    crops = photo_crops()
    assert crops.shape[1:] == (128, 128, 3)
    assert np.array_equal(crops[0], data.photo("astronaut")[:128, :128])
    assert np.array_equal(crops[1], data.photo("astronaut")[:128, 128:256])


def test_tiles_in_a_grid():
    found = np.arange(6.0).reshape(2, 3, 1, 1, 1) * np.ones((2, 3, 2, 2, 3))
    picture = in_grid(found)
    assert picture.shape == (5, 8, 3)
    assert picture[::3, ::3, 0].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("change", "by_numpy"),
    [
        ({"down": 2}, lambda x: np.concatenate([x[:, :, :1], x[:, :, :1], x[:, :, :-2]], axis=2)),
        ({"degrees": 90}, lambda x: np.rot90(x, -1, axes=(2, 3))),
        ({}, lambda x: x),
    ],
)
def test_moving_by_whole_pixels_and_quarter_turns_is_exact(change, by_numpy):
    images = torch.rand(2, 1, 8, 8)
    assert_close(move(images, **change).numpy(), by_numpy(images.numpy()).copy(), atol=1e-5, rtol=0)


def test_the_unit_of_distance_is_another_image():
    images = torch.rand(6, 1, 4, 4)
    flat = partial(torch.flatten, start_dim=1)
    assert distances(flat, images, [images, images.roll(1, dims=0)]) == pytest.approx([0, 1])


def test_our_network_has_five_layers_and_the_papers_poolings():
    network = build_five_layers(1, 28)
    assert [receptive_field(network[:n])[0] for n in range(1, 6)] == [6, 12, 20, 28, 40]
    assert network(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
    assert LAST == "layer 5"
