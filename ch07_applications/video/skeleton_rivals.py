"""Rivals of the network on skeletons: an SVM on 16 frames side by side, and one that does not know their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, Float32
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch07_applications.video.skeleton_clips import Clips, resampled
from common.run import Run

RESAMPLED = 16  # frames


def flat(clips: Sequence[Float32[np.ndarray, "_ columns"]]) -> Float32[np.ndarray, "items features"]:
    """For rivals that need inputs of one length: 16 frames side by side."""
    return np.stack([resampled(clip, RESAMPLED).ravel() for clip in clips])


def without_order(clips: Sequence[Float32[np.ndarray, "_ columns"]]) -> Float[np.ndarray, "items features"]:
    """Mean, deviation and extremes over time, which are the same for frames in any order."""
    return np.stack([np.concatenate([c.mean(0), c.std(0), c.min(0), c.max(0)]) for c in clips])


def fit_svm(features: Callable, part: Clips) -> Callable:
    """An SVM on standardised features of clips: the function that predicts."""
    model = make_pipeline(StandardScaler(), SVC()).fit(features(part.inputs), part.answers)
    return lambda clips: model.predict(features(clips))


def score_clips(run: Run, name: str, kind: str, clips: Clips, fit: Callable[[Clips], Callable]) -> None:
    """Accuracy over all clips, each judged by a model that has not seen its person."""
    folds = clips.folds()
    judged = clips.take(np.concatenate([test.ids for _, test in folds]))
    with run.method(name, kind=kind) as method:
        models = [method.time(fit, part) for part, _ in folds]
        found = [model(test.inputs) for model, (_, test) in zip(models, folds, strict=True)]
        right = np.concatenate(found) == judged.answers
        method.score_items("accuracy", 100.0 * right, judged, unit="%", higher_is_better=True)
