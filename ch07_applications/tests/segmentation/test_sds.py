"""SVMs against scikit-learn's, the choice of positives, refinement, AP^r against AP^b, awkward pictures, the lesson."""

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from ch07_applications.segmentation import sds
from ch07_applications.segmentation.box_rival import RIVAL
from ch07_applications.segmentation.convex_fits import LinearSVMs, Standardised
from ch07_applications.segmentation.drawn_sds import draw_bars, draw_ceiling
from ch07_applications.segmentation.labelled_scenes import instances
from ch07_applications.segmentation.ranked_regions import RankedRegions
from ch07_applications.segmentation.region_crops import GRID, Described, describe_regions, project
from ch07_applications.segmentation.region_examples import Examples, boxes_of, gather
from ch07_applications.segmentation.region_refinement import Refinement, evidence
from ch07_applications.segmentation.scoring import AP50, AP75, score_instances
from ch07_applications.segmentation.sds import (
    AP70,
    BARS,
    BOTH,
    HAND_MADE,
    LIMITS,
    OURS,
    REFINED,
    SDS,
    SHARED,
    Proposed,
    evaluate,
    fit_svms,
    signs_of,
)
from common import plots
from common.data import Scale
from common.data.boxed import BoxedImages, Masks
from common.data.scenes import scenes
from common.errors import Problem
from common.metrics.detection import Evaluation
from tests.recorded_lesson import recorded


def small_crops(crops, inside):
    """Features that cost nothing: crops of 6 × 6."""
    return torch.nn.functional.adaptive_avg_pool2d(crops, 6).flatten(1)


@pytest.fixture(scope="module")
def part():
    return scenes(Scale("smoke"), train_masks=True).train.take(slice(10))


@pytest.fixture(scope="module")
def ranked(part):
    return RankedRegions().fit(part)


@pytest.fixture(scope="module")
def found(ranked, part):
    return ranked.propose(part.images)


@pytest.fixture(scope="module")
def examples(part, found):
    return gather(small_crops, part, found, seed=0)


@pytest.fixture(scope="module")
def system(ranked, examples):
    return SDS(ranked, small_crops, refinement=Refinement()).fit(examples)


# SVMs


def test_svms_are_scikit_learn_s_with_the_squared_hinge():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6)) * [1, 5, 1, 1, 0.1, 1]
    signs = np.where(x[:, [0]] + 0.5 * rng.normal(size=(120, 2)) > [0.3, -0.2], 1, -1).astype(np.int8)
    features = torch.from_numpy(x).float()
    own = LinearSVMs(C=0.4).fit(features, signs)
    scaled = Standardised.of(features)(features).numpy()
    assert np.linalg.norm(scaled, axis=1).mean() == pytest.approx(1, abs=0.1)
    for k in range(2):
        with_one = np.append(scaled, 1000 * np.ones((120, 1)), axis=1)  # an offset that is hardly penalised
        theirs = LinearSVC(C=0.4 * 6, fit_intercept=False, dual=False, tol=1e-10, max_iter=10_000)
        theirs.fit(with_one, signs[:, k])
        assert np.allclose(own.scores(features)[:, k], theirs.decision_function(with_one), atol=0.01)


def test_what_is_no_example_of_a_class_does_not_count_and_a_class_without_examples_is_never_found():
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
    signs = np.zeros((60, 2), np.int8)
    signs[:20, 0], signs[20:40, 0], signs[:, 1] = 1, -1, -1
    plain, changed = LinearSVMs().fit(x, signs), signs.copy()
    assert (plain.scores(x)[:, 1] == -np.inf).all()
    changed[40:, 0] = 1
    assert not torch.allclose(plain.weights_[:, 0], LinearSVMs().fit(x, changed).weights_[:, 0], atol=1e-4)
    moved = x.clone()
    moved[40:] = moved[40:].flip(0)  # the same statistics, other rows
    assert torch.allclose(plain.weights_[:, 0], LinearSVMs().fit(moved, signs).weights_[:, 0], atol=1e-4)


def test_a_region_is_negative_only_for_classes_that_it_hardly_overlaps():
    of_class = np.array([[0.6, 0.0, 0.3], [0.1, 0.19, 0.0], [0.3, 0.0, 0.21]])
    assert signs_of(np.array([1, 0, 0]), of_class).tolist() == [[1, -1, 0], [-1, -1, -1], [0, -1, 0]]


def described(features):
    features = torch.as_tensor(features, dtype=torch.float32)
    n = len(features)
    return Described(features, features, torch.zeros(n, GRID**2), torch.zeros(n, 4))


