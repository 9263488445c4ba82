"""Simultaneous detection and segmentation: proposed regions are classified, and their masks refined.

Question   A detector answers with boxes. Can it answer with the pixels of each object, and what does it need to see for
           that: the box, the region within it, or both?
Method     Hariharan, Arbeláez, Girshick and Malik 2014, §3. Proposals are regions, not boxes. Features of a network for
           two crops of each: the box, and the box with all but the region set to the mean (region_crops.py). A linear
           SVM per class on both, side by side; non-maximum suppression on the overlap of regions. Refinement: for each
           cell of a 10 × 10 grid a logistic regression of whether it is foreground, from the features and the region's
           own mask; a second one decides about the pixels, from that coarse mask, its mean over each superpixel, and
           whether the region has the pixel.
           Metric: AP^r, average precision with the IoU of masks at full resolution, at 0.5 and 0.7.
Differs    Selective search's regions, ranked as MCG ranks its own (ranked_regions.py), 32 per scene instead of 2000.
           One frozen MobileNetV2 up to stride 16 instead of two AlexNets, fine-tuned for box and region. Classes share
           the refinement, and its last stage decides about pixels, not whole superpixels, which here are coarse.
Rival      The same proposals and SVMs on HOG and colour histograms; and HOG + SVM boxes filled by GrabCut.
Costs      150 s on two cores if an earlier lesson has run the rival; 50,000 crops are described by trunk and by HOG.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Int8, Shaped

from ch07_applications.segmentation.box_rival import RIVAL, score_rival
from ch07_applications.segmentation.convex_fits import LinearSVMs
from ch07_applications.segmentation.drawn_mask_rcnn import draw_best_median_worst
from ch07_applications.segmentation.drawn_sds import draw_bars, draw_ceiling
from ch07_applications.segmentation.labelled_scenes import LabelledScenes, instances, labelled_scenes
from ch07_applications.segmentation.ranked_regions import MOST, RankedRegions, recall_of_regions, suppress
from ch07_applications.segmentation.region_crops import (
    Describe,
    Described,
    TrunkFeatures,
    describe_regions,
    hand_made_features,
)
from ch07_applications.segmentation.region_examples import POSITIVE, Examples, boxes_of, gather
from ch07_applications.segmentation.region_refinement import Refinement
from ch07_applications.segmentation.scoring import AP50, AP75, predicted_once
from common.claims import beats
from common.data.boxed import BoxedImages, Target
from common.data.checked_inputs import colour_pictures
from common.data.weights import mobilenet_v2_or_none
from common.metrics.detection import Evaluation
from common.metrics.masks import mask_iou
from common.paper_claims import PaperClaims
from common.proposals.regions import Regions
from common.run import Method, Run
from common.tuning import choose

AP70 = "mask AP@.7"
AT = {AP50: 0.5, AP70: 0.7}
OURS, HAND_MADE = "SDS", "SDS on HOG"  # judged on test scenes
SHARED = {name: f"{name}, scenes" for name in (OURS, HAND_MADE)}  # for lessons that come later
BOX, REGION, BOTH, REFINED = "box", "region", "box + region", "box + region, refined"  # judged on validation scenes
BARS = {BOX: ("box",), REGION: ("region",), BOTH: ("box", "region"), REFINED: ("box", "region")}
CLAIMS = (
    ("The region's crop adds to the box's", "no number quoted", BOTH, BOX, AP50),
    ("The box's crop adds to the region's", "no number quoted", BOTH, REGION, AP50),
    ("Refinement adds to both", "person: 59.9 → 66.8", REFINED, BOTH, AP50),
    ("Refinement adds to both, at an IoU of 0.7", "no number quoted", REFINED, BOTH, AP70),
)
CAPTIONS = {
    "ceiling": "The share of the validation scenes' objects that one of the first n ranked regions of their scene "
    "covers with an IoU of 0.5 and of 0.7. No classifier of these regions finds more.",
    "bars": "AP of masks at an IoU of 0.5 and of 0.7 on validation scenes, of SVMs on features of the box, of the "
    "region, of both, and of both with refined masks: means over seeds with 95 % intervals.",
    "scenes": "The test scenes whose objects the masks of {} agree with best, at the median and worst (mean IoU with "
    "masks of the right class), with as many instances of each method as there are objects, by score.",
}
NEGATIVE = 0.2  # IoU with all objects of a class below which a region is a negative example for it: §3.3
LIMITS = (0.0, 0.1, 0.3, 0.5)  # of overlap, from which validation scenes choose
KEPT = 20  # detections of a scene


# --- Classification: a linear SVM per class --------------------------------------------------------------------------


def signs_of(positive: Int[np.ndarray, "n"], of_class: Float[np.ndarray, "n classes"]) -> Int8[np.ndarray, "n classes"]:
    """Examples of each class. positive: the class that a region stands for, 0 for none.

    A region with an IoU below NEGATIVE with every object of a class is a negative one for it, whatever else it shows.
    """
    signs = np.where(of_class < NEGATIVE, -1, 0).astype(np.int8)
    there = np.flatnonzero(positive)
    signs[there, positive[there] - 1] = 1
    return signs


def fit_svms(examples: Examples, parts: Sequence[str]) -> LinearSVMs:
    """§3.3: first the objects' own regions are the positive examples, then for each object the proposal that scores
    highest among those that overlap it by POSITIVE: what the SVMs will have to score are proposals."""
    x, truths = examples.regions.features(parts), examples.truths.features(parts)
    labels, classes = examples.truth_labels, examples.of_class.shape[1]
    apart = 1.0 * (labels[:, None] == np.arange(1, classes + 1))  # an object overlaps its own class only
    signs = signs_of(np.concatenate([labels, 0 * examples.owner]), np.concatenate([apart, examples.of_class]))
    svms = LinearSVMs().fit(torch.cat([truths, x]), signs)

    scores, positive = svms.scores(x).numpy(), np.zeros(len(x), int)
    for number, label in enumerate(labels):
        bag = np.flatnonzero((examples.owner == number) & (examples.overlaps >= POSITIVE))
        if len(bag):
            positive[bag[scores[bag, label - 1].argmax()]] = label
    return LinearSVMs().fit(x, signs_of(positive, examples.of_class)) if positive.any() else svms


# --- The system ------------------------------------------------------------------------------------------------------


class Proposed(NamedTuple):
    """Scenes with their regions, and these described."""

    part: BoxedImages
    found: Sequence[Regions]
    described: Sequence[Described]

    @classmethod
    def of(cls, describe: Describe, part: BoxedImages, found: Sequence[Regions]) -> Proposed:
        return cls(part, found, describe_regions(describe, part.images, found))

    def take(self, some: slice) -> Proposed:
        return Proposed(self.part.take(some), self.found[some], self.described[some])


@dataclass(eq=False)
class SDS:
    """fit(examples), choose_overlap(validation scenes), predict(images) -> Targets with masks.

    ranked: proposes. describe: the features of crops. parts: of "box" and "region", those that are used. refinement:
    None, or what refines the masks.
    """

    ranked: RankedRegions
    describe: Describe
    parts: tuple[str, ...] = ("box", "region")
    refinement: Refinement | None = None
    limit_: float = field(default=0.3, init=False)

    def fit(self, examples: Examples) -> SDS:
        self.svms_ = fit_svms(examples, self.parts)
        if self.refinement is not None:
            self.refinement.fit(examples)
        return self

    def choose_overlap(self, scenes: Proposed) -> SDS:
        """The limit of suppression with the highest AP^r at 0.5 on these scenes."""
        values = []
        for limit in LIMITS:
            self.limit_ = limit
            found = self.detect(scenes.found, scenes.described)
            values.append(evaluate(scenes.part, found).mean_average_precision(0.5))
        self.limit_ = choose(LIMITS, values, highest=True)
        return self

    def predict(self, images: Shaped[np.ndarray, "..."]) -> list[Target]:
        """For each image boxes, labels, scores and masks at full size, the highest score first. Raises Problem for
        pictures of the wrong kind."""
        found = self.ranked.propose(colour_pictures(images))
        return self.detect(found, describe_regions(self.describe, images, found))

    def detect(self, found: Sequence[Regions], described: Sequence[Described]) -> list[Target]:
        """The same for regions that have been proposed and described already."""
        return [self.detect_in(*pair) for pair in zip(found, described, strict=True)]

    def detect_in(self, regions: Regions, described: Described) -> Target:
        """Scores, suppression per class on the overlap of regions, refinement of what is left."""
        scores = self.svms_.scores(described.features(self.parts)).numpy()
        small = regions.reduced_masks()
        overlaps = mask_iou(small, small)
        pairs = [(k, label) for label, own in enumerate(scores.T) for k in suppress(overlaps, own, self.limit_)]
        places, labels = np.array(pairs, int).reshape(-1, 2).T
        own = scores[places, labels]
        order = np.argsort(-own, kind="stable")[: min(KEPT, np.isfinite(own).sum())]
        places, labels = places[order], labels[order]
        masks = torch.from_numpy(regions.take(places).masks())
        if self.refinement is not None and len(places):
            segments = torch.stack([torch.from_numpy(regions.segments(k)) for k in places])
            masks = self.refinement.refine(described.take(places), masks, segments)
        boxes = torch.from_numpy(boxes_of(masks)).float() if len(masks) else torch.zeros(0, 4)
        return {
            "boxes": boxes,
            "labels": torch.from_numpy(labels + 1),
            "scores": torch.from_numpy(own[order]),
            "masks": masks,
        }


def evaluate(part: BoxedImages, detections: Sequence[Target]) -> Evaluation:
    """AP^r: masks against masks at full resolution, not their boxes. §4."""
    return Evaluation(
        detections, instances(part), len(part.classes), (0.5, 0.7, 0.75), iou_of="masks", groups=part.groups
    )


def score_regions(
    method: Method, part: BoxedImages, detections: Sequence[Target], metrics: Mapping[str, float]
) -> None:
    """Score a method by AP^r at these thresholds."""
    evaluation = evaluate(part, detections)
    for metric, threshold in metrics.items():
        method.score_items(metric, 100 * evaluation.by_image(threshold), part, unit="%", higher_is_better=True)


# --- The lesson ------------------------------------------------------------------------------------------------------


def report_ceiling(run: Run, found: Sequence[Regions], part: BoxedImages) -> None:
    """How many of the objects the proposals cover: what no classifier of them can exceed."""
    numbers = np.arange(1, MOST + 1)
    recall = 100 * recall_of_regions(found, part, (0.5, 0.7), numbers)
    for threshold, values in zip((0.5, 0.7), recall, strict=True):
        run.fact(f"objects that a region covers with an IoU of {threshold}", values[-1], "%")
    run.figure("ceiling", draw_ceiling, numbers, recall, caption=CAPTIONS["ceiling"])


def study_bars(run: Run, system: SDS, examples: Examples, first: Proposed, judged: Proposed) -> None:
    """The four bars: SVMs on the box, on the region, on both; and both refined, which is the system, fitted already.

    first: scenes that choose the limit of overlap. judged: those that are scored.
    """
    for name, parts in BARS.items():
        with run.method(name, kind="deep") as method:
            if name == REFINED:
                method.model = system
            else:
                method.model = SDS(system.ranked, system.describe, parts)
                method.time(method.model.fit, examples)
                method.time(method.model.choose_overlap, first)
            score_regions(method, judged.part, method.model.detect(judged.found, judged.described), AT)
    claims = PaperClaims(run)
    for claim, paper, ours, against, metric in CLAIMS:
        claims.compared(claim, source="§4, AP^r", paper=paper, ours=ours, against=against, metric=metric)
    run.figure_over_seeds("bars", draw_bars, list(BARS), list(AT), caption=CAPTIONS["bars"])


class Learned(NamedTuple):
    """What every system of the lesson starts from. seconds: that regions of the training scenes took."""

    train: BoxedImages
    ranked: RankedRegions
    regions: Sequence[Regions]
    seconds: float


def some_scenes(run: Run) -> LabelledScenes:
    """The scenes of this lesson: two crops of each region cost too much for all of them."""
    sizes = {"train": {"smoke": 16, "lecture": 2000}, "validation": {"smoke": 7, "lecture": 170}}
    return labelled_scenes(run, **{part: run.pick(**size) for part, size in sizes.items()})


def learn_to_propose(run: Run, train: BoxedImages) -> Learned:
    """Draw the training scenes, fit the ranking of regions to the first of them, and propose regions for all."""
    n, ranking = run.pick(smoke=(8, 5), lecture=(500, 150), full=(2000, 300))
    start, rng = time.perf_counter(), np.random.default_rng(run.seed)  # the same scenes in whichever lesson
    train = train.take(np.sort(rng.choice(len(train), n, replace=False)))
    ranked = RankedRegions(seed=run.seed).fit(train.take(slice(ranking)))
    return Learned(train, ranked, ranked.propose(train.images), time.perf_counter() - start)


def fit_system(
    learned: Learned, describe: Describe, validation: Proposed, seed: int, *, refined: bool
) -> tuple[SDS, Examples]:
    """A system on features of this kind, its limit of overlap chosen on these scenes; and what it has learned from."""
    examples = gather(describe, learned.train, learned.regions, seed)
    system = SDS(learned.ranked, describe, refinement=Refinement(seed=seed) if refined else None)
    return system.fit(examples).choose_overlap(validation), examples


def lesson(run: Run) -> None:
    sets, choosing = some_scenes(run), run.pick(smoke=3, lecture=60)
    learned = learn_to_propose(run, sets.objects.train)
    on_validation = learned.ranked.propose(sets.validation.images)
    report_ceiling(run, on_validation, sets.objects.validation)

    trunk = mobilenet_v2_or_none(run.scale, run.note)
    describes: dict[str, Describe] = {} if trunk is None else {OURS: TrunkFeatures(trunk)}
    test, found = sets.objects.test, {}
    for name, describe in (describes | {HAND_MADE: hand_made_features}).items():
        validation = Proposed.of(describe, sets.objects.validation, on_validation)
        first, judged = validation.take(slice(choosing)), validation.take(slice(choosing, None))
        whole = not found  # the first one is refined, and studied
        with run.method(name, kind="deep" if name == OURS else "classical") as method:
            system, examples = method.time(fit_system, learned, describe, first, run.seed, refined=whole)
            method.model, method.fit_seconds = system, method.fit_seconds + learned.seconds
            method.share(SHARED[name], system)
            found[name] = predicted_once(method, test)
            score_regions(method, test, found[name], AT | {AP75: 0.75})
        if whole:
            study_bars(run, system, examples, first, judged)
    _, found[RIVAL] = score_rival(run, sets, semantic=False)
    score_regions(run.methods[RIVAL], test, found[RIVAL], {AP70: 0.7})
    if trunk is not None:
        for rival, metric in ((HAND_MADE, AP50), (HAND_MADE, AP70), (RIVAL, AP50), (RIVAL, AP70)):
            run.compare(OURS, rival, metric)
            run.claim(f"SDS beats {rival} in {metric}.", beats(OURS, rival, metric))
            run.claim(f"{rival} beats SDS in {metric}.", beats(rival, OURS, metric))
        run.floor(OURS, AP50, at_least=57)
    run.figure(
        "scenes", draw_best_median_worst, test.images, {"truth": instances(test)} | found, test.classes,
        caption=CAPTIONS["scenes"].format(next(iter(found))),
    )  # fmt: skip
