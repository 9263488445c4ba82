"""Hypercolumns: a map's cell is sampled above its own pixel, layers may be added instead of joined, and the classifier
is scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn
from torch.nn import functional
from torchvision.models import mobilenet_v2

from ch07_applications.segmentation import hypercolumns as lesson_file
from ch07_applications.segmentation.boundary_causes import class_blind
from ch07_applications.segmentation.column_maps import Map, TrunkMaps, hand_made_maps
from ch07_applications.segmentation.hypercolumns import (
    BIASES,
    LinearColumns,
    all_middles,
    choose_biases,
    columns_at,
    hypercolumns,
    middles,
    predict_all,
    sampled,
    scored,
)
from ch07_applications.segmentation.labelled_scenes import labelled_scenes
from ch07_applications.segmentation.pixel_samples import Sample, draw_pixels, sample_pixels
from common.data.segmented import IGNORE, SegmentedImages
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.model_size import model_size
from tests.recorded_lesson import recorded


@pytest.fixture(scope="module")
def trunk():
    """MobileNetV2 with random weights: its shapes and alignment are those of the trained one."""
    torch.manual_seed(0)
    return mobilenet_v2().eval().requires_grad_(False)


def pictures(n=2, height=64, width=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


def striped(n=6, seed=0):
    """Pictures whose left part is dark (class 1), whose right part is bright (class 2), grey between (background)."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((n, 32, 32), np.uint8)
    labels[:, :, :10], labels[:, :, 22:] = 1, 2
    images = np.array([120, 30, 220])[labels][..., None] + rng.integers(-20, 21, (n, 32, 32, 3))
    return SegmentedImages(images.astype(np.uint8), labels, ("background", "dark", "bright"), ("x",) * n)


# --- Where a cell lies ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("enlarged", [1, 2])
def test_a_cell_is_sampled_above_the_pixel_that_its_receptive_field_is_centred_on(enlarged):
    """Without the shift, maps of stride 16 would be sampled half a stride beside their pixels."""
    layers = []
    for channels in (3, 1, 1, 1):
        convolution = nn.Conv2d(channels, 1, 3, 2, 1, bias=False)
        nn.init.ones_(convolution.weight)
        layers.append(convolution)
    stack = nn.Sequential(*layers)
    make_maps = TrunkMaps(stack, {4: "1", 16: "3"}, enlarged)
    for stride, place in ((4, 1), (16, 3)):
        cell = 64 * enlarged // stride // 2
        x = torch.zeros(1, 3, 64, 64, requires_grad=True)
        large = functional.interpolate(x, scale_factor=enlarged, mode="bilinear", align_corners=False)
        stack[: place + 1](large)[0, 0, cell, cell].backward()
        weight = x.grad[0].sum(0)
        centre = float((weight.sum(0) * torch.arange(64)).sum() / weight.sum())  # in pixels
        found = make_maps(pictures(1))[f"stride {stride}"]
        at = torch.tensor([[[[(2 * centre + 1) / 64 - 1, (2 * centre + 1) / 64 - 1]]]])
        assert torch.allclose(sampled(found, at)[0, :, 0, 0], found.values[0, :, cell, cell], rtol=1e-4)


def test_an_even_division_is_sampled_as_torch_interpolates():
    values = torch.randn(2, 5, 8, 6)
    ours = sampled(Map(values), all_middles(2, (32, 24)))
    assert torch.allclose(
        ours, functional.interpolate(values, (32, 24), mode="bilinear", align_corners=False), atol=1e-5
    )


def test_a_ramp_stays_a_ramp_wherever_its_cells_lie():
    stride, side = 4, 32
    for shift in (0.0, 3 / 8, -0.25):
        cells = stride * (torch.arange(8) + 0.5 - shift) - 0.5  # the pixel above the middle of each cell
        values = cells.expand(1, 1, 8, 8)
        ours = sampled(Map(values, shift), all_middles(1, (side, side)))[0, 0, 0]
        inside = (torch.arange(side) >= cells[0]) & (torch.arange(side) <= cells[-1])
        assert torch.allclose(ours[inside], torch.arange(side).float()[inside], atol=1e-4)


