"""Parameters by the formulas of their layers, images of the right size only, and BatchNorm in evaluation."""

from __future__ import annotations

import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from ch05_cnn.models.networks import LeNet5, Modern, check_images
from common.residual import Residual

NETWORKS = [LeNet5(), LeNet5(3, 32), Modern(), Modern(3, 32, (8, 16, 24)), Modern(1, 28, (8, 8))]


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def images(network: nn.Module, n: int = 2) -> torch.Tensor:
    return torch.randn((n, network.channels, network.side, network.side), generator=torch.Generator().manual_seed(n))


def test_lenet5_has_61706_parameters():
    """Kernels 5²·inputs + 1 for each map; (inputs + 1) · units of a dense layer: 156 + 2416 + 48120 + 10164 + 850."""
    expected = [6 * (25 + 1), 16 * (6 * 25 + 1), 120 * (16 * 25 + 1), 84 * 121, 10 * 85]
    layers = [layer for layer in LeNet5().layers if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [parameters(layer) for layer in layers] == expected
    assert parameters(LeNet5()) == sum(expected) == 61_706


def test_lenet5_of_cifar_images():
    assert parameters(LeNet5(3, 32)) == 6 * 76 + 2416 + 120 * (16 * 36 + 1) + 10164 + 850
    assert LeNet5(3, 32).layers[7].in_features == 16 * 6 * 6


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("widths", [(32, 64, 128), (4, 6), (8, 16, 24, 32)])
def test_modern_has_the_parameters_of_its_convolutions(channels, widths):
    """A convolution: 9·inputs·outputs weights and 2·outputs of BatchNorm; a residual block: two of them."""
    expected = 9 * channels * widths[0] + 2 * widths[0]
    for stage in range(1, len(widths)):
        a, b = widths[stage - 1 : stage + 1]
        expected += 9 * a * b + 2 * b + 2 * (9 * b * b + 2 * b)
    expected += 10 * (widths[-1] + 1)
    assert parameters(Modern(channels, 28, widths)) == expected


def test_each_stage_halves_the_side():
    network, sides = Modern(1, 28, (4, 6, 8, 10)), []
    for layer in network.features:
        layer.register_forward_hook(lambda layer, given, out: sides.append(out.shape[1:3]))
    network(images(network))
    assert [tuple(side) for side in sides] == [
        *[(4, 28), (6, 28), (6, 14), (6, 14)],
        *[(8, 14), (8, 7), (8, 7)],
        *[(10, 7), (10, 3), (10, 3)],
    ]


@pytest.mark.parametrize("network", NETWORKS, ids=lambda n: f"{type(n).__name__} {n.channels}×{n.side}")
def test_images_of_another_size_or_channel_count_are_refused(network):
    c, s = network.channels, network.side
    assert network(images(network)).shape == (2, 10)
    for channels, side in [(c, s + 1), (c, s - 4), (4 - c, s), (c + 1, s), (c, 2 * s)]:
        with pytest.raises(ValueError, match=rf"expects images of {c}×{s}×{s} .*, not {channels}×{side}×{side}"):
            network(torch.zeros(2, channels, side, side))


@pytest.mark.parametrize("shape", [(2, 1, 28, 27), (2, 1, 27, 28), (2, 28, 28), (28, 28)])
def test_what_is_no_batch_of_square_images_is_refused(shape):
    with pytest.raises(ValueError, match="expects images of 1×28×28"):
        check_images(torch.zeros(shape), 1, 28)


@pytest.mark.parametrize("network", [Modern(), Modern(1, 28, (8, 8, 8))], ids=["Modern", "narrow"])
def test_an_image_alone_is_judged_as_within_a_batch(network):
    """In evaluation BatchNorm uses its running means; in training it would use the batch's."""
    batch = images(network, 16)
    network.train()
    for _ in range(3):
        network(batch)
    in_training = network(batch).detach()
    network.eval()
    with torch.inference_mode():
        together, alone = network(batch), torch.cat([network(one[None]) for one in batch])
    assert_allclose(alone, together, atol=1e-4)
    assert (in_training - together).abs().max() > 1e-2


def test_a_residual_block_that_says_nothing_passes_its_input_on():
    block = Residual(5)
    nn.init.zeros_(block.f[1][1].weight)
    x = torch.randn(2, 5, 6, 6)
    assert_allclose(block(x).detach(), x)
    nn.init.ones_(block.f[1][1].weight)
    out = block(x).detach()
    assert (out >= x).all()  # x + a rectified map
    assert not torch.equal(out, x)
