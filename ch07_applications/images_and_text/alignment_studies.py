"""The effect of an alignment's choices: the score, the words' context and the regions, after a short training.

The recipe is changed in one place at a time, and scored on validation scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from ch07_applications.blocks.side_by_side import Made, Work
from ch07_applications.images_and_text.captioned_scenes import CaptionedScenes
from ch07_applications.images_and_text.picture_regions import RegionedScenes
from ch07_applications.images_and_text.retrieval import both_ways
from common.paper_claims import PaperClaims
from common.run import Run

if TYPE_CHECKING:
    from ch07_applications.images_and_text.alignments import Alignment

BEST, MEAN = "best region", "mean of regions"  # the score: a word's best region (Eq. 8), or the mean of all regions
BASE, ALONE, PICTURE_ONLY = "recipe, short", "words alone", "whole picture alone"
CHANGES = {BASE: {}, MEAN: {"over": MEAN}, ALONE: {"context": False}}
WHOLE = {"regions": 1, "side": 80}  # about the pixels of seven crops
SHORT_RUNS = "R@10, validation"  # which varies less over seeds than R@1


def short_trainings(run: Run, scenes: CaptionedScenes, train: Callable[..., Alignment]) -> dict[str, Work]:
    """Short trainings on few scenes with one change at a time, as work for side_by_side. train: the lesson's."""
    few, epochs = scenes.take(slice(run.pick(smoke=32, lecture=3000))), run.pick(smoke=1, lecture=4, full=8)
    seven, one = (RegionedScenes.of(few, 9, **how).regions for how in ({}, WHOLE))
    how = {"captions": few.captions, "epochs": epochs}
    found = {name: partial(train, regions=seven, **how, **change) for name, change in CHANGES.items()}
    return found | {PICTURE_ONLY: partial(train, regions=one, **how)}


def study_choices(run: Run, claims: PaperClaims, scenes: CaptionedScenes, made: Mapping[str, Made]) -> None:
    """Score each network's retrieval on validation scenes, and test the paper's claims. made: by side_by_side."""
    seven, one = (RegionedScenes.of(scenes, 9, **how) for how in ({}, WHOLE))
    for name, judged in {**dict.fromkeys(CHANGES, seven), PICTURE_ONLY: one}.items():
        with run.method(name, kind="deep") as method:
            method.model, method.fit_seconds = made[name]
            scores = method.model.scores(judged.regions, judged.captions)
            method.score_items(SHORT_RUNS, both_ways(scores, 10), scenes, unit="%", higher_is_better=True)
    for name, text, source, paper in (
        (MEAN, "A word's best region is a better score than all regions", "§3.1.3, Table 1", "sum: 19.2 → 20.0 %"),
        (ALONE, "Words are better understood in their context", "§3.1.2, Table 1", "20.0 → 22.2 %"),
        (PICTURE_ONLY, "Regions say more than the whole picture", "§3.1.1", "no number"),
    ):
        claims.compared(text, source=source, paper=paper, ours=BASE, against=name, metric=SHORT_RUNS)
