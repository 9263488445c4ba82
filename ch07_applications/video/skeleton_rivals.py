"""Rivals of the network on skeletons: an SVM on 16 concatenated frames, and one without their order.

One more network learns from the SVM's own 16 frames of each clip, to show whether the frames make the difference. How
well networks and SVM recognise the clips that they have learned from shows how much of it does not carry over.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Float32
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch07_applications.video.person_folds import FoldModels
from ch07_applications.video.skeleton_clips import Clips, resampled
from common.paper_claims import PaperClaims
from common.run import Run

RESAMPLED = 16  # frames
JOINTS_LSTM, FEW_FRAMES = "skeletons: LSTM", f"skeletons: LSTM on {RESAMPLED} frames"
JOINTS_SVM, NO_ORDER = "skeletons: SVM", "skeletons: SVM without order"


def flat(clips: Sequence[Float32[np.ndarray, "_ columns"]]) -> Float32[np.ndarray, "items features"]:
    """Inputs of one length: 16 frames, concatenated."""
    return np.stack([resampled(clip, RESAMPLED).ravel() for clip in clips])


def without_order(clips: Sequence[Float32[np.ndarray, "_ columns"]]) -> Float[np.ndarray, "items features"]:
    """Mean, deviation and extremes over time, which do not depend on the order of frames."""
    return np.stack([np.concatenate([c.mean(0), c.std(0), c.min(0), c.max(0)]) for c in clips])


FEATURES = {JOINTS_SVM: flat, NO_ORDER: without_order}


def fit_svm(features: Callable, part: Clips) -> Callable:
    """Fit an SVM on standardised features of clips. Returns the function that predicts."""
    model = make_pipeline(StandardScaler(), SVC()).fit(features(part.inputs), part.answers)
    return lambda clips: model.predict(features(clips))


def fit_by_fold(fit: Callable[[Clips], Callable], clips: Clips) -> FoldModels:
    """The model fitted on each fold's clips, and their total seconds."""
    start = time.perf_counter()
    return [fit(part) for part, _ in clips.folds()], time.perf_counter() - start


def score_clips(run: Run, name: str, kind: str, clips: Clips, made: FoldModels) -> None:
    """Score accuracy over all clips, each by a model that has not seen its person. made: a function per fold."""
    tests = [test for _, test in clips.folds()]
    judged = clips.take(np.concatenate([test.ids for test in tests]))
    with run.method(name, kind=kind) as method:
        models, method.fit_seconds = made
        found = [model(test.inputs) for model, test in zip(models, tests, strict=True)]
        right = np.concatenate(found) == judged.answers
        method.score_items("accuracy", 100.0 * right, judged, unit="%", higher_is_better=True)


def accuracy_when_trained(clips: Clips, made: FoldModels) -> float:
    """The accuracy of each fold's model on the clips that it has learned from, over all folds, in per cent."""
    parts = [part for part, _ in clips.folds()]
    return 100 * float(np.mean(np.concatenate([m(p.inputs) == p.answers for m, p in zip(made[0], parts, strict=True)])))


def study_skeletons(run: Run, claims: PaperClaims, clips: Clips, networks: Mapping[str, FoldModels]) -> None:
    """Compare the networks with SVMs. networks: by name, of clips of their own lengths and of equal lengths."""
    equal = clips.of_length(RESAMPLED)
    rivals = {name: fit_by_fold(partial(fit_svm, make), clips) for name, make in FEATURES.items()}
    for name, kind, given, made in (
        (JOINTS_LSTM, "deep", clips, networks[JOINTS_LSTM]),
        (FEW_FRAMES, "deep", equal, networks[FEW_FRAMES]),
        *((name, "classical", clips, made) for name, made in rivals.items()),
    ):
        score_clips(run, name, kind, given, made)
        run.fact(f"accuracy on training clips, {name}", accuracy_when_trained(given, made), "%")
    for name in rivals:
        text = f"The LSTM recognises more skeletons than the {name.removeprefix('skeletons: ')}"
        claims.compared(text, source="§1", paper="not compared", ours=JOINTS_LSTM, against=name)
    run.floor(JOINTS_LSTM, "accuracy", at_least=80)
