"""The same detectors on real people: a film of a campus, with boxes drawn by hand.

Question   How do the detectors rank on real frames, for one class that hardly changes its shape?
Method     PETS 2009 S2.L1 with MOTChallenge 2015's boxes (Leal-Taixé et al. 2015): frames 1 to 320 to learn from, 321
           to 400 to test on, and where you have their boxes, later frames, too. HOG + SVM as in Dalal & Triggs 2005;
           R-CNN and Fast R-CNN; SSD, from random weights and with the first blocks of MobileNetV2 (Sandler et al.
           2018).
Rival      OpenCV's people detector, HOG + SVM with the weights of Dalal & Triggs, as a reference: trained on other
           people, in other places.
Differs    The networks learn from as many composed frames as real ones (lesson `still_camera`); the template learns
           from real frames alone, for composed ones do not help it significantly (`still_camera`). R-CNN and Fast R-CNN
           classify the template's windows, for people are too small to be segments of their own; they learn from those
           of every second frame. SSD works at half the size. MobileNetV2's first four blocks keep their weights.
Costs      240 s on two cores; nothing without the film.

All settings were chosen by cross-validation within frames 1 to 320: trained on one or two quarters of this film, judged
on a quarter that is not their neighbour. Nothing was chosen on the test frames.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import UInt8

from ch06_detection.augmentation.frame_windows import FrameWindows
from ch06_detection.boxes import nms
from ch06_detection.composition.pasted_people import paste_people
from ch06_detection.drawings.pedestrians import draw_curves, draw_frame
from ch06_detection.fast_rcnn import FastRCNN, build_training
from ch06_detection.geometry.half_size import HalfSize
from ch06_detection.proposals.recall import overlaps_by_count, recall
from ch06_detection.proposals.search import Proposals
from ch06_detection.proposals.template_windows import template_windows
from ch06_detection.rcnn import RCNN
from ch06_detection.scoring.errors import classify_errors
from ch06_detection.scoring.judging import METRIC, account, judge, learn
from ch06_detection.ssd import ADAMW, SSD, SSDDetector, detection_loss
from ch06_detection.still_camera import HEIGHTS, WIDE, ZOOM, build_template
from ch06_detection.trunk.layers import mobile_trunk, small_trunk
from common.data import weights
from common.data.boxed import BoxedImages, Target
from common.data.mot import pedestrians_or_none
from common.data.weights import mobilenet_v2_or_none
from common.detector import Detector
from common.hog_detection.detector import HOGDetector
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.muon import Muon, hidden_filters
from common.run import Run
from common.train import Training

FLOORS = {
    "HOG + SVM": 79,
    "SSD, from random weights": 90,
    "SSD, pretrained trunk": 90,
}  # mAP at 0.5, in %
PROPOSED = 60  # windows of a frame that the R-CNNs classify
LATER = "mAP@0.5, later frames"
ENLARGE = 1.5  # by which the pretrained SSD enlarges frames of half size: its first blocks halve them three times


def opencv_people(frames: UInt8[np.ndarray, "n height width 3"]) -> list[Target]:
    """OpenCV's HOG people detector at twice the size: hits from −0.5 on, not grouped, suppressed at an IoU of 0.4."""
    import cv2

    detector = cv2.HOGDescriptor()
    detector.setSVMDetector(cv2.HOGDescriptor_getDefaultPeopleDetector())
    found = []
    for frame in frames:
        large = cv2.resize(frame, None, fx=2, fy=2)
        corners, weights = detector.detectMultiScale(
            large, hitThreshold=-0.5, winStride=(8, 8), scale=1.05, groupThreshold=0
        )
        corners = np.asarray(corners, np.float32).reshape(-1, 4) / 2
        boxes = torch.tensor(np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1))
        width, height = boxes[:, 2:].sub(boxes[:, :2]).unbind(1)  # its windows have a margin of 16 pixels in 64 × 128
        boxes = boxes + torch.stack([width / 4, height / 8, -width / 4, -height / 8], dim=1)
        scores = torch.tensor(np.asarray(weights, np.float32).reshape(-1))
        stays = nms(boxes, scores, 0.4)
        found.append({"boxes": boxes[stays], "scores": scores[stays], "labels": torch.ones_like(stays)})
    return found


