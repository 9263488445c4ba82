"""Alignment on photographs: retrieval where a photograph has several sentences, and correlation analysis as a rival.

Rival      Canonical correlation analysis of the whole photograph's features, or of their mean and maximum over regions,
           and of the caption's words, weighted by their rarity. Ridge and features are chosen on validation
           photographs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Int64

from ch07_applications.blocks.side_by_side import Made, Work
from ch07_applications.images_and_text.correlation import Covariances, RidgeCCA
from ch07_applications.images_and_text.photograph_regions import (
    SEEN,
    Photographs,
    PhotographSets,
    photographs_or_none,
)
from common.method import Method
from common.paper_claims import PaperClaims
from common.run import Run
from common.tuning import choose

if TYPE_CHECKING:
    from ch07_applications.images_and_text.alignments import Alignment

RIDGES = (0.3, 1.0, 3.0)
WEAK = 1e-4  # a ridge that hardly shrinks anything
DECAY = 1.0  # of weights, 100 times PyTorch's: with half of the photographs to learn from, better than 10 and 30
SENTENCES, PHOTOGRAPHS = "R@10, one of five sentences for a photograph", "R@10, photograph for a sentence"
LEARNED, CORRELATED = "alignments, photographs", "CCA, photographs"
SHRUNK, UNSHRUNK = f"{LEARNED}, weight decay of {DECAY:g}", f"{CORRELATED}, ridge of {WEAK:g}"  # on validation alone


def found_both_ways(
    scores: Float[np.ndarray, "n sentences"], owners: Int64[np.ndarray, "sentences"], depth: int = 10
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Per photograph, in per cent: 100 if one of its sentences is among the first `depth` of all, else 0; and the share
    of its sentences for which it is among the first photographs.

    A tie with another's sentence, or with another photograph, counts against the model.
    """
    own = owners[None] == np.arange(len(scores))[:, None]
    best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
    sentences = ((scores >= best) & ~own).sum(axis=1) < depth
    photographs = (scores >= scores[owners, np.arange(len(owners))]).sum(axis=0) - 1 < depth
    shares = np.bincount(owners, photographs, minlength=len(scores)) / np.bincount(owners, minlength=len(scores))
    return 100.0 * sentences, 100.0 * shares


def score_photographs(method: Method, scores: Float[np.ndarray, "n sentences"], judged: Photographs) -> None:
    """Score R@10 both ways, photograph by photograph."""
    for name, found in zip((SENTENCES, PHOTOGRAPHS), found_both_ways(scores, judged.owners), strict=True):
        method.score_items(name, found, judged.part, unit="%", higher_is_better=True)


# --- The rival --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CorrelatedPhotographs:
    """A fitted rival. scale: standardises features. counter: weights words. pooled: mean and maximum over regions, or
    only the whole photograph.
    """

    cca: RidgeCCA
    scale: Any
    counter: Any
    pooled: bool

    def parameters(self) -> list[np.ndarray]:
        """All stored numbers, which common.model_size counts, without those that compute the features."""
        return [*self.cca.means_, self.cca.correlations_, *self.cca.directions_]

    def scores(self, photographs: Photographs) -> Float[np.ndarray, "n sentences"]:
        """The similarity of every photograph with every sentence."""
        words = self.counter.transform(words_in(photographs)).toarray()
        return self.cca.scores(self.scale.transform(features_of(photographs, self.pooled)), words)


def features_of(photographs: Photographs, pooled: bool) -> Float[np.ndarray, "n features"]:
    """A row of features per photograph."""
    features = photographs.regions.crops
    found = torch.cat([features.mean(dim=1), features.amax(dim=1)], dim=1) if pooled else features[:, -1]
    return found.numpy().astype(np.float64)


def words_in(photographs: Photographs) -> list[tuple[str, ...]]:
    """The words of each sentence."""
    return [caption.words for caption in photographs.sentences]


