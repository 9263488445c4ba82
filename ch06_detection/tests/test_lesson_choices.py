"""The choices of the lessons: training and scoring parts, and the cases that are drawn or named."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ch06_detection import (
    boxes,
    comparison,
    default_boxes,
    fast_rcnn,
    hog_choices,
    multibox,
    pedestrians,
    rcnn,
    selective_search,
    sliding_window,
    ssd,
    ssd_choices,
    still_camera,
)
from ch06_detection.multibox import match_batch
from ch06_detection.proposals.rivals import measure_shapes, window_grid
from ch06_detection.scoring.protocol import CROWDED, training_scenes
from ch06_detection.ssd import SceneSSD, SSDDetector, build_scenes_ssd
from ch06_detection.trunk.building import measure_pixels
from common.ablation import BASE
from common.console import Console
from common.data import Scale
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector
from common.hog_detection.recipes import scenes_detector
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.paired import Comparison
from common.record import LessonRecord
from common.run import Run
from common.seeding import build_seeded
from common.train import History, Training


class Enough(Exception):
    """The exception that ends a lesson once the test has its data."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run at smoke that draws nothing, but keeps what it was to draw in `drawn`."""
    run = Run("lesson", 0, Scale("smoke"), LessonRecord("", ""), tmp_path, Console())
    run.drawn = {}
    monkeypatch.setattr(run, "figure", lambda name, draw, *args, caption, **more: run.drawn.update({name: args}))
    return run


@pytest.fixture
def sets(run):
    return scenes(run.scale)


def enough(*settings):
    raise Enough


def nothing(images):
    return [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "scores": torch.zeros(0)} for _ in images]


# --- Which part teaches, which is judged ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lesson", "detectors"),
    [(ssd, 2), (sliding_window, 1), (fast_rcnn, 2), (comparison, 5)],
    ids=["ssd", "sliding_window", "fast_rcnn", "comparison"],
)
def test_detectors_learn_from_training_scenes_and_are_judged_on_test_scenes(run, sets, monkeypatch, lesson, detectors):
    seen = []

    def examine(method, name, build, train, test):
        seen.append((train, test))
        method.predict_seconds = 1.0
        if len(seen) == detectors:
            raise Enough
        return None, SimpleNamespace(detections=[])

    def examine_six_looks(method, train, test):
        return examine(method, "six looks", None, train, test)

    monkeypatch.setattr(lesson, "examine", examine)
    monkeypatch.setattr(lesson, "examine_six_looks", examine_six_looks, raising=False)
    with pytest.raises(Enough):
        lesson.lesson(run)
    assert all(train is training_scenes(run.scale) and test is sets.test for train, test in seen)


def test_training_scenes_are_the_crowded_ones(run, sets):
    train = training_scenes(run.scale)
    crowded = [item for item, target in enumerate(sets.train.targets) if len(target["boxes"]) >= CROWDED]
    assert train.ids.tolist() == sets.train.ids[crowded].tolist()
    assert 0 < len(train) < len(sets.train)
    np.testing.assert_array_equal(train.images[-1], sets.train.images[crowded[-1]])


def test_ssd_with_six_looks_is_the_trained_ssd(run, sets, monkeypatch):
    """Nothing is trained for it; it predicts at three scales, each mirrored, once per run."""
    part, asked = sets.test.take(slice(2)), []
    run.shared["SSD, scenes", run.seed] = build_scenes_ssd(run), 12.0
    monkeypatch.setattr(
        SSDDetector, "predict", lambda self, images: asked.append((self.scales, self.mirrored)) or nothing(images)
    )
    monkeypatch.setattr(SSDDetector, "parameters", lambda self: iter(()))
    for name in ("first", "second"):
        with run.method(name, kind="deep") as method:
            ssd.examine_six_looks(method, training_scenes(run.scale), part)
        assert method.fit_seconds == 12.0
    assert asked == [((0.875, 1.0, 1.25), True)]
    one = run.shared["SSD, scenes", run.seed][0]
    assert (one.scales, one.mirrored) == ((1.0,), False)


