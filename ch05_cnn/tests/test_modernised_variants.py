"""Every variant builds the network that it names, and the training loop receives its settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from ch05_cnn.lenet1989 import LeNet1989, ScaledTanh, squared_error
from ch05_cnn.modernised import MOVES, RATES, Variant, build_network, train_variant
from common.seeding import build_seeded
from common.train import Training

TODAY = Variant(cross_entropy=True, relu=True, adam=True, layers="pooled")


def kinds(variant: Variant) -> list[type]:
    return [type(layer) for layer in build_network(variant).layers]


def test_the_base_is_lenet_1989():
    ours, theirs = (build_seeded(build, 3) for build in (lambda: build_network(Variant()), LeNet1989))
    x = torch.randn(4, 1, 16, 16)
    assert torch.equal(ours(x), theirs(x))


def test_layers_are_those_that_are_named():
    dense = [nn.Flatten, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.Identity]
    assert kinds(TODAY) == [nn.Conv2d, nn.ReLU, nn.MaxPool2d] * 2 + dense
    assert kinds(replace(TODAY, layers="plain")) == [nn.Conv2d, nn.ReLU] * 2 + dense
    assert kinds(replace(TODAY, relu=False))[1] is ScaledTanh
    assert kinds(replace(TODAY, cross_entropy=False))[-1] is nn.ReLU
    assert [
        layer.p for layer in build_network(replace(TODAY, dropout=0.3)).layers if isinstance(layer, nn.Dropout)
    ] == [0.3] * 2
    with pytest.raises(ValueError, match="layers must be one of 1989, plain, pooled, got 'dense'"):
        build_network(Variant(layers="dense"))


@pytest.mark.parametrize(("layers", "stride"), [("plain", 2), ("pooled", 1)])
def test_maps_keep_the_sides_of_1989(layers, stride):
    whole, seen = build_network(replace(TODAY, layers=layers)), []
    convolutions = [layer for layer in whole.layers if isinstance(layer, nn.Conv2d)]
    assert [layer.stride for layer in convolutions] == [(stride, stride)] * 2
    whole.layers[[type(layer) for layer in whole.layers].index(nn.Flatten)].register_forward_hook(
        lambda layer, inputs, output: seen.append(tuple(inputs[0].shape))
    )
    assert whole(torch.zeros(2, 1, 16, 16)).shape == (2, 10)
    assert seen == [(2, 12, 4, 4)]
    assert sum(weights.numel() for weights in whole.parameters()) == 12 * 26 + 12 * 301 + 5790 + 310


def test_relu_starts_as_he_et_al():
    for variant in (TODAY, replace(TODAY, layers="1989")):
        whole = build_seeded(lambda variant=variant: build_network(variant), 0)
        weights = [weights for weights in whole.parameters() if weights.numel() > 1000]  # enough to measure
        assert len(weights) == 2
        for each in weights:
            assert_allclose(each.std().item(), np.sqrt(2 / each[0].numel()), rtol=0.05)
    assert all(weights.abs().sum() == 0 for name, weights in whole.named_parameters() if name.endswith("bias"))


@pytest.mark.parametrize("variant", [Variant(), TODAY, replace(TODAY, layers="plain")])
def test_images_of_another_size_are_refused(variant):
    with pytest.raises(ValueError, match=r"expects images of 1×16×16 .*, not 1×28×28"):
        build_network(variant)(torch.zeros(2, 1, 28, 28))


def told(monkeypatch, variant: Variant) -> dict:
    """The settings that the training loop receives for a variant."""
    seen = {}

    def note(training, network, images, seed):
        seen.update(vars(training), network=network, images=images, seed=seed)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "__call__", note)
        images, labels = np.zeros((5, 16, 16), np.float32), np.arange(5)
        seen["trained"] = train_variant(variant, images, labels, 7, "cpu")
    return seen


def test_the_loop_is_told_what_the_recipe_says(monkeypatch):
    base = told(monkeypatch, Variant(epochs=3))
    assert (base["epochs"], base["learning_rate"], base["seed"]) == (3, RATES["squared error"], 7)
    assert base["loss"] is squared_error
    assert base["images"].augment is None
    assert base["images"].images.shape == (5, 1, 16, 16)
    assert base["trained"] is base["network"]
    optimiser = base["optimiser"]([torch.zeros(1, requires_grad=True)], lr=0.1)
    assert isinstance(optimiser, torch.optim.SGD)
    assert optimiser.defaults["momentum"] == 0.9

    assert told(monkeypatch, Variant(cross_entropy=True))["learning_rate"] == RATES["cross-entropy"]
    today = told(monkeypatch, replace(TODAY, moved=True))
    assert today["learning_rate"] == RATES["Adam"]
    assert today["loss"] is nn.functional.cross_entropy
    assert today["optimiser"] is torch.optim.AdamW
    assert today["images"].augment is MOVES


@pytest.mark.parametrize("variant", [Variant(epochs=60), replace(TODAY, epochs=10, dropout=0.1)])
def test_recipes_learn_and_a_seed_gives_the_same_network(variant):
    rng = np.random.default_rng(0)
    patterns, labels = rng.uniform(-1, 1, (10, 16, 16)), np.tile(np.arange(10), 20)
    images = (patterns[labels] + 0.1 * rng.normal(size=(200, 16, 16))).astype(np.float32)
    model, again = (train_variant(variant, images, labels, 1, "cpu") for _ in range(2))
    x = torch.tensor(images[:, None])
    assert (model(x).argmax(dim=1).numpy() == labels).mean() > 0.9
    assert torch.equal(model(x), again(x))
