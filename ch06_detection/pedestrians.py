"""The same detectors on real people: a film of a campus, with boxes drawn by hand.

Question   What is the order of the detectors on real frames, of one class that hardly changes its shape?
Method     PETS 2009 S2.L1 with MOTChallenge 2015's boxes (Leal-Taixé et al. 2015): trained on its first 320 frames,
           judged on frames after them. HOG + SVM as in Dalal & Triggs 2005; R-CNN; Fast R-CNN; SSD, from random
           weights and with the first blocks of MobileNetV2 (Sandler et al. 2018).
Rival      OpenCV's people detector, HOG + SVM with the weights of Dalal & Triggs, as a reference: trained on other
           people, in other places.
Differs    The networks work on frames of half the size. Proposals of selective search, too, come from those, none
           larger than a person; the R-CNNs learn from those of 60 frames.
Costs      200 s on two cores, nearly half of them for selective search and the R-CNNs; nothing without the film.

A camera that does not move makes this easy: trees, cones and cars of the judged frames stood at the same place in
training, and so did some of the people, seconds before. It shows that these programs find small real people among
clutter they know. It does not show that they would anywhere else.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8

from ch06_detection.augmentation.frame_windows import FrameWindows
from ch06_detection.boxes import nms
from ch06_detection.drawings.pedestrians import draw_curves, draw_frame
from ch06_detection.fast_rcnn import FastRCNN, build_training
from ch06_detection.geometry.half_size import HalfSize
from ch06_detection.proposals.search import shared_proposals
from ch06_detection.rcnn import RCNN
from ch06_detection.scoring.errors import classify_errors
from ch06_detection.scoring.judging import METRIC, account, judge, learn
from ch06_detection.ssd import ADAMW, SSD, SSDDetector, detection_loss
from ch06_detection.trunk.layers import mobile_trunk, small_trunk
from common.data import weights
from common.data.boxed import BoxedImages, Target
from common.data.mot import pedestrians_or_none
from common.data.weights import mobilenet_v2_or_none
from common.hog_detection.dense_hog import Cells
from common.hog_detection.detector import HOGDetector
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.muon import Muon, hidden_filters
from common.proposals.grouping import Settings
from common.run import Run
from common.train import Training

FLOORS = {
    "HOG + SVM": 79,
    "SSD, from random weights": 94.6,
    "SSD, pretrained trunk": 92.4,
}  # mAP at 0.5, in %

# For frames at half size: people are ten pixels wide, so that each one counts, and nothing larger is a proposal.
PEOPLE = Settings(spaces=("RGB",), ks=(50.0,), min_size=20, step=1, smallest=6, largest=80)
WIDE = 0.37  # of its height: a pedestrian
HEIGHTS = ((28.0, 36.0, 46.0), (46.0, 58.0))  # of pedestrians' default boxes, in pixels, on either map


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


def build_pedestrians_hog(run: Run) -> HOGDetector:
    """For people in frames of 768 × 576; settings chosen on validation frames. Not yet fitted."""
    mined = run.pick(smoke=2, lecture=20)
    cells = Cells(pixels=6, padding=3)
    # People here stand apart and look alike. What counts is to be exact: positives lie just where the people are, and
    # windows that are only half right are negatives.
    settings = {"jittered": 0, "apart": 0.5, "scale_step": 1.15, "suppression": 0.4}
    return HOGDetector(cells, window=48, mined=mined, random=mined, seed=run.seed, **settings)


def build_pedestrians_rcnn(run: Run) -> HalfSize:
    """The detector of pedestrians, of frames at half size: one class, so that there is nothing to name first."""
    epochs, file = run.pick(smoke=1, lecture=2), run.checkpoint("rcnn")
    training = Training(epochs, 0.005, 128, Muon, hidden_filters, device=run.device, checkpoint=file, say=run.say_step)
    searched, mined = run.pick(smoke=(4, 2), lecture=(60, 30), full=(None, 60))
    crops = run.pick(smoke=64, lecture=8000)
    proposals = shared_proposals(run, PEOPLE, most=300)
    return HalfSize(RCNN(proposals, training, 1, searched=searched, mined=mined, crops=crops, seed=run.seed))


def build_pedestrians_fast_rcnn(run: Run) -> HalfSize:
    """The detector of pedestrians, of frames at half size: one class, so that there is nothing to name first."""
    training, proposals = build_training(run, run.pick(smoke=1, lecture=3), 2), shared_proposals(run, PEOPLE, most=300)
    searched = run.pick(smoke=4, lecture=60, full=None)
    return HalfSize(FastRCNN(proposals, training, 1, searched=searched, rois=64, seed=run.seed))


def build_pedestrians_ssd(run: Run, pretrained: bool) -> HalfSize:
    """The detector of pedestrians, of frames at half size. pretrained: MobileNetV2's first blocks, or a small trunk."""

    def network(classes: int) -> SSD:
        trunk = mobile_trunk(weights.mobilenet_v2(run.scale)) if pretrained else small_trunk()[:2]
        return SSD(trunk, [len(heights) for heights in HEIGHTS], classes, top_down=True)

    shapes = [torch.tensor([(WIDE * height, height) for height in heights]) for heights in HEIGHTS]
    name = "ssd_pretrained" if pretrained else "ssd"
    epochs = run.pick(smoke=1, lecture=4 if pretrained else 6)
    training = Training(
        epochs, 3e-3, 16, ADAMW, loss=detection_loss, warm_up=0.2, device=run.device, checkpoint=run.checkpoint(name),
        say=run.say_step,
    )  # fmt: skip
    return HalfSize(SSDDetector(network, training, shapes, 1, augment=FrameWindows(), seed=run.seed))


