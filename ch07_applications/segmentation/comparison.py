"""All systems of this task on the same scenes: labels per pixel, and masks of objects.

Question   Which system is best on composed scenes, how far is each from rivals without a deep network, at what cost?
Method     Labels: FCN (Long et al. 2015), SegNet (Badrinarayanan et al. 2017), hypercolumns (Hariharan et al. 2015), by
           mean IoU and boundary F1. Masks: SDS (Hariharan et al. 2014) and Mask R-CNN (He et al. 2017), by mask AP at
           IoUs of 0.5 and 0.75; and the labels of Mask R-CNN, its masks painted onto the scene. Each system is what its
           own lesson trained.
Rival      HOG + SVM boxes filled by GrabCut, in both tasks; a forest on filter responses for labels; SVMs on HOG and
           colours of proposed regions for masks.
Differs    Systems were published with trunks, data and budgets of their own; here they learn for a minute or two.
           Hypercolumns and SDS borrow a trunk trained on ImageNet; they and all rivals see only a part of the scenes.
Costs      135 s on two cores where the other lessons have run, most of it for SegNet; else what they cost together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ch07_applications.segmentation import fcn, hypercolumns, mask_rcnn, sds, segnet
from ch07_applications.segmentation.box_rival import RIVAL, score_rival
from ch07_applications.segmentation.column_maps import TrunkMaps
from ch07_applications.segmentation.drawn_labels import draw_strips
from ch07_applications.segmentation.drawn_mask_rcnn import draw_best_median_worst
from ch07_applications.segmentation.drawn_scores import draw_scores
from ch07_applications.segmentation.forest import ContextForest
from ch07_applications.segmentation.label_colours import examples
from ch07_applications.segmentation.labelled_scenes import LabelledScenes, instances, labelled_scenes, paint_instances
from ch07_applications.segmentation.pixel_samples import sample_pixels
from ch07_applications.segmentation.region_crops import Describe, TrunkFeatures, hand_made_features
from ch07_applications.segmentation.scoring import (
    AP50,
    AP75,
    BOUNDARY,
    IOU,
    Labels,
    judge_semantic,
    predicted_once,
    score_instances,
    score_semantic,
)
from common.claims import beats, level
from common.data.boxed import BoxedImages, Target
from common.data.weights import mobilenet_v2_or_none
from common.image_classifier import Pixels
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.run import Method, Run
from common.tuning import choose

FCN, SEGNET, COLUMNS, MASK_RCNN = "FCN-4s", "SegNet", "hypercolumns", "Mask R-CNN"
SDS, REGIONS = sds.OURS, sds.HAND_MADE
FOREST, PAINTED = segnet.FOREST, "Mask R-CNN, painted"
BIASES = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)  # of the forest's background
LEAST = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)  # scores from which on a mask is painted: what is chosen from


def fit_fcn(method: Method, sets: LabelledScenes) -> Any:
    """FCN-4s as its lesson trains it: on a classifier of objects, at once, the background's bias chosen."""
    run = method.run

    def fit() -> Any:
        classifier = fcn.train_classifier(run, sets.objects.train, Pixels.of(sets.train.images[:500]))
        model = fcn.train_fcn(run, sets.train, classifier, run.pick(smoke=1, lecture=2, full=8))
        model.choose_bias(sets.validation.take(slice(run.pick(smoke=8, lecture=100))), fcn.BIASES)
        return model

    method.model = method.make_shared(fcn.SHARED, fit)
    return method.model


def fit_segnet(method: Method, sets: LabelledScenes) -> Any:
    """The SegNet of composed scenes."""
    build = partial(segnet.scenes_segnet, method.run, len(sets.classes))
    return method.fit_shared(segnet.SCENES_SEGNET, build, sets.train)


def fit_columns(method: Method, sets: LabelledScenes) -> Any:
    """A linear classifier on all layers of a trunk, as its lesson fits it, on the first scenes."""
    run = method.run

    def fit() -> Any:
        make_maps = TrunkMaps(mobilenet_v2_or_none(run.scale, run.note))
        few = sets.train.take(slice(run.pick(smoke=24, lecture=1200)))
        sample = sample_pixels(partial(hypercolumns.columns_at, make_maps), few, run.seed)
        model = hypercolumns.LinearColumns(make_maps, tuple(make_maps.strides), len(sets.classes))
        model.fit(sample)
        hypercolumns.choose_biases([model], sets.validation.take(slice(run.pick(smoke=4, lecture=70))))
        return model

    method.model = method.make_shared(hypercolumns.OURS, fit)
    return method.model


def fit_forest(method: Method, sets: LabelledScenes) -> Any:
    """Two forests on filter responses, as on CamVid, on some pixels of some scenes; the background's bias chosen."""
    run = method.run
    settings = run.pick(smoke={"trees": 2, "pixels": 40}, lecture={"pixels": 200})
    few = sets.train.take(slice(run.pick(smoke=8, lecture=600)))
    forest = method.fit(ContextForest(len(sets.classes), seed=run.seed, **settings), few)
    method.time(forest.choose_bias, sets.validation.take(slice(run.pick(smoke=4, lecture=70))), BIASES)
    return forest