def test_a_hypercolumn_is_the_layers_activations_one_after_the_other(trunk):
    images, make_maps = pictures(), TrunkMaps(trunk)
    maps = make_maps(images)
    assert [maps[f"stride {stride}"].values.shape[1] for stride in (4, 8, 16, 32)] == [144, 192, 576, 960]
    whole = hypercolumns(maps, all_middles(2, (64, 64)), list(maps))
    drawn = np.array([[0, 70, 4095], [1, 2000, 640]])
    columns, widths = columns_at(make_maps, images, drawn)
    assert columns.shape == (2, 3, sum(widths.values()))
    for n, row in enumerate(drawn):
        for k, pixel in enumerate(row):
            assert torch.allclose(columns[n, k], whole[n, :, pixel // 64, pixel % 64], atol=1e-5)


def test_pixels_are_numbered_row_by_row():
    places = middles(torch.tensor([[0, 5, 11]]), (3, 4))[0, 0]
    assert torch.allclose(places, torch.tensor([[-0.75, -2 / 3], [-0.25, 0.0], [0.75, 2 / 3]]))


# --- The classifier ---------------------------------------------------------------------------------------------------


def fitted(part, make_maps=hand_made_maps, layers=("colours",), **settings):
    sample = sample_pixels(lambda images, pixels: columns_at(make_maps, images, pixels), part, 0, 60)
    return LinearColumns(make_maps, layers, len(part.classes), **settings).fit(sample)


def test_classifiers_per_layer_added_are_the_classifier_on_the_columns(trunk):
    part = SegmentedImages(
        pictures(3), np.random.default_rng(1).integers(0, 3, (3, 64, 64)).astype(np.uint8), ("a", "b", "c"), ("x",) * 3
    )
    make_maps = TrunkMaps(trunk)
    model = fitted(part, make_maps, ("stride 4", "stride 16", "stride 32"), bias=0.5)
    maps = make_maps(part.images)
    columns = hypercolumns(maps, all_middles(3, (64, 64)), model.layers)
    whole = torch.einsum("kf,nfhw->nkhw", torch.cat([model.weights_[name] for name in model.layers], 1), columns)
    whole = whole + (model.offsets_ + torch.tensor([0.5, 0.0, 0.0]))[:, None, None]
    assert torch.allclose(model.scores_of(maps, (64, 64)), whole, atol=1e-4 * float(whole.abs().max()))


def test_it_is_scikit_learns_logistic_regression():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=400)
    x = (rng.standard_normal((400, 6)) * [1, 5, 0.2, 1, 1, 1] + 0.8 * labels[:, None]).astype(np.float32)
    sample = Sample(torch.from_numpy(x), torch.from_numpy(labels), {"a": 4, "b": 2})
    model = LinearColumns(hand_made_maps, ("a", "b"), 3, penalty=1e-3).fit(sample)
    ours = x @ torch.cat(list(model.weights_.values()), 1).T.numpy() + model.offsets_.numpy()
    scaled = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=1 / (2 * 1e-3 * len(x)), tol=1e-8, max_iter=1000).fit(scaled, labels)
    theirs = theirs.decision_function(scaled)
    assert np.allclose(ours - ours.mean(1, keepdims=True), theirs - theirs.mean(1, keepdims=True), atol=0.02)


def test_it_learns_what_can_be_told_by_colour():
    part = striped()
    model = fitted(part, penalty=1e-4)
    assert (model.predict(part.images) == part.labels).mean() > 0.97


def test_a_class_without_training_pixels_is_never_predicted():
    part = striped()
    part = SegmentedImages(part.images, part.labels, (*part.classes, "absent"), part.names)
    assert set(np.unique(fitted(part).predict(part.images))) <= {0, 1, 2}


