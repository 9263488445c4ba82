"""The network of 1989 has the paper's counts, the paper's connections, and computes what its loops would."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from ch05_cnn.lenet.plan import PAPER, SEEN_BY_H1, SEEN_BY_H2, Size, count_layer
from ch05_cnn.lenet1989 import (
    FeatureMaps,
    LeNet1989,
    ScaledTanh,
    read_digits,
    squared_error,
    targets,
)
from common.seeding import build_seeded


@pytest.mark.parametrize(
    ("name", "units", "connections", "free"),
    [("H1", 768, 19968, 1068), ("H2", 192, 38592, 2592), ("H3", 30, 5790, 5790), ("output", 10, 310, 310)],
)
def test_every_layer_has_the_paper_s_counts(name, units, connections, free):
    assert count_layer(getattr(LeNet1989(), name)) == PAPER[name] == Size(units, connections, free)


def test_the_whole_has_the_paper_s_counts():
    network = LeNet1989()
    sizes = [count_layer(getattr(network, name)) for name in PAPER]
    assert 256 + sum(each.units for each in sizes) == 1256
    assert sum(each.connections for each in sizes) == 64660
    assert sum(each.free for each in sizes) == 9760 == sum(weights.numel() for weights in network.parameters())


def test_connections_are_those_that_a_gradient_finds():
    """Units whose neighbourhood lies inside have 25 pixels, and 8 maps of 25 units, two pixels on for the next unit."""
    network = build_seeded(LeNet1989, 0)
    image, maps = torch.zeros(1, 1, 16, 16), torch.zeros(1, 12, 8, 8)
    seen = torch.autograd.functional.jacobian(network.H1, image)[0, :, :, :, 0, 0] != 0  # map, row, column, pixel
    assert seen[:, 1:7, 1:7].sum(dim=(3, 4)).unique().tolist() == [25]
    rows, columns = torch.where(seen[3, 2, 4])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 6, 10)
    seen = torch.autograd.functional.jacobian(network.H2, maps)[0, :, :, :, 0] != 0
    assert seen[:, 1:3, 1:3].flatten(3).sum(dim=3).unique().tolist() == [200]
    for j, maps_seen in enumerate(SEEN_BY_H2):
        assert torch.where(seen[j, 1, 1].any(dim=(1, 2)))[0].tolist() == sorted(maps_seen)


def test_every_map_of_h1_is_seen_by_eight_maps_and_no_two_maps_see_the_same():
    assert np.bincount(np.ravel(SEEN_BY_H2)).tolist() == [8] * 12
    assert len({tuple(sorted(maps)) for maps in SEEN_BY_H2}) == 12


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), layer=st.sampled_from([(SEEN_BY_H1, 16, 1), (SEEN_BY_H2, 8, 12)]))
def test_maps_are_what_loops_compute(seed, layer):
    (seen, side, before), rng = layer, np.random.default_rng(seed)
    maps = build_seeded(lambda: FeatureMaps(seen, side), seed).double()
    weight, bias = (parameter.detach().numpy() for parameter in (maps.weight, maps.bias))
    x = rng.normal(size=(2, before, side, side))
    out = maps(torch.tensor(x)).detach().numpy()
    for _ in range(20):
        n, j, r, c = (rng.integers(length) for length in out.shape)
        total = bias[j, r, c]
        for i, other in enumerate(seen[j]):
            for down in range(5):
                for right in range(5):
                    y, z = 2 * r + down - 2, 2 * c + right - 2
                    inside = 0 <= y < side and 0 <= z < side
                    total += weight[j, i, down, right] * (x[n, other, y, z] if inside else -1)
        assert_allclose(out[n, j, r, c], total, atol=1e-12)


def test_the_tanh_goes_through_the_targets():
    assert_allclose(ScaledTanh()(torch.tensor([-1.0, 0.0, 1.0])), [-1, 0, 1], atol=1e-4)
    assert_allclose(ScaledTanh()(torch.tensor(50.0)), 1.7159, rtol=1e-6)


def test_first_weights_fill_their_interval():
    network = build_seeded(LeNet1989, 1)
    for name, inputs in (("H1", 25), ("H2", 200), ("H3", 192), ("output", 30)):
        values = torch.cat([weights.detach().flatten() for weights in getattr(network, name).parameters()])
        limit = 2.4 / (inputs + 1)
        assert 0.97 * limit < values.abs().max() <= limit
        assert_allclose(values.std(), limit / np.sqrt(3), rtol=0.1)


def test_the_error_is_half_the_squares_summed():
    o, labels = torch.randn(7, 10), torch.arange(7)
    wanted = -np.ones((7, 10))
    wanted[np.arange(7), labels] = 1
    assert_allclose(targets(labels), wanted)
    assert_allclose(squared_error(o, labels), ((o.numpy() - wanted) ** 2).sum() / 14, rtol=1e-5)


@pytest.mark.parametrize("shape", [(2, 1, 28, 28), (2, 3, 16, 16), (2, 1, 16, 15)])
def test_images_of_another_size_are_refused(shape):
    with pytest.raises(ValueError, match=r"expects images of 1×16×16 .*, not"):
        LeNet1989()(torch.zeros(shape))


def test_the_output_is_squashed_unless_bare():
    x = torch.randn(3, 1, 16, 16)
    squashed, bare = build_seeded(LeNet1989, 2), build_seeded(lambda: LeNet1989(bare=True), 2)
    assert_allclose(squashed(x).detach(), ScaledTanh()(bare(x)).detach(), atol=1e-7)


def test_a_seed_gives_the_same_network_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    a, b, other = build_seeded(LeNet1989, 1), build_seeded(LeNet1989, 1), build_seeded(LeNet1989, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(a.H2.weight, b.H2.weight)
    assert not torch.equal(a.H2.weight, other.H2.weight)


def test_read_is_the_largest_output():
    network, images = build_seeded(LeNet1989, 3), np.random.default_rng(3).normal(size=(9, 16, 16)).astype(np.float32)
    expected = network(torch.tensor(images[:, None])).argmax(dim=1)
    assert read_digits(network, images).tolist() == expected.tolist()
