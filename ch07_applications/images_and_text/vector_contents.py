"""The information in vectors of sentences and words, as far as a linear model can read it.

A network whose only word is the sentence vector can draw no more than this vector contains. Linear models (logistic
regression) are fitted to vectors of training captions of two things, and tested on others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from ch07_applications.images_and_text.caption_grammar import COLOURS
from ch07_applications.images_and_text.placed_scenes import PlacedScenes
from ch07_applications.images_and_text.vocabulary import Vocabulary
from ch07_applications.images_and_text.word_region_matching import SimilarityModel, encode

LEARNED = 1500  # the most scenes
STEPS, PENALTY = 200, 10.0  # of logistic regression
Vectors = Float[np.ndarray, "n width"]
Answers = Int64[np.ndarray, "n"]


def of_two_things(scenes: PlacedScenes) -> PlacedScenes:
    """The first scenes that have two things."""
    return scenes.take(np.flatnonzero(scenes.labels[:, 1] >= 0)[:LEARNED])


def by_place(scenes: PlacedScenes) -> tuple[Int64[np.ndarray, "n 2"], Int64[np.ndarray, "n 2"]]:
    """Classes and colours of two things: first of the one on the left or above, then of the other."""
    order = scenes.places.argsort(axis=1)
    return np.take_along_axis(scenes.labels, order, axis=1), np.take_along_axis(scenes.colours, order, axis=1)


def read_linearly(vectors: Vectors, answers: Answers, others: Float[np.ndarray, "m width"]) -> Int64[np.ndarray, "m"]:
    """Fit a linear model to the answers for some vectors. Returns its answers for the others."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=PENALTY, max_iter=STEPS).fit(vectors, answers)
    return model.predict(others)


def colour_words(
    model: SimilarityModel, vocabulary: Vocabulary, scenes: PlacedScenes
) -> tuple[Vectors, Int64[np.ndarray, "n"]]:
    """Vectors of the colours' words, and the place of the thing that each belongs to."""
    words, _, _ = encode(model, vocabulary, scenes.inputs)
    rows, places = [], []
    for row, caption, where in zip(words.cpu().numpy(), scenes.inputs, scenes.places, strict=True):
        for vector, word, owner in zip(row, caption.words, caption.owners, strict=False):
            if word in COLOURS:
                rows.append(vector)
                places.append(where[owner])
    return np.stack(rows), np.array(places)


def contents(
    model: SimilarityModel, vocabulary: Vocabulary, parts: Sequence[PlacedScenes]
) -> tuple[float, float, float]:
    """Shares of right answers by models that are fitted to the first part and tested on the second: of scenes, classes
    and then colours of both things, from sentence vectors; of colour words, the place of their thing, from words'
    vectors.
    """
    both = [of_two_things(part) for part in parts]
    sentences = tuple(encode(model, vocabulary, part.inputs)[2].cpu().numpy() for part in both)
    shares = []
    for known, asked in zip(by_place(both[0]), by_place(both[1]), strict=True):
        right = [read_linearly(sentences[0], known[:, k], sentences[1]) == asked[:, k] for k in (0, 1)]
        shares.append(float(np.mean(right[0] & right[1])))
    (learned, places), (tested, wanted) = (colour_words(model, vocabulary, part) for part in both)
    return shares[0], shares[1], float(np.mean(read_linearly(learned, places, tested) == wanted))