def build_pedestrians_rcnn(run: Run, proposals: Proposals) -> RCNN:
    """With one class there is no classification to pretrain on: the network starts from random weights."""
    epochs, file = run.pick(smoke=1, lecture=2), run.checkpoint("rcnn")
    training = Training(epochs, 0.005, 128, Muon, hidden_filters, device=run.device, checkpoint=file, say=run.say_step)
    return RCNN(
        proposals, training, 1, searched=run.pick(smoke=4, lecture=160, full=None),
        mined=run.pick(smoke=2, lecture=80, full=None), crops=run.pick(smoke=64, lecture=8000), side=(48, 24),
        suppression=0.4, seed=run.seed,
    )  # fmt: skip


def build_pedestrians_fast_rcnn(run: Run, proposals: Proposals) -> FastRCNN:
    """From random weights, too. Its images keep their size."""
    training = build_training(run, run.pick(smoke=1, lecture=2), 2)
    searched = run.pick(smoke=4, lecture=160, full=None)
    return FastRCNN(
        proposals, training, 1, searched=searched, rois=64, side=(8, 4), enlarge=1.0, suppression=0.4, seed=run.seed
    )


def build_pedestrians_ssd(run: Run, pretrained: bool) -> HalfSize:
    """The detector of pedestrians, of frames at half size. pretrained: MobileNetV2's first blocks, or a small trunk."""
    enlarge = ENLARGE if pretrained else 1.0

    def network(classes: int) -> SSD:
        trunk = mobile_trunk(weights.mobilenet_v2(run.scale)) if pretrained else small_trunk()[:2]
        return SSD(trunk, [len(heights) for heights in HEIGHTS], classes, top_down=True)

    shapes = [enlarge * torch.tensor([(WIDE * height, height) for height in heights]) for heights in HEIGHTS]
    name = "ssd_pretrained" if pretrained else "ssd"
    epochs = run.pick(smoke=1, lecture=15 if pretrained else 20)
    training = Training(
        epochs, 3e-3, 16, ADAMW, loss=detection_loss, warm_up=0.2, device=run.device, checkpoint=run.checkpoint(name),
        say=run.say_step,
    )  # fmt: skip
    windows = FrameWindows(zoom=(enlarge * ZOOM[0], enlarge * ZOOM[1]))
    return HalfSize(
        SSDDetector(
            network, training, shapes, 1, augment=windows, scales=(enlarge,), suppression=0.5, seed=run.seed
        )
    )  # fmt: skip


def contenders(run: Run, template: HOGDetector) -> dict[str, Callable[[], Detector]]:
    """How each network is built, by name. template: the classical detector, fitted, whose windows are proposals."""
    proposals = template_windows(template, most=run.pick(smoke=20, lecture=PROPOSED))
    built = {
        "R-CNN": lambda: build_pedestrians_rcnn(run, proposals),
        "Fast R-CNN": lambda: build_pedestrians_fast_rcnn(run, proposals),
        "SSD, from random weights": lambda: build_pedestrians_ssd(run, pretrained=False),
    }
    if mobilenet_v2_or_none(run.scale, run.note):
        built["SSD, pretrained trunk"] = lambda: build_pedestrians_ssd(run, pretrained=True)
    return built