@pytest.mark.parametrize("size", [(37, 50), (16, 17), (5, 3)])
def test_sides_that_no_stride_divides_are_continued_and_cut_back(trunk, size):
    model = fitted(striped(), TrunkMaps(trunk), ("stride 8", "stride 32"))
    assert model.predict(pictures(3, *size)).shape == (3, *size)
    assert fitted(striped()).predict(pictures(3, *size)).shape == (3, *size)


def test_what_is_added_beyond_the_border_does_not_move_the_rest():
    """Colours of pixels far from the border are the same, whether the picture was continued or not."""
    model = fitted(striped())
    whole = pictures(1, 64, 64)
    inner = next(scored([model], whole))[0][0, :, :20, :20]
    cut = next(scored([model], whole[:, :53, :53]))[0][0, :, :20, :20]
    assert np.allclose(inner, cut, atol=1e-3 * np.abs(inner).max())


def test_an_empty_picture_gets_classes_too(trunk):
    model = fitted(striped(), TrunkMaps(trunk), ("stride 8",))
    assert model.predict(np.zeros((1, 32, 32, 3), np.uint8)).max() < 3


@pytest.mark.parametrize("shape", [(2, 32, 32), (2, 32, 32, 1), (0, 32, 32, 3)])
def test_grey_images_and_none_are_refused(shape):
    with pytest.raises(ValueError, match="there must be some, of red, green and blue"):
        fitted(striped()).predict(np.zeros(shape, np.uint8))


def test_its_size_is_that_of_the_classifier_and_of_the_trunk(trunk):
    part = striped()
    made = fitted(part)
    assert model_size(made) == 3 * sum(len(w[0]) for w in made.weights_.values()) + 3
    made.make_maps = TrunkMaps(trunk)
    of_trunk = sum(p.numel() for p in made.make_maps.extract.parameters())
    assert model_size(made) == 3 * sum(len(w[0]) for w in made.weights_.values()) + 3 + of_trunk


# --- What is chosen ---------------------------------------------------------------------------------------------------


def test_the_bias_is_the_best_one_on_the_scenes_that_it_is_chosen_on():
    part = striped(8)
    models = [fitted(part.take(slice(4)), bias=9.0), fitted(part.take(slice(2)), penalty=10.0)]
    choose_biases(models, part.take(slice(4, None)))
    for model in models:
        best, values = model.bias, []
        for bias in BIASES:
            model.bias = float(bias)
            matrix = ConfusionMatrix(3, ignore=IGNORE)
            matrix.add(part.labels[4:], model.predict(part.images[4:]))
            values.append(mean_iou(matrix.total))
        assert best == BIASES[int(np.argmax(values))]


def test_a_bias_favours_the_background():
    part, model = striped(), fitted(striped())
    shares = []
    for bias in (-5.0, 0.0, 5.0):
        model.bias = bias
        shares.append((model.predict(part.images) == 0).mean())
    assert shares[0] < shares[1] < shares[2]


def test_models_that_share_maps_predict_as_each_alone():
    part = striped()
    models = [fitted(part), fitted(part, layers=("HOG 4", "colours"))]
    together = predict_all(models, part.images)
    for labels, model in zip(together, models, strict=True):
        assert np.array_equal(labels, model.predict(part.images))


# --- Samples ----------------------------------------------------------------------------------------------------------


def test_half_of_the_sampled_pixels_are_objects():
    labels = np.zeros(1000, np.uint8)
    labels[:10], labels[10:400] = 3, IGNORE
    drawn = labels[draw_pixels(labels, 400, np.random.default_rng(0))]
    assert 200 <= (drawn == 3).sum() < 230
    assert (drawn == IGNORE).sum() > 40  # among those drawn anywhere: sample_pixels leaves them out
    assert len(draw_pixels(np.zeros(50, np.uint8), 10, np.random.default_rng(0))) == 10


