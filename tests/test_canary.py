"""No test part leaks: each lesson chooses and fits the same, whatever the items are that it is judged on.

Every lesson is run at smoke on its data, and again with other inputs and other answers in each test part
(replaced_parts.py). What it chooses, with the scores that it chooses by, every model that it fits, and every fact that
is not about test items must be the same to the last bit. This holds lessons to be deterministic, too.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from ch07_applications.images_and_text.captioned_scenes import captioned_scenes
from ch07_applications.images_and_text.placed_scenes import placed_scenes
from ch07_applications.video import activity
from ch07_applications.video.people import Studio
from common import data
from common.console import Console
from common.data import Table
from common.data.camvid import CamVid
from common.data.segmented import IGNORE, SegmentedImages
from common.record import LessonRecord
from common.run import Run
from common.tuning import choose, tuned
from tests.checkout import CHAPTERS, lessons
from tests.replaced_parts import Trace, chapter_traces, other, other_test_parts, state, traced
from tests.smoke_recordings import worker

# Facts that are about time, in any lesson.
TIMES = re.compile(
    "seconds|time of|milliseconds|a second|per second|over single images|share of its time|"
    "over one process|over two workers|speed|over trunk and pooling|R-CNN over Fast R-CNN"
)
# Facts, and timed work, that are about test items. What a lesson chose is none of them.
ABOUT_TEST = {
    "ch02_probabilistic/bayes": "log density per test patient",
    "ch03_classification/bernoulli": "entropy of the test tumours",
    "ch03_classification/separable": "test tumours predicted with a probability above|of these misclassified",
    "ch03_classification/calibration": "ECE by chance alone",
    "ch04_backprop/deltas": "test tumours on which both agree",
    "ch04_backprop/hidden_units": "^test accuracy, ",
    "ch04_backprop/vanishing": "^test accuracy, ",
    "ch04_backprop/penalties": "^test accuracy, ",
    "ch04_backprop/regularisation": "training minus test accuracy",
    "ch04_backprop/scientific_method": "standard deviation over|best seed minus|pairs of|families of",
    "ch05_cnn/lenet1989": "digits to reject",
    "ch05_cnn/one_minute": "test error",
    "ch05_cnn/comparison": "images: error of|overtakes",
    "ch05_cnn/deconvnet": "correlation with another image's projection|distance after a shift by 2 pixels",
    "ch05_cnn/occlusion": "correlation with|partial correlation",
    "ch06_detection/scenes": "steepness of|work of (cut out|composed)",
    "ch06_detection/sliding_window": "AP of",
    "ch06_detection/multibox": "(mined|all) negatives|background's loss",
    "ch06_detection/ssd": "test objects that the trunk",
    "ch06_detection/comparison": "mAP of|localisation|confusion|background|missed|duplicate",
    "ch07_applications/classification/alexnet": "overfitting",
    "ch07_applications/classification/comparison": "test images that|class: mean error of the networks",
    "ch07_applications/colour/let_there_be_color": "v_global",
    "ch07_applications/colour/deep_colorization": "test pictures whose class",
    "ch07_applications/colour/comparison": "work of Levin",
    "ch07_applications/images_and_text/show_and_tell": "right: (?!.*validation)|pairs are new",
    "ch07_applications/reconstruction/pixel_rnn": "entropy of the binarisation|as PNG",
    "ch07_applications/segmentation/fcn": "boundary F1|mean IoU of true labels|classes per scene that",
    "ch07_applications/segmentation/hypercolumns": "boundary F1|classes per scene that",
    "ch07_applications/super_resolution/deep_image_prior": "remaining error|best step",
    "ch07_applications/synthesis/dcgan": "Fréchet distance|precision of",
    "ch07_applications/synthesis/pixelcnn": "Fréchet distance|the class saves",
    "ch07_applications/synthesis/cyclegan": "Fréchet distance|stripes left",
    "ch07_applications/synthesis/comparison": "Fréchet distance|nats|ms per sample|training digit",
    "ch07_applications/video/activity": "accuracy, LSTM|accuracy at",
    "ch07_applications/video/pose": "ankles that are apart",
}
LESSONS = [
    pytest.param(chapter, name, id=f"{chapter}-{name}", marks=worker(chapter))
    for chapter in CHAPTERS
    for name in lessons(chapter)
]


@cache  # a chapter's lessons share what was fitted once, and one worker has them all
def both_traces(chapter: str) -> tuple[dict, dict]:
    """The traces of a chapter's lessons, as they are and with other test parts."""
    with TemporaryDirectory() as folder:
        as_it_is = chapter_traces(chapter, lessons(chapter), Path(folder), keeping=True)
        with other_test_parts():
            return as_it_is, chapter_traces(chapter, lessons(chapter), Path(folder))


