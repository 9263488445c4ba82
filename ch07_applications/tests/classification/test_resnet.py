"""ResNet: published counts and outputs, shortcuts, the identity, and the lesson's training and scoring data."""

from functools import partial

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from ch07_applications.blocks.counting import layers_of, multiplications_of, parameters_of
from ch07_applications.classification import depth_study, resnet
from ch07_applications.classification.cifar import cifar
from ch07_applications.classification.depth_study import (
    JUDGED,
    MEASURED,
    by_the_paper,
    decay_groups,
    halved,
    loss_by,
    response_deviations,
)
from ch07_applications.classification.resnet import (
    OPTIONS,
    OURS,
    SMALL_RESNET,
    STUDY,
    Block,
    PaddedShortcut,
    cifar_net,
    depth_of,
    ends_of_stages,
    imagenet,
    published,
    shortcut,
    small_network,
    small_resnet,
)
from common.console import Console
from common.data import Images, Scale
from common.errors import Problem
from common.image_classifier import ImageClassifier
from common.muon import Muon
from common.paper_claims import PaperClaims
from common.record import LessonRecord
from common.run import Run
from common.train import Training
from tests.recorded_lesson import recorded

IMAGENET_COUNTS = {18: 11_689_512, 34: 21_797_672, 50: 25_557_032, 101: 44_549_160, 152: 60_192_808}
CIFAR_COUNTS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962}


@pytest.fixture
def images():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def on_meta(build):
    with torch.device("meta"):
        return build()


# The published networks


