"""Captions without a language model: the nearest neighbours' consensus, and templates filled by scores.

Neighbours   Devlin et al. 2015 ("Exploring Nearest Neighbor Approaches for Image Captioning"): of all captions of the k
             training pictures with the nearest vectors, the one that is most like the others; by tf-idf of n-grams up
             to four, as CIDEr weighs them. Chosen on validation pictures: k, and whether training pictures have the
             encoder's vectors or those of their true contents, from which the decoder learns as well.
Template     The objects that are found, put into the grammar's sentences: by the encoder's own scores; or by a detector
             of Dalal & Triggs 2005 (common/hog_detection), with a box's colour by a histogram, its size by length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, UInt8

from ch07_applications.images_and_text.caption_grammar import COLOURS, NOUNS, SIZES, Thing, describe
from ch07_applications.images_and_text.captioned_scenes import LARGE, CaptionedScenes
from ch07_applications.images_and_text.object_encoder import KINDS, NUMBERS, quarter_of
from ch07_applications.images_and_text.stated_slots import SLOTS, judge_captions
from common.data.boxed import Target
from common.hog_detection.detector import HOGDetector
from common.hog_detection.recipes import scenes_detector
from common.run import Run
from common.tuning import choose

NEIGHBOURS, DETECTOR, TEMPLATE = "nearest neighbours", "HOG + SVM + template", "encoder + template"
MOST_SEEN, COUNTS = 4, (1, 5, 10, 20, 40)  # words of an n-gram; neighbours
THRESHOLDS = (-0.8, -0.6, -0.4, -0.2, 0.0, 0.2)  # of the detector's scores
LENGTHS = (33.0, 36.0, LARGE, 42.0, 45.0)  # pixels: the longer side from which a box is large
BINS, MIDDLE = 4, 0.6  # of each of red, green and blue; share of a box's sides whose colours count
Words = tuple[str, ...]
Vectors = Float32[np.ndarray, "_ numbers"]


# --- Nearest neighbours -----------------------------------------------------------------------------------------------


def grams(words: Sequence[str]) -> list[str]:
    """All n-grams of a sentence."""
    return [" ".join(words[at : at + n]) for n in range(1, MOST_SEEN + 1) for at in range(len(words) - n + 1)]


@dataclass(eq=False)
class NearestCaptions:
    """Captions of the nearest pictures. k: how many are consulted. library: which of several kinds of vectors was
    chosen for the training pictures. vectors: these, standardised."""

    k: int
    library: int
    vectors: Vectors
    shift: Float32[np.ndarray, "numbers"]
    scale: Float32[np.ndarray, "numbers"]
    captions: Sequence[Sequence[Words]]
    weights: Any  # tf-idf of each caption, picture by picture, of length 1

    def predict(self, vectors: Vectors) -> list[Words]:
        """The consensus for each picture: of its neighbours' captions that with the largest sum of cosines to all."""
        queries, counts = (vectors - self.shift) / self.scale, np.cumsum([0, *map(len, self.captions)])
        every = [words for own in self.captions for words in own]
        distances = (self.vectors**2).sum(axis=1) - 2 * queries @ self.vectors.T
        near = np.argsort(distances, axis=1, kind="stable")[:, : self.k]
        found = []
        for neighbours in near:
            rows = np.concatenate([np.arange(counts[k], counts[k + 1]) for k in neighbours])
            own = self.weights[rows]
            likeness = own @ np.asarray(own.sum(axis=0)).ravel()
            found.append(every[rows[int(np.argmax(likeness))]])
        return found


def fit_neighbours(
    libraries: Sequence[Vectors],
    captions: Sequence[Sequence[Words]],
    held_out: Vectors,
    quality: Callable[[list[Words]], float],
    counts: Sequence[int] = COUNTS,
) -> NearestCaptions:
    """The vectors and the number of neighbours whose captions for held-out pictures have the highest quality.

    libraries: kinds of vectors of the same training pictures, of which one is chosen. captions: of each picture.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    weights, models = TfidfVectorizer(analyzer=grams).fit_transform([words for own in captions for words in own]), []
    for library, vectors in enumerate(libraries):
        shift, scale = vectors.mean(axis=0), vectors.std(axis=0) + np.float32(1e-6)
        made = ((vectors - shift) / scale, shift, scale, captions, weights)
        models += [NearestCaptions(k, library, *made) for k in counts]
    return choose(models, [quality(model.predict(held_out)) for model in models], highest=True)


# --- Templates --------------------------------------------------------------------------------------------------------


def quarter_box(quarter: int) -> tuple[float, float, float, float]:
    """A box within a quarter: whatever lies there has the same relations."""
    left, top = 64.0 * (quarter % 2), 64.0 * (quarter // 2)
    return left + 8, top + 8, left + 56, top + 56


def fill_template(vectors: Vectors, seed: int) -> list[Words]:
    """A sentence of the grammar about the objects that the encoder's vectors name; at least one, and at most three."""
    rng, found = np.random.default_rng(seed), []
    for quarters in vectors.reshape(-1, 4, NUMBERS):
        order = np.argsort(-quarters[:, -1], kind="stable")[:3]
        things = []
        for quarter in (q for rank, q in enumerate(order) if rank == 0 or quarters[q, -1] > 0.5):
            kinds = np.split(quarters[quarter, :-1], np.cumsum(KINDS)[:-1])
            noun, colour, size = (int(each.argmax()) for each in kinds)
            things.append(Thing(NOUNS[noun], COLOURS[colour], SIZES[size], quarter_box(int(quarter))))
        found.append(describe(things, rng).words)
    return found