def test_pixels_without_a_label_are_left_out_and_others_stay_with_theirs():
    part = striped()
    labels = part.labels.copy()
    labels[:, :16] = IGNORE
    hidden = SegmentedImages(part.images, labels, part.classes, part.names)

    def describe(images, pixels):
        flat = images.reshape(len(images), -1, 3)
        return torch.from_numpy(np.take_along_axis(flat, pixels[..., None], 1).astype(np.float32)), {"rgb": 3}

    sample = sample_pixels(describe, hidden, 0, 50)
    assert 0 < len(sample.labels) < 6 * 50
    brightness = sample.columns.mean(1)
    for label, middle in enumerate((120, 30, 220)):
        assert (brightness[sample.labels == label] - middle).abs().max() < 25
    again = sample_pixels(describe, hidden, 0, 50)
    assert torch.equal(sample.columns, again.columns)
    nothing = SegmentedImages(part.images, np.full_like(labels, IGNORE), part.classes, part.names)
    with pytest.raises(ValueError, match="no pixel of the training pictures has a label"):
        sample_pixels(describe, nothing, 0, 50)


def test_a_sample_gives_layers_in_the_order_asked_for():
    sample = Sample(torch.arange(12.0).reshape(2, 6), torch.zeros(2, dtype=torch.int64), {"a": 1, "b": 2, "c": 3})
    assert sample.of(["c", "a"]).tolist() == [[3, 4, 5, 0], [9, 10, 11, 6]]


def test_hand_made_columns_cover_the_picture_evenly():
    found = hand_made_maps(pictures(2, 64, 96))
    assert {name: tuple(layer.values.shape[2:]) for name, layer in found.items()} == {
        "colours": (64, 96), "HOG 4": (16, 24), "HOG 8": (8, 12), "HOG 16": (4, 6),
    }  # fmt: skip
    edge = np.zeros((1, 64, 64, 3), np.uint8)
    edge[:, :, 36:] = 255  # an edge within column 9 of cells of 4 pixels, and within column 4 of cells of 8
    for name, column in (("HOG 4", 9), ("HOG 8", 4)):
        numbers = hand_made_maps(edge)[name].values[0, :, 6].T
        middle = numbers.reshape(len(numbers), 5, 5, 9)[:, 2, 2].sum(1)  # of each block, its middle cell
        assert middle.argmax() in (column - 1, column)


# --- The lesson -------------------------------------------------------------------------------------------------------


def test_the_lesson_judges_layers_on_validation_scenes_that_chose_nothing(trunk, monkeypatch):
    monkeypatch.setattr(lesson_file, "mobilenet_v2_or_none", lambda scale, say: trunk)
    seen = []
    whole = lesson_file.choose_biases
    monkeypatch.setattr(lesson_file, "choose_biases", lambda models, part: (seen.append(part.ids), whole(models, part)))
    done = recorded(lesson_file, monkeypatch)
    judged = {row.method: row.n for row in done.run.record.rows}
    assert judged["all layers"] == judged["stride 16 alone"] == 4
    assert judged["hypercolumns"] == judged["hand-made columns"] == 8
    assert [list(ids) for ids in seen] == [[0, 1, 2, 3]] * 2
    assert {"layers", "sums", "strip"} <= set(done.figures)
    part = labelled_scenes(done.run).test
    found = class_blind(part.labels, done.run.methods["hypercolumns"].model.predict(part.images))
    assert done.facts["class-blind boundary F1, hypercolumns"] == pytest.approx(found)


def test_without_the_trunk_the_lesson_says_so_and_goes_on(monkeypatch):
    monkeypatch.setattr(lesson_file, "mobilenet_v2_or_none", lambda scale, say: say("Left out: no weights, 14 MB"))
    done = recorded(lesson_file, monkeypatch)
    assert done.run.record.notes[0].startswith("Left out")
    assert {row.method for row in done.run.record.rows} == {"hand-made columns", "HOG + SVM + GrabCut"}