@pytest.mark.parametrize(("depth", "count"), IMAGENET_COUNTS.items())
def test_imagenet_networks_have_the_published_counts(depth, count):
    network = on_meta(partial(imagenet, depth))
    assert parameters_of(network) == count
    assert depth_of(network) == depth
    maps = [layer.map for layer in ends_of_stages(network)]
    width = 2048 if depth >= 50 else 512
    assert maps[:2] == [(64, 112, 112), (64, 56, 56)]
    assert maps[2:] == [(width // 8, 56, 56), (width // 4, 28, 28), (width // 2, 14, 14), (width, 7, 7), (1000,)]


@pytest.mark.parametrize(("depth", "count"), CIFAR_COUNTS.items())
def test_cifar_networks_have_the_published_counts_and_depths(depth, count):
    network = on_meta(partial(cifar_net, depth))
    assert parameters_of(network) == count
    assert depth_of(network) == depth
    assert [block.outputs for block in network.blocks] == [w for w in (16, 32, 64) for _ in range((depth - 2) // 6)]
    # Option B adds two projections: 16 · 32 + 32 · 64 weights, and their BatchNorm.
    assert parameters_of(on_meta(partial(cifar_net, depth, "B"))) == count + 512 + 2048 + 64 + 128


def test_resnet_20_is_not_the_wide_network_that_often_has_its_name():
    layers = layers_of(on_meta(partial(cifar_net, 20)), (3, 32, 32))
    assert max(layer.map[0] for layer in layers) == 64
    assert sum(layer.multiplications for layer in layers) == 40_551_040  # with option A no projection multiplies


def with_weights_of(ours, theirs):
    """Our network with their weights: the layers have the same order."""
    own = ours.state_dict()
    assert [t.shape for t in own.values()] == [t.shape for t in theirs.state_dict().values()]
    ours.load_state_dict(dict(zip(own, theirs.state_dict().values(), strict=True)))
    return ours.eval()


def shaken(network):
    """Running means, γ and β that are no longer 0 and 1, so that a BatchNorm in the wrong place shows."""
    generator = torch.Generator().manual_seed(1)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values, low in ((layer.weight, 0.5), (layer.bias, -0.2), (layer.running_mean, -0.2)):
                values.data = torch.rand(values.shape, generator=generator) * 0.5 + low
            layer.running_var = torch.rand(layer.running_var.shape, generator=generator) + 0.5
    return network.eval()


@pytest.mark.parametrize("depth", [18, 50])
def test_copied_weights_give_torchvision_s_outputs(depth, images):
    theirs = shaken(getattr(torchvision.models, f"resnet{depth}")(weights=None))
    ours = with_weights_of(imagenet(depth), theirs)
    with torch.no_grad():
        expected = theirs(images)
        torch.testing.assert_close(ours(images), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


def test_torchvision_strides_in_the_3x3_and_the_paper_in_the_first_1x1(images):
    theirs = shaken(torchvision.models.resnet50(weights=None))
    paper = with_weights_of(imagenet(50, strided="1x1"), theirs)
    with torch.no_grad():
        assert float((paper(images) - theirs(images)).abs().max()) > 0.01 * float(theirs(images).abs().max())
    strides = {
        strided: [layer.stride[0] for layer in Block(8, 4, 2, bottleneck=True, strided=strided).body[::3]]
        for strided in ("3x3", "1x1")
    }
    assert strides == {"3x3": [1, 2, 1], "1x1": [2, 1, 1]}
    counts = [multiplications_of(published(50, strided=strided), (3, 224, 224)) / 1e9 for strided in ("3x3", "1x1")]
    assert counts == pytest.approx([4.09, 3.86], rel=0.005)  # torchvision states 4.09, the paper 3.8 billion


def test_vgg_s_multiplications_are_counted_not_remembered():
    for count, build in ((resnet.VGG_16, torchvision.models.vgg16), (resnet.VGG_19, torchvision.models.vgg19)):
        assert multiplications_of(on_meta(build), (3, 224, 224)) == count


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: imagenet(20), "18, 34, 50, 101, 152"),
        (lambda: cifar_net(21), "6n"),
        (lambda: cifar_net(2), "6n"),
        (lambda: Block(8, 8, option="D"), "option"),
        (lambda: Block(8, 8, strided="5x5"), "stride"),
        (lambda: PaddedShortcut(8, 4, 1), "zeros only add channels"),
    ],
)
def test_what_cannot_be_built_is_named(wrong, said):
    with pytest.raises(ValueError, match=said):
        wrong()


# Blocks


@pytest.mark.parametrize("bottleneck", [False, True])
def test_a_block_whose_last_gamma_is_0_is_the_identity(bottleneck):
    inputs = 16 if bottleneck else 4
    block = Block(inputs, 4, option="A", bottleneck=bottleneck, zero=True)
    nn.init.zeros_(block.body[-1].weight)
    x = torch.rand(3, inputs, 8, 8)  # not negative: as after a ReLU
    assert torch.equal(block(x), x)
    assert torch.equal(block.eval()(x), x)


def test_a_network_whose_last_gammas_are_0_starts_with_blocks_that_are_their_shortcuts():
    network, x = cifar_net(8, width=4, zero=True), torch.randn(2, 3, 16, 16)
    first = network.stem(x)
    assert torch.equal(network.blocks[0](first), first)
    assert torch.equal(network.blocks[1](first), PaddedShortcut(4, 8, 2)(first))
    others = [block.body[-1].weight for block in cifar_net(8, width=4).blocks]
    assert all(torch.equal(weight, torch.ones_like(weight)) for weight in others)


def test_option_a_keeps_what_it_passes_and_has_no_parameters():
    way = PaddedShortcut(3, 8, 2)
    x = torch.randn(2, 3, 6, 6)
    y = way(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:5], x[:, :, ::2, ::2])
    assert float(y.square().sum()) == pytest.approx(float(x[:, :, ::2, ::2].square().sum()))
    assert parameters_of(way) == 0
    assert torch.equal(PaddedShortcut(3, 5, 1)(x)[:, 1:4], x)


def test_shortcuts_by_option():
    kinds = {
        option: [type(shortcut(8, out, stride, option)).__name__ for out, stride in ((8, 1), (16, 2))]
        for option in OPTIONS
    }
    assert kinds == {
        "A": ["Identity", "PaddedShortcut"],
        "B": ["Identity", "Sequential"],
        "C": ["Sequential", "Sequential"],
    }


def test_a_block_adds_before_its_last_relu():
    block, x = Block(4, 4, option="A").eval(), torch.randn(2, 4, 5, 5)
    torch.testing.assert_close(block(x), torch.relu(x + block.body(x)))
    assert not isinstance(block.body[-1], nn.ReLU)
    plain = Block(4, 4, option="plain").eval()
    plain.load_state_dict(block.state_dict())
    torch.testing.assert_close(plain(x), torch.relu(block.body(x)))


@pytest.mark.parametrize("depth", [20, 44])
def test_plain_and_residual_networks_have_equal_parameters(depth):
    plain, residual = (on_meta(partial(cifar_net, depth, option)) for option in ("plain", "A"))
    assert [p.shape for p in plain.parameters()] == [p.shape for p in residual.parameters()]
    assert multiplications_of(plain, (3, 32, 32)) == multiplications_of(residual, (3, 32, 32))


def test_the_gradient_reaches_the_first_layer_past_blocks_that_block_it():
    """Blocks whose F has no gradient at all (last γ at 0) still pass it on through the shortcuts."""
    for option, reaches in (("A", True), ("plain", False)):
        torch.manual_seed(0)
        network = cifar_net(20, option, width=4, zero=True)
        nn.functional.cross_entropy(network(torch.randn(8, 3, 16, 16)), torch.arange(8)).backward()
        assert (float(network.stem[0].weight.grad.abs().max()) > 1e-6) == reaches


def test_filters_start_with_he_s_variance():
    torch.manual_seed(0)
    weight = imagenet(18).blocks[-1].body[0].weight.detach()
    assert float(weight.var()) == pytest.approx(2 / (9 * 512), rel=0.02)


# Training


def test_weight_decay_spares_batch_norm_and_biases():
    network = small_network()
    for groups in (decay_groups(network, 0.1), decay_groups(network, 0.1, orthogonal=True)):
        decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
        spared = {id(p) for group in groups if not group["weight_decay"] for p in group["params"]}
        kept = {
            id(p) for layer in network.modules() if isinstance(layer, nn.BatchNorm2d) for p in layer.parameters()
        } | {id(network.classify[-1].bias)}
        assert spared == kept
        assert decayed == {id(p) for p in network.parameters()} - kept
        assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))