def test_r_cnn_learns_from_training_scenes_and_is_judged_on_test_scenes(run, sets, monkeypatch):
    seen = []

    def evaluation(found, targets, *more):
        seen.append(targets)
        raise Enough

    detector = SimpleNamespace(compute_features=lambda images, proposals: seen.append(images) or [])
    monkeypatch.setattr(rcnn, "learn", lambda method, name, build, train: seen.append(train) or detector)
    monkeypatch.setattr(rcnn, "Evaluation", evaluation)
    with pytest.raises(Enough):
        rcnn.lesson(run)
    assert seen[0] is training_scenes(run.scale)
    assert seen[1] is sets.test.images
    assert seen[2] is sets.test.targets


@pytest.fixture
def taught(run):
    """The lesson's detector as if it had been trained: what ssd_choices starts from."""
    detector, train = build_scenes_ssd(run), training_scenes(run.scale)
    detector.network_ = build_seeded(lambda: detector.build(10), seed=5)
    for layer in detector.network_.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1, generator=torch.Generator().manual_seed(0))
    detector.pixels_ = measure_pixels(train.images)
    known = build_seeded(detector.trunk.build, seed=6)
    detector.trunk = lambda images, targets: known if images is train.images else None
    run.shared["SSD, scenes", run.seed] = detector, 12.0
    return detector


def test_ssd_s_choices_start_from_the_lesson_s_detector_and_are_judged_on_validation_scenes(
    run, sets, monkeypatch, taught
):
    trained, asked = [], []

    def training(self, network, data, seed=0):
        learned = {id(p) for group in self.groups(network) for p in group["params"]}
        assert learned == {id(p) for p in network.parameters()}  # the first stage is not among them
        second = next(w for name, w in network.state_dict().items() if name.startswith("stages") and w.ndim == 4)
        trained.append((data, len(network.heads), second, self))
        return History()

    monkeypatch.setattr(Training, "__call__", training)
    monkeypatch.setattr(SSDDetector, "predict", lambda self, images: asked.append((self, images)) or nothing(images))
    ssd_choices.lesson(run)
    assert [maps for _, maps, *_ in trained] == [3, 2, 3]  # the base, a change, and later stages not pretrained
    known = taught.trunk(training_scenes(run.scale).images, ()).stages[1].state_dict()["0.0.weight"]
    assert [torch.equal(second, known) for _, _, second, _ in trained] == [True, True, False]
    for data, *_ in trained:
        assert len(data) == ssd_choices.VERSIONS * 16
    assert asked[0][0] is taught
    for detector, images in asked:
        np.testing.assert_array_equal(images, sets.validation.images[:8])
        first, own = taught.network_.stages[0][0].state_dict(), detector.network_.stages[0][0].state_dict()
        assert all(torch.equal(own[name], weights) for name, weights in first.items())
        assert (detector.scales, detector.mirrored) == ((1.0,), False) or detector is taught
    assert all(p.requires_grad for p in taught.network_.parameters())  # the lesson's own detector is unchanged
    assert {row.method for row in run.record.rows} == {
        BASE, "two maps", ssd_choices.NOT_PRETRAINED, ssd_choices.LESSON
    }  # fmt: skip
    assert set(run.pairs) == {(name, BASE, ssd_choices.METRIC) for name in ("two maps", ssd_choices.NOT_PRETRAINED)}


