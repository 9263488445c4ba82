"""FCN: published counts, deconvolutions, dense layers as convolutions, skips, alignment; training and scoring parts."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

from ch07_applications.blocks.counting import parameters_of
from ch07_applications.segmentation import fcn
from ch07_applications.segmentation.bilinear import Bilinear
from ch07_applications.segmentation.boundary_causes import at_stride, boundary, class_blind, labels_among_true
from ch07_applications.segmentation.fcn import (
    BIASES,
    FCN,
    IN_STAGES,
    NAMES,
    SCRATCH,
    STREET,
    STREET_MAPS,
    WIDTHS,
    Classifier,
    Deconvolution,
    hidden_and_last,
    small_fcn,
    train_fcn,
    trunk_and_scores,
    vgg_fcn,
)
from ch07_applications.segmentation.labelled_scenes import labelled_scenes
from ch07_applications.segmentation.scoring import BOUNDARY, IOU, judge_semantic
from ch07_applications.segmentation.trunks import as_convolution, mobilenet_stages, small_stages, vgg16_stages
from common.ablation import BASE
from common.data import Scale
from common.data.camvid import CamVid
from common.data.scenes import scenes
from common.data.segmented import IGNORE, SegmentedImages
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from tests.recorded_lesson import recorded

COUNTS = {32: 136_152_917, 16: 134_815_994, 8: 134_489_759}  # of the authors' networks, 21 classes
FILTERS = {32: [64], 16: [4, 32], 8: [4, 4, 16]}  # sides of their deconvolutions


@pytest.fixture
def maps():
    return torch.randn(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))


def trained(network: nn.Module) -> nn.Module:
    """The network with random weights in all layers, as if it had learned, in evaluation."""
    generator = torch.Generator().manual_seed(1)
    for parameter in [p for p in network.parameters() if p.requires_grad]:
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return network.eval()


# --- Full size --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stride", COUNTS)
def test_the_full_size_networks_have_the_published_counts_and_filters(stride):
    with torch.device("meta"):
        network = vgg_fcn(stride)
    deconvolutions = [layer for layer in network.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert parameters_of(network) == COUNTS[stride]
    assert sorted(layer.kernel_size[0] for layer in deconvolutions) == FILTERS[stride]
    assert all(layer.bias is None for layer in deconvolutions)
    assert network.strides == (8, 16, 32)[{8: 0, 16: 1, 32: 2}[stride] :]


def test_the_full_size_network_s_scores_have_the_image_s_size():
    with torch.device("meta"):
        assert vgg_fcn(8)(torch.empty(1, 3, 75, 101))[-1].shape == (1, 21, 75, 101)


def test_vgg_s_stages_are_torchvision_s_layers_in_their_order():
    with torch.device("meta"):
        stages = vgg16_stages()
    shapes = [tuple(layer.weight.shape) for stage in stages for layer in stage if isinstance(layer, nn.Conv2d)]
    assert len(shapes) == 15
    assert shapes[-2:] == [(4096, 512, 7, 7), (4096, 4096, 1, 1)]
    x = torch.empty(1, 3, 64, 64, device="meta")
    found = []
    for stage in stages:
        x = stage(x)
        found.append(tuple(x.shape[1:]))
    assert found == [(256, 8, 8), (512, 4, 4), (4096, 2, 2)]


# --- Deconvolution ----------------------------------------------------------------------------------------------------


EITHER = pytest.mark.parametrize("enlarging", [Deconvolution, Bilinear])


@EITHER
@pytest.mark.parametrize("stride", [2, 4, 8, 16])
def test_a_deconvolution_begins_as_torch_s_bilinear_interpolation(maps, stride, enlarging):
    expected = functional.interpolate(maps, scale_factor=stride, mode="bilinear", align_corners=False)
    assert torch.allclose(enlarging(3, stride)(maps), expected, atol=1e-6)


@EITHER
@pytest.mark.parametrize("stride", [2, 4, 8])
def test_a_centred_deconvolution_is_bilinear_between_the_cells_centres(maps, stride, enlarging):
    large = enlarging(3, stride, centred=True)(maps)
    expected = functional.interpolate(maps, size=(6 * stride + 1, 8 * stride + 1), mode="bilinear", align_corners=True)
    assert torch.equal(large[:, :, ::stride, ::stride], maps)  # a cell's centre is its pixel
    assert torch.allclose(large[:, :, : 6 * stride + 1, : 8 * stride + 1], expected, atol=1e-6)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("stride", [2, 16])
def test_both_forms_are_equal_and_so_are_their_gradients(maps, stride, centred):
    found = []
    for enlarging in (Deconvolution, Bilinear):
        x = maps.clone().requires_grad_()
        large = enlarging(3, stride, centred)(x)
        (large * torch.linspace(-1, 1, large.numel()).reshape(large.shape)).sum().backward()
        found.append((large.detach(), x.grad))
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@EITHER
@pytest.mark.parametrize("centred", [False, True])
def test_a_constant_and_a_ramp_are_kept(centred, enlarging):
    constant = enlarging(2, 4, centred)(torch.full((1, 2, 5, 6), 3.0))
    assert torch.allclose(constant, torch.full((1, 2, 20, 24), 3.0))  # at the border, too
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    large = enlarging(1, 4, centred)(ramp)[0, 0]
    middle = 0 if centred else 1.5  # the pixel on which cell 0's centre lies
    expected = (torch.arange(24) - middle) / 4
    assert torch.allclose(large[:, 4:20], expected[4:20].expand(20, -1), atol=1e-6)


@EITHER
def test_channels_do_not_mix(enlarging):
    maps = torch.zeros(1, 4, 5, 5)
    maps[0, 2] = 1
    large = enlarging(4, 2)(maps)
    assert torch.allclose(large[0, 2], torch.ones(10, 10))
    assert not large[0, [0, 1, 3]].any()


def test_only_a_deconvolution_is_trained():
    assert not list(Bilinear(3, 2).parameters())
    assert all(p.requires_grad for p in Deconvolution(3, 2).parameters())
    with pytest.raises(ValueError, match="the middle of 3 pixels"):
        Deconvolution(2, 3)


# --- A classifier made fully convolutional ----------------------------------------------------------------------------


def test_a_dense_layer_as_a_convolution_gives_the_same_at_224_pixels():
    torch.manual_seed(0)
    features, dense = nn.Conv2d(3, 512, 32, 32), nn.Linear(512 * 7 * 7, 50)
    with torch.no_grad():
        maps = features(torch.randn(1, 3, 224, 224))
        layer = as_convolution(dense, 512, 7)
        scores = functional.conv2d(maps, layer.weight, layer.bias)  # without padding: one place
        assert scores.shape == (1, 50, 1, 1)
        assert torch.allclose(scores[:, :, 0, 0], dense(maps.flatten(1)), atol=1e-4, rtol=1e-4)
        assert torch.allclose(layer(maps)[:, :, 3, 3], scores[:, :, 0, 0], atol=1e-4, rtol=1e-4)  # padded: its middle


def test_a_classifier_s_scores_are_the_mean_of_its_fully_convolutional_form_s():
    torch.manual_seed(0)
    classifier = trained(Classifier(10))
    network = classifier.fully_convolutional().eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = images
        for stage in network.stages:
            maps = stage(maps)
        coarse = network.scores[-1](maps)
        assert torch.allclose(coarse[:, 1:].mean(dim=(2, 3)), classifier(images), atol=1e-4)
        assert not coarse[:, 0].any()  # of the background nothing has been learned


def test_a_fully_convolutional_copy_shares_no_weights_with_the_classifier():
    classifier = Classifier(3)
    before = classifier.stages[0][0].weight.clone()
    network = classifier.fully_convolutional()
    with torch.no_grad():
        network.stages[0][0].weight.zero_()
    assert torch.equal(classifier.stages[0][0].weight, before)


# --- Skips, padding, alignment ----------------------------------------------------------------------------------------


def test_score_layers_begin_uniform():
    shares = small_fcn(11).eval()(torch.randn(1, 3, 64, 64))[-1].softmax(dim=1)
    assert torch.allclose(shares, torch.full_like(shares, 1 / 11))


def test_finer_scores_are_coarse_ones_enlarged_plus_the_skip_s_own():
    network = trained(small_fcn(4))
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        taps, maps = [], images
        for stage in network.stages:
            maps = stage(maps)
            taps.append(maps)
        coarse = network.scores[2](taps[2])
        middle = Bilinear(4, 2, centred=True)(coarse) + network.scores[1](taps[1])
        fine = Bilinear(4, 2, centred=True)(middle) + network.scores[0](taps[0])
        found = network(images)
    assert [tuple(scores.shape) for scores in found] == [(1, 4, 64, 64)] * 3
    for scores, stride, own in zip(found, (16, 8, 4), (coarse, middle, fine), strict=True):
        assert torch.allclose(scores, Bilinear(4, stride, centred=True)(own), atol=1e-5)


@pytest.mark.parametrize("size", [(64, 64), (50, 70), (33, 17), (5, 3)])
def test_scores_have_the_image_s_size_and_those_of_the_image_padded_by_hand(size):
    network = trained(small_fcn(4))
    images = torch.randn(1, 3, *size)
    padding = -size[1] % 16, -size[0] % 16
    padded = functional.pad(images, (0, padding[0], 0, padding[1]), mode="replicate")
    with torch.no_grad():
        found, whole = network(images)[-1], network(padded)[-1]
    assert found.shape == (1, 4, *size)
    assert torch.equal(found, whole[:, :, : size[0], : size[1]])


def test_padding_beyond_the_receptive_field_changes_nothing():
    network = trained(FCN(small_stages((4, 8, 8, 8), (0, 0, 0)), (8, 8, 8), (4, 8, 16), 3))
    images = torch.randn(1, 3, 160, 100)
    with torch.no_grad():
        found = network(images)[-1]
        more = network(functional.pad(images, (0, 12 + 64, 0, 64), mode="replicate"))[-1]
    far = 31 + 16  # pixels: the coarsest cell's receptive field, and one cell of interpolation
    assert torch.allclose(found[..., : 160 - far, : 100 - far], more[..., : 160 - far, : 100 - far], atol=1e-6)


@pytest.mark.parametrize("every", [False, True])
def test_an_image_shifted_by_the_coarsest_stride_shifts_the_scores(every):
    network = trained(FCN(small_stages((4, 8, 8, 8), (0, 0, 0)), (8, 8, 8), (4, 8, 16), 3, every=every))
    images = torch.randn(1, 3, 208, 208)
    with torch.no_grad():
        scores, moved = network(images)[0], network(images.roll((16, 16), (2, 3)))[0]
    inner = slice(64, -48)
    assert torch.allclose(scores.roll((16, 16), (2, 3))[..., inner, inner], moved[..., inner, inner], atol=1e-5)


@pytest.mark.parametrize("build", ["small", "MobileNetV2"])
def test_each_stride_s_scores_lie_where_their_pixels_are(build):
    """Stages that only average, as a blurred image: scores must be centred on a bright spot, not beside it."""
    if build == "small":
        stages, channels, strides = small_stages((3, 3, 3, 3), (0, 0, 0)), (3, 3, 3), (4, 8, 16)
    else:
        stages, channels, strides = mobilenet_stages(mobilenet_v2())[:2], STREET_MAPS[:2], (4, 8)
    network = FCN(stages, channels, strides, 1, every=True).eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
    spot = torch.zeros(1, 3, 256, 256)
    spot[:, :, 64:193, 64:193] = 1.0  # its middle is pixel 128, a multiple of every stride
    with torch.no_grad():
        finest = network(spot)[0][0, 0].double()  # the coarsest stride alone
    finest = finest - finest.min()
    middle = (finest.sum(0) * torch.arange(256)).sum() / finest.sum()
    assert abs(float(middle) - 128) < 2  # half-pixel cells would be off by half a stride


def test_the_trunk_of_mobilenet_is_whole_and_its_maps_are_its_widest():
    trunk = mobilenet_v2().eval()
    images = torch.randn(1, 3, 64, 96)
    maps, found = images, []
    with torch.no_grad():
        for stage in mobilenet_stages(trunk):
            maps = stage(maps)
            found.append(tuple(maps.shape[1:]))
        assert torch.allclose(maps, trunk.features(images), atol=1e-5)
    assert found == [(144, 16, 24), (192, 8, 12), (576, 4, 6), (1280, 2, 3)]


def test_muon_s_hidden_filters_are_neither_the_first_layer_s_nor_the_scores():
    network = small_fcn(11)
    hidden, others = hidden_and_last(network)
    weights = {id(weight) for weight in hidden["params"]}
    assert not weights & {id(p) for p in network.scores.parameters()}
    assert id(network.stages[0][0].weight) not in weights
    assert len(weights) == 9
    known = weights | {id(p) for p in others["params"]}
    assert known == {id(p) for p in network.parameters() if p.requires_grad}
    classifier = Classifier(3)
    assert any(p is classifier.dense.weight for p in hidden_and_last(classifier)[1]["params"])


def test_new_layers_of_the_street_network_learn_faster_than_the_trunk():
    network = FCN(mobilenet_stages(mobilenet_v2()), STREET_MAPS, (4, 8, 16, 32), 11, every=True)
    trunk, scores = trunk_and_scores(network)
    known = {id(p) for group in (trunk, scores) for p in group["params"]}
    assert "lr" not in trunk
    assert scores["lr"] == 1e-2
    assert len(known) == len([p for p in network.parameters() if p.requires_grad])


# --- The lesson -------------------------------------------------------------------------------------------------------


def street(n: int = 6) -> CamVid:
    rng = np.random.default_rng(0)
    part = SegmentedImages(
        rng.integers(256, size=(n, 80, 96, 3), dtype=np.uint8),
        np.where(rng.random((n, 80, 96)) < 0.1, IGNORE, rng.integers(3, size=(n, 80, 96))).astype(np.uint8),
        ("sky", "road", "car"), tuple(f"0001TP_{60 * k:05d}" for k in range(n)), np.arange(n) // 2,
    )  # fmt: skip
    return CamVid(part, part.take(slice(2)), None, part.classes, "made up")


def quick_rival(run, sets, instances=True):
    with run.method(fcn.RIVAL, kind="classical") as method:
        return judge_semantic(method, sets.test, lambda images: np.zeros(images.shape[:3], np.uint8)), []


@pytest.fixture(scope="module")
def told():
    """The lesson at smoke, with a street of its own; its calls, and what the networks were trained on."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        fit = fcn.Segmenter.fit
        patch.setattr(fcn.Segmenter, "fit", lambda self, *args: calls.append((self, *args)) or fit(self, *args))
        patch.setattr(fcn, "score_rival", quick_rival)
        patch.setattr(fcn.data, "camvid_or_none", lambda scale, say: street())
        patch.setattr(fcn, "mobilenet_v2_or_none", lambda scale, say: mobilenet_v2())
        yield recorded(fcn, patch), calls


