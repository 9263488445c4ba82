"""The lesson's counts of SSD300 without weights, compared with measured receptive fields and known sums."""

import pytest
import torch
from torch import nn

from ch06_detection.drawings.ssd300 import draw_architecture, draw_fields
from ch06_detection.ssd300 import BOXES, MAPS, SIDE, SSD300, lesson, parts, products, receptive_field, receptive_fields
from common import data
from common.console import Console
from common.data import Scale
from common.record import LessonRecord
from common.run import Run


@pytest.fixture(scope="module")
def network():
    with torch.device("meta"):
        return SSD300(21)


def reached(layers, size):
    """The receptive field of the middle output along an axis, by its gradient; and the stride."""
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.ones_(layer.weight)
    image = torch.ones(1, 1, size, size, requires_grad=True)
    answer = layers(image)
    answer[0, 0, answer.shape[2] // 2, answer.shape[3] // 2].backward()
    return int((image.grad[0, 0] != 0).any(dim=0).sum()), round(size / answer.shape[3])


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 1, 3, padding=1)],
        [nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1, stride=2), nn.Conv2d(1, 1, 5, padding=2)],
        [nn.Conv2d(1, 1, 3, padding=1, stride=2), nn.AvgPool2d(1), nn.Conv2d(1, 1, 3, padding=6, dilation=6)],
        [nn.Conv2d(1, 1, 4, stride=4), nn.ReLU(), nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 3, padding=2, dilation=2)],
    ],
)
def test_receptive_fields_are_those_that_the_gradient_shows(layers):
    layers = nn.Sequential(*layers)
    field, stride = receptive_field(layers)
    seen, step = reached(layers, 96)
    holes = any(isinstance(layer, nn.Conv2d) and layer.dilation[0] > layer.stride[0] for layer in layers)
    assert stride == step
    assert seen == field or (holes and seen < field)


def test_the_fields_of_ssd300(network):
    assert receptive_field(network.to_conv4_3) == (92, 8)  # VGG-16's, as often computed
    found = receptive_fields(network)
    assert found[0] == 92 + 2 * 8
    assert found == sorted(found)


def test_every_parameter_is_counted_once(network):
    counted = [weights for modules in parts(network).values() for part in modules for weights in part.parameters()]
    missing = {id(weights) for weights in network.parameters()} - {id(weights) for weights in counted}
    assert missing == {id(network.scale)}
    assert len(counted) == len(list(network.parameters())) - 1


def test_products_are_torch_s_own_count(network):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, SIDE, SIDE, device="meta"))
    assert 2 * sum(products(network).values()) == counter.get_total_flops()


def test_the_architecture_is_drawn_with_its_numbers():
    texts = {text.get_text() for text in draw_architecture(MAPS, BOXES, 8732).axes[0].texts}
    assert {"conv4_3", "38×38×512", "4 × 38²", "= 5776", "= 4", "300×300×3"} <= texts


def test_fields_are_drawn():
    figure = draw_fields(MAPS, data.photo("cat")[:SIDE, :SIDE], [108, 452, 516, 644, 772, 900])
    assert [len(axis.patches) for axis in figure.axes] == [5, 7, 7, 7, 5, 5]
    assert figure.axes[0].patches[0].get_width() == 108


def test_what_the_lesson_says(tmp_path):
    run = Run("ssd300", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    lesson(run)
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["default boxes"] == 8732
    assert facts["parameters"] == 26_285_486
    assert facts["multiply-adds"] == pytest.approx(31.37, abs=0.01)
    assert sum(value for name, value in facts.items() if name.startswith("parameters, ")) == 26_285_486 - 512
    assert {picture.name for picture in run.record.pictures} == {"architecture", "fields"}
