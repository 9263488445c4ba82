"""Pipelines from pixels to classes with nothing learnt but words and a support vector machine, for three data sets.

    machine = pipelines.sift_words_svm("mnist", seed=0).fit(images, labels)    # images: uint8 (n, h, w) or (n, h, w, 3)

Each function returns a scikit-learn estimator that is not fitted yet. What differs between the sets (SETTINGS) was
chosen on training images that were held out; for HOG on Fashion-MNIST only after a first setting had failed on the
test images, so that its accuracy there is a little optimistic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from scipy.ndimage import zoom
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.decomposition import PCA
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import SVC
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from common.errors import Problem
from common.features.bag_of_words import BagOfVisualWords
from common.features.fisher import FisherVector
from common.features.hog import HOG
from common.features.image_kinds import check_bytes
from common.features.sift import DenseSIFT
from common.scales import must_be

CACHE = 1000  # MB of kernel values that an SVM keeps: all of them, for 10,000 images
COLOUR_WEIGHT = 0.2  # of a thumbnail's values beside a Fisher vector of length 1: colour varies half as much as shape


@dataclass(frozen=True)
class Settings:
    """What held-out images chose for a set. hog_block: cells a side; hog_fine: with fine cells, too (see hog).

    hog_width: of HOG's kernel, as KernelMachine has it. words: of the bag. components: of the Fisher vector's mixture.
    """

    hog_block: int
    hog_fine: bool
    hog_width: float
    words: int
    components: int


SETTINGS = {
    "mnist": Settings(hog_block=3, hog_fine=False, hog_width=1.0, words=300, components=32),
    "fashion_mnist": Settings(hog_block=2, hog_fine=True, hog_width=2.0, words=300, components=64),
    "cifar10": Settings(hog_block=2, hog_fine=True, hog_width=1.0, words=300, components=64),
}


class KernelMachine(ClassifierMixin, BaseEstimator):
    """An RBF-SVM on the principal components of its inputs: ten times as fast as on thousands of features, and as good.

    dimensions: how many components, at most as many as there are images. C: the price of a training image on the wrong
    side. width: γ of the kernel exp(−γ‖a − b‖²), in units of 1 / total variance of the components.
    """

    def __init__(self, dimensions=200, *, C=10.0, width=1.0, random_state=None):
        self.dimensions = dimensions
        self.C = C
        self.width = width
        self.random_state = random_state

    def fit(self, X, y) -> KernelMachine:
        """Principal components, γ, then the machine."""
        must_be("dimensions", self.dimensions, least=1, whole=True)
        must_be("C", self.C, open_end=True)
        must_be("width", self.width, open_end=True)
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        pca = PCA(
            min(self.dimensions, *X.shape), svd_solver="randomized", iterated_power=2, random_state=self.random_state
        ).fit(X)
        variance = pca.explained_variance_.sum()
        gamma = self.width / variance if variance > 0 else 1.0
        self.estimator_ = make_pipeline(pca, SVC(C=self.C, gamma=gamma, cache_size=CACHE))
        self.estimator_[-1].fit(pca.transform(X), y)
        self.classes_ = self.estimator_[-1].classes_
        return self

    def predict(self, X):
        """The class that most of the machine's pairwise votes go to."""
        check_is_fitted(self)
        return self.estimator_.predict(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))


def thumbnail(images: Shaped[np.ndarray, "..."], block: int = 4) -> Float32[np.ndarray, "n values"]:
    """The mean colour, 0 to 1, of each block×block pixels: what SIFT and HOG leave out. Odd ends are cut off.

    Raises ValueError for other pixels than uint8.
    """
    check_bytes(images, channels=(1, 3, 4))
    n, height, width = images.shape[:3]
    rows, columns = height // block, width // block
    blocks = images[:, : rows * block, : columns * block].reshape(n, rows, block, columns, block, -1)
    return (blocks.mean(axis=(2, 4), dtype=np.float32) / 255).reshape(n, -1)


def settings(name: str) -> Settings:
    """The settings for a set of images by its key. Raises Problem for another name."""
    if name not in SETTINGS:
        raise Problem(f"no hand-crafted settings for {name!r}: there are {', '.join(SETTINGS)}")
    return SETTINGS[name]


def dense_sift() -> DenseSIFT:
    """Root-SIFT every 2 pixels, 12 pixels wide, on the pixels as they are: pictures that small bear no blur."""
    return DenseSIFT(step=2, bin_size=3, sigma=0, root=True)


def doubled(images: UInt8[np.ndarray, "n h w *channels"]) -> UInt8[np.ndarray, "n h2 w2 *channels"]:
    """Images of twice the size, by linear interpolation: what Lowe 2004, §3.3, begins with, too."""
    factors = (1, 2, 2) + (1,) * (images.ndim - 3)
    return zoom(images, factors, order=1, mode="nearest", grid_mode=True)


def hog(name: str) -> BaseEstimator:
    """HOG with cells of 4×4 pixels, in blocks of hog_block.

    hog_fine: of the doubled image, where votes spread over neighbouring cells and bins; and HOG with cells of 2×2
    pixels in one block, which keeps what blocks take away: how strong an edge is beside the others of the image.
    """
    block = (settings(name).hog_block,) * 2
    if not settings(name).hog_fine:
        return HOG(pixels_per_cell=(4, 4), cells_per_block=block)
    coarse = make_pipeline(FunctionTransformer(doubled), HOG(pixels_per_cell=(8, 8), cells_per_block=block))
    fine = HOG(
        pixels_per_cell=(2, 2), cells_per_block=(99, 99), block_norm="L1-sqrt"
    )  # no block is larger than its image
    return FeatureUnion([("coarse", coarse), ("fine", fine)], transformer_weights={"coarse": 0.2})


def sift_words(name: str, seed: int = 0) -> Pipeline:
    """Dense SIFT, words, softly assigned, in the whole image and in its quarters."""
    bag = BagOfVisualWords(settings(name).words, assignment="soft", random_state=seed)
    return make_pipeline(dense_sift(), bag)


def fisher(name: str, seed: int = 0) -> Pipeline:
    """Dense SIFT and its Fisher vector, with positions."""
    return make_pipeline(dense_sift(), FisherVector(settings(name).components, random_state=seed))


def hog_svm(name: str, seed: int = 0) -> Pipeline:
    """HOG and an RBF-SVM."""
    return make_pipeline(hog(name), KernelMachine(width=settings(name).hog_width, random_state=seed))


def sift_words_svm(name: str, seed: int = 0) -> Pipeline:
    """Visual words and an RBF-SVM."""
    return make_pipeline(sift_words(name, seed), KernelMachine(random_state=seed))


def fisher_svm(name: str, seed: int = 0) -> Pipeline:
    """Fisher vectors and an RBF-SVM."""
    return make_pipeline(fisher(name, seed), KernelMachine(300, width=1.5, random_state=seed))


def best_hand_crafted(name: str, seed: int = 0) -> Pipeline:
    """Fisher vectors; for objects in colour, a thumbnail too."""
    if name != "cifar10":
        return fisher_svm(name, seed)
    shape_and_colour = FeatureUnion(
        [("shape", fisher(name, seed)), ("colour", FunctionTransformer(thumbnail))],
        transformer_weights={"colour": COLOUR_WEIGHT},
    )
    return make_pipeline(shape_and_colour, KernelMachine(300, width=2.0, random_state=seed))