def test_the_proposal_with_the_highest_score_becomes_the_positive_example(monkeypatch):
    """§3.3: first the objects themselves, then one proposal for each, though another one overlaps more."""
    nothing = torch.zeros(0, 4, 4, dtype=torch.bool)
    examples = Examples(
        described([[4.0], [3.5]]), np.array([1, 1]), described([[1.0], [3.0], [-3.0], [-4.0], [5.0]]),
        np.array([0, 0, -1, -1, 1]), np.array([0.8, 0.6, 0.0, 0.0, 0.4]),
        np.array([[0.8], [0.6], [0.0], [0.0], [0.4]]), nothing, nothing.int(), nothing,
    )  # fmt: skip
    fits, plain = [], LinearSVMs.fit
    monkeypatch.setattr(LinearSVMs, "fit", lambda self, x, signs: (fits.append(signs[:, 0]), plain(self, x, signs))[1])
    fit_svms(examples, ("box", "region"))
    assert [own.tolist() for own in fits] == [[1, 1, 0, 0, -1, -1, 0], [0, 1, -1, -1, 0]]


# Refinement


def squares(offset=0):
    masks = torch.zeros(2, 48, 48, dtype=torch.bool)
    masks[0, 8 + offset : 24 + offset, 10:30] = masks[1, 12 + offset : 30 + offset, 4:20] = True
    return masks


def test_evidence_moves_with_the_region():
    masks, segments = squares(), torch.arange(48 * 48).reshape(1, 48, 48).div(96, rounding_mode="floor").repeat(2, 1, 1)
    boxes = torch.from_numpy(boxes_of(masks)).float() + torch.tensor([-2.0, -2, 2, 2])
    coarse = torch.rand(2, GRID, GRID, generator=torch.Generator().manual_seed(0))
    plain = evidence(coarse, boxes, masks, segments)
    moved = evidence(coarse, boxes + torch.tensor([0.0, 6, 0, 6]), squares(6), segments)
    assert torch.allclose(plain.roll(6, 1), moved, atol=1e-5)
    fine, mean, region, of_fine, of_mean = plain.unbind(dim=-1)
    assert torch.equal(region.bool(), masks)
    assert torch.allclose(of_fine, fine * region)
    assert torch.allclose(of_mean, mean * region)
    for number in (5, 9):
        rows = segments[0] == number
        assert torch.allclose(mean[0][rows], fine[0][rows].mean().expand(int(rows.sum())), atol=1e-5)
    assert fine[0, :5].max() == 0  # nothing outside the box


def test_refinement_finds_what_the_features_know_and_the_region_has_not():
    """Objects are wide or narrow, which one feature tells; every region is the left half of the wide one."""
    rng = np.random.default_rng(0)
    wide = rng.random(60) < 0.5
    region = torch.zeros(60, 40, 40, dtype=torch.bool)
    region[:, 10:30, 10:20] = True
    wanted = region.clone()
    wanted[wide, 10:30, 20:30] = True
    boxes = torch.tensor([[8.0, 8, 32, 32]]).repeat(60, 1)
    features = torch.from_numpy(np.stack([wide, rng.random(60)], axis=1)).float()
    own = Described(features, features, project(region.float(), boxes).flatten(1), boxes)
    segments = torch.zeros(60, 40, 40, dtype=torch.int16)
    examples = Examples(
        own, np.ones(60, int), own, np.arange(60), np.full(60, 0.6), np.full((60, 1), 0.6), region, segments, wanted
    )
    refinement = Refinement(penalty=1e-5).fit(examples)
    refined = refinement.refine(own, region, segments)
    assert refined.shape == region.shape
    assert (refined == wanted).float().mean() > 0.975
    assert (region == wanted).float().mean() < 0.95
    one = refinement.refine(own.take(slice(3, 4)), region[[3]], segments[[3]])
    assert torch.equal(one[0], refined[3])


def test_the_last_stage_learns_from_regions_that_the_coarse_one_has_not_seen(examples):
    """Changing the masks that are wanted of the last quarter leaves the coarse stage as it was, not the last one."""
    plain, changed = Refinement().fit(examples), examples.wanted.clone()
    n = round(0.75 * len(changed))
    changed[n:] = ~changed[n:]
    other = Refinement().fit(examples._replace(wanted=changed))
    assert torch.equal(plain.weights_, other.weights_)
    assert not np.allclose(plain.last_.coef_, other.last_.coef_, atol=0.1)


def test_a_region_of_which_nothing_would_be_left_stays(system, part, found):
    few = found[0].take(slice(3))
    (own,) = describe_regions(small_crops, part.images[[0]], [few])
    masks = torch.from_numpy(few.masks())
    segments = torch.stack([torch.from_numpy(few.segments(k)) for k in range(3)])
    never = Refinement()
    never.__dict__.update(system.refinement.__dict__)
    never.last_ = type("Last", (), {"coef_": np.zeros((1, 5)), "intercept_": np.array([-1.0])})()
    assert torch.equal(never.refine(own, masks, segments), masks)
    assert never.refine(own.take(slice(0)), masks[:0], segments[:0]).shape == (0, 128, 128)


