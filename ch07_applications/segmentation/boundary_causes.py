"""What costs a label map its boundary F1: the stride of its scores, classes that are not there, or its outlines.

A label map's boundary F1 (Csurka et al. 2013) has three ways to be low, and each is measured apart from the others.
The stride alone: true labels are reduced to score maps of a stride and enlarged as FCN's are, so that classes are right
and outlines as good as such maps can draw them. The classes: an oracle lets only the classes of the scene compete, or a
mean leaves out classes that are not there. The outlines alone: all objects count as one class, the foreground. Objects
that are missed, and objects where there are none, count there, too.
These are facts about test scenes, known after the scores; nothing is chosen by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch.nn import functional

from ch07_applications.segmentation.background_bias import with_bias
from ch07_applications.segmentation.bilinear import Bilinear
from ch07_applications.segmentation.segmenter import CHUNK, Segmenter
from common.data.segmented import IGNORE, SegmentedImages
from common.metrics.boundary_f1 import boundary_f1, mean_boundary_f1
from common.metrics.segmentation import ConfusionMatrix, mean_iou
from common.run import Run

Labels = UInt8[np.ndarray, "scenes height width"]
There = Bool[np.ndarray, "scenes classes"]


def at_stride(labels: Labels, classes: int, stride: int) -> Labels:
    """The labels that a score map of this stride gives when it is as near to the true labels as it can be.

    Each class has a map with one cell per stride × stride pixels. It is enlarged bilinearly, y = A s Aᵀ, where A holds
    the tents of bilinear.py, cell i's centre at pixel stride · i; the class with the highest value wins. s = A⁺ y A⁺ᵀ
    has the smallest squared error for the class's mask y. Scores with another aim may draw outlines still better: what
    these labels reach is reached by a map of this stride, and is no upper limit. Raises ValueError for a stride that
    does not divide the sides, and for labels that are none of 0 … classes − 1.
    """
    if any(side % stride for side in labels.shape[1:]):
        raise ValueError(f"a stride of {stride} does not divide the sides of {labels.shape[1:]} pixels")
    tents = (Bilinear(1, stride, centred=True).along(side // stride, torch.device("cpu")) for side in labels.shape[1:])
    down, across = (tent @ torch.linalg.pinv(tent) for tent in tents)
    found = np.empty_like(labels)
    for start in range(0, len(labels), CHUNK):
        own = torch.from_numpy(labels[start : start + CHUNK].astype(np.int64))
        if ((own < 0) | (own >= classes)).any():
            raise ValueError(f"labels up to {int(own.max())}, but {classes} classes")
        masks = functional.one_hot(own, classes).movedim(-1, 1).float()
        found[start : start + CHUNK] = (down @ masks @ across.T).argmax(dim=1).numpy()
    return found


def classes_there(labels: Labels, classes: int) -> There:
    """Which classes each scene has; the background, label 0, always."""
    there = np.stack([np.bincount(own.ravel(), minlength=IGNORE + 1)[:classes] > 0 for own in labels])
    there[:, 0] = True
    return there


def labels_among_true(model: Segmenter, part: SegmentedImages) -> Labels:
    """An oracle's labels: of the classes that are in the scene, the one with the highest score per pixel."""
    there, found = torch.from_numpy(classes_there(part.labels, model.classes)), []
    for shares in model.probabilities(part.images):
        start = sum(map(len, found))
        own = there[start : start + shares.shape[1], :, None, None]
        found.append(with_bias(shares[-1] * own, model.bias))
    return np.concatenate(found)


def boundary(truth: Labels, labels: Labels, classes: int, there: There | None = None) -> float:
    """Boundary F1 in per cent, as scoring.score_semantic scores it. there: the classes that count; None: all."""
    found = [boundary_f1(one, own, classes, ignore=IGNORE) for one, own in zip(truth, labels, strict=True)]
    values = np.stack(found) if there is None else np.where(there, np.stack(found), np.nan)
    return 100 * float(np.mean(mean_boundary_f1(values)))


def class_blind(truth: Labels, labels: Labels) -> float:
    """Boundary F1 in per cent with two classes, background and foreground, whatever the object's class."""
    foreground = np.where(truth == IGNORE, IGNORE, truth > 0).astype(np.uint8)
    return boundary(foreground, (labels > 0).astype(np.uint8), 2)


def measure_strides(run: Run, part: SegmentedImages, strides: Sequence[int], name: str, labels: Labels) -> None:
    """Boundary F1 and mean IoU of the true labels at each stride; boundary F1 of a method's labels at the finest."""
    classes = len(part.classes)
    for stride in strides:
        reduced, matrix = at_stride(part.labels, classes, stride), ConfusionMatrix(classes)
        matrix.add(part.labels, reduced)
        run.fact(f"boundary F1 of true labels at stride {stride}", boundary(part.labels, reduced, classes), "%")
        run.fact(f"mean IoU of true labels at stride {stride}", 100 * float(mean_iou(matrix.total)), "%")
    reduced = at_stride(labels, classes, min(strides))
    value = boundary(part.labels, reduced, classes)
    run.fact(f"boundary F1 at stride {min(strides)}, {name}", value, "%")


def measure_classes(
    run: Run, part: SegmentedImages, found: Mapping[str, Labels], models: Mapping[str, Segmenter] | None = None
) -> None:
    """What wrong classes cost the methods' labels: how many each scene has, and boundary F1 without their influence.

    found: each method's labels, by name. models: those of which an oracle's labels are scored, too.
    """
    classes = len(part.classes)
    there = classes_there(part.labels, classes)
    for name, labels in found.items():
        extra = (classes_there(labels, classes) & ~there).sum(axis=1).mean()
        run.fact(f"classes per scene that are not there, {name}", float(extra))
        run.fact(f"boundary F1 of classes that are there, {name}", boundary(part.labels, labels, classes, there), "%")
        run.fact(f"class-blind boundary F1, {name}", class_blind(part.labels, labels), "%")
    for name, model in (models or {}).items():
        value = boundary(part.labels, labels_among_true(model, part), classes)
        run.fact(f"boundary F1 of an oracle, {name}", value, "%")
