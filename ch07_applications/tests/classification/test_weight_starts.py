"""Starts of weights: outputs that vanish or stay in range, and networks begun as trained shallow ones."""

import math
from itertools import pairwise

import pytest
import torch

from ch07_applications.classification.vgg import DEPTHS, SMALL, VGG, small_network
from ch07_applications.classification.weight_starts import begin_as, deviations, stages_of, start, weighted


def spread(deviation):
    torch.manual_seed(0)
    return deviations(start(VGG("D", classes=10, side=32, dense=()), deviation), torch.randn(4, 3, 32, 32))


def test_a_small_start_makes_outputs_vanish_and_hes_keeps_them():
    kept, vanished = spread(None), spread(0.01)
    assert len(kept) == len(vanished) == 14
    assert all(0.2 < value < 5 for value in kept)
    assert vanished[-1] < 1e-5
    assert all(later < earlier for earlier, later in pairwise(vanished[:-1]))


def test_the_papers_variance_makes_outputs_of_wide_layers_grow():
    assert spread(0.1)[-2] > 1e3


def test_the_start_is_hes():
    torch.manual_seed(0)
    network = start(VGG("64 64", classes=10, side=32, dense=()))
    for layer in weighted(network):
        inputs = math.prod(layer.weight.shape[1:])
        assert float(layer.weight.detach().std()) == pytest.approx(math.sqrt(2 / inputs), rel=0.1)
        assert not layer.bias.any()


# --- Begun as a shallow network ---------------------------------------------------------------------------------------


def test_a_deep_network_begins_with_the_shallow_ones_layers():
    torch.manual_seed(0)
    shallow, deep, untouched = (small_network(row) for row in (DEPTHS[8], DEPTHS[16], DEPTHS[16]))
    untouched.load_state_dict(deep.state_dict())
    begin_as(deep, shallow)
    for own, theirs, random in zip(*map(stages_of, (deep, shallow, untouched)), strict=True):
        for place, layer in enumerate(own):
            expected = theirs[place] if place < len(theirs) else random[place]
            assert torch.equal(layer.weight, expected.weight)
            assert torch.equal(layer.bias, expected.bias)
    assert torch.equal(deep.classifier[-1].weight, shallow.classifier[-1].weight)
    assert not torch.equal(stages_of(deep)[0][0].weight, stages_of(untouched)[0][0].weight)


def test_a_copy_is_not_shared():
    shallow, deep = small_network(DEPTHS[8]), small_network(DEPTHS[16])
    begin_as(deep, shallow)
    with torch.no_grad():
        stages_of(deep)[0][0].weight.zero_()
    assert stages_of(shallow)[0][0].weight.any()


def test_other_widths_do_not_begin_a_network():
    with pytest.raises(ValueError, match="do not fit"):
        begin_as(small_network(SMALL), small_network(DEPTHS[8]))
    with pytest.raises(ValueError, match="2 stages do not begin a network of 3"):
        begin_as(small_network(SMALL), small_network("24 24 | 48 48"))
