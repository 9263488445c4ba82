"""The residual block is torchvision's, with the sum rectified as the paper has it, and x + f(x) without."""

from __future__ import annotations

import torch
from torch import nn
from torch.testing import assert_close
from torchvision.models.resnet import BasicBlock

from common.residual import Residual, convolution


def same_weights(ours: nn.Module, theirs: nn.Module) -> None:
    """Random numbers for theirs, BatchNorm's included, copied into ours in the order of the layers."""
    for values in [*theirs.parameters(), *(b for name, b in theirs.named_buffers() if "running" in name)]:
        nn.init.uniform_(values, 0.2, 1.0)
    for (name, to), (other, of) in zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True):
        assert name.rpartition(".")[2] == other.rpartition(".")[2]
        to.copy_(of)


def test_the_sum_rectified_is_torchvisions_block():
    torch.manual_seed(0)
    ours, theirs = Residual(5, rectified_sum=True).double().eval(), BasicBlock(5, 5).double().eval()
    same_weights(ours, theirs)
    x = torch.randn(3, 5, 7, 6, dtype=torch.float64) - 2
    kept = x.clone()
    assert_close(ours(x), theirs(x))
    assert_close(x, kept)  # rectifiers in place leave the input alone
    assert (ours(x) == 0).any()


def test_without_it_the_input_comes_through_and_f_is_positive():
    torch.manual_seed(0)
    block = Residual(4).eval()
    x = torch.randn(2, 4, 6, 6)
    assert_close(block(x), x + block.f(x))
    assert (block.f(x) >= 0).all()
    assert (block(x) < 0).any()


def test_a_convolution_is_its_three_layers():
    torch.manual_seed(0)
    layers = convolution(3, 4, stride=2).eval()
    nn.init.normal_(layers[1].bias)
    x = torch.randn(2, 3, 9, 9)
    expected = nn.functional.conv2d(x, layers[0].weight, stride=2, padding=1) / (1 + 1e-5) ** 0.5
    assert_close(layers(x), (expected + layers[1].bias[:, None, None]).clamp(min=0))
    assert layers[0].bias is None
    assert len(convolution(3, 4, rectified=False)) == 2
