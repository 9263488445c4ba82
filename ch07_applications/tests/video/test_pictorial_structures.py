"""Pictorial structures: the best pose of all against a search over all poses, templates, springs."""

import itertools

import numpy as np
import pytest
import torch

from ch07_applications.video import pictorial_structures as module
from ch07_applications.video.bodies import BONES, JOINTS
from ch07_applications.video.pictorial_structures import (
    PARENTS,
    STEP,
    UPWARDS,
    PictorialStructure,
    Springs,
    best_places,
    cell_maps,
    described,
)


def test_the_tree_joins_a_body_s_joints_with_the_neck_as_root():
    assert PARENTS[JOINTS.index("neck")] is None
    assert sorted(UPWARDS) == list(range(14))
    for joint, parent in enumerate(PARENTS):
        assert parent is None or UPWARDS.index(joint) < UPWARDS.index(parent)
    limbs = {frozenset((joint, parent)) for joint, parent in enumerate(PARENTS) if parent is not None}
    across = {frozenset((2, 3)), frozenset((8, 9))}  # hips and shoulders are tied to the neck, not to each other
    assert {frozenset(bone) for bone in BONES[:9]} <= limbs
    assert not across & limbs


def energy(costs, springs, places, kinds):
    """E of one pose, by its definition."""
    total = 0.0
    for joint, (x, y) in enumerate(places):
        total += costs[joint][0, kinds[joint], y, x]
        if springs[joint] is not None:
            spring, kind, parent = springs[joint], kinds[joint], PARENTS_OF_THREE[joint]
            away = np.array([x, y]) - places[parent] - spring.means[kind]
            total += (spring.widths[kind] * away**2).sum() + spring.ties[kinds[parent], kind]
    return total


PARENTS_OF_THREE = (1, 2, None)


@pytest.mark.parametrize("seed", range(6))
def test_the_pose_is_the_best_of_all(seed, monkeypatch):
    """A chain of three joints, two types each, on 3 × 4 places: all 8 · 12³ poses are tried."""
    monkeypatch.setattr(module, "PARENTS", PARENTS_OF_THREE)
    monkeypatch.setattr(module, "UPWARDS", (0, 1, 2))
    rng = np.random.default_rng(seed)
    kinds = (2, 2, 1)
    costs = [rng.normal(size=(1, count, 3, 4)) for count in kinds]
    springs = [
        Springs(rng.uniform(-2, 2, (2, 2)), rng.uniform(0.1, 1, (2, 2)), 2 * rng.normal(size=(parents, 2)))
        for parents in (2, 1)
    ] + [None]
    everywhere = [(x, y) for y in range(3) for x in range(4)]
    options = itertools.product(
        itertools.product(everywhere, repeat=3), itertools.product(*(range(count) for count in kinds))
    )
    best = min(options, key=lambda option: energy(costs, springs, np.array(option[0]), option[1]))
    assert best_places(costs, springs)[0].tolist() == [list(place) for place in best[0]]


@pytest.mark.parametrize(("seed", "size"), [(0, (1, 2)), (1, (2, 1)), (2, (1, 2)), (3, (2, 1))])
def test_a_whole_person_s_pose_is_the_best_of_all(seed, size):
    """All 14 joints on two places, beside each other or one above the other: all 2¹⁴ poses are tried."""
    rng, root = np.random.default_rng(seed), PARENTS.index(None)
    costs = [rng.normal(size=(1, 1, *size)) for _ in PARENTS]
    springs = [
        None if joint == root
        else Springs(rng.uniform(-1, 1, (1, 2)), rng.uniform(0.1, 1, (1, 2)), rng.normal(size=(1, 1)))
        for joint in range(len(PARENTS))
    ]  # fmt: skip
    poses = np.array(list(itertools.product(range(2), repeat=len(PARENTS))))
    moved, total = np.zeros((*poses.shape, 2)), np.zeros(len(poses))
    moved[..., 0 if size == (1, 2) else 1] = poses
    for joint, (cost, spring) in enumerate(zip(costs, springs, strict=True)):
        total += cost.flatten()[poses[:, joint]]
        if spring is not None:
            away = moved[:, joint] - moved[:, PARENTS[joint]] - spring.means[0]
            total += (spring.widths[0] * away**2).sum(axis=1) + spring.ties[0, 0]
    np.testing.assert_array_equal(best_places(costs, springs)[0], moved[total.argmin()])


