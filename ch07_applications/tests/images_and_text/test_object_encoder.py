"""The encoder of Show and Tell: the invariances of its edges, its quarters, and its loss."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ch07_applications.images_and_text.object_encoder import (
    CROP,
    KINDS,
    NUMBERS,
    ObjectBatches,
    ObjectNetwork,
    channels_first,
    crops_of_objects,
    edges_of,
    image_vectors,
    object_loss,
    objects_in_quarters,
    pretrain,
    regions_of,
)
from ch07_applications.tests.images_and_text.small_scenes import regioned, run_of
from common.errors import Problem


def scenes():
    return regioned().part


def test_edges_are_blind_to_which_colour_is_which_and_to_which_side_is_the_brighter_one():
    pictures = torch.rand(3, 3, 12, 14) * 2 - 1
    found = edges_of(pictures)
    torch.testing.assert_close(edges_of(pictures[:, [2, 0, 1]]), found)  # other colours, the same edges
    torch.testing.assert_close(edges_of(-pictures), found)  # bright on dark, or dark on bright
    torch.testing.assert_close(edges_of(0.25 * pictures)[:, 0], found[:, 0] / 2, atol=2e-2, rtol=0)  # √m
    turned = edges_of(pictures.rot90(1, (2, 3)))
    signs = torch.tensor([1.0, -1.0, -1.0])[:, None, None]  # by 90°: twice the angle is turned by 180°
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    torch.testing.assert_close(turned[inside], (signs * found.rot90(1, (2, 3)))[inside])


def test_an_edge_has_its_direction():
    picture = torch.zeros(1, 3, 9, 9)
    picture[:, 1, :, 5:] = 1.0  # an upright edge: the gradient runs across, θ = 0
    strength, cosine, sine = edges_of(picture)[0, :, 4, 4]
    assert float(cosine) == pytest.approx(float(strength), abs=1e-3)
    assert float(sine) == pytest.approx(0, abs=1e-3)


def test_quarters_hold_the_objects_that_the_scene_has():
    part, quarters = scenes(), objects_in_quarters(scenes())
    for scene in range(len(part)):
        there = [k for k in range(4) if quarters[scene, k, 0] >= 0]
        assert len(there) == (part.labels[scene] >= 0).sum()
        found = sorted(tuple(quarters[scene, k].tolist()) for k in there)
        named = zip(part.labels[scene], part.colours[scene], part.sizes[scene], strict=True)
        assert found == sorted(tuple(map(int, each)) for each in named if each[0] >= 0)
        for box in part.boxes[scene]:  # a quarter's cells cover all of its object
            (x, y), (right, below) = (box[:2] + box[2:]) / 2 > 64, box[2:]
            assert (box[0] >= 56) if x else (right <= 72)
            assert (box[1] >= 56) if y else (below <= 72)


def test_a_quarter_s_scores_depend_on_its_own_part_of_the_scene():
    network = ObjectNetwork().eval()
    pictures = torch.rand(1, 3, 128, 128)
    changed = pictures.clone()
    changed[..., 100:, 100:] = 0.0  # the far corner of the last quarter
    moved = (network(pictures) - network(changed)).abs().amax(dim=2)[0]
    assert (moved[:3] < 1e-6).all()
    assert moved[3] > 1e-6
    assert [len(regions_of(cells)) for cells in (CROP // 8, 16)] == [1, 4]


def test_the_loss_counts_objects_alone_for_class_colour_and_size():
    torch.manual_seed(0)
    scores = torch.randn(2, 4, NUMBERS)
    targets = torch.full((2, 4, 3), -1)
    targets[0, 1], targets[1, 3] = torch.tensor([3, 2, 1]), torch.tensor([9, 5, 0])
    total, count = object_loss(scores, targets)
    expected = 0.0
    for scene in range(2):
        for quarter in range(4):
            own, goal = scores[scene, quarter], targets[scene, quarter]
            sign = 1 if goal[0] >= 0 else -1
            expected -= functional.logsigmoid(sign * own[-1])
            if goal[0] >= 0:
                for each, k in zip(own[:-1].split(KINDS), goal, strict=True):
                    expected -= each.log_softmax(dim=0)[k]
    torch.testing.assert_close(total, expected)
    assert int(count) == 2


def test_a_mirrored_scene_has_its_quarters_exchanged():
    part = scenes()
    targets = objects_in_quarters(part)
    batches = ObjectBatches(channels_first(part.images), targets)
    index = torch.arange(len(part))
    pictures, found = batches.batch(index, torch.Generator().manual_seed(0))
    plain = channels_first(part.images).float() / 127.5 - 1
    mirrored = torch.tensor([not torch.equal(a, b) for a, b in zip(pictures, plain, strict=True)])
    assert 0 < mirrored.sum() < len(part)
    assert torch.equal(found[~mirrored], targets[~mirrored])
    assert torch.equal(found[mirrored], targets[mirrored][:, [1, 0, 3, 2]])


def test_crops_show_their_objects():
    part = scenes()
    crops = crops_of_objects(part, 0)
    objects = crops.targets[:, 0, 0] >= 0
    assert int(objects.sum()) == int((part.labels >= 0).sum())
    quarters = objects_in_quarters(part)
    assert torch.equal(crops.targets[objects][:, 0], quarters[quarters[..., 0] >= 0])
    first = np.flatnonzero(part.labels[0] >= 0)
    boxes = part.boxes[0][first]
    order = np.argsort([(b[0] + b[2] > 128) + 2 * (b[1] + b[3] > 128) for b in boxes])
    x, y = ((boxes[order[0], k] + boxes[order[0], k + 2]) / 2 for k in (0, 1))
    shown = crops.pictures[np.flatnonzero(objects)[0]].numpy().transpose(1, 2, 0)
    height, width = int(min(y, 128 - y, 20)), int(min(x, 128 - x, 20))
    around = part.images[0, int(y) - height : int(y) + height, int(x) - width : int(x) + width]
    places = [
        (i, j)
        for i in range(64 - 2 * height + 1)
        for j in range(64 - 2 * width + 1)
        if np.array_equal(shown[i : i + 2 * height, j : j + 2 * width], around)
    ]
    assert places  # the object's surroundings are somewhere in its crop


def test_vectors_are_probabilities_and_zero_where_nothing_is(tmp_path):
    part = scenes()
    network = pretrain(run_of(tmp_path), part, (1, 1))
    vectors = image_vectors(network, part.images).reshape(len(part), 4, NUMBERS)
    for kind in np.split(vectors[..., :-1], np.cumsum(KINDS)[:-1], axis=2):
        np.testing.assert_allclose(kind.sum(axis=2), vectors[..., -1], atol=1e-5)
    assert ((vectors >= 0) & (vectors <= 1)).all()


@pytest.mark.parametrize("images", [np.zeros((2, 128, 128), np.uint8), np.zeros((2, 128, 128, 3), np.float32)])
def test_other_than_colour_pictures_of_bytes_are_a_problem(images):
    with pytest.raises(Problem, match="colour pictures of bytes"):
        channels_first(images) if images.ndim == 4 else image_vectors(ObjectNetwork(), images[..., None])
