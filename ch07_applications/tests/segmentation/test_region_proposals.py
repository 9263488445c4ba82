"""Anchors, offsets, matching, sampling and the proposals that are kept."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from ch07_applications.segmentation.region_proposals import (
    BACKGROUND,
    NEITHER,
    OBJECT,
    VARIANCES,
    ProposalHead,
    anchors,
    decode,
    encode,
    match,
    picked,
    proposal_loss,
    propose,
    sample,
)

RATIOS = (0.5, 1.0, 2.0)


def random_boxes(n, generator, size=100.0):
    corner = torch.rand(n, 2, generator=generator) * size
    return torch.cat([corner, corner + 2 + torch.rand(n, 2, generator=generator) * size / 2], dim=1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_anchors_are_torchvision_s_moved_to_the_middles_of_cells():
    own = anchors((3, 5), 8, (20.0, 40.0), RATIOS)
    reference = AnchorGenerator(((20, 40),), (RATIOS,))
    images = ImageList(torch.zeros(1, 3, 24, 40), [(24, 40)])
    theirs = reference(images, [torch.zeros(1, 1, 3, 5)])[0]
    # Theirs are centred at cells' corners, rounded to pixels, and run through sizes within a ratio.
    theirs = theirs.view(15, 3, 2, 4).transpose(1, 2).reshape(-1, 4) + 4
    assert (own - theirs).abs().max() <= 0.51


def test_an_anchor_has_its_size_its_ratio_and_its_place():
    own = anchors((2, 3), 16, (30.0,), (2.0,))
    width, height = (own[:, 2:] - own[:, :2]).T
    assert torch.allclose(width * height, torch.tensor(900.0))
    assert torch.allclose(height / width, torch.tensor(2.0))
    centre = (own[:, :2] + own[:, 2:]) / 2
    assert centre[[0, 1, 3]].tolist() == [[8, 8], [24, 8], [8, 24]]  # columns run faster than rows


def test_decode_is_encode_s_inverse_and_both_are_torchvision_s(generator):
    boxes, anchor = random_boxes(50, generator), random_boxes(50, generator)
    grown = (boxes[:, 2:] - boxes[:, :2]) / (anchor[:, 2:] - anchor[:, :2])
    boxes = torch.where((grown < 7).all(dim=1, keepdim=True), boxes, anchor)
    offsets = encode(boxes, anchor)
    assert torch.allclose(decode(offsets, anchor), boxes, atol=1e-3)
    coder = BoxCoder(tuple(1 / v for v in VARIANCES))
    assert torch.allclose(offsets, coder.encode_single(boxes, anchor), atol=1e-4)
    assert torch.allclose(decode(offsets, anchor), coder.decode_single(offsets, anchor), atol=1e-3)


def test_no_offset_gives_the_anchor_and_a_huge_one_stays_finite(generator):
    anchor = random_boxes(5, generator)
    assert torch.allclose(decode(torch.zeros(5, 4), anchor), anchor, atol=1e-4)
    assert decode(torch.full((5, 4), 1e4), anchor).isfinite().all()


def test_matching_by_thresholds_and_the_best_anchor_of_an_object():
    truths = torch.tensor([[[0.0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 0, 0]]])
    labels = torch.tensor([[3, 1, 0]])
    boxes = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 20], [0, 0, 10, 40], [50, 50, 60, 95.0]]])
    plain = match(boxes, truths, labels, low=0.3, high=0.6)
    assert plain.kind.tolist() == [[OBJECT, NEITHER, BACKGROUND, BACKGROUND]]
    assert plain.truth[0, :3].tolist() == [0, 0, 0]
    best = match(boxes, truths, labels, low=0.3, high=0.6, best_too=True)
    assert best.kind.tolist() == [[OBJECT, NEITHER, BACKGROUND, OBJECT]]
    assert best.truth[0, 3] == 1


def test_padding_is_no_object_and_an_image_without_objects_is_background(generator):
    boxes = random_boxes(20, generator)[None]
    boxes[0, 0] = 0
    matched = match(boxes, torch.zeros(1, 2, 4), torch.zeros(1, 2, dtype=torch.long), low=0.3, high=0.6, best_too=True)
    assert (matched.kind == BACKGROUND).all()


def test_a_sample_has_objects_first_and_not_too_many():
    kind = torch.tensor([[OBJECT] * 9 + [BACKGROUND] * 20 + [NEITHER] * 9, [BACKGROUND] * 3 + [NEITHER] * 35])
    index, kinds = sample(kind, 12, 4)
    assert kinds[0].tolist() == [OBJECT] * 4 + [BACKGROUND] * 8
    assert kinds[1].tolist() == [BACKGROUND] * 3 + [NEITHER] * 9
    assert len(index[0].unique()) == 12
    counted = kinds != NEITHER
    assert torch.equal(picked(kind, index)[counted], kinds[counted])
    few = torch.tensor([[OBJECT, BACKGROUND]])
    assert sample(few, 12, 4)[1].tolist() == [[OBJECT, BACKGROUND]]


def test_objects_are_drawn_at_random():
    kind = torch.full((1, 40), OBJECT)
    drawn = torch.cat([sample(kind, 8, 4)[0][0, :4] for _ in range(60)])
    assert len(drawn.unique()) > 35
    assert (sample(kind, 8, 4)[1][0] == OBJECT).sum() == 4  # objects beyond the limit do not come in as background


def test_the_loss_is_0_for_perfect_outputs_and_needs_no_objects(generator):
    anchor = anchors((6, 6), 8, (12.0,), RATIOS)
    truths, labels = anchor[None, [40, 70]] + 0.5, torch.ones(1, 2, dtype=torch.long)
    matched = match(anchor[None], truths, labels, low=0.3, high=0.6, best_too=True)
    scores = torch.where(matched.kind == OBJECT, 30.0, -30.0)
    offsets = encode(truths[0][matched.truth[0]], anchor)[None]
    assert proposal_loss(scores, offsets, anchor, truths, labels) < 1e-4
    assert proposal_loss(-scores, offsets, anchor, truths, labels) > 10
    assert proposal_loss(scores, offsets + 3, anchor, truths, labels) > 0.1
    nothing = torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.long)
    scores.requires_grad_()
    loss = proposal_loss(scores, offsets, anchor, *nothing)
    loss.backward()
    assert loss.isfinite()
    assert scores.grad.abs().sum() > 0  # background alone is learned from


def test_offsets_of_background_do_not_count(generator):
    anchor = anchors((6, 6), 8, (12.0,), RATIOS)
    truths, labels = anchor[None, [40]], torch.ones(1, 1, dtype=torch.long)
    offsets = torch.zeros(1, len(anchor), 4, requires_grad=True)
    proposal_loss(torch.zeros(1, len(anchor)), offsets, anchor, truths, labels).backward()
    background = match(anchor[None], truths, labels, low=0.3, high=0.6, best_too=True).kind != OBJECT
    assert (offsets.grad[background] == 0).all()


def test_proposals_are_clipped_thinned_out_and_ordered(generator):
    anchor = random_boxes(200, generator) - 20
    scores, offsets = torch.randn(2, 200, generator=generator), torch.zeros(2, 200, 4)
    boxes, there = propose(scores, offsets, anchor, (90, 110), keep=30)
    assert boxes.shape == (2, 30, 4)
    assert (boxes >= 0).all()
    assert (boxes[..., 2] <= 110).all()
    assert (boxes[..., 3] <= 90).all()
    for image in (0, 1):
        own = boxes[image][there[image]]
        assert (box_iou(own, own) - torch.eye(len(own))).max() <= 0.7
        clipped = torch.stack([anchor[:, 0::2].clamp(0, 110), anchor[:, 1::2].clamp(0, 90)], 2).flatten(1)
        place = [int((clipped - box).abs().amax(dim=1).argmin()) for box in own]
        assert scores[image, place].diff().max() < 0  # highest first


def test_an_image_s_proposals_do_not_depend_on_the_others(generator):
    """The image beside it has the same boxes with higher scores: they would suppress every one of these."""
    anchor, score = random_boxes(100, generator), torch.randn(100, generator=generator)
    scores, offsets = torch.stack([score + 9, score]), torch.zeros(2, 100, 4)
    together = propose(scores, offsets, anchor, (100, 100), keep=20)
    alone = propose(scores[1:], offsets[1:], anchor, (100, 100), keep=20)
    assert together.there[1].all()
    assert torch.equal(together.boxes[1], alone.boxes[0])


def test_no_proposals_at_all(generator):
    anchor = random_boxes(10, generator) + 500  # outside the image
    boxes, there = propose(torch.zeros(2, 10), torch.zeros(2, 10, 4), anchor, (100, 100), keep=4)
    assert boxes.shape == (2, 4, 4)
    assert not there.any()


def test_the_head_answers_in_the_order_of_the_anchors():
    """A single cell's features change the outputs of its own and its neighbours' anchors only."""
    torch.manual_seed(0)
    head = ProposalHead(4, 6)
    for layer in (head.shared, head.scores, head.offsets):
        torch.nn.init.normal_(layer.weight)
    maps = [torch.rand(1, 4, 5, 7), torch.rand(1, 4, 3, 4)]
    before = head(maps)
    assert before[0].shape == (1, (35 + 12) * 6)
    assert before[1].shape == (1, (35 + 12) * 6, 4)
    changed = [maps[0].clone(), maps[1]]
    changed[0][0, :, 1, 5] += 10
    centres = (anchors((5, 7), 1, (1.0,), (1.0,)).view(-1, 2, 2).mean(1) - torch.tensor([5.5, 1.5])).abs().amax(dim=1)
    for old, new in zip(before, head(changed), strict=True):
        moved = (old != new).view(1, -1, 6, *old.shape[2:]).flatten(2).any(dim=2)[0]
        assert (moved[:35] <= (centres <= 1)).all()
        assert moved[:35].sum() == 9
        assert not moved[35:].any()
