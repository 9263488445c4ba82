"""The value of features: a linear SVM on them, fitted to few labelled images. Radford et al. 2015, §5.

All features are compared under equal conditions: the same labelled images, each column scaled to variance 1, the SVM's
penalty chosen by cross-validation within these images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import linear_kernel
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC

from ch07_applications.synthesis.fashion_parts import FashionParts
from ch07_applications.synthesis.patch_features import PatchFeatures
from common.data import Images
from common.features.pipelines import hog
from common.run import Run

PENALTIES = tuple(10.0 ** np.arange(-5, 1))
PATCHES, COMPONENTS, HISTOGRAMS = "k-means features", "principal components", "HOG"
TOGETHER, ALL_STAGES, VALIDATED = "features with HOG", "all stages", "accuracy on validation images"
CELLS = 16  # numbers that a network's feature map is pooled to
Describe = Callable[[UInt8[np.ndarray, "n height width"]], Float[np.ndarray, "n features"]]


def linear_svm(describe: Describe) -> Pipeline:
    """A classifier of images: their features, and a linear SVM whose penalty is chosen in three folds."""
    return make_pipeline(FunctionTransformer(describe), *scaled_svm("linear"))


def scaled_svm(kernel: str | Callable) -> tuple[StandardScaler, GridSearchCV]:
    """The classifier of features. kernel: "linear", or linear_kernel: equal results by one fast matrix product."""
    return StandardScaler(), GridSearchCV(SVC(kernel=kernel), {"C": PENALTIES}, cv=3)


def few_labelled(run: Run, parts: FashionParts, most: int) -> Images:
    """Some training images, drawn at random."""
    return parts.train.take(np.sort(run.rng.permutation(len(parts.train))[:most]))


def learn_patches(run: Run, parts: FashionParts) -> Describe:
    """Fit k-means features to the training images, without labels."""
    sizes = run.pick(smoke={"centres": 8, "patches": 200}, lecture={"centres": 200, "patches": 20_000})
    return PatchFeatures(**sizes, seed=run.seed).fit(parts.train.images).transform


def learn_components(run: Run, parts: FashionParts) -> Describe:
    """Fit the first principal components of the training images; their number, 100, was chosen on validation images."""
    rows = parts.train.images.reshape(len(parts.train), -1).astype(np.float32)
    learned = PCA(run.pick(smoke=5, lecture=100), svd_solver="randomized", random_state=run.seed).fit(rows)
    return lambda images: learned.transform(images.reshape(len(images), -1).astype(np.float32))


def score_features(
    run: Run, parts: FashionParts, labelled: Images, networks: dict[str, Describe], widths: Sequence[int]
) -> None:
    """Score a linear SVM on features with and without a network. networks: by name, the trained one first.

    widths: the numbers of channels of its stages.
    """
    first = next(iter(networks))
    for name, describe in networks.items():
        with run.method(name, kind="deep" if name == first else "reference") as method:
            method.fit(linear_svm(describe), labelled)
            method.score(parts.test)
    for name, learn in ((PATCHES, learn_patches), (COMPONENTS, learn_components), (HISTOGRAMS, describe_gradients)):
        with run.method(name, kind="classical") as method:
            method.fit(linear_svm(method.time(learn, run, parts)), labelled)
            method.score(parts.test)
    study_stages(run, parts, labelled, networks[first], widths)


def describe_gradients(run: Run, parts: FashionParts) -> Describe:
    """HOG, which needs no training."""
    return hog("fashion_mnist").fit(parts.train.images[:2]).transform


# --- The stages of a network, and HOG beside them ---------------------------------------------------------------------


def columns_of(widths: Sequence[int]) -> dict[str, slice]:
    """The features of each stage, which stand side by side, and of all. widths: channels of the stages."""
    ends = np.cumsum([0, *(CELLS * width for width in widths)]).tolist()
    stages = {f"stage {k}": slice(*ends[k - 1 : k + 1]) for k in range(1, len(ends))}
    return stages | {ALL_STAGES: slice(ends[-1])}


def study_stages(run: Run, parts: FashionParts, labelled: Images, describe: Describe, widths: Sequence[int]) -> None:
    """State the accuracy with each stage of a network, on validation images; test whether all of them add to HOG."""
    gradients = describe_gradients(run, parts)

    def together(images: UInt8[np.ndarray, "n height width"]) -> Float[np.ndarray, "n features"]:
        return np.hstack([describe(images), gradients(images)])

    def fitted(chosen: slice) -> Pipeline:
        return make_pipeline(*scaled_svm(linear_kernel)).fit(known[:, chosen], labelled.labels)

    known, asked = together(labelled.images), together(parts.validation.images)
    own = columns_of(widths)
    columns = own | {HISTOGRAMS: slice(own[ALL_STAGES].stop, None), TOGETHER: slice(None)}
    with run.method(TOGETHER, kind="reference") as method:
        models = {TOGETHER: method.time(fitted, columns[TOGETHER])}
        method.score(parts.test, lambda images: models[TOGETHER].predict(together(images)))
    for name, chosen in columns.items():
        model = models.get(name) or fitted(chosen)
        run.fact(f"{VALIDATED}, {name}", 100.0 * model.score(asked[:, chosen], parts.validation.labels), "%")
    run.compare(TOGETHER, HISTOGRAMS)
