"""Grounding: Viterbi against all paths, and the judge; retrieval's ranks; proposed regions."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torchvision.ops import box_iou

from ch07_applications.images_and_text.grounding import KINDS, judge_grounding, smooth
from ch07_applications.images_and_text.picture_regions import APART, RegionedScenes, crops_of, propose_regions
from ch07_applications.images_and_text.retrieval import both_ways, ranks_of
from ch07_applications.tests.images_and_text.small_scenes import regioned
from common.errors import Problem

# Smoothing, Eqs. 10 to 12


def energy(products, path, bond):
    own = sum(float(products[t, region]) for t, region in enumerate(path))
    return own + bond * sum(a == b for a, b in pairwise(path))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("bond", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("words", "regions"), [(3, 3), (5, 4), (1, 3), (4, 1)])
def test_smoothing_finds_the_best_of_all_paths(seed, bond, words, regions):
    products = torch.randn(words, regions, generator=torch.Generator().manual_seed(seed))
    best = max(energy(products, path, bond) for path in product(range(regions), repeat=words))
    assert energy(products, smooth(products, bond).tolist(), bond) == pytest.approx(best, abs=1e-5)


def test_without_a_bond_every_word_has_its_best_region_and_with_a_strong_one_all_have_the_same():
    products = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(smooth(products, 0.0), products.argmax(dim=1))
    assert smooth(products, 100.0).tolist() == [int(products.sum(dim=0).argmax())] * 6
    with pytest.raises(ValueError, match="at least 0"):
        smooth(products, -1.0)


# The judge


def perfect(scenes, wrong=()):
    """Products by which every word finds its object, but those of the kinds in `wrong`."""
    tables = []
    for item, caption in enumerate(scenes.captions):
        table = torch.zeros(len(caption.words), scenes.regions.boxes.shape[1])
        for t, (word, owner) in enumerate(zip(caption.words, caption.owners, strict=True)):
            if owner >= 0:
                region = int(np.flatnonzero(scenes.regions.objects[item] == owner)[0])
                table[t, region] = -1.0 if word in wrong else 1.0
        tables.append(table)
    return tables


def test_true_alignments_are_right_and_others_are_not():
    scenes = regioned()
    found = judge_grounding(perfect(scenes), scenes)
    assert set(found) == set(KINDS)
    assert all((shares == 100).all() for shares in found.values())
    found = judge_grounding(perfect(scenes, wrong=("small", "little", "large", "big")), scenes)
    assert (found["size"].max(), found["class"].min(), found["colour"].min()) == (0, 100, 100)


# Retrieval


def test_ranks_count_who_is_ahead():
    scores = np.array([[3.0, 1.0, 2.0], [5.0, 4.0, 6.0], [0.0, 0.0, 0.0]])
    assert ranks_of(scores).tolist() == [0, 2, 2]
    assert ranks_of(scores.T).tolist() == [1, 0, 2]
    assert both_ways(scores).tolist() == [50, 50, 0]
    assert both_ways(scores, 3).tolist() == [100, 100, 100]


def test_scores_that_are_all_alike_find_nothing():
    assert ranks_of(np.ones((5, 5))).tolist() == [4] * 5


# Regions


@pytest.mark.parametrize("objects", [(1, 1), (3, 3), (1, 3)])
def test_regions_are_the_objects_stray_boxes_and_the_whole(objects):
    scenes = regioned(40, objects)
    regions, part = scenes.regions, scenes.part
    assert regions.boxes.shape == (40, 7, 4)
    for item in range(40):
        there = np.flatnonzero(part.labels[item] >= 0)
        named = regions.objects[item]
        assert sorted(named[named >= 0]) == sorted(there)
        assert regions.boxes[item, -1].tolist() == [0, 0, 128, 128]
        assert named[-1] == -1
        for box, number in zip(regions.boxes[item, :-1], named[:-1], strict=True):
            if number >= 0:
                np.testing.assert_array_equal(box, part.boxes[item, number])
            else:
                overlap = box_iou(torch.tensor(box[None]), torch.tensor(part.boxes[item, there]))
                assert float(overlap.max()) <= APART
                assert (box[:2] >= 0).all()
                assert (box[2:] <= 128).all()


def test_objects_stand_in_no_order():
    first = regioned(200).regions.objects[:, :-1]
    assert ((first >= 0).mean(axis=0) > 0.35).all()
    assert ((first >= 0).mean(axis=0) < 0.65).all()


def test_crops_show_their_region():
    images = np.zeros((1, 64, 64, 3), np.uint8)
    images[0, 16:32, 32:48] = (10, 200, 90)
    boxes = np.float32([[[32, 16, 48, 32], [0, 40, 10, 60]]])
    crops = crops_of(images, boxes, 16)
    assert crops.shape == (1, 2, 3, 16, 16)
    assert crops[0, 0, :, 4:12, 4:12].float().mean(dim=(1, 2)).tolist() == [10, 200, 90]
    assert float(crops[0, 0].float().mean()) < 100, "a little of what is around is seen"
    assert float(crops[0, 1].float().max()) == 0


def test_places_are_shares_of_the_picture():
    scenes = regioned()
    np.testing.assert_allclose(scenes.regions.places[:, -1], np.tile([0.5, 0.5, 1, 1], (24, 1)))
    box, place = scenes.regions.boxes[3, 2] / 128, scenes.regions.places[3, 2].numpy()
    np.testing.assert_allclose(np.concatenate([place[:2] - place[2:] / 2, place[:2] + place[2:] / 2]), box, atol=1e-6)


def test_scenes_without_objects_are_refused():
    part = regioned().part
    with pytest.raises(Problem, match="without objects"):
        propose_regions(part.take(slice(0)), 0)


def test_the_first_scenes_keep_their_regions():
    few = regioned().first(5)
    assert isinstance(few, RegionedScenes)
    assert len(few) == len(few.regions) == len(few.captions) == 5
    np.testing.assert_array_equal(few.regions.boxes, regioned().regions.boxes[:5])
