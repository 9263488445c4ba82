"""The segmenter: its loss, its crops, its predictions; rejected pictures and labels."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from ch07_applications.segmentation.background_bias import with_bias
from ch07_applications.segmentation.class_balance import median_frequency
from ch07_applications.segmentation.fcn import small_fcn
from ch07_applications.segmentation.object_crops import ObjectCrops
from ch07_applications.segmentation.segmenter import (
    LabelledPixels,
    PixelCrops,
    Segmenter,
    pixel_loss,
)
from common.data.boxed import BoxedImages
from common.data.segmented import IGNORE, SegmentedImages
from common.errors import Problem
from common.image_classifier import Pixels
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.train import Training

PLAIN = Pixels((0.0,) * 3, (1.0,) * 3)
AS_THEY_ARE = {"mirror": False, "light": 0.0}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


class Brightest(nn.Module):
    """Scores that are the colours themselves: the class is the strongest of red, green, blue."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images):
        return (images.flip(1), images * self.scale)


def ready(pixels: Pixels = PLAIN, **settings) -> Segmenter:
    """A segmenter whose network needs no training."""
    model = Segmenter(Brightest, 3, Training(1), partial(LabelledPixels, crops=PixelCrops()), **settings)
    model.pixels_, model.network_ = pixels, Brightest()
    return model


def learner(**settings) -> Segmenter:
    training = Training(1, 0.01, 2, loss=partial(pixel_loss, every=2))
    return Segmenter(small_fcn, 3, training, partial(LabelledPixels, crops=PixelCrops((32, 32))), **settings)


def pictures(rng, n=4, height=32, width=32):
    return rng.integers(256, size=(n, height, width, 3), dtype=np.uint8)


# --- The loss ---------------------------------------------------------------------------------------------------------


def test_the_loss_is_torch_s_weighted_cross_entropy_over_counted_pixels(rng):
    scores, weights = torch.randn(2, 3, 6, 7), torch.tensor([0.5, 1.0, 3.0])
    labels = torch.tensor(rng.choice([0, 1, 2, IGNORE], (2, 6, 7)))
    total, count = pixel_loss([scores], labels, weights)
    expected = functional.cross_entropy(scores, labels, weights, ignore_index=IGNORE)
    assert torch.allclose(total / count, expected)


def test_pixels_that_do_not_count_have_no_gradient_and_none_at_all_no_loss(rng):
    scores = torch.randn(1, 3, 4, 4, requires_grad=True)
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[0, :2] = IGNORE
    total, _ = pixel_loss([scores], labels)
    total.backward()
    assert not scores.grad[0, :, :2].any()
    assert scores.grad[0, :, 2:].all()
    total, count = pixel_loss([scores], torch.full_like(labels, IGNORE))
    assert (float(total), float(count)) == (0, 0)  # common.train divides by 1 then


def test_the_shares_weight_the_last_score_maps():
    maps, labels = [torch.randn(1, 2, 4, 4) for _ in range(3)], torch.zeros(1, 4, 4, dtype=torch.long)
    alone = [pixel_loss([scores], labels)[0] for scores in maps]
    assert torch.allclose(pixel_loss(maps, labels)[0], alone[2])
    assert torch.allclose(pixel_loss(maps, labels, shares=(1, 1, 2))[0], (alone[0] + alone[1] + 2 * alone[2]) / 4)
    assert torch.allclose(pixel_loss(maps, labels, shares=(1, 0, 0))[0], alone[0])


def test_every_second_pixel_stands_for_all_of_them_in_the_mean():
    torch.manual_seed(0)
    scores, labels = torch.randn(1, 2, 8, 8), torch.randint(2, (1, 8, 8))
    total, count = pixel_loss([scores], labels)
    drawn = [pixel_loss([scores], labels, every=2) for _ in range(300)]
    assert {float(each[1]) for each in drawn} == {16.0}
    assert float(torch.stack([each[0] / each[1] for each in drawn]).mean()) == pytest.approx(float(total / count), 0.05)