def judge_reference(run: Run, part: BoxedImages) -> None:
    """OpenCV's detector on some of the frames, where OpenCV is installed."""
    try:
        import cv2  # noqa: F401
    except ImportError:
        run.note("Left out: OpenCV's people detector, for OpenCV is not installed (the extra `video` has it).")
        return
    with run.method("OpenCV's HOG + SVM", kind="reference") as method:
        start = time.perf_counter()
        found = opencv_people(part.images)
        method.predict_seconds = time.perf_counter() - start
        account(method, Evaluation(found, part.targets, 1, COCO_THRESHOLDS), part)


def share_proposed(run: Run, template: HOGDetector, part: BoxedImages) -> float:
    """The share of people with one of the proposed windows on them (IoU 0.5)."""
    proposed = template_windows(template, most=run.pick(smoke=20, lecture=PROPOSED))(part.images)
    best = overlaps_by_count(proposed, part.targets, PROPOSED)[:, -1]
    return float(recall(best, 0.5))


def judge_later(run: Run, name: str, detector: Detector, later: BoxedImages) -> None:
    """A detector's score on frames long after those that it has learned from."""
    found = detector.predict(later.images)
    evaluation = Evaluation(found, later.targets, 1, COCO_THRESHOLDS, groups=later.groups)
    run.fact(f"{LATER}, {name}", 100 * evaluation.mean_average_precision(0.5), "%")


def lesson(run: Run) -> None:
    people = pedestrians_or_none(run.scale, run.note, every=run.pick(smoke=40, lecture=2, full=1))
    if people is None:
        return
    train, test = people.train, people.test.take(slice(None, None, run.pick(smoke=20, lecture=1)))
    later = people.later(run.pick(smoke=80, lecture=5, full=1))
    run.note(
        f"Learned from frames up to {train.ids[-1]}; judged on {len(test)} frames, {test.ids[0]} to {test.ids[-1]}"
        + ("." if later is None else f", and on {len(later)} later ones, up to {later.ids[-1]}.")
    )
    evaluations = {}

    def learn_and_judge(name: str, kind: str, build: Callable[[], Detector], part: BoxedImages) -> Detector:
        with run.method(name, kind=kind) as method:
            detector = learn(method, f"{name}, pedestrians", build, part)
            evaluations[name] = judge(method, test)
            run.fact(f"frames a second, {name}", len(test) / method.predict_seconds)
            miss = 100 * float(evaluations[name].log_average_miss_rate(0.5)[0])
            method.measure("log-average miss rate", miss, n=len(test), unit="%")
        run.fact(f"people that no box finds, {name}", classify_errors(evaluations[name]).shares["missed"], "%")
        if later is not None:
            judge_later(run, name, detector, later)
        if name in FLOORS:
            run.floor(name, METRIC, at_least=run.pick(smoke=0, lecture=FLOORS[name]))
        return detector

    template = learn_and_judge("HOG + SVM", "classical", lambda: build_template(run), train)
    mixed = paste_people(train, len(train), run.seed)
    for name, build in contenders(run, template).items():
        learn_and_judge(name, "deep", build, mixed)
    run.fact("people with a proposal on them", 100 * share_proposed(run, template, test), "%")
    judge_reference(run, test.take(slice(None, None, run.pick(smoke=2, lecture=4))))

    best = "SSD, pretrained trunk" if "SSD, pretrained trunk" in evaluations else "SSD, from random weights"
    for name in evaluations:
        if name != best:
            run.compare(best, name, METRIC)
    run.compare("SSD, from random weights", "HOG + SVM", METRIC)
    run.figure(
        "curves", draw_curves, evaluations,
        caption="Detections at an IoU of 0.5. Left: precision and recall. Right: the share of missed people "
        "by false positives per image; both axes logarithmic.",
    )  # fmt: skip
    item = int(np.argmax([len(target["boxes"]) for target in test.targets]))
    found = {name: evaluation.detections[item] for name, evaluation in evaluations.items()}
    run.figure(
        "frame", draw_frame, test, item, found,
        caption="The frame with most people. Green: the boxes drawn by hand; red: as many detections, of the highest "
        "scores.",
    )  # fmt: skip
