"""Hand-crafted features on digits: HOG, SIFT words and Fisher vectors, with support vector machines.

Question   A picture becomes SIFT descriptors, then counts of words, then a class. Which information is kept, and which
           is lost?
Method     Pixels → root-SIFT every 2 pixels (Lowe 2004; Arandjelović & Zisserman 2012) → 300 visual words (Csurka et
           al. 2004), counted in the whole and in its quarters (Lazebnik et al. 2006), or a Fisher vector (Perronnin
           et al. 2010) → SVM. Settings: by accuracy on held-out training digits.
Rival      HOG (Dalal & Triggs 2005), which needs no words, with the same SVMs.
Differs    Papers had photos of 300 pixels; digits have 28. So patches are 12 pixels wide, overlap by 10, and gradients
           are computed without Lowe's blur. The RBF kernel uses principal components.
Costs      17 s on two cores.
"""

from __future__ import annotations

import time

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.base import BaseEstimator
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.model_selection import StratifiedShuffleSplit
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from ch05_cnn.drawings.hand_crafted import draw_lost, draw_telling, draw_words
from common import data
from common.claims import beats, level
from common.features import pipelines
from common.features.image_kinds import check_bytes
from common.features.sift import DenseSIFT
from common.run import Run
from common.tuning import tuned

PATCH = 12  # pixels: 4 bins of 3
HELD_OUT = 1 / 6
CELLS = ("anywhere", "top left", "top right", "bottom left", "bottom right")  # of the pyramid (1, 2)
PAIR = (4, 9)  # digits whose words are compared
SHOWN = 400  # digits whose words are averaged to patches

Digits = UInt8[np.ndarray, "n height width"]
Words = Int[np.ndarray, "n keypoints"]
Patches = Float[np.ndarray, "words 12 12"]


def build_svms(run: Run, kernel: pipelines.KernelMachine) -> dict[str, BaseEstimator]:
    """The support vector machines, with settings chosen on digits held out of the training part.

    The full preset chooses anew, among more options.
    """
    linear = LinearSVC(dual=True, tol=0.1, random_state=run.seed)  # liblinear's own tolerance; 1e-4 takes far longer
    if run.scale.preset != "full":
        return {"linear SVM": linear, "RBF-SVM": kernel}
    split = StratifiedShuffleSplit(1, test_size=HELD_OUT, random_state=run.seed)
    prices, widths = (
        {"C": [0.03, 0.1, 0.3, 1.0, 3.0]},
        {"width": [0.5, 0.7, 1.0, 1.5, 2.0, 3.0], "C": [3.0, 10.0, 30.0]},
    )
    return {
        "linear SVM": tuned(linear, prices, run, scoring="accuracy", cv=split),
        "RBF-SVM": tuned(kernel, widths, run, scoring="accuracy", cv=split),
    }


def cut_word_patches(images: Shaped[np.ndarray, "..."], sift: DenseSIFT) -> Float[np.ndarray, "n keypoints 12 12"]:
    """The pixels, 0 to 1, in the 4×4 bins of each keypoint; outside the image is black.

    Raises ValueError unless images are grey and uint8.
    """
    check_bytes(images, channels=())
    padded = np.pad(images / 255, ((0, 0), (PATCH, PATCH), (PATCH, PATCH)))
    y, x = np.ceil(sift.positions_ + PATCH / 2).astype(int).T  # the first pixel of each patch, in the padded image
    return sliding_window_view(padded, (PATCH, PATCH), axis=(1, 2))[:, y, x]


def average_patches(images: Digits, words: Words, sift: DenseSIFT, count: int) -> Patches:
    """The appearance of each word: the mean of its nearest patches. It is black if there is none."""
    is_word = words.ravel()[:, None] == np.arange(count)  # a blank patch, −1, is none of them
    patches = cut_word_patches(images, sift).reshape(-1, PATCH**2)
    sums = is_word.T.astype(float) @ patches
    return (sums / np.maximum(is_word.sum(axis=0), 1)[:, None]).reshape(-1, PATCH, PATCH)


def redraw(
    words: Int[np.ndarray, "keypoints"], patches: Patches, sift: DenseSIFT, side: int
) -> Float[np.ndarray, "side side"]:
    """The picture reconstructed from words at their keypoints: each pixel is the mean of the patches that cover it."""
    total, covered = np.zeros((2, side + 2 * PATCH, side + 2 * PATCH))
    y, x = np.ceil(sift.positions_ + PATCH / 2).astype(int).T
    for word, top, left in zip(words, y, x, strict=True):
        window = np.s_[top : top + PATCH, left : left + PATCH]
        covered[window] += 1
        if word >= 0:
            total[window] += patches[word]
    inside = np.s_[PATCH:-PATCH, PATCH:-PATCH]
    return total[inside] / np.maximum(covered[inside], 1)


def shuffle_words(
    words: Int[np.ndarray, "keypoints"], cells: Float[np.ndarray, "cells keypoints"], rng: np.random.Generator
) -> Int[np.ndarray, "keypoints"]:
    """The same words permuted within their cells, which leaves the cells' histograms unchanged."""
    moved = words.copy()
    for cell in cells.astype(bool):
        moved[cell] = rng.permutation(words[cell])
    return moved


def find_nearest(histograms: Float[np.ndarray, "n features"], which: list[int]) -> list[int]:
    """For each of these images another one, whose histogram is nearest to its own."""
    roots = np.sqrt(histograms)  # as in the pipeline
    distances = euclidean_distances(roots[which], roots)
    distances[np.arange(len(which)), which] = np.inf
    return distances.argmin(axis=1).tolist()