@pytest.mark.parametrize("recipe", [small_resnet, lambda run: by_the_paper(run, small_network, 1)])
def test_both_recipes_leave_batch_norm_as_it_is_where_only_decay_acts(a_run, recipe):
    training = recipe(a_run).training
    network = small_network()
    optimiser = training.optimiser(training.groups(network), lr=0.1)
    norm, filters = network.blocks[0].body[1].weight, network.blocks[0].body[0].weight
    before = filters.detach().clone()
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert torch.equal(norm, torch.ones_like(norm))
    assert float(filters.detach().norm()) < float(before.norm())


def test_a_batch_of_one_with_batch_norm_is_refused_in_one_line():
    training = Training(1, batch_size=1)
    model = ImageClassifier(lambda channels, side: cifar_net(8, width=2), training)
    with pytest.raises(Problem, match="BatchNorm cannot learn from batches of one image"):
        model.fit(np.zeros((4, 16, 16, 3), np.uint8), np.zeros(4, np.int64))


def test_the_small_network_has_at_most_300_000_parameters_and_is_residual():
    network = small_network()
    assert parameters_of(network) <= 300_000
    assert all(block.shortcut is not None for block in network.blocks)
    assert isinstance(small_network().blocks[-1].shortcut, nn.Sequential)


def test_the_small_recipe_uses_muon_for_hidden_filters(a_run):
    training = small_resnet(a_run).training
    optimiser = training.optimiser(training.groups(small_network()), lr=0.1)
    assert isinstance(optimiser, Muon)
    assert [group["orthogonal"] for group in optimiser.param_groups] == [True, False, False]


# The study of depth


def test_halved_images_are_means_of_2x2():
    pixels = np.zeros((1, 4, 4, 3), np.uint8)
    pixels[0, :2, :2, 0] = [[10, 20], [30, 44]]
    part = halved(Images(pixels, np.array([3]), ids=np.array([7])))
    assert part.images.shape == (1, 2, 2, 3)
    assert part.images[0, 0, 0].tolist() == [26, 0, 0]
    assert (part.labels.tolist(), part.ids.tolist()) == ([3], [7])