def test_the_mean_of_halves_is_not_the_mean_of_the_whole_but_sums_are():
    torch.manual_seed(0)
    scores, labels, weights = torch.randn(4, 3, 5, 6), torch.randint(3, (4, 5, 6)), torch.tensor([0.2, 1.0, 3.0])
    labels[0] = 2  # so that halves of the batch weigh differently
    whole = functional.cross_entropy(scores, labels, weights)
    halves = [pixel_loss(scores[part], labels[part], weights) for part in (slice(2), slice(2, None))]
    assert torch.allclose(sum(t for t, _ in halves) / sum(c for _, c in halves), whole)
    assert not torch.allclose(torch.stack([t / c for t, c in halves]).mean(), whole)


def test_a_single_score_map_is_as_good_as_a_tuple_of_one():
    scores, labels = torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long)
    assert torch.equal(pixel_loss(scores, labels)[0], pixel_loss((scores,), labels)[0])
    model = ready()
    model.network_.forward = lambda images: images
    assert next(model.probabilities(np.zeros((2, 4, 4, 3), np.uint8))).shape == (1, 2, 3, 4, 4)


# --- Crops ------------------------------------------------------------------------------------------------------------


def test_labels_stay_on_their_pixels(rng, generator):
    """Labels that are the red channel: whatever is cut out and mirrored, they must agree."""
    images = pictures(rng, 8, 24, 40)
    images[..., 0] = rng.integers(3, size=images.shape[:3])
    crops = PixelCrops((16, 24), around=0.5, mirror=True, light=0.0)
    inputs, labels = crops(torch.tensor(images), torch.tensor(images[..., 0]), PLAIN, generator)
    assert inputs.shape == (8, 3, 16, 24)
    assert torch.equal(inputs[:, 0].long(), labels)
    assert len({tuple(row.flatten().tolist()) for row in labels}) == 8


def test_crops_are_mirrored_left_and_right_only(rng, generator):
    images, labels = torch.tensor(pictures(rng, 30)), torch.zeros(30, 32, 32, dtype=torch.uint8)
    inputs, _ = PixelCrops(light=0.0)(images, labels, PLAIN, generator)
    same = (inputs == images.permute(0, 3, 1, 2)).flatten(1).all(1)
    swapped = (inputs.flip(3) == images.permute(0, 3, 1, 2)).flatten(1).all(1)
    assert (same ^ swapped).all()
    assert 5 < int(swapped.sum()) < 25


def test_crops_around_objects_hold_more_of_them(generator):
    labels = torch.zeros(200, 64, 64, dtype=torch.uint8)
    labels[:, 4:16, 44:60] = 2
    images = torch.zeros(200, 64, 64, 3, dtype=torch.uint8)
    shares = {}
    for around in (0.0, 1.0):
        _, cut = PixelCrops((24, 24), around=around)(images, labels, PLAIN, generator)
        shares[around] = float((cut > 0).float().mean())
    assert shares[1.0] > 2.5 * shares[0.0]


@pytest.mark.parametrize("label", [0, IGNORE])
def test_a_picture_without_objects_is_cut_anywhere(label, generator):
    labels = torch.full((500, 20, 20), label, dtype=torch.uint8)
    corners = PixelCrops((8, 8), around=1.0).corners(labels, (8, 8), generator)
    assert corners.min() == 0
    assert corners.max() == 12
    assert corners.float().mean() == pytest.approx(6, abs=0.5)


