"""AlexNet at full size is the paper's, torchvision's differs; training and scoring data of the small one."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torchvision.models import alexnet as theirs

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.classification import alexnet
from ch07_applications.classification.alexnet import (
    CHANGES,
    ONE_CROP,
    PAPER,
    RECIPE,
    SMALL,
    THIN,
    TORCHVISION,
    UNCROPPED,
    AlexNet,
    Plan,
    ResponseNorm,
    full_size,
    parameter_groups,
)
from common.ablation import BASE
from tests.recorded_lesson import recorded

# The network at full size


@pytest.mark.parametrize(
    ("plan", "parameters"), [(PAPER, 60_965_224), (replace(PAPER, towers=1), 62_378_344), (TORCHVISION, 61_100_840)]
)
def test_the_published_parameters(plan, parameters):
    assert sum(layer.parameters for layer in full_size(plan)) == parameters


def test_the_published_maps():
    maps = [layer.map for layer in full_size() if layer.kind in ("Conv2d", "MaxPool2d")]
    assert maps == [
        (96, 55, 55), (96, 27, 27), (256, 27, 27), (256, 13, 13), (384, 13, 13), (384, 13, 13), (256, 13, 13),
        (256, 6, 6),
    ]  # fmt: skip
    assert 55 * 55 * 96 == 290_400 != alexnet.PRINTED_UNITS


def test_most_weights_are_in_the_dense_layers():
    layers = full_size()
    dense = sum(layer.parameters for layer in layers if layer.kind == "Linear")
    assert round(100 * dense / sum(layer.parameters for layer in layers)) == 96
    one_tower = full_size(replace(PAPER, towers=1))
    dense = sum(layer.parameters for layer in one_tower if layer.kind == "Linear")
    assert round(100 * dense / sum(layer.parameters for layer in one_tower)) == 94


def test_with_224_pixels_the_maps_are_not_the_papers():
    with torch.device("meta"):
        assert layers_of(AlexNet(replace(PAPER, side=224)), (3, 224, 224))[0].map == (96, 54, 54)
        with pytest.raises(ValueError, match=r"3×227×227.*3×224×224"):
            AlexNet()(torch.zeros(1, 3, 224, 224))


def test_a_grey_image_is_refused():
    with pytest.raises(ValueError, match=r"expects images of 3×28×28.*not 1×28×28"):
        AlexNet(SMALL)(torch.zeros(2, 1, 28, 28))


TINY = Plan(67, widths=(8, 8, 8, 8, 8), dense=(16,), classes=3)


@pytest.mark.parametrize(("place", "mixes"), [(2, False), (3, True), (4, False), (5, False)])
def test_the_towers_meet_in_the_third_convolution_alone(place, mixes):
    torch.manual_seed(0)
    layer = [each for each in AlexNet(TINY).features if isinstance(each, nn.Conv2d)][place - 1]
    inputs = torch.randn(1, 8, 7, 7)
    other = inputs.clone()
    other[:, 4:] += 1  # the second tower's maps
    changed = (layer(inputs) - layer(other)).abs().amax((0, 2, 3)) > 0
    assert changed[4:].all()
    assert changed[:4].all() if mixes else not changed[:4].any()


def test_with_torchvisions_weights_it_is_torchvisions_network():
    torch.manual_seed(0)
    reference = theirs(weights=None).eval()
    with torch.device("meta"):
        ours = AlexNet(TORCHVISION)
    weights = dict(zip(ours.state_dict(), reference.state_dict().values(), strict=True))
    ours.load_state_dict(weights, assign=True)
    images = torch.randn(2, 3, 224, 224)
    with torch.inference_mode():
        assert_allclose(ours.eval()(images), reference(images), atol=1e-5)
    assert [type(layer) for layer in ours.classify[1:]] == [type(layer) for layer in reference.classifier]


def test_the_papers_dropout_follows_the_hidden_dense_layers():
    with torch.device("meta"):
        kinds = [type(layer) for layer in AlexNet().classify]
    assert kinds == [nn.Flatten, *2 * [nn.Linear, nn.ReLU, nn.Dropout], nn.Linear]


# LRN and pooling


@pytest.mark.parametrize("maps", [3, 5, 17])
def test_lrn_is_torchs_with_five_times_the_alpha(maps):
    torch.manual_seed(0)
    a = 40 * torch.randn(2, maps, 4, 4)
    ours = ResponseNorm(maps, 1e-4)(a)
    assert_allclose(ours, nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)(a), rtol=1e-5, atol=1e-5)
    wrong = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0)(a)
    assert (ours - wrong).abs().max() > 1


def test_lrn_of_one_active_map_by_hand():
    a = torch.zeros(1, 9, 1, 1)
    a[0, 4] = 3.0
    a[0, 6], a[0, 7] = 1.0, 100.0  # map 6 is two away, 7 is three away
    assert_allclose(ResponseNorm(9, 0.5)(a)[0, 4], 3 / (2 + 0.5 * (9 + 1)) ** 0.75, rtol=1e-6)


def test_lrn_follows_the_first_two_convolutions_after_relu_and_before_pooling():
    with torch.device("meta"):
        kinds = [type(layer) for layer in AlexNet().features]
    group = [nn.Conv2d, nn.ReLU, ResponseNorm, nn.MaxPool2d]
    assert kinds == [*group, *group, *3 * [nn.Conv2d, nn.ReLU], nn.MaxPool2d]


def test_pooling_overlaps_and_keeps_the_size_that_pooling_without_has():
    maps = [
        [layer.map for layer in layers_of(AlexNet(plan), (3, 28, 28))]
        for plan in (SMALL, replace(SMALL, overlap=False))
    ]
    assert maps[0] == maps[1]
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    pools = [AlexNet(plan).features[3] for plan in (SMALL, replace(SMALL, overlap=False))]
    assert pools[0](ramp)[0, 0, 0].tolist() == [2, 4, 6, 7]
    assert pools[1](ramp)[0, 0, 0].tolist() == [1, 3, 5, 7]


# The small network


def test_the_small_network_is_small():
    assert parameters_of(AlexNet(SMALL)) <= 300_000


def test_signals_are_alike_in_all_layers_at_the_start():
    torch.manual_seed(0)
    signal, sizes = torch.randn(64, 3, 28, 28), []
    for layer in AlexNet(SMALL).features:
        signal = layer(signal)
        if isinstance(layer, nn.Conv2d):
            sizes.append(float(signal.detach().square().mean().sqrt()))
    assert all(0.6 < size < 2.5 for size in sizes), sizes


def test_hidden_layers_are_muons_and_all_others_adamws():
    network = AlexNet(SMALL)
    hidden, others = parameter_groups(network, 0.01)
    assert hidden["orthogonal"]
    assert (others["orthogonal"], others["lr"]) == (False, 0.01 / 5)
    weights = [layer.weight for layer in (*network.features[4::2], network.classify[1]) if hasattr(layer, "weight")]
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert len(hidden["params"]) == 5
    assert {id(each) for each in weights} <= {id(each) for each in hidden["params"]}
    assert {"features.0.weight", "features.0.bias", "classify.4.weight"} <= {names[id(p)] for p in others["params"]}
    assert len(hidden["params"]) + len(others["params"]) == len(names)


# The lesson


@cache
def at_smoke():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alexnet, "score_rivals", lambda run, parts: None)
        patch.setattr(alexnet, "FISHER", BASE)  # rivals have tests of their own: here nothing is fitted for them
        patch.setattr(alexnet, "HOG", ONE_CROP)
        patch.setattr(alexnet.Run, "compare", noted_compare)
        ASKED.clear()
        return recorded(alexnet, patch), list(ASKED)


ASKED: list[tuple] = []


def noted_compare(run, a, b, metric=None):
    ASKED.append((a, b))


def test_variants_learn_from_train_and_are_judged_on_validation():
    found, asked = at_smoke()
    parts = alexnet.cifar(found.run)
    variants = {BASE, ONE_CROP, UNCROPPED, *CHANGES}
    for name in variants:
        (score,) = found.scored[name]
        assert np.array_equal(score.args[0].images, parts.validation.images[:64])
    for name in variants - {ONE_CROP}:  # which is the base's network
        (fit,) = found.fitted[name]
        assert np.array_equal(fit.args[1].images, parts.train.images[:64])
    assert ONE_CROP not in found.fitted
    assert found.run.methods[ONE_CROP].model is found.run.methods[BASE].model
    expected = {(name, BASE) for name in (*CHANGES, ONE_CROP)} | {(UNCROPPED, ONE_CROP)}
    assert expected <= set(asked)


def test_the_small_network_learns_from_all_and_sees_test_images_once():
    found, _ = at_smoke()
    parts = alexnet.cifar(found.run)
    (fit,), (score,) = found.fitted[alexnet.ALEXNET], found.scored[alexnet.ALEXNET]
    assert len(fit.args[1]) == len(parts.whole)
    assert np.array_equal(score.args[0].images, parts.test.images)
    assert (alexnet.SHARED, 0) in found.run.shared


def test_each_variant_changes_one_thing():
    assert {name: len(change) for name, change in CHANGES.items()} == dict.fromkeys(CHANGES, 1)
    assert {name: getattr(THIN.plan, *change) != next(iter(change.values())) for name, change in CHANGES.items()} == (
        dict.fromkeys(CHANGES, True)
    )
    assert replace(THIN, plan=RECIPE.plan, epochs=RECIPE.epochs) == RECIPE


def test_what_is_predicted_from_one_crop_and_from_ten(monkeypatch):
    """One crop and no crops are both predicted from the middle of the image; all others from ten crops."""
    found, _ = at_smoke()
    views = {name: found.scored[name][0].args[1].keywords["views"] for name in (BASE, ONE_CROP, UNCROPPED, *CHANGES)}
    assert views == {BASE: 10, ONE_CROP: 1, UNCROPPED: 1} | dict.fromkeys(CHANGES, 10)


def test_the_changes_reach_the_networks():
    found, _ = at_smoke()
    networks = {name: found.run.methods[name].model.network_ for name in (BASE, *CHANGES)}
    norms = {name: sum(isinstance(m, ResponseNorm) for m in each.modules()) for name, each in networks.items()}
    assert norms == {**dict.fromkeys(networks, 2), "without LRN": 0}
    pools = {name: next(m for m in each.modules() if isinstance(m, nn.MaxPool2d)) for name, each in networks.items()}
    assert {name: pool.kernel_size for name, pool in pools.items()} == (
        {**dict.fromkeys(networks, 3), "pooling without overlap": 2}
    )
    drops = {name: next(m for m in each.modules() if isinstance(m, nn.Dropout)) for name, each in networks.items()}
    assert {name: drop.p for name, drop in drops.items()} == {**dict.fromkeys(networks, 0.5), "without dropout": 0.0}