def test_a_loss_is_the_mean_of_a_tenth_of_the_steps():
    losses = [9.0] * 8 + [4.0, 6.0] + [9.0] * 8 + [1.0, 3.0]
    assert (loss_by(losses, 1), loss_by(losses, 0.5)) == (2.0, 5.0)
    assert loss_by([5.0], 1) == 5.0


def test_responses_are_taken_after_batch_norm_and_before_the_sum():
    torch.manual_seed(0)
    network = cifar_net(8, width=4)
    for block in network.blocks:
        nn.init.constant_(block.body[-1].weight, 0.0)
        nn.init.constant_(block.body[1].weight, 3.0)
    network.train()
    images = torch.randn(64, 3, 16, 16)
    for _ in range(60):
        network(images)
    deviations = response_deviations(network, images)
    assert len(deviations) == 7
    assert deviations[2::2] == [0.0, 0.0, 0.0]
    np.testing.assert_allclose(deviations[1::2], 3.0, rtol=0.05)


@pytest.fixture
def a_run(tmp_path):
    return Run("resnet", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True), device_name="cpu")


# Training and scoring data


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("lesson"))  # where checkpoints go
        patch.setattr(resnet, "score_rivals", lambda run, parts: None)
        patch.setattr(Run, "compare", lambda run, a, b, metric=None: None)
        patch.setattr(PaperClaims, "compared", lambda claims, claim, **how: None)
        found = recorded(resnet, patch)
    found.drawn = found.figures["depth"][0]
    return found


def test_variants_learn_from_training_images_and_are_judged_on_validation_images(found):
    parts = cifar(found.run)
    train, judged = halved(parts.train).images, halved(parts.validation)
    for name in STUDY:
        learned = found.fitted[name][0].args[1]
        assert np.array_equal(learned.images, train[: len(learned)])
        scores = found.run.methods[name].items[JUDGED]
        right = found.run.methods[name].model.predict(judged.images) == judged.labels
        assert np.array_equal(scores.values, 100.0 * right)
        assert name not in found.scored
    assert not np.array_equal(judged.images, halved(parts.test).images[: len(judged)])


def test_the_small_network_learns_from_all_training_images_and_is_scored_on_test_images_once(found):
    parts = cifar(found.run)
    assert np.array_equal(found.fitted[OURS][0].args[1].images, parts.whole.images)
    (call,) = found.scored[OURS]
    assert np.array_equal(call.args[0].images, parts.test.images)
    assert (SMALL_RESNET, 0) in found.run.shared


def test_what_is_drawn_and_stated_of_the_loss_is_about_training_images(found, monkeypatch):
    seen = []
    monkeypatch.setattr(depth_study, "rise", lambda network, images, *rest, **how: seen.append(images) or 0.0)
    monkeypatch.setattr(depth_study, "surface", lambda *args: np.ones((2, 2)))
    models = {name: found.run.methods[name].model for name in ("plain-44", "ResNet-44")}
    parts = cifar(found.run)
    depth_study.look_around(found.run, parts, models)
    expected = models["plain-44"].pixels_(halved(parts.train).images[: len(seen[0])])
    assert torch.equal(seen[0], expected)


def test_facts_and_losses_are_those_of_the_trainings(found):
    assert list(found.drawn) == ["plain-20", "plain-44", "ResNet-20", "ResNet-44"]
    for name in STUDY:
        losses = found.run.methods[name].model.history_.losses
        assert found.facts[f"training loss of {name}"] == loss_by(losses, 1)
        assert found.facts[f"training loss of {name}, half way"] == loss_by(losses, 0.5)


def test_claims_of_depth_point_the_paper_s_way():
    ways = {(what + ours, what + against): expects for *_, what, ours, against, expects in MEASURED}
    assert ways == {
        ("training loss of plain-44", "training loss of plain-20"): "higher",
        ("training loss of ResNet-44", "training loss of ResNet-20"): "lower",
        ("training loss of ResNet-44", "training loss of plain-44"): "lower",
        ("response of a layer in ResNet-44", "response of a layer in plain-44"): "lower",
        ("rise of the loss around ResNet-44", "rise of the loss around plain-44"): "lower",
    }