def find_telling_words(
    histograms: Float[np.ndarray, "n features"], labels: Int[np.ndarray, "n"], pair: tuple[int, int], count: int
) -> tuple[Int[np.ndarray, "count"], Float[np.ndarray, "2 features"]]:
    """The features that differ most between two classes, half of each class's own; and both classes' means."""
    means = np.stack([histograms[labels == digit].mean(axis=0) for digit in pair])
    order = np.argsort(means[0] - means[1])
    return np.concatenate([order[::-1][: count // 2], order[: count // 2]]), means


def lesson(run: Run) -> None:
    digits = data.mnist(run.scale)
    train, test = digits.train.take(slice(run.pick(smoke=300, lecture=None))), digits.test
    pairs = {
        "HOG": (pipelines.hog("mnist"), pipelines.hog_svm("mnist", run.seed)[-1]),
        "SIFT words": (pipelines.sift_words("mnist", run.seed), pipelines.sift_words_svm("mnist", run.seed)[-1]),
        "Fisher vectors": (pipelines.fisher("mnist", run.seed), pipelines.fisher_svm("mnist", run.seed)[-1]),
    }
    for feature, (encoder, kernel) in pairs.items():
        start = time.perf_counter()
        encoded = encoder.fit_transform(train.images)
        seconds = time.perf_counter() - start
        for machine, search in build_svms(run, kernel).items():
            with run.method(f"{feature}, {machine}", kind="classical") as method:
                method.time(search.fit, encoded, train.labels)
                method.fit_seconds += seconds  # both machines need the features, which are computed once
                method.model = Pipeline([("features", encoder), ("machine", search)])
                method.score(test)
                if machine == "RBF-SVM":
                    method.share(f"{feature} + SVM, mnist, {len(train)} images", method.model)
        run.fact(f"length of {feature}", encoded.shape[1], "numbers")
        run.compare(f"{feature}, RBF-SVM", f"{feature}, linear SVM")
    for better, worse in [("SIFT words", "HOG"), ("Fisher vectors", "SIFT words")]:
        run.compare(f"{better}, RBF-SVM", f"{worse}, RBF-SVM")
    run.floor("HOG, RBF-SVM", "accuracy", at_least=98.1)
    run.floor("SIFT words, RBF-SVM", "accuracy", at_least=98.4)
    run.floor("Fisher vectors, linear SVM", "accuracy", at_least=98.3)

    sift, bag = pairs["SIFT words"][0]
    few = train.take(slice(SHOWN))
    words = bag.assign(sift.transform(few.images))
    patches, counts = (
        average_patches(few.images, words, sift, bag.words),
        np.bincount(words[words >= 0], minlength=bag.words),
    )
    which = [int(np.flatnonzero(few.labels == digit)[0]) for digit in (2, *PAIR)]
    histograms = (bag.cells_ @ (words[..., None] == np.arange(bag.words))).reshape(len(few), -1)
    telling, means = find_telling_words(histograms, few.labels, PAIR, count=8)
    run.figure(
        "words",
        draw_words,
        patches,
        counts,
        caption=f"The 30 most frequent words, each as the mean of its patches, and how often {SHOWN} digits use it.",
    )
    shown, rng = words[which], np.random.default_rng(0)
    kept = {"words in place": [], "pyramid": [], "plain bag": []}
    for own in shown:
        for title, arranged in zip(
            kept, (own, shuffle_words(own, bag.cells_[1:], rng), shuffle_words(own, bag.cells_[:1], rng)), strict=True
        ):
            kept[title].append(redraw(arranged, patches, sift, few.images.shape[1]))
    of_pyramid, of_bag = find_nearest(histograms, which), find_nearest(histograms[:, : bag.words], which)
    run.figure(
        "lost",
        draw_lost,
        {
            "the digit": few.images[which] / 255,
            "words\nin place": kept["words in place"],
            "moved within\nquarters": kept["pyramid"],
            "moved\nanywhere": kept["plain bag"],
            "nearest by\npyramid": few.images[of_pyramid] / 255,
            "nearest by\nplain bag": few.images[of_bag] / 255,
        },
        caption="Digits redrawn from the mean patches of their words. Third column: words change places within a "
        "quarter, which leaves the pyramid's histograms as they are. Fourth: anywhere, which leaves a plain bag's. "
        f"Fifth and sixth: of {len(few) - 1} other digits, the one whose histograms are nearest.",
    )
    run.figure(
        "telling",
        draw_telling,
        telling,
        means,
        patches,
        PAIR,
        CELLS,
        caption=f"Words whose mean count differs most between {PAIR[0]} and {PAIR[1]}, with their cell of the pyramid.",
    )
    error = {name: 100 - 100 * np.mean(m.predictions == test.labels) for name, m in run.methods.items()}
    run.note(
        f"Errors with the linear and the RBF-SVM: HOG {error['HOG, linear SVM']:.1f} and "
        f"{error['HOG, RBF-SVM']:.1f} %, words {error['SIFT words, linear SVM']:.1f} and "
        f"{error['SIFT words, RBF-SVM']:.1f} %, Fisher vectors {error['Fisher vectors, linear SVM']:.1f} and "
        f"{error['Fisher vectors, RBF-SVM']:.1f} %."
    )
    run.claim(
        "The RBF kernel helps HOG. For words and Fisher vectors a linear SVM is not significantly different.",
        beats("HOG, RBF-SVM", "HOG, linear SVM"),
        *(level(f"{feature}, RBF-SVM", f"{feature}, linear SVM") for feature in ("SIFT words", "Fisher vectors")),
    )