def test_what_is_trained_on_stored_maps_predicts_the_same_from_images(run, sets, monkeypatch, taught):
    """Unaugmented maps in 16 bits give the layers after the first stage the same results as images give the network."""
    seen = {}

    def training(self, network, data, seed=0):
        network.eval()
        with torch.inference_mode():
            seen["maps"] = network(data.maps.float())
        seen["batch"] = data.batch(torch.arange(3), torch.Generator())
        seen["defaults"] = data.defaults
        return History()

    monkeypatch.setattr(Training, "__call__", training)
    frozen, trunk = deepcopy(taught.network_.stages[0][0]), taught.trunk(training_scenes(run.scale).images, ())
    few = sets.train.take(slice(4))
    study = ssd_choices.Study(run, frozen.requires_grad_(False), taught.pixels_, trunk, few, few)
    maps, targets = study.compute_maps(1, augmented=False)
    detector = study.train(ssd_choices.RECIPE, True, maps, targets)
    with torch.inference_mode():
        whole = detector.network_(taught.pixels_(few.images))
    for ours, theirs in zip(seen["maps"], whole, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)
    labels, offsets = match_batch(few.targets[:3], detector.defaults((128, 128)))
    assert torch.equal(seen["batch"][1], labels)
    assert torch.equal(seen["batch"][2], offsets)


def test_each_variant_of_ssd_learns_from_the_maps_of_its_own_scenes(run, monkeypatch, taught):
    """Maps of two augmented versions per scene; without augmentation both versions are equal."""
    data = []
    monkeypatch.setattr(ssd_choices, "CHANGES", {"not augmented": {"augmented": False}})
    monkeypatch.setattr(Training, "__call__", lambda self, network, maps, seed=0: data.append(maps) or History())
    monkeypatch.setattr(SSDDetector, "predict", lambda self, images: nothing(images))
    ssd_choices.lesson(run)
    base, plain, not_pretrained = data
    assert base.maps is not_pretrained.maps
    assert not torch.equal(base.maps[:16], base.maps[16:])
    assert torch.equal(plain.maps[:16], plain.maps[16:])


def test_other_light_comes_after_the_crops(run, sets, monkeypatch, taught):
    few, crops = sets.train.take(slice(3)), torch.full((3, 3, 128, 128), 5.0)
    study = ssd_choices.Study(run, torch.nn.Identity(), taught.pixels_, None, few, few)
    study.first_stage.register_parameter("none", torch.nn.Parameter(torch.zeros(1)))
    monkeypatch.setattr(ssd_choices, "MILD", lambda images, targets, generator: (crops, targets))
    monkeypatch.setattr(ssd_choices, "change_light", lambda images, generator: images + 2)
    assert (study.compute_maps(1, augmented=True)[0] == 7).all()


def test_a_variant_is_judged_in_the_state_for_predictions(run, sets, monkeypatch, taught):
    """Batch normalisation takes its means of training, and the first stage is back in its place."""

    def training(self, network, data, seed=0):
        network.train()
        return History()

    monkeypatch.setattr(Training, "__call__", training)
    few = sets.train.take(slice(2))
    frozen = deepcopy(taught.network_.stages[0][0]).requires_grad_(False)
    study = ssd_choices.Study(run, frozen, taught.pixels_, None, few, few)
    detector = study.train(ssd_choices.RECIPE, False, *study.compute_maps(1, augmented=False))
    assert not any(layer.training for layer in detector.network_.modules())
    assert detector.network_.stages[0][0] is frozen


def test_the_sentence_on_effects_names_the_largest_that_the_tests_see():
    def comparison(name, difference, p):
        return Comparison(name, BASE, "mAP@0.5", difference, 0, 0, p, "t", 200, higher_is_better=True)

    record = LessonRecord("", "")
    record.comparisons[:] = [comparison("chance", -9.0, 0.4)]
    assert ssd_choices.effects(record) == "0 of 1 changes show an effect."
    record.comparisons += [comparison("gain", 1.5, 0.01), comparison("loss", -4.0, 0.01)]
    assert ssd_choices.effects(record) == "2 of 3 changes show an effect; the largest: loss (-4.0 points)."


