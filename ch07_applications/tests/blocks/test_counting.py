"""Layers counted: against torchvision's published counts, hand calculation, and torch's own flop counter."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from ch07_applications.blocks.counting import layers_of, multiplications_of, parameters_of
from ch07_applications.blocks.drawn_networks import draw_maps, draw_where
from common import plots


def on_meta(build):
    with torch.device("meta"):
        return build()


@pytest.mark.parametrize(
    ("build", "parameters", "billions"),
    [(models.vgg16, 138_357_544, 15.47), (models.resnet50, 25_557_032, 4.09), (models.googlenet, 13_004_888, 1.498)],
)
def test_parameters_and_multiplications_are_the_published_ones(build, parameters, billions):
    network = on_meta(lambda: build(weights=None, init_weights=False) if build is models.googlenet else build())
    assert parameters_of(network) == parameters
    weights = models.get_model_weights(build).DEFAULT.meta
    assert weights["num_params"] in (parameters, 6_624_904)  # GoogLeNet's without its auxiliary heads
    assert multiplications_of(network, (3, 224, 224)) / 1e9 == pytest.approx(billions, abs=0.01)
    assert weights["_ops"] == pytest.approx(billions, abs=0.01)


def test_each_kind_of_layer_counts_as_torch_counts_it():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, groups=1),
        nn.Conv2d(8, 8, 3, groups=4, padding=1),
        nn.ConvTranspose2d(8, 4, 4, stride=2),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(4 * 16 * 16, 5),
    )
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, 3, 15, 15))
    assert 2 * multiplications_of(network, (3, 15, 15)) == counter.get_total_flops()
    assert sum(layer.parameters for layer in layers_of(network, (3, 15, 15))) == parameters_of(network)


def test_maps_come_in_the_order_of_computation_and_the_mode_stays():
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.MaxPool2d(2))).train()
    found = layers_of(network, (1, 8, 8))
    assert [(layer.name, layer.map) for layer in found] == [("0", (2, 6, 6)), ("1.0", (2, 6, 6)), ("1.1", (2, 3, 3))]
    assert [layer.weighted for layer in found] == [True, False, False]
    assert network.training
    assert not network[0]._forward_hooks


def test_a_layer_that_is_used_twice_has_its_parameters_once_and_its_multiplications_twice():
    shared = nn.Linear(4, 4, bias=False)
    found = layers_of(nn.Sequential(shared, shared), (4,))
    assert [(layer.parameters, layer.multiplications) for layer in found] == [(16, 16), (0, 16)]


def test_pictures_show_every_layer():
    found = layers_of(on_meta(models.alexnet), (3, 224, 224))
    weighted = [layer for layer in found if layer.weighted]
    with plots.style():
        bars = draw_where(found)
        maps = draw_maps(weighted, (3, 224, 224))
    assert len(bars.axes[0].patches) == len(weighted) == 8
    shares = [bar.get_width() for bar in bars.axes[1].patches]
    assert sum(shares) == pytest.approx(100)
    words = [text.get_text() for text in maps.axes[0].texts]
    assert {"224²×3", "55²×64", "4096"} <= set(words)
    assert [axis.get_title(loc="left") for axis in bars.axes] == [
        "61.1 million parameters",
        "714 million multiplications",
    ]
