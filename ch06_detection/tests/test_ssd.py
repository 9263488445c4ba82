"""The single-shot detector: its order of boxes, its batches, its predictions, and resuming from a checkpoint."""

import numpy as np
import pytest
import torch
from torchvision.models import mobilenet_v2
from torchvision.ops import batched_nms, box_iou

from ch06_detection.boxes import decode
from ch06_detection.default_boxes import flatten_head
from ch06_detection.multibox import match_batch
from ch06_detection.single_shot.several_looks import mirror_places
from ch06_detection.ssd import MILD, SSD, BoxedBatches, SceneSSD, SSDDetector, detection_loss
from ch06_detection.trunk.layers import mobile_trunk, small_trunk
from ch06_detection.trunk.pretraining import TrunkPretraining
from common.data import Scale
from common.data.scenes import scenes
from common.errors import LossNotFinite
from common.image_classifier import Pixels
from common.train import Training

SETTINGS = SceneSSD(width=8)


@pytest.fixture(scope="module")
def few():
    return scenes(Scale("smoke")).train.take(slice(24))


def detector(epochs=1, trunk=None, **changes):
    training = Training(epochs, 2e-3, 8, loss=detection_loss, half=False, checkpoint=changes.pop("checkpoint", None))
    return SSDDetector(SETTINGS.network, training, SETTINGS.shapes(), 10, trunk, augment=MILD, **changes)


def test_a_head_s_output_is_read_cell_by_cell_and_box_by_box():
    x = torch.arange(2 * 6 * 3 * 4).reshape(2, 6, 3, 4).float()  # three boxes of two numbers in 3×4 cells
    boxes = flatten_head(x, 2)
    for row, column, box, number in [(0, 0, 0, 0), (1, 2, 1, 0), (2, 3, 2, 1)]:
        assert boxes[1, (row * 4 + column) * 3 + box, number] == x[1, 2 * box + number, row, column]


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (100, 75)])
@pytest.mark.parametrize("maps", [1, 2, 3])
def test_there_is_an_answer_for_every_default_box(size, maps):
    settings = SceneSSD(width=8, maps=maps)
    network = settings.network(10).eval()
    offsets, logits = network(torch.zeros(2, 3, *size))
    own = SSDDetector(settings.network, Training(1), settings.shapes(), 10)
    own.network_ = network
    assert offsets.shape == (2, len(own.defaults(size)), 4)
    assert logits.shape == (2, len(own.defaults(size)), 11)


def test_the_box_that_a_cell_speaks_for_lies_there():
    own = detector()
    own.network_ = SETTINGS.network(10)
    grids, defaults = own.network_.grids((128, 128)), own.defaults((128, 128))
    start = 0
    for (rows, columns), shape in zip(grids, own.shapes, strict=True):
        for row, column in [(0, 0), (rows - 1, 1), (1, columns - 1)]:
            box = defaults[start + (row * columns + column) * len(shape)]
            centre = (box[:2] + box[2:]) / 2
            assert centre.tolist() == pytest.approx([(column + 0.5) * 128 / columns, (row + 0.5) * 128 / rows])
        start += rows * columns * len(shape)


def test_the_mobile_trunk_is_torchvision_s():
    network, image = mobilenet_v2(weights=None).eval(), torch.randn(1, 3, 96, 64)
    first, second = mobile_trunk(network)
    with torch.inference_mode():
        eighth = network.features[7].conv[0](network.features[:7](image))
        sixteenth = network.features[14].conv[0](network.features[:14](image))
        torch.testing.assert_close(first(image), eighth)
        torch.testing.assert_close(second(first(image)), sixteenth)
    assert eighth.shape == (1, 192, 12, 8)
    assert sixteenth.shape == (1, 576, 6, 4)


def test_a_coarser_map_speaks_to_a_finer_one_only_if_told():
    image = torch.randn(1, 3, 64, 64)
    for top_down in (True, False):
        network = SSD(small_trunk(8), (2, 2, 2), 3, top_down).eval()
        before = network(image)[1]
        with torch.no_grad():
            network.stages[2][0][0].weight.mul_(-3)  # the coarsest stage
        after = network(image)[1]
        finest = 8 * 8 * 2
        assert torch.equal(before[:, :finest], after[:, :finest]) != top_down
        assert not torch.equal(before[:, finest:], after[:, finest:])


def test_a_batch_is_what_the_default_boxes_should_say(few):
    own = detector()
    own.network_ = SETTINGS.network(10)
    defaults = own.defaults((128, 128))
    data = BoxedBatches(few.images, few.targets, Pixels.of(few.images), defaults)
    images, labels, offsets = data.batch(torch.tensor([3, 1]), torch.Generator())
    torch.testing.assert_close(images, Pixels.of(few.images)(few.images[[3, 1]]))
    said, moves = match_batch([few.targets[3], few.targets[1]], defaults)
    assert torch.equal(labels, said)
    assert torch.equal(offsets, moves)
    positive = labels[0] > 0
    overlaps = box_iou(decode(offsets[0, positive], defaults[positive]), few.targets[3]["boxes"])
    assert overlaps.max(dim=1).values.min() > 0.999  # offsets lead to objects


def test_it_learns(few):
    history = detector(epochs=6).fit(few.images, few.targets).history_
    assert np.mean(history.losses[-4:]) < 0.7 * np.mean(history.losses[:4])