# The system


def test_masks_have_the_picture_s_size_and_boxes_are_theirs(system, part):
    detections = system.predict(part.images[:3])
    for own in detections:
        assert own["masks"].shape == (len(own["labels"]), 128, 128)
        assert own["masks"].dtype == torch.bool
        assert np.array_equal(own["boxes"].numpy(), boxes_of(own["masks"]))
        assert (own["scores"].diff() <= 0).all()
        assert own["labels"].min() >= 1
        assert own["labels"].max() <= len(part.classes)
    assert evaluate(part.take(slice(3)), detections).mean_average_precision(0.5) > 0.5  # scenes that it was fitted on
    refined = any((own["masks"][:, ::2] != own["masks"][:, 1::2]).any() for own in detections)
    assert refined  # superpixels are blocks of 2 × 2 pixels; refined masks are not


def test_regions_of_a_class_that_overlap_leave_one_and_other_classes_leave_theirs(system, part, found):
    plain = SDS(system.ranked, small_crops)
    plain.svms_ = system.svms_
    scenes_ = Proposed(part, found, describe_regions(small_crops, part.images, found))
    for limit in (0.0, 0.5):
        plain.limit_ = limit
        for own in plain.detect(scenes_.found, scenes_.described):
            for label in own["labels"].unique():
                masks = own["masks"][own["labels"] == label].flatten(1).float()
                common = masks @ masks.T
                union = masks.sum(1)[:, None] + masks.sum(1) - common
                assert ((common / union).fill_diagonal_(0) <= limit).all()


def test_the_limit_of_overlap_has_the_highest_ap_of_masks_on_the_scenes_it_is_chosen_on(system, part, found):
    scenes_ = Proposed(part, found, describe_regions(small_crops, part.images, found))
    chosen = SDS(system.ranked, small_crops, refinement=system.refinement)
    chosen.svms_ = system.svms_
    limit, values = chosen.choose_overlap(scenes_).limit_, []
    for option in LIMITS:
        chosen.limit_ = option
        values.append(evaluate(part, chosen.detect(found, scenes_.described)).mean_average_precision(0.5))
    assert limit == LIMITS[int(np.argmax(values))]


def test_average_precision_of_masks_is_not_that_of_boxes():
    """The public mistake: a region whose box is right, and whose pixels are not, counts for boxes only."""
    mask = torch.zeros(1, 40, 40, dtype=torch.bool)
    mask[0, 10:30, 10:30] = True
    frame = mask.clone()
    frame[0, 12:28, 12:28] = False
    owners = torch.where(mask[0], 0, -1).to(torch.int8).numpy()[None]
    box, label = torch.tensor([[10.0, 10, 30, 30]]), torch.tensor([1])
    truth = BoxedImages(
        np.zeros((1, 40, 40, 3), np.uint8), ({"boxes": box, "labels": label},), ("square",),
        Masks(owners, (np.zeros(1, np.int8),)), groups=np.zeros(1, np.int64),
    )  # fmt: skip
    detections = [{"boxes": box, "labels": label, "masks": frame, "scores": torch.ones(1)}]
    assert evaluate(truth, detections).mean_average_precision(0.5) == 0
    by_boxes = Evaluation(detections, instances(truth), 1, iou_of="boxes")
    assert by_boxes.mean_average_precision(0.5) == 1
    near = mask.clone()
    near[0, 10:14] = False  # IoU 0.8
    right = [{**detections[0], "masks": near}]
    assert [evaluate(truth, right).mean_average_precision(at) for at in (0.5, 0.7, 0.75)] == [1, 1, 1]
    near[0, 10:16] = False  # IoU 0.7
    assert [evaluate(truth, right).mean_average_precision(at) for at in (0.5, 0.7, 0.75)] == [1, 1, 0]


def test_pictures_without_regions_have_no_detections(system):
    pictures = np.stack([np.full((128, 128, 3), value, np.uint8) for value in (0, 128, 255)])
    for own in system.predict(pictures):
        assert {key: tuple(values.shape) for key, values in own.items()} == {
            "boxes": (0, 4), "labels": (0,), "scores": (0,), "masks": (0, 128, 128),
        }  # fmt: skip
    assert system.predict(pictures[:0]) == []


@pytest.mark.parametrize("shape", [(2, 64, 64), (2, 64, 64, 1)])
def test_grey_pictures_are_refused(system, shape):
    with pytest.raises(Problem):
        system.predict(np.zeros(shape, np.uint8))