@pytest.mark.parametrize(("chapter", "name"), LESSONS)
def test_a_lesson_does_not_notice_its_test_part(chapter, name):
    traces = [found[name] for found in both_traces(chapter)]
    for trace in traces:
        if isinstance(trace, Exception):
            raise trace
    about_test = re.compile(ABOUT_TEST.get(f"{chapter}/{name}", "$^"))
    assert [found for found in traces[0].differs_from(traces[1]) if not about_test.match(found)] == []
    first, second = (trace.facts for trace in traces)
    assert first.keys() == second.keys()
    changed = [fact for fact in first if first[fact] != second[fact] and not TIMES.search(fact)]
    leaked = [fact for fact in changed if not about_test.search(fact)]
    assert leaked == [], "facts that change with the test part; if they are about its items, name them in ABOUT_TEST"


# --- Planted leaks are found ------------------------------------------------------------------------------------------


def two_traces(lesson, tmp_path) -> tuple[Trace, Trace]:
    as_it_is = traced(lesson, "planted", tmp_path, {})
    with other_test_parts():
        return as_it_is, traced(lesson, "planted", tmp_path, {})


def fits_and_scores(run, name, model, train, test):
    with run.method(name, kind="classical") as method:
        method.fit(model, train)
        return np.mean(method.score(test) == test.labels)


def chooses_by_cross_validation(run):
    tumours = data.breast_cancer(seed=run.seed)
    search = tuned(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5, 9, 15, 25]}, run)
    fits_and_scores(run, "neighbours", search, tumours.train, tumours.test)


def chooses_by_test_score(run):
    tumours = data.breast_cancer(seed=run.seed)
    models = [KNeighborsClassifier(k) for k in (1, 25)]
    right = [fits_and_scores(run, "neighbours", model, tumours.train, tumours.test) for model in models]
    choose(models, right, highest=True)  # which may be the same model under other answers: its score is another


def fits_what_is_best_on_test(run):
    tumours = data.breast_cancer(seed=run.seed)
    models = [KNeighborsClassifier(k).fit(tumours.train.inputs, tumours.train.answers) for k in range(1, 60, 2)]
    best = max(models, key=lambda model: model.score(tumours.test.inputs, tumours.test.answers))
    fits_and_scores(run, "neighbours", best, tumours.train, tumours.test)


def chooses_by_scores_on_a_test_part_of_its_own(run):
    def clouds(n):
        labels = run.rng.integers(2, size=n)
        return Table(run.rng.normal(size=(n, 2)) + labels[:, None], labels, ("x", "y"))

    train, test = clouds(100), clouds(300)
    ranked = {k: fits_and_scores(run, f"{k}", KNeighborsClassifier(k), train, test) for k in range(1, 40, 2)}
    run.fact("how many are right on the test part", max(ranked.values()))


def scales_by_test_inputs(run):
    tumours = data.breast_cancer(seed=run.seed)
    scale = StandardScaler().fit(np.concatenate([tumours.train.inputs, tumours.test.inputs]))
    train, test = (
        Table(scale.transform(part.features), part.targets, part.names) for part in (tumours.train, tumours.test)
    )
    fits_and_scores(run, "regression", LogisticRegression(), train, test)


def knows_the_shares_of_test_answers(run):
    tumours = data.breast_cancer(seed=run.seed)
    run.fact("prior", tumours.test.labels.mean())


def draws_without_a_seed(run):
    tumours = data.breast_cancer(seed=run.seed)
    order = np.random.default_rng().permutation(len(tumours.train))[:100]
    fits_and_scores(run, "regression", LogisticRegression(), tumours.train.take(order), tumours.test)


def test_a_lesson_that_asks_only_training_items_passes(tmp_path):
    first, second = two_traces(chooses_by_cross_validation, tmp_path)
    assert first.differs_from(second) == []
    told = [f"{what} of neighbours" for what in ("work", "model", "row")]
    assert [label for label, _ in first.events] == ["search", *told]