def test_its_answers_have_torchvision_s_structure(few):
    found = detector().fit(few.images, few.targets).predict(few.images[:3])
    assert len(found) == 3
    for said in found:
        n = len(said["scores"])
        assert said["boxes"].shape == (n, 4)
        assert said["labels"].dtype == torch.int64
        assert n <= 100
        assert (said["scores"].diff() <= 0).all()
        assert ((said["boxes"] >= 0) & (said["boxes"] <= 128)).all()
        assert ((said["labels"] >= 1) & (said["labels"] <= 10)).all()


def test_what_stays_is_what_torchvision_keeps():
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(300, 2, generator=generator) * 90
    boxes = torch.cat([corners, corners + 10 + 20 * torch.rand(300, 2, generator=generator)], dim=1)
    scores = (3 * torch.randn(300, 4, generator=generator)).softmax(dim=1)
    found = SSDDetector(SETTINGS.network, Training(1), (), 3, least=0.2, keep=50).select(boxes, scores)
    where, label = (scores[:, 1:] > 0.2).nonzero().unbind(1)
    stays = batched_nms(boxes[where], scores[where, label + 1], label, 0.45)[:50]
    torch.testing.assert_close(found["boxes"], boxes[where][stays])
    assert torch.equal(found["labels"], label[stays] + 1)


def test_nothing_sure_means_no_detection():
    scores = torch.tensor([[0.999, 0.001], [0.995, 0.005]])
    found = SSDDetector(SETTINGS.network, Training(1), (), 1).select(torch.rand(2, 4), scores)
    assert [len(values) for values in found.values()] == [0, 0, 0]


def test_of_an_image_and_its_mirror_image_it_says_the_same(few):
    own = detector(mirrored=True).fit(few.images, few.targets)
    straight, turned = (list(own.predict_boxes(images)) for images in (few.images[:2], few.images[:2, :, ::-1].copy()))
    places = mirror_places(own.network_.grids((128, 128)), [len(shape) for shape in own.shapes])
    for (boxes, scores), (other, other_scores) in zip(straight, turned, strict=True):
        back = other[places] * torch.tensor([-1.0, 1, -1, 1]) + torch.tensor([128.0, 0, 128, 0])
        torch.testing.assert_close(back[:, [2, 1, 0, 3]], boxes, atol=1e-3, rtol=1e-4)
        torch.testing.assert_close(other_scores[places], scores, atol=1e-4, rtol=1e-3)


def test_at_another_scale_boxes_are_in_the_image_s_own_pixels(few):
    own = detector().fit(few.images, few.targets)
    twice = few.images[:2].repeat(2, axis=1).repeat(2, axis=2)
    small, large = (list(own.predict_boxes(images, scale)) for images, scale in ((few.images[:2], 1.0), (twice, 0.5)))
    for (boxes, scores), (others, other_scores) in zip(small, large, strict=True):
        torch.testing.assert_close(2 * boxes, others, atol=0.5, rtol=0)  # reduced, pixels mix a little
        torch.testing.assert_close(scores, other_scores, atol=0.02, rtol=0)


def test_what_is_said_at_several_scales_is_thinned_out_together(few):
    own = detector().fit(few.images, few.targets)
    looks = [next(own.predict_boxes(few.images[:1], scale)) for scale in (1.0, 1.5)]
    own.scales = (1.0, 1.5)
    (found,) = own.predict(few.images[:1])
    expected = own.select(torch.cat([looks[0][0], looks[1][0]]), torch.cat([looks[0][1], looks[1][1]]))
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values)


def test_images_without_objects_teach_too(few):
    nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    for targets in ([nothing] * 12 + list(few.targets[12:]), [nothing] * 24):
        own = detector(trunk=TrunkPretraining(Training(1, 2e-3, 8, half=False), 10, width=8)).fit(few.images, targets)
        assert np.isfinite(own.history_.losses).all()


def test_a_training_goes_on_from_its_checkpoint(few, tmp_path):
    whole = detector(epochs=2).fit(few.images, few.targets)
    killed = detector(epochs=2, checkpoint=tmp_path / "ssd.pt")
    killed.training.say = interrupted
    with pytest.raises(KeyboardInterrupt):
        killed.fit(few.images, few.targets)
    with pytest.raises(KeyboardInterrupt):  # the first epoch's checkpoint is written after it is spoken of
        killed.fit(few.images, few.targets)
    resumed = detector(epochs=2, checkpoint=tmp_path / "ssd.pt").fit(few.images, few.targets)
    for a, b in zip(whole.network_.parameters(), resumed.network_.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def interrupted(text):
    if text.startswith("epoch 2"):
        raise KeyboardInterrupt


def test_a_loss_that_is_no_number_is_told(few):
    images = few.images.copy()
    own = detector()
    own.training.learning_rate = 1e30
    own.training.epochs = 3
    with pytest.raises(LossNotFinite):
        own.fit(images, few.targets)


def test_its_trunk_starts_from_one_that_names_objects(few):
    named = TrunkPretraining(Training(1, 2e-3, 8, half=False), 10, width=8)
    own = detector(trunk=named)
    own.training.epochs = 0
    own.fit(few.images, few.targets)
    first = dict(zip(own.network_.stages.state_dict(), named.trunk_.stages.state_dict().values(), strict=False))
    for name, weights in own.network_.stages.state_dict().items():
        assert name.startswith("2.") or torch.equal(weights, first[name])