def test_a_scene_without_objects_counts_as_false_detections_only(system, part):
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    numbers = (part.masks.numbers[0], part.masks.numbers[1][:0])
    two = BoxedImages(
        part.images[:2], (part.targets[0], empty), part.classes, Masks(part.masks.owners[:2], numbers),
        groups=np.arange(2),
    )  # fmt: skip
    detections = system.predict(two.images)
    alone = evaluate(two.take([0]), detections[:1]).mean_average_precision(0.5)
    assert evaluate(two, detections).mean_average_precision(0.5) <= alone


# The lesson


@pytest.fixture(scope="module")
def lesson():
    with pytest.MonkeyPatch.context() as patch:
        gathered, chosen = [], []
        plain, choose_overlap = sds.gather, SDS.choose_overlap

        def noting(describe, part, found, seed):
            gathered.append((describe, part, found))
            return plain(describe, part, found, seed)

        def noting_choice(self, some):
            chosen.append((self, some))
            return choose_overlap(self, some)

        patch.setattr(sds, "gather", noting)
        patch.setattr(SDS, "choose_overlap", noting_choice)
        patch.setattr(sds, "score_rival", perfect_rival)
        patch.setattr(sds, "mobilenet_v2_or_none", lambda *_: type("Trunk", (), {"features": small_trunk()}))
        yield recorded(sds, patch), gathered, chosen


def perfect_rival(run, sets, semantic):
    """In place of the real one, which has tests of its own, and takes seconds."""
    assert not semantic
    part = sets.objects.test
    found = [{**own, "scores": torch.ones(len(own["labels"]))} for own in instances(part)]
    with run.method(RIVAL, kind="classical") as method:
        score_instances(method, part, found)
    return None, found


def small_trunk():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 16, 16), torch.nn.ReLU())


def test_the_lesson_learns_chooses_and_judges_on_the_right_scenes(lesson):
    found, gathered, chosen = lesson
    run, sets = found.run, scenes(Scale("smoke"), train_masks=True)
    (_, ours, regions), (_, other, same) = gathered
    assert ours is other  # both systems learn from the same regions
    assert regions is same
    assert set(ours.ids) <= set(sets.train.ids[:16])
    assert len({id(own) for own, _ in chosen}) == 5  # three bars, the system, the rival
    assert all(some.part.ids.tolist() == sets.validation.ids[:3].tolist() for _, some in chosen)
    for name in BARS:
        for metric in (AP50, AP70):
            scores = run.methods[name].items[metric]
            assert scores.ids.tolist() == sets.validation.ids[3:7].tolist()
            assert np.array_equal(scores.groups, sets.validation.groups[3:7])
    for name in (OURS, HAND_MADE, RIVAL):
        for metric in (AP50, AP70, AP75):
            assert run.methods[name].items[metric].ids.tolist() == sets.test.ids.tolist()
    assert all(run.shared[SHARED[name], 0][0] is run.methods[name].model for name in (OURS, HAND_MADE))


def test_the_last_bar_is_the_system_that_is_tested_and_only_it_is_refined(lesson):
    methods = lesson[0].run.methods
    assert methods[REFINED].model is methods[OURS].model
    assert methods[OURS].model.refinement is not None
    assert methods[BOTH].model.refinement is None
    assert methods[HAND_MADE].model.refinement is None
    assert {name: methods[name].model.parts for name in BARS} == BARS
    weights = [methods[name].model.svms_.weights_ for name in (BOTH, REFINED)]
    assert torch.equal(*weights)  # refinement changes masks, not scores


def test_the_figures_can_be_drawn(lesson):
    found = lesson[0]
    assert {"ceiling", "scenes"} <= found.figures.keys()
    assert plots.png(draw_ceiling(*found.figures["ceiling"]), draft=True)
    assert plots.png(draw_bars(found.run.record, list(BARS), [AP50, AP70]), draft=True)
    numbers, recall = found.figures["ceiling"]
    assert found.facts["objects that a region covers with an IoU of 0.7"] == recall[1, -1]
    assert (recall[0] >= recall[1]).all()
    assert len(numbers) == recall.shape[1]


def test_without_weights_the_system_runs_on_hand_made_features(monkeypatch):
    monkeypatch.setattr(sds, "score_rival", perfect_rival)
    monkeypatch.setattr(sds, "mobilenet_v2_or_none", lambda scale, say: say("Left out: no weights"))
    found = recorded(sds, monkeypatch)
    assert OURS not in found.run.methods
    assert found.run.methods[HAND_MADE].model.refinement is not None
    assert set(BARS) <= found.run.methods.keys()