@dataclass(eq=False)
class DetectedObjects:
    """Boxes by HOG and SVMs, their colours by histograms. threshold, length: chosen, as in choose_limits."""

    detector: HOGDetector
    colours: Any
    threshold: float = 0.0
    length: float = LARGE

    def search(self, images: UInt8[np.ndarray, "n side side 3"]) -> list[tuple[Target, list[int]]]:
        """Detections of each image, and the colour of each."""
        found = []
        for image, target in zip(images, self.detector.predict(images), strict=True):
            boxes = target["boxes"].numpy()
            rows = [colour_shares(image, box) for box in boxes]
            found.append((target, self.colours.predict(np.stack(rows)).tolist() if rows else []))
        return found

    def captions_of(self, found: Sequence[tuple[Target, list[int]]], seed: int) -> list[Words]:
        """A sentence about the best box of each quarter that is above the threshold; at least one, at most three."""
        rng, captions = np.random.default_rng(seed), []
        for target, colours in found:
            scores, boxes = target["scores"].numpy(), target["boxes"].numpy().astype(np.float32)
            quarters, best = quarter_of(boxes, 128), {}
            for place in np.argsort(-scores, kind="stable"):
                if scores[place] >= self.threshold or not best:
                    best.setdefault(int(quarters[place]), int(place))
            things = []
            for quarter, place in list(best.items())[:3]:
                large = float((boxes[place, 2:] - boxes[place, :2]).max()) >= self.length
                noun = NOUNS[int(target["labels"][place]) - 1]
                things.append(Thing(noun, COLOURS[colours[place]], SIZES[int(large)], quarter_box(quarter)))
            captions.append(describe(things, rng).words if things else ("nothing",))
        return captions

    def predict(self, images: UInt8[np.ndarray, "n side side 3"], seed: int = 0) -> list[Words]:
        """A sentence about each scene."""
        return self.captions_of(self.search(images), seed)


def colour_shares(image: UInt8[np.ndarray, "side side 3"], box: Float[np.ndarray, "4"]) -> Float[np.ndarray, "bins"]:
    """Roots of the shares of the colours in the middle of a box."""
    middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * MIDDLE / 2
    low = np.clip(np.rint(middle - half), 0, len(image) - 1).astype(int)
    high = np.clip(np.rint(middle + half), low + 1, len(image)).astype(int)
    pixels = image[low[1] : high[1], low[0] : high[0]].reshape(-1, 3).astype(int) * BINS // 256
    counts = np.bincount(pixels @ np.array([BINS**2, BINS, 1]), minlength=BINS**3)
    return np.sqrt(counts / counts.sum())


def targets_of(part: CaptionedScenes) -> list[Target]:
    """Boxes and classes, 1 … 10, of the objects of each scene, as detectors learn them."""
    found = []
    for boxes, labels in zip(part.boxes, part.labels, strict=True):
        there = labels >= 0
        found.append({"boxes": torch.from_numpy(boxes[there].copy()), "labels": torch.from_numpy(labels[there] + 1)})
    return found


def fit_detector(run: Run, train: CaptionedScenes, validation: CaptionedScenes) -> DetectedObjects:
    """Learn boxes, classes and colours; the score and the length from which a box counts, and is large, are chosen on
    validation scenes, by the slots that are right."""
    from sklearn.svm import SVC

    detector = scenes_detector(run).fit(train.images, targets_of(train))
    few = train.take(slice(run.pick(smoke=32, lecture=1000)))
    rows, colours = [], []
    for image, boxes, own in zip(few.images, few.boxes, few.colours, strict=True):
        for box, colour in zip(boxes, own, strict=True):
            if colour >= 0:
                rows.append(colour_shares(image, box))
                colours.append(colour)
    model = DetectedObjects(detector, SVC(C=10.0).fit(np.stack(rows), colours))
    found, options = model.search(validation.images), [(t, s) for t in THRESHOLDS for s in LENGTHS]
    scores = []
    for model.threshold, model.length in options:
        scores.append(float(judge_captions(model.captions_of(found, 0), validation)[SLOTS].mean()))
    model.threshold, model.length = choose(options, scores, highest=True)
    return model
