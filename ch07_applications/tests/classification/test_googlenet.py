"""GoogLeNet: published counts, torchvision's outputs, modules, heads, stacks of equal cost, and comparisons."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import googlenet as theirs

from ch07_applications.blocks.counting import layers_of, parameters_of
from ch07_applications.classification import googlenet as lesson
from ch07_applications.classification.alexnet import AlexNet
from ch07_applications.classification.cifar import FISHER, cifar, smoothed
from ch07_applications.classification.googlenet import OURS, RIVAL, SIDES, SMALL_GOOGLENET, TABLE_1, GoogLeNet, tables
from ch07_applications.classification.hog_pyramid import PyramidSVM, UnitScale, pyramid
from ch07_applications.classification.inception import (
    PAPER,
    TORCHVISION,
    AuxiliaryHead,
    FastInception,
    Inception,
    Row,
    first_gradient,
    supervised,
    unit,
    xavier,
)
from ch07_applications.classification.inception_stacks import MODULES, SMALL, THIN, SmallGoogLeNet, cost, matched, size
from common.console import Console
from common.data import Scale
from common.image_classifier import ImageClassifier
from common.paper_claims import PaperClaims
from common.record import LessonRecord
from common.run import Run
from common.train import History

IMAGE = (3, 224, 224)


def on_meta(**settings) -> GoogLeNet:
    with torch.device("meta"):
        return GoogLeNet(**settings)


# The published network


def test_the_published_network_has_the_published_counts():
    assert parameters_of(on_meta(heads=False)) == 6_998_552
    assert parameters_of(on_meta()) == 13_378_280


def test_the_parameters_that_it_is_compared_with_are_alexnet_s():
    with torch.device("meta"):
        assert parameters_of(AlexNet()) == lesson.ALEXNET


def test_torchvision_s_style_has_torchvision_s_counts():
    assert parameters_of(on_meta(style=TORCHVISION, heads=False)) == 6_624_904
    assert parameters_of(on_meta(style=TORCHVISION)) == 13_004_888


def test_it_has_22_layers_with_weights():
    network = on_meta(heads=False)

    def convolutions(part: nn.Module) -> int:
        return sum(isinstance(layer, nn.Conv2d) for layer in part.modules())

    longest = [max(map(convolutions, module.children())) for module in network.modules_.values()]
    assert convolutions(network.stem) + sum(longest) + 1 == 22


def test_its_maps_are_those_of_table_1():
    layers = {layer.name: layer.map for layer in layers_of(on_meta(), IMAGE)}
    assert layers["stem.0.0"] == (64, 112, 112)
    assert layers["stem.1"] == (64, 56, 56)  # 55 where a pooling rounds down
    assert layers["modules_.3a.one.0"] == (64, 28, 28)
    assert layers["pools.4a"] == (480, 14, 14)
    assert layers["pools.5a"] == (832, 7, 7)
    assert layers["classify.0"] == (1024, 1, 1)
    assert layers["modules_.5b.one.0"] == (384, 7, 7)


def test_response_normalisation_has_the_paper_s_alpha_where_torch_divides_by_n():
    (layer,) = {layer for layer in on_meta().modules() if isinstance(layer, nn.LocalResponseNorm)}
    assert layer.alpha / layer.size == pytest.approx(1e-4)


def test_module_3a_has_159_ki_weights_and_4c_is_not_what_the_paper_s_column_prints():
    assert sum(TABLE_1["3a"].weights(192).values()) == 163_328
    assert 163_328 // 1024 == 159  # the paper prints 159 K
    assert sum(TABLE_1["4c"].weights(512).values()) / 1024 == pytest.approx(497, abs=1)  # the paper prints 463 K


@pytest.mark.parametrize("table", tables().values(), ids=tables())
def test_the_formula_of_a_module_s_weights_is_what_its_layers_multiply_with(table):
    layers, before = layers_of(on_meta(heads=False, table=table), IMAGE), 192
    for name, row in table.items():
        counted = sum(layer.multiplications for layer in layers if f".{name}." in layer.name)
        assert sum(row.weights(before).values()) * SIDES[name] ** 2 == counted
        before = row.outputs(before)


def test_without_reductions_3a_costs_more_than_twice_as_much_and_puts_out_its_whole_input():
    row = TABLE_1["3a"]
    assert sum(row.naive().weights(192).values()) == 192 * 64 + 9 * 192 * 128 + 25 * 192 * 32
    assert row.naive().outputs(192) == 64 + 128 + 32 + 192
    assert row.naive(projected=True).outputs(192) == row.outputs(192) == 256


def test_the_5x5_branch_is_5x5_and_no_norm_has_a_width_for_its_epsilon():
    three = {module.five[1][0].kernel_size for module in on_meta(style=TORCHVISION).modules_.values()}
    five = {module.five[1][0].kernel_size for module in on_meta().modules_.values()}
    assert (five, three) == ({(5, 5)}, {(3, 3)})
    published = list(on_meta().modules())
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in published)
    assert all(layer.bias is not None for layer in published if isinstance(layer, nn.Conv2d))
    for network in (on_meta(style=TORCHVISION), SmallGoogLeNet()):
        norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
        assert norms
        assert all(norm.eps <= 1e-3 for norm in norms)


@pytest.fixture(scope="module")
def pair() -> tuple[nn.Module, nn.Module]:
    """torchvision's network with other weights and running means than at the start, and ours with a copy of them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        reference = theirs(weights=None, aux_logits=True, transform_input=False, init_weights=False)
        for layer in reference.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.running_mean.normal_(0, 0.2)
                layer.running_var.uniform_(0.5, 2)
    ours, copied = GoogLeNet(style=TORCHVISION), list(reference.state_dict().values())
    ours.load_state_dict(dict(zip(ours.state_dict(), copied, strict=True)))
    return ours.eval(), reference.eval()


