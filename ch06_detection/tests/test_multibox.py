"""The multibox loss is torchvision's, its gradient too; hard negatives are the hardest; the lesson's numbers hold."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from ch06_detection.default_boxes import GRIDS, RATIOS, SIZE, SIZES, default_boxes
from ch06_detection.drawings.multibox import HARDEST, draw_matching
from ch06_detection.multibox import (
    EVERY,
    METRIC,
    MINED,
    count_positives,
    hard_negative_mining,
    lesson,
    match_batch,
    match_boxes,
    multibox_loss,
    multibox_losses,
)
from common.console import Console
from common.data import Scale
from common.data.boxed import BoxedImages
from common.record import LessonRecord
from common.run import Run

CLASSES = 11


@pytest.fixture(scope="module")
def defaults():
    return default_boxes((SIZE, SIZE), GRIDS, SIZES, RATIOS)


@pytest.fixture(scope="module")
def targets():
    boxes = [[[10.0, 12, 50, 70], [60, 60, 110, 100]], [[30.0, 30, 60, 64]], [[5.0, 70, 85, 120], [90, 8, 120, 40]]]
    return [{"boxes": torch.tensor(some), "labels": torch.arange(3, 3 + len(some))} for some in boxes]


def answers(n, boxes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.randn((n, boxes, 4), generator=generator).requires_grad_()
    logits = (3 * torch.randn((n, boxes, CLASSES), generator=generator)).requires_grad_()
    return offsets, logits


def torchvision_s(targets, offsets, logits, defaults):
    told = SimpleNamespace(box_coder=BoxCoder((10.0, 10.0, 5.0, 5.0)), neg_to_pos_ratio=3.0)
    matched = [SSDMatcher(0.5)(box_iou(target["boxes"], defaults)) for target in targets]
    outputs = {"bbox_regression": offsets, "cls_logits": logits}
    return SSD.compute_loss(told, targets, outputs, [defaults] * len(targets), matched)


def test_loss_and_gradient_are_torchvision_s(targets, defaults):
    labels, wanted = match_batch(targets, defaults)
    offsets, logits = answers(3, len(defaults))
    location, confidence = multibox_losses(offsets, logits, wanted, labels)
    multibox_loss(offsets, logits, wanted, labels).backward()
    gradients = offsets.grad.clone(), logits.grad.clone()
    offsets.grad, logits.grad = None, None
    theirs = torchvision_s(targets, offsets, logits, defaults)
    assert_close(location, theirs["bbox_regression"], rtol=1e-5, atol=1e-5)
    assert_close(confidence, theirs["classification"], rtol=1e-5, atol=1e-5)
    sum(theirs.values()).backward()
    assert_close(gradients[0], offsets.grad, rtol=1e-4, atol=1e-7)
    assert_close(gradients[1], logits.grad, rtol=1e-4, atol=1e-7)


def test_only_positives_and_mined_negatives_get_a_gradient(targets, defaults):
    labels, wanted = match_batch(targets, defaults)
    offsets, logits = answers(3, len(defaults))
    multibox_loss(offsets, logits, wanted, labels).backward()
    heard = (logits.grad != 0).any(dim=2)
    positives = (labels > 0).sum(dim=1)
    assert heard.sum(dim=1).tolist() == (4 * positives).tolist()
    assert_close((offsets.grad != 0).any(dim=2), labels > 0)


def by_sorting(losses, labels, negatives):
    """One image after the other, the hardest first."""
    chosen = np.zeros(labels.shape, bool)
    for row, (loss, label) in enumerate(zip(losses.tolist(), labels.tolist(), strict=True)):
        background = [k for k, said in enumerate(label) if said == 0]
        wanted = int(np.ceil(negatives * max(1, len(label) - len(background))))
        chosen[row, sorted(background, key=lambda k: -loss[k])[:wanted]] = True
    return chosen.tolist()


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 5), st.integers(1, 30), st.sampled_from([0.5, 1.0, 3.0, 100.0]), st.integers(0, 10_000))
def test_mined_negatives_are_the_hardest(batch, n, negatives, seed):
    rng = np.random.default_rng(seed)
    losses = torch.tensor(rng.permutation(batch * n).reshape(batch, n), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 4, (batch, n)) * (rng.random((batch, n)) < rng.random((batch, 1))))
    mined = hard_negative_mining(losses, labels, negatives)
    assert mined.tolist() == by_sorting(losses, labels, negatives)


def test_a_positive_is_never_mined_however_hard():
    losses, labels = torch.tensor([[9.0, 8.0, 0.0, 0.0, 0.1]]), torch.tensor([[2, 1, 0, 0, 0]])
    assert hard_negative_mining(losses, labels, 3.0).tolist() == [[False, False, True, True, True]]


@pytest.mark.parametrize("empty", [[0, 1], [1]])
def test_images_without_objects_learn_from_three_negatives_each(empty):
    """Torchvision's loss, like the paper's, ignores them."""
    offsets, logits = answers(2, 40)
    labels, wanted = torch.zeros(2, 40, dtype=torch.long), torch.zeros(2, 40, 4)
    labels[[k for k in range(2) if k not in empty], 7] = 5
    loss = multibox_loss(offsets, logits, wanted, labels)
    loss.backward()
    assert loss > 0
    assert loss.isfinite()
    assert all(gradient.isfinite().all() for gradient in (offsets.grad, logits.grad))
    heard = (logits.grad != 0).any(dim=2)
    assert heard.sum(dim=1).tolist() == [3 if k in empty else 4 for k in range(2)]
    background = logits.logsumexp(dim=2) - logits[..., 0]
    hardest = background[1].topk(3).indices
    assert heard[1][hardest].all()


def test_it_is_computed_in_32_bits(targets, defaults):
    labels, wanted = match_batch(targets, defaults)
    offsets, logits = (part.detach() for part in answers(3, len(defaults)))
    offsets, logits = offsets.bfloat16(), logits.bfloat16()
    expected = multibox_loss(offsets.float(), logits.float(), wanted, labels)
    with torch.autocast("cpu", torch.bfloat16):
        loss = multibox_loss(offsets, logits, wanted, labels)
    assert loss.dtype == torch.float32
    assert_close(loss, expected, rtol=0, atol=0)


def test_wild_answers_give_a_finite_loss(targets, defaults):
    labels, wanted = match_batch(targets, defaults)
    offsets, logits = (1e4 * part.detach() for part in answers(3, len(defaults)))
    logits.requires_grad_()
    loss = multibox_loss(offsets, logits, wanted, labels)
    loss.backward()
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_right_answers_cost_nothing(targets, defaults):
    labels, wanted = match_batch(targets, defaults)
    logits = 100.0 * torch.nn.functional.one_hot(labels, CLASSES)
    assert multibox_loss(wanted, logits, wanted, labels) == 0


def test_a_label_that_is_no_class_is_refused(targets, defaults):
    labels, wanted = match_batch(targets, defaults)
    offsets, logits = answers(3, len(defaults))
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        multibox_loss(offsets, logits[..., :3], wanted, labels)


# --- the lesson -------------------------------------------------------------------------------------------------------


def test_positives_are_counted_and_drawn(targets, defaults):
    part = BoxedImages(np.zeros((3, SIZE, SIZE, 3), np.uint8), tuple(targets), tuple("abcdefghij"))
    labels, _ = match_batch(targets, defaults)
    numbers = count_positives(part, defaults, 0.5)
    assert len(numbers) == 5
    assert numbers[:2].sum() == (labels[0] > 0).sum()
    assert numbers[2] == (labels[1] > 0).sum()
    losses = torch.rand(labels.shape)
    mined = hard_negative_mining(losses, labels)
    matched = match_boxes(targets[0]["boxes"], targets[0]["labels"], defaults)
    figure = draw_matching(part.images[0], targets[0], defaults, matched, (mined[0], losses[0]))
    drawn = [[len(lines.get_paths()) for lines in axis.collections] for axis in figure.axes[:3]]
    assert drawn == [[1, 1], numbers[:2].tolist(), [1, 1] + [1] * HARDEST]
    hardest = defaults[mined[0]][losses[0][mined[0]].argmax()]  # drawn last, on top of the others
    assert_close(torch.tensor(figure.axes[2].collections[-1].get_paths()[0].vertices[0]).float(), hardest[:2])


def test_what_the_lesson_says(tmp_path):
    run = Run("multibox", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    lesson(run)
    assert [(row.method, row.metric) for row in run.record.rows] == [(MINED, METRIC), (EVERY, METRIC)]
    facts = {fact.name: fact.value for fact in run.record.facts}
    assert facts["positives an object, IoU ≥ 0.3"] > facts["positives an object, IoU ≥ 0.5"] > 1
    assert facts["mined negatives, a scene"] < 0.1 * facts["all negatives, a scene"]
    assert {picture.name for picture in run.record.pictures} == {"answers", "counts"}