def contenders(run: Run) -> dict[str, tuple[str, Any]]:
    """The detectors by name, each with its kind, not yet fitted."""
    detectors = {
        "HOG + SVM": ("classical", build_pedestrians_hog(run)),
        "R-CNN": ("deep", build_pedestrians_rcnn(run)),
        "Fast R-CNN": ("deep", build_pedestrians_fast_rcnn(run)),
        "SSD, from random weights": ("deep", build_pedestrians_ssd(run, pretrained=False)),
    }
    if mobilenet_v2_or_none(run.scale, run.note):
        detectors["SSD, pretrained trunk"] = ("deep", build_pedestrians_ssd(run, pretrained=True))
    return detectors


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


def lesson(run: Run) -> None:
    people = pedestrians_or_none(run.scale, run.note, every=run.pick(smoke=40, lecture=2, full=1))
    if people is None:
        return
    later = people.test
    part = people.validation if later is None else later.take(slice(None, None, run.pick(smoke=40, lecture=5, full=1)))
    part = part.take(slice(None, None, run.pick(smoke=20, lecture=1)))
    run.note(
        f"Judged on {len(part)} frames, {part.ids[0]} to {part.ids[-1]}"
        + (", on which the settings were chosen, too." if later is None else ", which nothing was chosen on.")
    )
    evaluations = {}
    for name, (kind, detector) in contenders(run).items():
        with run.method(name, kind=kind) as method:
            learn(method, f"{name}, pedestrians", lambda detector=detector: detector, people.train)
            evaluations[name] = judge(method, part)
            run.fact(f"frames a second, {name}", len(part) / method.predict_seconds)
            miss = 100 * float(evaluations[name].log_average_miss_rate(0.5)[0])
            method.measure("log-average miss rate", miss, n=len(part), unit="%")
            run.fact(f"people that no box finds, {name}", classify_errors(evaluations[name]).shares["missed"], "%")
            if name in FLOORS:
                run.floor(name, METRIC, at_least=run.pick(smoke=0, lecture=FLOORS[name]))
    judge_reference(run, part.take(slice(None, None, run.pick(smoke=2, lecture=4))))

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
    item = int(np.argmax([len(target["boxes"]) for target in part.targets]))
    found = {name: evaluation.detections[item] for name, evaluation in evaluations.items()}
    run.figure(
        "frame", draw_frame, part, item, found,
        caption="The frame with most people. Green: the boxes drawn by hand; red: as many detections, of the highest "
        "scores.",
    )  # fmt: skip