def test_pictures_are_solved_on_their_own():
    rng = np.random.default_rng(0)
    costs = [rng.normal(size=(5, 1 if parent is None else 2, 8, 8)) for parent in PARENTS]
    springs = [
        None if parent is None
        else Springs(rng.uniform(-2, 2, (2, 2)), np.full((2, 2), 0.2), rng.normal(size=(1 if parent == 12 else 2, 2)))
        for parent in PARENTS
    ]  # fmt: skip
    together = best_places(costs, springs)
    for k in range(5):
        np.testing.assert_array_equal(best_places([own[k : k + 1] for own in costs], springs)[0], together[k])


def test_a_cell_map_answers_to_the_direction_of_an_edge_where_it_is():
    """A vertical edge between columns 31 and 32: its gradient has angle 0°, and the nearest places are 15 and 16."""
    crops = np.zeros((1, 64, 64, 3), np.uint8)
    crops[:, :, 32:] = 200
    maps = cell_maps(crops)[0]
    assert maps[1:].abs().max() == 0
    assert (maps[0, 16] > 0.1).nonzero().flatten().tolist() == [15, 16]
    assert torch.equal(maps[0, 16, :16], maps[0, 16, 16:].flip(0))  # half-pixels are in place


def test_templates_are_scored_as_descriptors_are():
    """A convolution at a place is the product of the template and the window's descriptor there."""
    crops = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), dtype=np.uint8)
    cells, places = cell_maps(crops), np.random.default_rng(1).integers(0, 32, (3, 6, 2))
    model = PictorialStructure(templates=[torch.randn(2, 9, 5, 5)], offsets=[torch.randn(2)])
    (scores,) = model.scores(cells)
    rows = torch.tensor(described(cells, places))
    for item, joint in np.ndindex(3, 6):
        x, y = places[item, joint]
        wanted = model.templates[0].flatten(1) @ rows[item, joint] + model.offsets[0]
        torch.testing.assert_close(scores[item, :, y, x], wanted, rtol=1e-3, atol=1e-3)


def planted(count, rng):
    """Pictures with a bright square at every joint of a stick figure that is moved about."""
    base = np.array([[20, 50], [22, 42], [26, 34], [38, 34], [42, 42], [44, 50], [12, 34], [16, 26], [24, 18],
                     [40, 18], [48, 26], [52, 34], [32, 16], [32, 6]])  # fmt: skip
    points = base + rng.integers(-4, 5, (count, 1, 2)) + rng.integers(-1, 2, (count, 14, 2))
    crops = rng.integers(0, 40, (count, 64, 64, 3)).astype(np.uint8)
    for crop, own in zip(crops, points, strict=True):
        for k, (x, y) in enumerate(own):
            crop[y - 2 : y + 2, x - 2 : x + 2] = 120 + 10 * (k % 2)
    return crops, points.astype(np.float32)


def test_it_finds_what_it_was_taught_and_learns_nothing_of_hidden_joints():
    rng = np.random.default_rng(0)
    crops, points = planted(60, rng)
    seen = np.ones((60, 14), bool)
    model = PictorialStructure(2).fit(crops, points, seen)
    tried, truth = planted(10, rng)
    assert np.linalg.norm(model.predict(tried) - truth, axis=-1).mean() < 2 * STEP
    hidden, other = seen.copy(), points.copy()
    hidden[::3, 6] = False
    first = PictorialStructure(2).fit(crops, points, hidden)
    other[::3, 6] = 2000
    second = PictorialStructure(2).fit(crops, other, hidden)
    np.testing.assert_allclose(first.springs[6].means, second.springs[6].means)
    for one, two in zip(first.templates, second.templates, strict=True):
        torch.testing.assert_close(one, two)


def test_a_joint_that_hardly_anybody_shows_has_no_types():
    crops, points = planted(9, np.random.default_rng(0))
    seen = np.ones((9, 14), bool)
    seen[1:, JOINTS.index("left wrist")] = False
    with pytest.raises(ValueError, match="left wrist: seen in 1 crops, too few for 2 types"):
        PictorialStructure(2).fit(crops, points, seen)


def test_springs_are_gaussians_of_their_clusters():
    rng = np.random.default_rng(1)
    crops, points = planted(80, rng)
    points[:40, 6] += (0, -20)  # half of the people raise the right hand
    springs = PictorialStructure(2).fit(crops, points, np.ones((80, 14), bool)).springs[6]
    away = (points[:, 6] - points[:, 7]) / STEP
    wanted = [away[:40], away[40:]]
    order = np.argsort(springs.means[:, 1])
    np.testing.assert_allclose(springs.means[order], [each.mean(axis=0) for each in wanted], rtol=1e-5)
    widths = [0.5 / each.std(axis=0).clip(min=module.NARROW) ** 2 for each in wanted]
    np.testing.assert_allclose(springs.widths[order], widths, rtol=1e-4)
    assert springs.ties.shape == (2, 2)