def test_with_torchvision_s_weights_it_has_torchvision_s_outputs(pair):
    ours, reference = pair
    images = torch.randn(2, *IMAGE, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = reference(images)
        assert expected.std() > 1e-3
        assert torch.allclose(ours(images), expected, atol=1e-5)


def test_heads_with_torchvision_s_weights_have_torchvision_s_outputs(pair):
    ours, reference = pair
    for name, head, channels in (("4a", reference.aux1, 512), ("4d", reference.aux2, 528)):
        maps = torch.rand(2, channels, 14, 14, generator=torch.Generator().manual_seed(2))
        with torch.inference_mode():
            assert torch.allclose(ours.heads[name](maps), head(maps), atol=1e-5)


def test_images_of_another_size_are_refused():
    with pytest.raises(ValueError, match="224×224 pixels, not 32×32"):
        GoogLeNet(10, heads=False)(torch.zeros(1, 3, 32, 32))


# Modules


def maps(channels: int, side: int = 8) -> torch.Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(3))


def test_a_module_s_branches_see_1_3_and_5_pixels():
    module, x = Inception(6, Row(2, 3, 4, 2, 3, 2)).eval(), maps(6, 11).abs().requires_grad_()
    for weights in module.parameters():  # positive, so that no ReLU hides a branch's receptive field
        weights.data.abs_()
    for branch, reach in ((module.one, 0), (module.three, 1), (module.five, 2), (module.pool, 1)):
        (gradient,) = torch.autograd.grad(branch(x)[:, :, 5, 5].sum(), x)
        rows = gradient.abs().sum((0, 1, 3)).nonzero().flatten()
        assert 5 - reach <= rows.min()
        assert rows.max() <= 5 + reach
        if branch is module.five:
            assert rows.tolist() == [3, 4, 5, 6, 7]


def test_the_fast_module_computes_the_four_branches_with_the_pooling_after_its_1x1():
    row = Row(8, 6, 16, 3, 4, 4)
    fast, plain = FastInception(12, row).eval(), Inception(12, row, replace(PAPER, batch_norm=True)).eval()
    for norm in (layer for layer in fast.modules() if isinstance(layer, nn.BatchNorm2d)):
        nn.init.uniform_(norm.running_mean, -0.3, 0.3)
        nn.init.uniform_(norm.weight, 0.5, 2)
    parts = {key: value.split(fast.widths) for key, value in fast.ones.state_dict().items() if value.ndim}
    for place, first in enumerate((plain.one, plain.three[0], plain.five[0], plain.pool[1])):
        first.load_state_dict({key: value[place] for key, value in parts.items()}, strict=False)
    plain.three[1].load_state_dict(fast.three.state_dict())
    plain.five[1].load_state_dict(fast.five.state_dict())
    x = maps(12)
    pooled_last = functional.max_pool2d(plain.pool[1](x), 3, 1, 1)
    expected = torch.cat([plain.one(x), plain.three(x), plain.five(x), pooled_last], 1)
    assert torch.allclose(fast(x), expected, atol=1e-5)
    assert not torch.allclose(plain.pool(x), pooled_last, atol=1e-2)  # the order is a choice, which the lesson states