def test_versions_of_a_scene_are_augmented_once_with_their_boxes(run, sets, taught):
    few = sets.train.take(slice(6))
    study = ssd_choices.Study(run, torch.nn.Identity(), taught.pixels_, None, few, few)
    study.first_stage.register_parameter("none", torch.nn.Parameter(torch.zeros(1)))  # it tells the device
    plain, as_they_are = study.compute_maps(2, augmented=False)
    assert torch.equal(plain[:6], plain[6:])
    assert all(a is b for a, b in zip(as_they_are, (*few.targets, *few.targets), strict=True))
    maps, found = study.compute_maps(2, augmented=True)
    assert len(maps) == len(found) == 12
    assert not any(torch.equal(a, b) for a, b in zip(maps[:6], maps[6:], strict=True))
    assert any(not torch.equal(a["boxes"], b["boxes"]) for a, b in zip(found[:6], found[6:], strict=True))
    again, _ = study.compute_maps(2, augmented=True)
    assert torch.equal(maps, again)


def test_hog_s_choices_are_judged_on_validation_scenes_and_start_from_the_recipe(run, sets, monkeypatch):
    fitted, asked = [], []
    monkeypatch.setattr(HOGDetector, "fit", lambda self, images, targets: fitted.append((self, images)) or self)
    monkeypatch.setattr(HOGDetector, "predict", lambda self, images: asked.append(images) or nothing(images))
    hog_choices.lesson(run)
    base, images = fitted[0]
    assert images is sets.train.images
    for own in asked:
        np.testing.assert_array_equal(own, sets.validation.images[:4])
    recipe = scenes_detector(run)
    for name in (
        "cells",
        "C",
        "jittered",
        "suppression",
        "rounds",
        "margin",
        "window",
        "mirrored",
        "scale_step",
        "seed",
    ):
        assert getattr(base, name) == getattr(recipe, name), name


def test_the_base_of_ssd_s_choices_is_the_lesson_s_recipe():
    """But for how long it learns, and from how many scenes at once; and how it looks at them."""
    recipe = SceneSSD()
    for field in fields(SceneSSD):
        if field.name not in ("epochs", "batch", "scales", "mirrored"):
            assert getattr(ssd_choices.RECIPE, field.name) == getattr(recipe, field.name), field.name


def test_every_choice_changes_the_recipe(run):
    """A change to the present value would measure nothing."""
    base = scenes_detector(run)
    for name, change in hog_choices.CHANGES.items():
        changed = hog_choices.apply_change(base, change)
        for key, value in change.items():
            where = (changed.cells, base.cells) if key in hog_choices.OF_CELLS else (changed, base)
            assert getattr(where[0], key) == value
            assert getattr(where[1], key) != value, name
    for name, change in ssd_choices.CHANGES.items():
        for key, value in change.items():
            assert getattr(ssd_choices.RECIPE, key) != value, name


def test_multibox_learns_from_training_scenes_and_is_judged_on_test_scenes(run, sets, monkeypatch):
    seen = []

    def predict_logits(network, part):
        seen.append(part)
        raise Enough

    monkeypatch.setattr(multibox, "train", lambda part, matched, loss, epochs, seed: seen.append(part))
    monkeypatch.setattr(multibox, "predict_logits", predict_logits)
    with pytest.raises(Enough):
        multibox.lesson(run)
    np.testing.assert_array_equal(seen[0].images, sets.train.images[:32])
    there = [len(target["boxes"]) > 0 for target in sets.test.targets]
    np.testing.assert_array_equal(seen[1].images, sets.test.images[there])


def test_default_boxes_are_judged_on_test_scenes_photograph_by_photograph(run, sets):
    default_boxes.lesson(run)
    counts = [len(target["labels"]) for target in sets.test.targets]
    scores = run.methods["three maps"].items["objects with a box near"]
    assert scores.groups.tolist() == np.repeat(sets.test.groups, counts).tolist()
    assert len(scores.values) == sum(counts)


