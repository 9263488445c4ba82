"""The loss around weights: directions as long as the filters, the network left as it was, and a loss known exactly."""

import numpy as np
import pytest
import torch
from torch import nn

from ch07_applications.classification.loss_surface import filter_normalised, loss_at, rise, surface


@pytest.fixture
def network():
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))
    return nn.Sequential(*layers).eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 3, 8, 8, generator=generator), torch.arange(6) % 5


def test_each_filter_of_a_direction_is_as_long_as_the_network_s_and_the_rest_is_0(network):
    direction = filter_normalised(network, torch.Generator().manual_seed(2))
    for weight, change in zip(network.parameters(), direction, strict=True):
        if weight.ndim < 2:
            assert not change.any()
        else:
            torch.testing.assert_close(change.flatten(1).norm(dim=1), weight.detach().flatten(1).norm(dim=1))


def test_the_loss_does_not_depend_on_the_length_of_filters_before_batch_norm(network, batch):
    """Filters ten times as long, with BatchNorm's means to match, are the same network."""
    here = rise(network, *batch, 0.5, directions=3, seed=0)
    with torch.no_grad():
        network[0].weight.mul_(10)
        network[1].running_mean.mul_(10)
        network[1].running_var.mul_(100)
    assert rise(network, *batch, 0.5, directions=3, seed=0) == pytest.approx(here, rel=1e-3)


def test_moving_leaves_the_network_as_it_was(network, batch):
    before = {name: values.clone() for name, values in network.state_dict().items()}
    direction = filter_normalised(network, torch.Generator().manual_seed(3))
    moved = loss_at(network, *batch, (0.7, direction))
    assert moved != loss_at(network, *batch)
    assert all(torch.equal(values, before[name]) for name, values in network.state_dict().items())


def test_a_plane_has_the_loss_of_the_weights_in_its_middle_and_its_axes_the_right_way(network, batch):
    axis = np.array([-1.0, 0.0, 0.5])
    plane = surface(network, *batch, axis, torch.Generator().manual_seed(4))
    assert plane[1, 1] == pytest.approx(loss_at(network, *batch))
    generator = torch.Generator().manual_seed(4)
    first, second = filter_normalised(network, generator), filter_normalised(network, generator)
    assert plane[0, 2] == pytest.approx(loss_at(network, *batch, (0.5, first), (-1.0, second)))


def test_the_rise_is_the_mean_of_both_ways_along_every_direction(network, batch):
    generator, here, rises = torch.Generator().manual_seed(5), loss_at(network, *batch), []
    for _ in range(2):
        direction = filter_normalised(network, generator)
        rises += [loss_at(network, *batch, (way, direction)) - here for way in (-0.5, 0.5)]
    assert rise(network, *batch, 0.5, directions=2, seed=5) == pytest.approx(np.mean(rises))
