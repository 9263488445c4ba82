"""Let there be color: the fusion layer, where gradients go, two sizes of input, and other pictures' features."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.colour.let_there_be_color import (
    LIMIT,
    UNIT,
    ColourNetwork,
    Fusion,
    chroma_of,
    joint_loss,
    small_network,
)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return small_network(with_global=True)


def lightness(n=3, side=32, seed=0):
    return torch.randn((n, 1, side, side), generator=torch.Generator().manual_seed(seed))


def test_fusion_is_a_1x1_convolution_of_maps_beside_the_repeated_vector():
    torch.manual_seed(0)
    fusion, mid, vector = Fusion(6, 4, 5), torch.randn(2, 6, 3, 7), torch.randn(2, 4)
    weights = torch.cat([fusion.whole.weight, fusion.mid.weight[:, :, 0, 0]], dim=1)[:, :, None, None]
    repeated = torch.cat([vector[:, :, None, None].expand(-1, -1, 3, 7), mid], dim=1)
    wanted = functional.conv2d(repeated, weights, fusion.mid.bias).relu()
    assert torch.allclose(fusion(mid, vector), wanted, atol=1e-6)
    assert torch.allclose(fusion(mid, None), fusion(mid, torch.zeros(2, 4)))


def test_another_vector_changes_every_pixel(network):
    network.eval()
    own, _ = network(lightness(1))
    vector = network.global_features(lightness(1, seed=1))
    other, _ = network(lightness(1), vector)
    assert (own - other).abs().amax(dim=1).min() > 0
    with_own, _ = network(lightness(1), network.global_features(lightness(1)))
    assert torch.equal(own, with_own)


def test_without_global_features_a_distant_pixel_does_not_matter():
    torch.manual_seed(0)
    for with_global in (False, True):
        network = small_network(with_global).eval()
        picture = lightness(1).requires_grad_()
        network(picture)[0][0, :, 0, 0].sum().backward()
        far = picture.grad[0, 0, 28:, 28:].abs().max()
        assert (far > 0) == with_global


def test_the_gradient_of_the_classes_reaches_low_and_global_features_alone(network):
    chroma, labels = torch.zeros(3, 2, 16, 16), torch.tensor([0, 1, 2])

    def gradients(alpha):
        network.zero_grad()
        joint_loss(network(lightness()), chroma, labels, alpha).backward()
        return {name: p.grad.clone() for name, p in network.named_parameters() if p.grad is not None}

    without, with_classes = gradients(0.0), gradients(0.5)
    for name, gradient in with_classes.items():
        part = name.split(".")[0]
        same = torch.allclose(gradient, without[name], atol=1e-7)
        assert same == (part in ("mid", "fusion", "colour")), name


def test_the_loss_is_squared_error_in_units_and_cross_entropy():
    shares, chroma = torch.full((2, 2, 3, 3), 0.6), torch.full((2, 2, 3, 3), 5.0)
    scores, labels = torch.tensor([[2.0, 0, 0], [0, 0, 1]]), torch.tensor([0, 1])
    wanted = ((20 - 5) / UNIT) ** 2 + 0.3 * functional.cross_entropy(scores, labels)
    assert joint_loss((shares, scores), chroma, labels, 0.3) == pytest.approx(float(wanted), rel=1e-5)
    assert chroma_of(torch.tensor([[[[0.0, 0.5, 1.0]]]])).ravel().tolist() == [-LIMIT, 0, LIMIT]


def test_outputs_keep_within_the_range_and_any_size_goes(network):
    network.eval()
    shares, scores = network(lightness(2, side=48))
    assert shares.shape == (2, 2, 24, 24)
    assert scores.shape == (2, 10)
    assert 0 < shares.min() < shares.max() < 1


def test_the_global_way_takes_its_own_size(network):
    """Features of a smooth picture hardly depend on its size; without the resizing there would be an error."""
    network.eval()
    ramp = torch.linspace(-1, 1, 64)[:, None] + torch.linspace(-1, 1, 64)[None].square()
    large = ramp[None, None]
    small = functional.interpolate(large, (32, 32), mode="bilinear", antialias=True)
    assert torch.allclose(network.global_features(large), network.global_features(small), atol=1e-6)
    assert network.global_features(lightness(2, side=48)).shape == (2, 64)


def test_the_published_network():
    with torch.device("meta"):
        network = ColourNetwork()
    maps = {layer.name: layer.map for layer in layers_of(network, (1, 224, 224))}
    low = [maps[f"low.{3 * k}"] for k in range(6)]
    assert low == [(64, 112, 112), (128, 112, 112), (128, 56, 56), (256, 56, 56), (256, 28, 28), (512, 28, 28)]
    assert maps["whole.9"] == (512, 7, 7)
    assert [layer.out_features for layer in network.dense if isinstance(layer, nn.Linear)] == [1024, 512, 256]
    assert network.classify[-1].out_features == 205
    assert layers_of(network, (1, 224, 224))[-1].map == (205,)
    convolutions = [(1, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512)]  # low
    convolutions += [(512, 512), (512, 256), *[(512, 512)] * 4]  # mid, global
    convolutions += [(256, 128), (128, 64), (64, 64), (64, 32)]  # colour
    dense = [(7 * 7 * 512, 1024), (1024, 512), (512, 256), (256, 256)]
    wanted = sum(9 * i * o + 2 * o for i, o in convolutions) + sum(i * o + 2 * o for i, o in dense)
    wanted += (256 + 256) * 256 + 256 + (9 * 32 * 2 + 2) + (256 * 205 + 205)  # fusion, chroma, classes
    assert parameters_of(network) == wanted