def test_proposals_are_judged_on_validation_scenes_and_rivals_know_training_scenes(run, sets, monkeypatch):
    searched, known = [], []

    def propose_all(images, *settings, **more):
        searched.append(images)
        generator = torch.Generator().manual_seed(0)
        corners = 128 * torch.rand(len(images), 60, 2, 2, generator=generator).sort(dim=2).values
        return list(corners.flatten(2))

    monkeypatch.setattr(selective_search, "propose_all", propose_all)
    monkeypatch.setattr(
        selective_search, "measure_shapes", lambda targets: known.append(targets) or measure_shapes(targets)
    )
    selective_search.lesson(run)
    for images in searched:
        np.testing.assert_array_equal(images, sets.validation.images[:2])
    assert known[0] is sets.train.targets
    grids = [len(window_grid(measure_shapes(sets.train.targets), s, (128, 128))) for s in selective_search.STRIDES]
    offered = {fact.name: fact.value for fact in run.record.facts}["boxes a scene, sliding windows"]
    assert offered == min(grids, key=lambda n: abs(np.log(n / 60)))  # about as many as the search's 60


@pytest.mark.parametrize("there_are_later_frames", [True, False])
def test_people_are_judged_on_frames_after_the_training_frames(run, sets, monkeypatch, there_are_later_frames):
    film = SimpleNamespace(
        train=sets.train, test=sets.test, later=lambda every: sets.validation if there_are_later_frames else None
    )
    learned, judged, pasted, afterwards = [], [], [], []

    def judge(method, part):
        method.predict_seconds = 1.0
        judged.append(part)
        people = [{"boxes": target["boxes"], "labels": torch.ones_like(target["labels"])} for target in part.targets]
        return Evaluation(nothing(part.images), people, 1, COCO_THRESHOLDS)

    monkeypatch.setattr(pedestrians, "pedestrians_or_none", lambda *settings, **more: film)
    mixed = sets.train.take([0])
    monkeypatch.setattr(pedestrians, "paste_people", lambda train, count, seed: pasted.append((train, count)) or mixed)
    monkeypatch.setattr(pedestrians, "contenders", lambda run, template: {"R-CNN": HOGDetector})
    monkeypatch.setattr(pedestrians, "learn", lambda method, name, build, train: learned.append(train) or HOGDetector())
    monkeypatch.setattr(pedestrians, "judge", judge)
    monkeypatch.setattr(pedestrians, "judge_later", lambda run, name, detector, later: afterwards.append(later))
    monkeypatch.setattr(pedestrians, "share_proposed", lambda run, template, part: 0.5)
    monkeypatch.setattr(pedestrians, "judge_reference", enough)
    with pytest.raises(Enough):
        pedestrians.lesson(run)
    assert learned == [sets.train, mixed]  # the network from pasted people, too
    assert pasted == [(sets.train, len(sets.train))]
    assert len(judged) == 2  # one prediction each
    for part in judged:
        np.testing.assert_array_equal(part.images[0], sets.test.images[0])
    assert afterwards == ([sets.validation] * 2 if there_are_later_frames else [])