def fit_correlation(train: Photographs, validation: Photographs) -> CorrelatedPhotographs:
    """Choose the ridge and the features with the best R@10, over both ways, on validation photographs."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import StandardScaler

    counter = TfidfVectorizer(analyzer=list, min_df=SEEN)
    words, fitted, found = counter.fit_transform(words_in(train)).toarray(), [], []
    for pooled in (False, True):
        rows = features_of(train, pooled)
        scale = StandardScaler().fit(rows)
        covariances = Covariances.of(scale.transform(rows)[train.owners], words)
        for ridge in RIDGES:
            cca = RidgeCCA(ridge).fit_covariances(covariances)
            fitted.append(CorrelatedPhotographs(cca, scale, counter, pooled))
            found.append(np.mean(found_both_ways(fitted[-1].scores(validation), validation.owners)))
    return choose(fitted, found, highest=True)


def with_ridge(model: CorrelatedPhotographs, train: Photographs, ridge: float) -> CorrelatedPhotographs:
    """The same features and words, fitted with another ridge."""
    rows, words = model.scale.transform(features_of(train, model.pooled)), model.counter.transform(words_in(train))
    return replace(model, cca=RidgeCCA(ridge).fit(rows[train.owners], words.toarray()))


def photographs_to_learn(run: Run, train: Callable[..., Alignment]) -> tuple[PhotographSets | None, dict[str, Work]]:
    """Photographs with captions by people, if available, and trainings on them as work for side_by_side.

    train: takes these photographs, a number of epochs and, by the name `decay`, AdamW's weight decay.
    """
    found = photographs_or_none(run)
    if found is None:
        return None, {}
    learn = partial(train, photographs=found.train, epochs=run.pick(smoke=1, lecture=40, full=40))
    return found, {LEARNED: learn, SHRUNK: partial(learn, decay=DECAY)}


def study_photographs(run: Run, claims: PaperClaims, found: PhotographSets | None, made: Mapping[str, Made]) -> None:
    """Score the retrieval of photographs, if available. made: the networks that were trained on them, by name."""
    if found is None:
        return
    run.fact("photographs to learn from", len(found.train))
    run.fact("test photographs", len(found.test))
    with run.method(LEARNED, kind="deep") as method:
        method.model, method.fit_seconds = made[LEARNED]
        model = method.model
        score_photographs(method, scores_by(model, found.test), found.test)
    with run.method(CORRELATED, kind="classical") as method:
        method.model = rival = method.time(fit_correlation, found.train, found.validation)
        score_photographs(method, rival.scores(found.test), found.test)
    study_shrinking(run, found, {LEARNED: model, SHRUNK: made[SHRUNK][0]}, rival)
    for metric in (SENTENCES, PHOTOGRAPHS):
        claims.compared(
            f"Photographs, {metric}: better than {CORRELATED}", source="Table 1", paper="not compared", ours=LEARNED,
            against=CORRELATED, metric=metric,
        )  # fmt: skip


def study_shrinking(
    run: Run, found: PhotographSets, networks: Mapping[str, Alignment], rival: CorrelatedPhotographs
) -> None:
    """What shrinking is worth: R@10 of known and of validation photographs, with little and with much of it, as facts.

    Nothing is chosen by it.
    """
    scorers = {name: partial(scores_by, model) for name, model in networks.items()}
    scorers |= {CORRELATED: rival.scores, UNSHRUNK: with_ridge(rival, found.train, WEAK).scores}
    known = found.train.first(len(found.test))  # the same number of candidates as in the test
    for kind, part in (("training", known), ("validation", found.validation)):
        for name, scores in scorers.items():
            share = float(np.mean(found_both_ways(scores(part), part.owners)))
            run.fact(f"R@10, both ways, of {kind} photographs: {name}", share, "%")


def scores_by(model: Alignment, photographs: Photographs) -> Float[np.ndarray, "n sentences"]:
    """The network's score of every photograph with every sentence."""
    return model.scores(photographs.regions, photographs.sentences)
