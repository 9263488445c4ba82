"""Rivals for alignments: canonical correlation analysis of pictures' regions and of the words of their captions.

A picture is the mean and the largest value, over its regions, of every feature; a caption is the set of its words and
of its adjacent words. Features of regions are the alignment network's vectors, or HOG, colours and position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ch07_applications.images_and_text.caption_grammar import Caption
from ch07_applications.images_and_text.correlation import Covariances, RidgeCCA
from ch07_applications.images_and_text.picture_regions import RegionedScenes, Regions
from ch07_applications.images_and_text.retrieval import both_ways, score_retrieval
from common.features.hog import HOG
from common.run import Run
from common.tuning import choose

DEEP_CCA, HAND_CCA = "CCA, deep features", "CCA, HOG and colours"
BINS = 4  # per colour channel
RIDGES, RUNS = (1e-3, 1e-2, 1e-1), (1, 2)  # RUNS: the most adjacent words
Features = Callable[[Regions], Float[np.ndarray, "n regions features"]]


def hand_features(regions: Regions) -> Float[np.ndarray, "n regions features"]:
    """HOG of each crop in grey, the shares of its pixels in 64 bins of colour, and its place."""
    crops = regions.crops.flatten(0, 1)
    grey = crops.float().mean(dim=1).round().byte().numpy()
    edges = HOG(pixels_per_cell=(8, 8), cells_per_block=(2, 2)).fit_transform(grey)
    bins = (crops.long() * BINS // 256 * torch.tensor([BINS**2, BINS, 1])[:, None, None]).sum(dim=1).flatten(1)
    shares = torch.zeros(len(crops), BINS**3).scatter_add_(1, bins, torch.ones(bins.shape)) / bins.shape[1]
    found = np.concatenate([edges, shares.numpy() ** 0.5, regions.places.flatten(0, 1).numpy()], axis=1)
    return found.reshape(len(regions), -1, found.shape[1])


def pooled(features: Float[np.ndarray, "n regions features"]) -> Float[np.ndarray, "n both"]:
    """Mean and maximum over regions, concatenated; the order of regions has no effect."""
    return np.concatenate([features.mean(axis=1), features.max(axis=1)], axis=1)


def runs_of(caption: Caption, longest: int) -> list[str]:
    """The caption's words, and runs of up to `longest` adjacent words."""
    words = caption.words
    return [" ".join(words[at : at + n]) for n in range(1, longest + 1) for at in range(len(words) - n + 1)]


@dataclass(frozen=True, eq=False)
class CorrelatedPictures:
    """A fitted rival. counter: of words. describe: the features of regions. longest: the most adjacent words."""

    cca: RidgeCCA
    counter: Any
    describe: Features
    longest: int

    def parameters(self) -> list[np.ndarray]:
        """All stored numbers, which common.model_size counts, without those that compute the features."""
        return [*self.cca.means_, self.cca.correlations_, *self.cca.directions_]

    def table(self, captions: Sequence[Caption]) -> Float[np.ndarray, "n words"]:
        return self.counter.transform([runs_of(caption, self.longest) for caption in captions]).toarray().astype(float)

    def scores(self, scenes: RegionedScenes) -> Float[np.ndarray, "n n"]:
        return self.cca.scores(pooled(self.describe(scenes.regions)), self.table(scenes.captions))


def fit_rival(describe: Features, train: RegionedScenes, validation: RegionedScenes) -> CorrelatedPictures:
    """The ridge and the runs of words with the best R@1 on validation scenes.

    It is fitted to all captions of each picture, like the network.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    own, held = (pooled(describe(part.regions)) for part in (train, validation))
    captions = [caption for each in zip(*train.part.captions, strict=True) for caption in each]
    pictures = np.tile(own, (len(captions) // len(own), 1))
    fitted, found = [], []
    for longest in RUNS:
        counter = CountVectorizer(analyzer=list, binary=True, min_df=2)
        counts = counter.fit_transform([runs_of(caption, longest) for caption in captions]).toarray().astype(float)
        covariances = Covariances.of(pictures, counts)
        for ridge in RIDGES:
            cca = RidgeCCA(ridge).fit_covariances(covariances)
            fitted.append(CorrelatedPictures(cca, counter, describe, longest))
            found.append(both_ways(cca.scores(held, fitted[-1].table(validation.captions))).mean())
    return choose(fitted, found, highest=True)


def score_rival(
    run: Run,
    name: str,
    describe: Features,
    learned: tuple[RegionedScenes, RegionedScenes],
    judged: Mapping[str, RegionedScenes],
) -> None:
    """Fit a rival, and score its retrieval like the networks'.

    learned: training and validation scenes. judged: parts, by the suffix of the method's name.
    """
    model = None
    for suffix, scenes in judged.items():
        with run.method(name + suffix, kind="classical") as method:
            method.model = model = model or method.time(fit_rival, describe, *learned)
            score_retrieval(method, model.scores(scenes), scenes.part)