def fit_regions(method: Method, sets: LabelledScenes, describe: Describe) -> Any:
    """Regions that are classified, as the lesson of SDS fits them: of the trunk's features refined, else not."""
    run, refined = method.run, method.name == SDS

    def fit() -> Any:
        learned = sds.learn_to_propose(run, sds.some_scenes(run).objects.train)
        part = sets.objects.validation.take(slice(run.pick(smoke=3, lecture=60)))
        first = sds.Proposed.of(describe, part, learned.ranked.propose(part.images))
        return sds.fit_system(learned, describe, first, run.seed, refined=refined)[0]

    method.model = method.make_shared(sds.SHARED[method.name], fit)
    return method.model


def fit_mask_rcnn(method: Method, sets: LabelledScenes) -> Any:
    """Mask R-CNN, end to end."""
    build = partial(mask_rcnn.scene_detector, method.run, sets)
    return method.fit_shared(mask_rcnn.OURS, build, sets.objects.train)


def choose_least(model: Any, part: BoxedImages) -> float:
    """The score from which on the model's masks are painted: that of the highest mean IoU on these scenes."""
    size, found, values = part.images.shape[1:3], model.predict(part.images), []
    truth = paint_instances(instances(part), size)
    for least in LEAST:
        matrix = ConfusionMatrix(1 + len(part.classes))
        matrix.add(truth, paint_instances(found, size, least))
        values.append(float(mean_iou(matrix.total)))
    return choose(LEAST, values, highest=True)


def compare_labels(run: Run, sets: LabelledScenes) -> dict[str, Labels]:
    """Systems that predict a label per pixel; what each predicts for the test scenes."""
    systems: dict[str, Callable] = {FCN: fit_fcn, SEGNET: fit_segnet}
    if mobilenet_v2_or_none(run.scale, run.note):
        systems[COLUMNS] = fit_columns
    systems[FOREST] = fit_forest
    labels = {}
    for name, fit in systems.items():
        with run.method(name, kind="classical" if name == FOREST else "deep") as method:
            fit(method, sets)
            labels[name] = judge_semantic(method, sets.test)
    return labels


def compare_masks(run: Run, sets: LabelledScenes) -> tuple[dict[str, list[Target]], Labels]:
    """Systems that predict a mask per object: their detections, and the labels that Mask R-CNN's are painted to."""
    systems: dict[str, Callable] = {MASK_RCNN: fit_mask_rcnn}
    if trunk := mobilenet_v2_or_none(run.scale, run.note):
        systems[SDS] = partial(fit_regions, describe=TrunkFeatures(trunk))
    systems[REGIONS] = partial(fit_regions, describe=hand_made_features)
    found = {}
    for name, fit in systems.items():
        with run.method(name, kind="classical" if name == REGIONS else "deep") as method:
            fit(method, sets)
            found[name] = predicted_once(method, sets.objects.test)
            score_instances(method, sets.objects.test, found[name])
    method = run.methods[MASK_RCNN]
    with run.method(PAINTED, kind="deep") as painted:
        painted.model, painted.fit_seconds = method.model, method.fit_seconds
        part = sets.objects.validation.take(slice(run.pick(smoke=8, lecture=100)))
        least = painted.time(choose_least, method.model, part)
        labels = paint_instances(found[MASK_RCNN], sets.test.images.shape[1:3], least)
        painted.predict_seconds = method.predict_seconds
        score_semantic(painted, sets.test, labels)
    return found, labels


def state_verdicts(run: Run, names: Sequence[str], metrics: Sequence[str]) -> None:
    """Each system beside the rival, by paired tests; what they show is said."""
    for metric in metrics:
        for name in names:
            run.compare(name, RIVAL, metric)
            run.claim(f"{name} beats {RIVAL} in {metric}.", beats(name, RIVAL, metric))
            run.claim(f"{RIVAL} beats {name} in {metric}.", beats(RIVAL, name, metric))
            run.claim(f"{name} and {RIVAL} are not significantly different in {metric}.", level(name, RIVAL, metric))


def lesson(run: Run) -> None:
    sets = labelled_scenes(run)
    labels = compare_labels(run, sets)
    found, painted = compare_masks(run, sets)
    rival_labels, rival_found = score_rival(run, sets)
    labels |= {PAINTED: painted, RIVAL: rival_labels}
    state_verdicts(run, list(labels)[:-1], (IOU, BOUNDARY))
    state_verdicts(run, list(found), (AP50, AP75))
    run.floor(FCN, IOU, at_least=38)
    run.floor(MASK_RCNN, AP50, at_least=55)
    methods = {metric: list(labels) for metric in (IOU, BOUNDARY)}
    methods |= {metric: [*found, RIVAL] for metric in (AP50, AP75)}
    run.figure_over_seeds(
        "scores", draw_scores, methods, (FOREST, REGIONS, RIVAL),
        caption=f"All systems on {len(sets.test)} test scenes: means over seeds with their 95 % intervals. Rivals "
        "without a deep network are grey.",
    )  # fmt: skip
    best = examples(sets.test, labels[FCN])
    columns = {"truth": sets.test.labels[best]} | {name: own[best] for name, own in labels.items()}
    run.figure(
        "labels", draw_strips, sets.test.images[best], columns, sets.classes, ("best", "median", "worst"),
        caption=f"The test scenes on which {FCN} is best, median and worst, by the mean IoU of the scene, and the "
        "labels of every system.",
    )  # fmt: skip
    run.figure(
        "instances", draw_best_median_worst, sets.test.images,
        {"truth": instances(sets.objects.test), **found, RIVAL: rival_found}, sets.objects.test.classes,
        caption=f"The test scenes on which {MASK_RCNN}'s masks overlap the objects most, at the median and least; of "
        "each method as many masks as there are objects, those with the highest scores.",
    )  # fmt: skip
