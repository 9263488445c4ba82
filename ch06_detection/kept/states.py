"""The state of a fitted detector as tensors, numbers and text, from which the same detector can be restored."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import nn

from ch06_detection.fast_rcnn import FastRCNN, FastRCNNNetwork
from ch06_detection.geometry.half_size import HalfSize
from ch06_detection.rcnn import RCNN, RegionNetwork, RidgeBoxes
from ch06_detection.ssd import SSDDetector
from common.errors import Problem
from common.hog_detection.detector import HOGDetector
from common.hog_detection.windows import Window
from common.image_classifier import Pixels
from common.seeding import build_seeded

Detector = HOGDetector | RCNN | FastRCNN | SSDDetector
State = dict[str, Any]


def state_of(detector: Detector | HalfSize) -> State:
    """The settings and the learned weights of a fitted detector. torch.load reads it with weights_only."""
    if isinstance(detector, HalfSize):
        return state_of(detector.detector)
    values = {field.name: getattr(detector, field.name) for field in fields(detector)}
    settings = {name: value for name, value in values.items() if isinstance(value, bool | int | float | str | tuple)}
    if isinstance(detector, HOGDetector):
        windows = [
            (label, each.rows, each.columns, each.height, each.width) for label, each in detector.windows_.items()
        ]
        templates = [torch.from_numpy(template) for template in detector.coef_]
        learned = {"windows": windows, "templates": templates, "intercepts": detector.intercept_}
        return {"settings": settings, "scales": detector.scales_, **learned}
    pixels = detector.pixels_
    state = {"settings": settings, "mean": pixels.mean, "deviation": pixels.deviation}
    state["network"] = {name: weights.cpu() for name, weights in detector.network_.state_dict().items()}
    if isinstance(detector, RCNN):
        state |= {"svms": detector.svms_, "regression": detector.ridge_.weights_, "length": detector.scale_}
    return state


def put_back(detector: Detector | HalfSize, state: State) -> None:
    """Restore the state into an unfitted detector.

    Raises Problem if the state belongs to another kind of detector.
    """
    if isinstance(detector, HalfSize):
        return put_back(detector.detector, state)
    try:
        for name, value in state["settings"].items():
            setattr(detector, name, value)
        if isinstance(detector, HOGDetector):
            _put_back_templates(detector, state)
        else:
            _put_back_network(detector, state)
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise Problem(f"these are not the weights of such a detector ({str(error).partition(chr(10))[0]})") from error


def _put_back_templates(detector: HOGDetector, state: State) -> None:
    detector.windows_ = {label: Window(*sizes, detector.cells) for label, *sizes in state["windows"]}
    detector.coef_ = [template.numpy() for template in state["templates"]]
    detector.intercept_, detector.scales_ = state["intercepts"], state["scales"]


def _put_back_network(detector: RCNN | FastRCNN | SSDDetector, state: State) -> None:
    network = build_seeded(lambda: _new_network(detector), 0)
    network.load_state_dict(state["network"])
    detector.network_ = network.to(detector.training.device, memory_format=torch.channels_last).eval()
    detector.pixels_ = Pixels(state["mean"], state["deviation"])
    if isinstance(detector, RCNN):
        detector.svms_, detector.scale_ = state["svms"], state["length"]
        detector.ridge_ = RidgeBoxes(detector.penalty)
        detector.ridge_.weights_ = state["regression"]


def _new_network(detector: RCNN | FastRCNN | SSDDetector) -> nn.Module:
    if isinstance(detector, SSDDetector):
        return detector.build(detector.classes)
    if isinstance(detector, RCNN):
        return RegionNetwork(detector.classes)
    return FastRCNNNetwork(detector.classes, detector.side, detector.enlarge)