def test_a_unit_with_batch_norm_has_no_bias_and_without_it_has_one():
    assert unit(2, 3, 3)[0].bias is not None
    assert unit(2, 3, 3, batch_norm=True)[0].bias is None


# Auxiliary heads


def test_the_loss_weighs_each_head_with_0_3():
    labels = torch.tensor([0, 2, 1])
    scores = [torch.randn(3, 4, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    last, first, second = (functional.cross_entropy(part, labels) for part in scores)
    assert supervised(tuple(scores), labels) == pytest.approx(float(last + 0.3 * (first + second)))
    assert supervised(scores[0], labels) == pytest.approx(float(last))


@pytest.mark.parametrize("network", [SmallGoogLeNet(replace(SMALL, heads=True)), GoogLeNet(10)])
def test_heads_answer_in_training_alone(network):
    images = torch.zeros(2, 3, *((32, 32) if isinstance(network, SmallGoogLeNet) else (224, 224)))
    with torch.no_grad():
        assert [tuple(scores.shape) for scores in network.train()(images)] == [(2, 10)] * 3
        assert tuple(network.eval()(images).shape) == (2, 10)


def test_a_head_pools_14_pixels_into_4():
    head = AuxiliaryHead(512, 14, 1000)
    assert tuple(head.pool(torch.zeros(1, 512, 14, 14)).shape) == (1, 512, 4, 4)
    assert parameters_of(head) == 512 * 128 + 128 + 16 * 128 * 1024 + 1024 + 1024 * 1000 + 1000


def test_the_first_layer_s_gradient_is_that_of_the_whole_loss():
    torch.manual_seed(0)
    network = xavier(SmallGoogLeNet(replace(THIN, batch_norm=False, heads=True)))
    for layer in network.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    images, labels = torch.randn(4, 3, 32, 32), torch.arange(4)
    measured = first_gradient(network, images, labels)
    supervised(network(images), labels).backward()
    assert measured == pytest.approx(float(network.stem[0].weight.grad.norm()), rel=1e-4)
    network.heads = nn.ModuleList()
    assert first_gradient(network, images, labels) != pytest.approx(measured, rel=1e-3)


# Stacks of equal cost


def test_the_small_network_has_at_most_300_000_parameters():
    assert parameters_of(SmallGoogLeNet()) <= 300_000


@pytest.mark.parametrize("module", MODULES)
def test_a_stack_puts_out_the_channels_that_it_says(module):
    stack = replace(SMALL, module=module, width=0.6)
    with torch.device("meta"):
        network = SmallGoogLeNet(stack)
        assert tuple(network(torch.zeros(2, 3, 32, 32)).shape) == (2, 10)
    assert network.scores.in_features == stack.channels(SMALL.stages[-1][-1])


@pytest.mark.parametrize("measure", [cost, size])
@pytest.mark.parametrize("module", ["plain 3×3", "3×3 branch alone"])
def test_what_is_compared_costs_the_same(module, measure):
    found = matched(THIN, module, measure)
    assert found.module == module
    assert (found.stem, found.stages) == (THIN.stem, THIN.stages)
    assert measure(found) == pytest.approx(measure(THIN), rel=0.02)


def test_a_plain_stack_has_3x3_layers_alone():
    layers = SmallGoogLeNet(matched(THIN, "plain 3×3")).modules()
    assert {layer.kernel_size for layer in layers if isinstance(layer, nn.Conv2d)} == {(3, 3)}


# The rival


def test_every_scale_of_the_pyramid_has_length_1_over_the_training_images():
    images = np.random.default_rng(0).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    features = pyramid((4, 8), colour=0.5).fit(images).transform(images)
    shares = np.split(np.square(features).sum(axis=0), [7 * 7 * 36, 7 * 7 * 36 + 3 * 3 * 36])
    assert [share.sum() / 30 for share in shares] == pytest.approx([1, 1, 0.25], rel=1e-3)


def test_scaling_is_learned_from_the_training_part():
    fitted = UnitScale(centred=True).fit(np.array([[0.0, 2.0], [2.0, 2.0]]))
    assert fitted.transform(np.array([[1.0, 2.0]])) == pytest.approx(np.zeros((1, 2)))
    assert fitted.length_ == pytest.approx(1)


def test_the_rival_predicts_the_same_for_an_image_and_its_mirror_image():
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    model = PyramidSVM().fit(images, np.arange(40) % 4)
    new = rng.integers(0, 256, (20, 32, 32, 3), dtype=np.uint8)
    assert np.array_equal(model.predict(new), model.predict(new[:, :, ::-1].copy()))


# The lesson's training and scoring data


@pytest.fixture
def run(tmp_path) -> Run:
    return Run("toy", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console(quiet=True), device_name="cpu")


def test_variants_are_judged_on_validation_images_and_the_network_that_is_reported_learned_from_all(run, monkeypatch):
    """The lesson with trainings that only keep what they were given, and predictions that are class 0."""
    parts, fitted, judged = cifar(run), [], []

    def keep(model, images, labels):
        model.network_, model.estimator_, model.history_ = nn.Linear(1, 1), None, History([1.0])
        fitted.append((type(model), images))
        return model

    def zeros(model, images):
        judged.append((type(model), images))
        return np.zeros(len(images), int)

    def rivals(run, parts):
        with run.method(FISHER, kind="classical") as method:
            method.fit_seconds = 0.0
            method.score(parts.test, lambda images: np.zeros(len(images), int))

    for kind in (ImageClassifier, PyramidSVM):
        monkeypatch.setattr(kind, "fit", keep)
        monkeypatch.setattr(kind, "predict", zeros)
    monkeypatch.setattr(lesson, "score_rivals", rivals)
    monkeypatch.setattr(lesson, "measure_gradients", lambda *_: None)
    monkeypatch.setattr(Run, "figure", lambda *_, **__: None)
    lesson.lesson(run)

    *variants, ours, rival = [images for _, images in fitted]
    assert len(variants) == 8
    assert all(np.array_equal(images, parts.train.images[: len(images)]) for images in variants)
    assert all(np.array_equal(images, parts.whole.images) for images in (ours, rival))
    *variants, ours, rival = [images for _, images in judged]
    assert all(np.array_equal(images, parts.validation.images) for images in variants)
    assert all(np.array_equal(images, parts.test.images) for images in (ours, rival))
    assert {row.n for row in run.record.rows if row.method not in (OURS, RIVAL, FISHER)} == {len(parts.validation)}
    assert list(run.shared) == [(SMALL_GOOGLENET, 0)]


def test_every_variant_differs_from_the_base_in_what_its_name_says(run, monkeypatch):
    stacks = []
    monkeypatch.setattr(
        lesson,
        "train_variant",
        lambda run, parts, epochs, stack, seed: (
            stacks.append(stack) or SimpleNamespace(history_=History([1.0])),
            np.zeros(len(parts.validation), int),
        ),
    )
    lesson.study_modules(run, cifar(run), PaperClaims(run))
    base, plain, as_large, alone, bare, headed, narrow, narrow_plain = stacks
    assert base == THIN
    assert bare == replace(base, batch_norm=False)
    assert headed == replace(bare, heads=True)
    assert narrow == replace(base, width=base.width / 2)
    assert [stack.module for stack in (plain, as_large, narrow_plain, alone)] == ["plain 3×3"] * 3 + [
        "3×3 branch alone"
    ]
    assert [cost(stack) for stack in (plain, alone)] == pytest.approx([cost(base)] * 2, rel=0.02)
    assert cost(narrow_plain) == pytest.approx(cost(narrow), rel=0.02)
    assert size(as_large) == pytest.approx(size(base), rel=0.02)


def test_a_variant_learns_from_the_training_images_that_are_not_validation_by_the_loss_of_its_heads(
    tmp_path, monkeypatch
):
    run = Run("toy", 0, Scale(), LessonRecord("", ""), tmp_path, Console(quiet=True), device_name="cpu")
    parts, seen = cifar(run), []
    monkeypatch.setattr(ImageClassifier, "fit", lambda model, *given: seen.extend((model, *given)))
    monkeypatch.setattr(ImageClassifier, "predict", lambda model, images: np.zeros(len(images), int))
    lesson.train_variant(run, parts, 1, replace(THIN, heads=True), 5)
    model, images, labels = seen
    assert np.array_equal(images, parts.train.images)
    assert np.array_equal(labels, parts.train.labels)
    assert model.seed == 5
    loss, answers = model.training.loss, torch.arange(3)
    scores = [torch.randn(3, 10, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    assert loss(tuple(scores), answers) == pytest.approx(float(supervised(scores, answers, smoothing=0.05)))
    assert loss(scores[0], answers) == pytest.approx(float(smoothed(scores[0], answers)))