def test_far_frames_lie_a_quarter_of_the_film_away(sets):
    film = sets.train.take(slice(80))
    for learned, far in still_camera.FOLDS.items():
        fold = still_camera.split(film, learned, far, every=2)
        taught, near, away = (np.flatnonzero(np.isin(film.ids, part.ids)) for part in fold)
        assert not set(taught) & set(near)
        assert (taught // 20 == learned).all()
        assert (near // 20 == learned).all()
        assert len(taught) == len(near) == 10
        assert min(abs(taught[:, None] - near).max(axis=1)) >= 1
        assert np.abs(taught[:, None] - away).min() > 20
        assert len(away) == 20


# --- Which case is drawn, and which is named --------------------------------------------------------------------------


def test_suppression_is_drawn_on_the_scene_with_most_objects(run, sets):
    boxes.lesson(run)
    counts = [len(target["labels"]) for target in sets.validation.targets]
    np.testing.assert_array_equal(run.drawn["kept"][0], sets.validation.images[np.argmax(counts)])


def test_the_classical_detector_names_its_best_and_its_worst_class(run, monkeypatch):
    searched, taught, average = [], [], np.array([0.3, 0.9, 0.5, 0.05, 0.6, 0.4, 0.2, 0.7, 0.1, 0.8])
    scores = [torch.tensor([0.5, -0.5]), torch.tensor([0.9, 0.8])]
    found = [{"boxes": torch.zeros(2, 4), "labels": torch.tensor([3, 3]), "scores": some} for some in scores]
    detector = SimpleNamespace(
        scales_=[1.0],
        windows_of=lambda size: 7,
        windows_={1: None},
        coef_=[np.zeros((1, 1, 4))],
        floor=0.0,
        cells=SimpleNamespace(block=1),
    )
    evaluation = SimpleNamespace(
        detections=found, average_precision=lambda _: average, mean_average_precision=lambda _: 0.5
    )

    def examine(method, *rest):
        method.predict_seconds = 1.0
        return detector, evaluation

    monkeypatch.setattr(sliding_window, "examine", examine)
    monkeypatch.setattr(sliding_window, "search_windows", lambda detector, image: searched.append(image) or [])
    monkeypatch.setattr(sliding_window, "collect_windows", lambda levels, size, floor: found[0])
    monkeypatch.setattr(sliding_window, "suppress", lambda windows, detector: windows)
    monkeypatch.setattr(
        sliding_window, "train_in_rounds", lambda detector, images, targets: taught.append(images) or []
    )
    sliding_window.lesson(run)
    np.testing.assert_array_equal(taught[0], scenes(run.scale).train.images[: len(taught[0])])
    assert "Best found: Trouser (90 %), worst: Dress (5 %)" in run.record.notes[-1]
    np.testing.assert_array_equal(searched[0], scenes(run.scale).test.images[1])  # where most is found
    np.testing.assert_array_equal(run.drawn["suppression"][0], searched[0])


def test_the_comparison_names_the_most_frequent_kind_of_error(run, monkeypatch):
    shares = {"localisation": 12.0, "confusion": 31.0, "background": 4.0, "missed": 50.0}

    def examine(method, *rest):
        method.predict_seconds = 1.0
        method.items = dict.fromkeys((comparison.METRIC, comparison.STRICT))
        return None, None

    monkeypatch.setattr(comparison, "examine", examine)
    monkeypatch.setattr(comparison, "examine_six_looks", lambda method, train, test: examine(method))
    monkeypatch.setattr(comparison, "by_size", lambda evaluation: [0.0, 0.0, 0.0])
    monkeypatch.setattr(comparison, "classify_errors", lambda evaluation: SimpleNamespace(shares=shares))
    monkeypatch.setattr(run, "compare", lambda *pair: None)
    comparison.lesson(run)
    assert run.record.notes[-1] == "SSD: most of its errors are confusion (31 for every 100 objects)."


def test_every_contender_learns_from_all_training_scenes_and_looks_once(run):
    train = training_scenes(run.scale)
    detectors = {name: build(run) for name, (_, build) in comparison.CONTENDERS.items()}
    assert detectors["HOG + SVM"].images >= len(train)
    assert detectors["R-CNN"].searched is None
    assert detectors["Fast R-CNN"].searched is None
    assert (detectors["SSD"].scales, detectors["SSD"].mirrored) == ((1.0,), False)


def record_of(*comparisons):
    record = LessonRecord("", "")
    record.comparisons = list(comparisons)
    return record


def compared(name, difference, p):
    ends = difference - 1, difference + 1
    return Comparison(name, BASE, "mAP", difference, *ends, p, "a test", n=9, unit="%", higher_is_better=True)


def test_ablations_say_what_is_largest():
    record = record_of(compared("a", -2.0, 0.5), compared("b", -9.5, 0.01), compared("c", 4.5, 0.01))
    assert hog_choices.describe_change(hog_choices.extreme(record, min)) == "b (-9.5 points, from -10.5 to -8.5)"
    assert hog_choices.describe_change(hog_choices.extreme(record, max)) == "c (+4.5 points, from +3.5 to +5.5)"
    assert ssd_choices.effects(record) == "2 of 3 changes show an effect; the largest: b (-9.5 points)."
    assert ssd_choices.effects(record_of(compared("a", -2.0, 0.5))) == "0 of 1 changes show an effect."