def test_only_training_scenes_are_learned_from(told):
    _, calls = told
    train = scenes(Scale("smoke"), train_masks=True).train
    seen = {image.tobytes() for image in train.images}
    small = [call for call in calls if call[1].shape[1] == 128]
    assert len(small) == 6  # the lesson's, the base, three stages, from scratch
    assert all(image.tobytes() in seen for call in small for image in call[1])


def test_the_bias_is_chosen_on_validation_scenes_that_nothing_is_judged_on(told):
    found, _ = told
    (choice,) = found.choices
    assert choice.options == list(BIASES)
    sets = labelled_scenes(found.run)
    judged = found.run.methods[BASE].items[IOU].ids
    assert list(judged) == list(sets.validation.ids[8:])
    model = found.run.methods[NAMES[-1]].model
    matrix = ConfusionMatrix(11)
    matrix.add(sets.validation.labels[:8], model.predict(sets.validation.images[:8]))
    assert mean_iou(matrix.total) == pytest.approx(choice.scores.max())
    assert model.bias == choice.taken


def test_strides_and_starts_are_judged_on_validation_scenes_and_the_rivals_on_test_scenes(told):
    found, _ = told
    methods = found.run.methods
    names = [f"{name}, validation" for name in NAMES]
    for name in (*names, BASE, IN_STAGES, SCRATCH):
        assert list(methods[name].items[IOU].ids) == list(range(8, 16)), name
    assert len(methods[NAMES[-1]].items[IOU].ids) == len(methods[fcn.RIVAL].items[IOU].ids) == 8
    pairs = set(found.run.pairs)
    assert {(NAMES[-1], fcn.RIVAL, IOU), (NAMES[-1], fcn.RIVAL, BOUNDARY), (names[1], names[0], IOU)} <= pairs
    assert {(BASE, IN_STAGES, IOU), (BASE, SCRATCH, IOU), (names[2], names[0], BOUNDARY)} <= pairs