def test_a_batch_depends_on_its_generator_alone(rng):
    parts = pictures(rng), rng.integers(3, size=(4, 32, 32)).astype(np.uint8)
    data = LabelledPixels(*parts, PLAIN, PixelCrops((16, 16), around=0.5))
    first, again, other = (data.batch(torch.arange(4), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_a_crop_that_is_larger_than_the_picture_is_said(rng, generator):
    with pytest.raises(ValueError, match=r"crops of \(40, 16\) do not fit into pictures of \(32, 32\)"):
        PixelCrops((40, 16))(torch.tensor(pictures(rng)), torch.zeros(4, 32, 32, dtype=torch.uint8), PLAIN, generator)


def boxed(boxes, labels, n=1):
    images = np.zeros((n, 64, 64, 3), np.uint8)
    images[:, 20:40, 10:50] = 200
    targets = tuple({"boxes": torch.tensor(boxes), "labels": torch.tensor(labels)} for _ in range(n))
    return BoxedImages(images, targets, ("a", "b", "c"))


def test_objects_are_cut_out_at_one_size_with_their_classes_from_0(generator):
    part = boxed([[10.0, 20.0, 50.0, 40.0], [0.0, 0.0, 8.0, 8.0]], [3, 1])
    crops, labels = ObjectCrops.of(part, PLAIN, 20).batch(torch.tensor([0]), generator)
    assert crops.shape == (2, 3, 20, 20)
    assert labels.tolist() == [2, 0]
    assert crops[0, :, 9:11, 4:16].min() > 100  # the object's middle; its longer side nearly fills the square
    assert crops[0, :, [0, -1]].max() < 60  # above and below it: the square is as high as the object is wide
    assert crops[1].max() < 60


def test_pictures_without_an_object_are_passed_over_and_none_with_one_is_said(generator):
    full, empty = boxed([[10.0, 20.0, 50.0, 40.0]], [2]), {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}
    part = BoxedImages(np.zeros((3, 64, 64, 3), np.uint8), (empty, full.targets[0], empty), full.classes)
    crops = ObjectCrops.of(part, PLAIN, 16)
    assert len(crops) == 1
    assert crops.batch(torch.tensor([0]), generator)[1].tolist() == [1]
    with pytest.raises(ValueError, match="none of 2 pictures has an object"):
        ObjectCrops.of(part.take([0, 2]), PLAIN, 16)


# --- Predictions ------------------------------------------------------------------------------------------------------


def test_the_last_score_map_is_the_answer_and_the_others_can_be_had(rng):
    images, model = pictures(rng), ready(Pixels((128.0,) * 3, (50.0,) * 3))
    assert np.array_equal(model.predict(images), images.argmax(axis=3))
    found = model.predict_all(images)
    assert np.array_equal(found[1], model.predict(images))
    assert np.array_equal(found[0], images[..., ::-1].argmax(axis=3))


def test_the_mirrored_answer_is_mirrored_back(rng):
    class Columns(Brightest):
        def forward(self, images):  # one class per half of the picture, whatever is in it
            place = torch.linspace(-5, 5, images.shape[3]).expand(len(images), 1, images.shape[2], -1)
            return (torch.cat([-place, place], dim=1),)

    model = ready(mirrored=True)
    model.network_ = Columns()
    shares = next(model.probabilities(pictures(rng)))
    assert torch.allclose(shares, torch.full_like(shares, 0.5), atol=1e-6)  # the two cancel
    model.mirrored = False
    assert next(model.probabilities(pictures(rng)))[0, 0, 0, 0, 0] > 0.9


def test_the_result_does_not_depend_on_how_many_pictures_are_predicted_at_once(rng, monkeypatch):
    """Nor does mean IoU: one confusion matrix for the part. A mean over batches of their mean IoU is another number."""
    from ch07_applications.segmentation import segmenter

    images, labels = pictures(rng, 9), rng.integers(3, size=(9, 32, 32)).astype(np.uint8)
    labels[:4] = 0
    model, found, means = ready(), [], []
    for size in (1, 4, 9):
        monkeypatch.setattr(segmenter, "CHUNK", size)
        predicted, whole, parts = model.predict(images), ConfusionMatrix(3), []
        for start in range(0, 9, size):
            whole.add(labels[start : start + size], predicted[start : start + size])
            one = ConfusionMatrix(3)
            one.add(labels[start : start + size], predicted[start : start + size])
            parts.append(float(mean_iou(one.total)))
        found.append((predicted.tobytes(), float(mean_iou(whole.total))))
        means.append(round(np.mean(parts), 6))
    assert len(set(found)) == 1
    assert len(set(means)) == 3


def test_the_bias_is_the_option_with_the_best_mean_iou(rng):
    images = pictures(rng, 30)
    shifted = images.astype(float) - [60, 0, 0]  # the truth needs a lower score of class 0
    part = SegmentedImages(images, shifted.argmax(axis=3).astype(np.uint8), ("a", "b", "c"), ("",) * 30)
    model = ready(Pixels((0.0,) * 3, (60.0,) * 3), mirrored=False)
    assert model.choose_bias(part, (-2.0, -1.0, 0.0, 1.0)) == model.bias == -1.0
    assert (model.predict(images) == part.labels).mean() > 0.99


def test_a_bias_raises_the_logit_of_the_background_alone():
    scores = torch.randn(2, 5, 4, 4)
    raised = scores.clone()
    raised[:, 0] += 0.7
    assert np.array_equal(with_bias(scores.softmax(1), 0.7), raised.argmax(1).numpy())
    assert np.array_equal(with_bias(scores.softmax(1), 0.0), scores.argmax(1).numpy())


# --- What cannot be learned from, and what can ------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 32, 32), (4, 32, 32, 1), (4, 32, 32, 4), (0, 32, 32, 3), (4, 0, 32, 3)])
def test_grey_and_empty_pictures_are_said(shape):
    with pytest.raises(ValueError, match="there must be some, of red, green and blue"):
        learner().fit(np.zeros(shape, np.uint8), np.zeros(shape[:3], np.uint8))
    with pytest.raises(ValueError, match="there must be some, of red, green and blue"):
        ready().predict(np.zeros(shape, np.uint8))


def test_labels_of_another_size_and_out_of_range_are_said(rng):
    images = pictures(rng)
    with pytest.raises(ValueError, match=r"labels \(4, 16, 32\) for pictures \(4, 32, 32\)"):
        learner().fit(images, np.zeros((4, 16, 32), np.uint8))
    with pytest.raises(ValueError, match="label 3 is none of 0 … 2, nor 255"):
        learner().fit(images, np.full((4, 32, 32), 3, np.uint8))
    with pytest.raises(ValueError, match="label -1 is none of 0 … 2"):
        learner().fit(images, np.full((4, 32, 32), -1))


def test_one_picture_alone_is_no_batch_for_batchnorm(rng):
    with pytest.raises(Problem, match="BatchNorm cannot learn from batches of one image"):
        learner().fit(pictures(rng, 1), np.zeros((1, 32, 32), np.uint8))


@pytest.mark.parametrize("label", [0, 1, IGNORE])
def test_scenes_without_objects_classes_without_pixels_and_nothing_that_counts_do_no_harm(rng, label):
    images = pictures(rng)
    model = learner().fit(images, np.full((4, 32, 32), label, np.uint8))
    assert np.isfinite(model.history_.losses).all()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert model.predict(images).shape == (4, 32, 32)


@pytest.mark.parametrize("size", [(32, 32), (45, 70), (9, 11)])
def test_a_picture_of_any_size_has_labels_of_its_size(rng, size):
    model = learner().fit(pictures(rng), rng.integers(3, size=(4, 32, 32)).astype(np.uint8))
    assert model.predict(pictures(rng, 2, *size)).shape == (2, *size)


def test_the_same_seed_gives_the_same_network_and_leaves_torch_s_generator_as_it_was(rng):
    images, labels = pictures(rng), rng.integers(3, size=(4, 32, 32)).astype(np.uint8)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (learner(seed=seed).fit(images, labels) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [model.network_.scores[0].weight for model in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_loss_is_weighted_by_the_balance_of_the_training_labels(rng):
    images, labels, seen = pictures(rng), rng.choice([0, 0, 0, 1, 2], (4, 32, 32)).astype(np.uint8), []

    def spied(outputs, labels, weights):
        seen.append(weights)
        return pixel_loss(outputs, labels, weights)

    for power in (0.0, 0.5):
        model = learner(balance=power)
        model.training = replace(model.training, loss=spied)
        model.fit(images, labels)
        assert np.allclose(seen[-1], median_frequency(labels, 3, power))
