"""The rivals of a recurrent network: designed features, random kernels, neighbours in warped time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from ch07_applications.video.hand_features import HandFeatures
from ch07_applications.video.person_folds import Fold, by_person, score_by_fold
from ch07_applications.video.random_kernels import kernel_classifier
from ch07_applications.video.time_warping import WarpedNeighbour
from ch07_applications.video.watch_windows import Windows
from common.run import Run
from common.tuning import tuned

SVM, FOREST, KERNELS, WARPING = "hand features + SVM", "hand features + forest", "random kernels + ridge", "DTW"


def feature_svm(run: Run, train: Windows) -> GridSearchCV:
    """Fit an SVM on standardised features, with the penalty chosen on people held out of the training part."""
    model = make_pipeline(HandFeatures(), StandardScaler(), SVC(gamma=0.003))
    return tuned(model, {"svc__C": [0.3, 1.0, 3.0]}, run, "accuracy", cv=by_person(train))


def feature_forest(run: Run, train: Windows) -> Pipeline:
    """Trees with random thresholds (Geurts et al. 2006): 2 points better than Breiman's forest on held-out people."""
    trees = ExtraTreesClassifier(run.pick(smoke=10, lecture=300), random_state=run.seed, n_jobs=-1)
    return make_pipeline(HandFeatures(), trees)


def warped_neighbour(run: Run, train: Windows) -> WarpedNeighbour:
    """The nearest neighbour within a band of 0.3 s: on held-out people as good as 0.6 s, better than 0.1 s."""
    return WarpedNeighbour(band=0.3)


def kernels(run: Run, train: Windows) -> Pipeline:
    """Random kernels and ridge: their only setting is chosen by leave-one-out."""
    return kernel_classifier(run.pick(smoke=168, lecture=9996), random_state=run.seed)


def score_rivals(run: Run, folds: Sequence[Fold]) -> None:
    """Score all rivals on the same folds, with mirrored windows if these are better on held-out people."""
    for name, build, mirrored in (
        (SVM, feature_svm, False),
        (FOREST, feature_forest, True),
        (KERNELS, kernels, False),
        (WARPING, warped_neighbour, True),
    ):
        score_by_fold(run, name, folds, partial(build, run), mirrored)