def test_the_starts_differ_in_one_thing_and_take_equally_many_steps(told):
    _, calls = told
    base, *stages, scratch = [call[0] for call in calls if call[1].shape[1] == 128][1:]
    steps = [len(model.history_.losses) for model in (base, scratch)]
    assert steps[0] == steps[1] == sum(len(model.history_.losses) for model in stages)
    assert [model.training.loss.keywords["shares"] for model in stages] == [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
    assert base.training.loss.keywords["shares"] == scratch.training.loss.keywords["shares"] == (1, 1, 2)
    assert stages[0].network_ is stages[2].network_  # a stage goes on from the one before
    assert base.network_ is not scratch.network_


def test_streets_are_learned_from_train_and_judged_on_val_where_there_is_no_test(told):
    found, calls = told
    (model, images, labels) = next(call for call in calls if call[1].shape[1] == 80)
    assert np.array_equal(images, street().train.images[:4])
    assert np.array_equal(labels, street().train.labels[:4])
    assert list(found.run.methods[STREET].items[IOU].ids) == [0, 1]
    assert model.pixels.mean == pytest.approx((123.675, 116.28, 103.53))  # the trunk's own standardisation
    assert found.figures["street"][0].classes == ("sky", "road", "car")


def test_the_lesson_counts_the_full_size_networks(told):
    found, _ = told
    counts = {stride: found.facts[f"FCN-{stride}s on VGG-16, 21 classes"] for stride in COUNTS}
    assert counts == COUNTS


def test_causes_of_the_boundary_f1_are_measured_on_test_scenes(told):
    found, _ = told
    part, model = labelled_scenes(found.run).test, found.run.methods[NAMES[-1]].model
    truth, labels, name = part.labels, model.predict(part.images), NAMES[-1]
    for stride in (4, 8, 16):
        expected = boundary(truth, at_stride(truth, 11, stride), 11)
        assert found.facts[f"boundary F1 of true labels at stride {stride}"] == pytest.approx(expected)
    assert found.facts[f"class-blind boundary F1, {name}"] == pytest.approx(class_blind(truth, labels))
    oracle = boundary(truth, labels_among_true(model, part), 11)
    assert found.facts[f"boundary F1 of an oracle, {name}"] == pytest.approx(oracle)
    blank = boundary(truth, np.zeros_like(truth), 11)  # what the quick rival predicts
    assert found.facts[f"boundary F1 at stride 4, {fcn.RIVAL}"] == blank
    assert found.facts[f"classes per scene that are not there, {fcn.RIVAL}"] == 0


@pytest.mark.parametrize("missing", ["camvid_or_none", "mobilenet_v2_or_none"])
def test_without_streets_or_a_trunk_the_lesson_leaves_that_part_out(told, monkeypatch, missing):
    run = told[0].run
    before = dict(run.methods)
    run.methods.pop(STREET)
    monkeypatch.setattr(fcn.data, "camvid_or_none", lambda scale, say: street())
    monkeypatch.setattr(fcn, "mobilenet_v2_or_none", lambda scale, say: mobilenet_v2())
    monkeypatch.setattr(fcn.data if missing == "camvid_or_none" else fcn, missing, lambda scale, say: say("Left out"))
    fcn.study_street(run)
    assert STREET not in run.methods
    assert run.record.notes[-1] == "Left out"
    run.methods.update(before)


def test_a_network_learns_two_colours_apart(tmp_path):
    """The whole path: labels that are a function of the image are learned to the last pixels, but for outlines."""
    rng = np.random.default_rng(0)
    labels = np.zeros((16, 128, 128), np.uint8)
    for place in labels:
        top, left = rng.integers(20, 60, 2)
        place[top : top + 48, left : left + 48] = rng.integers(1, 3)
    images = np.array([[40, 40, 40], [220, 40, 40], [40, 40, 220]], np.uint8)[labels]
    part = SegmentedImages(images, labels, ("background", "red", "blue"), ("",) * 16)
    model = train_fcn(recorded_run(tmp_path), part, None, 12)
    matrix = ConfusionMatrix(3)
    matrix.add(labels, model.predict(images))
    assert mean_iou(matrix.total) > 0.7
    assert WIDTHS == (24, 48, 96, 160)


def recorded_run(folder):
    from common.console import Console
    from common.record import LessonRecord
    from common.run import Run

    return Run("fcn", 0, Scale("smoke"), LessonRecord("", ""), folder, Console(quiet=True), device_name="cpu")