@pytest.mark.parametrize(
    "lesson",
    [chooses_by_test_score, fits_what_is_best_on_test, scales_by_test_inputs, draws_without_a_seed],
)
def test_a_planted_leak_is_found(lesson, tmp_path):
    first, second = two_traces(lesson, tmp_path)
    assert first.differs_from(second)


@pytest.mark.parametrize("lesson", [chooses_by_scores_on_a_test_part_of_its_own, knows_the_shares_of_test_answers])
def test_a_planted_leak_into_a_fact_is_found(lesson, tmp_path):
    first, second = two_traces(lesson, tmp_path)
    assert first.facts != second.facts


@pytest.mark.parametrize("part", ["table", "quantities", "images", "scenes", "frames", "films"])
def test_the_other_part_has_other_inputs_and_answers_but_the_same_items_and_classes(part):
    made = {
        "table": lambda: data.breast_cancer().test,
        "quantities": lambda: data.auto_mpg().test,
        "images": lambda: data.mnist(data.Scale("smoke")).test,
        "scenes": lambda: data.scenes.scenes(data.Scale("smoke")).test,
        "frames": frames,
        "films": lambda: Studio(part="test").shoot(24),
    }[part]()
    changed = other(made)
    assert type(changed) is type(made)
    assert np.array_equal(changed.ids, made.ids)
    assert changed.inputs.shape == made.inputs.shape
    assert abs(changed.inputs.mean() / made.inputs.mean() - 1) > 0.1
    assert np.mean(changed.inputs == made.inputs) < 0.9
    if part == "scenes":
        assert not np.array_equal(changed.answers[0]["boxes"], made.answers[0]["boxes"])
        return
    assert abs(changed.answers.mean() / made.answers.mean() - 1) > 0.05
    if part != "quantities":
        assert set(changed.answers.flat) == set(made.answers.flat)


def frames(ignored=0.0):
    """As CamVid's: labels, of which a share does not count."""
    rng = np.random.default_rng(0)
    shares = [0.3 - ignored, 0.5, 0.2, ignored]
    labels = rng.choice(np.array([0, 1, 2, IGNORE], np.uint8), size=(5, 12, 16), p=shares)
    images = rng.integers(0, 256, (5, 12, 16, 3), np.uint8)
    return SegmentedImages(images, labels, ("sky", "road", "tree"), tuple("abcde"), np.arange(5) // 2)


@pytest.mark.parametrize("make", [captioned_scenes, placed_scenes])
def test_of_captioned_scenes_both_parts_that_are_judged_on_are_replaced(make):
    made = make(data.Scale("smoke"))
    with other_test_parts():
        changed = type(made)(**vars(made))
    for name, before in vars(made).items():
        after = getattr(changed, name)
        if name not in ("test", "held_out"):
            assert after is before
            continue
        assert np.array_equal(before.ids, after.ids)
        assert not np.array_equal(before.images, after.images)
        assert before.captions[1] == after.captions[2]


def test_of_the_watch_only_those_who_are_judged_are_others():
    run = Run("", 0, data.Scale("smoke"), LessonRecord("", ""), Path(), Console(quiet=True))
    with other_test_parts():
        changed = activity.person_folds(run)
    for before, after in zip(activity.person_folds(run), changed, strict=True):
        assert all(map(np.array_equal, before.train.series, after.train.series))
        assert np.array_equal(before.test.ids, after.test.ids)
        assert not np.array_equal(before.test.labels, after.test.labels)
        assert not any(np.array_equal(*pair) for pair in zip(before.test.series, after.test.series, strict=True))


def test_of_camvid_both_parts_that_are_judged_on_are_replaced():
    made = frames(ignored=0.1)
    with other_test_parts():
        film = CamVid(made, made, None, made.classes, "made up")
        whole = CamVid(made, made, made, made.classes, "made up")
    assert film.train is made
    assert film.test is None
    for part in (film.validation, whole.validation, whole.test):
        assert not np.array_equal(part.labels, made.labels)
        assert np.array_equal(part.groups, made.groups)
        assert (part.labels == IGNORE).sum() == (made.labels == IGNORE).sum()


@pytest.mark.parametrize("model", [KNeighborsClassifier(3), DecisionTreeClassifier(max_depth=3, random_state=0)])
def test_a_state_is_what_was_fitted(model):
    part = data.breast_cancer().train
    few = part.take(slice(0, 200))
    again = state(type(model)(**model.get_params()).fit(part.inputs, part.answers))
    assert state(model.fit(part.inputs, part.answers)) == again
    assert state(model.fit(few.inputs, few.answers)) != again
