"""What does each design choice of the classical detector contribute?

Question   Dalal & Triggs 2005 justify each part of their detector by an experiment. Do their answers hold for clothes?
Method     One change at a time (§6) of the recipe of lesson `sliding_window`, scored by mAP@0.5 on validation scenes;
           intervals: paired tests over scenes, grouped by photograph.
Differs    The paper counts misses at 10⁻⁴ false positives per window, for people. There are fewer training scenes here
           than in the lesson that trains it: 200, with negatives from 60 of them in each round, at most 800 per class;
           with so few, positives are also shifted by up to half a cell. With one seed, no interval covers the
           variation by training scenes.
Costs      60 s on two cores: eleven detectors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ch06_detection.scoring.judging import METRIC
from common.ablation import BASE, draw_effects
from common.data.scenes import scenes
from common.hog_detection.detector import HOGDetector
from common.hog_detection.recipes import scenes_detector
from common.metrics.detection import Evaluation
from common.paired import Comparison
from common.record import LessonRecord
from common.run import Run

CHANGES: dict[str, dict[str, Any]] = {
    "no hard negatives": {"rounds": 0},
    "one round of hard negatives": {"rounds": 1},
    "not mirrored": {"mirrored": False},
    "positives not jittered": {"jittered": 0},
    "4 orientations": {"orientations": 4},
    "one cell a block": {"block": 1},
    "blocks by L2-Hys": {"norm": "L2-Hys"},
    "no context": {"margin": 0},
    "no padding": {"padding": 0},
    "levels by 1.4": {"scale_step": 1.4},
}
OF_CELLS = ("orientations", "pixels", "block", "norm", "transform_sqrt", "padding")


def apply_change(base: HOGDetector, change: Mapping[str, Any]) -> HOGDetector:
    """The unfitted detector with changed settings, its own or those of its cells."""
    own = {key: value for key, value in change.items() if key not in OF_CELLS}
    cells = {key: value for key, value in change.items() if key in OF_CELLS}
    return replace(base, cells=replace(base.cells, **cells), **own)


def extreme(record: LessonRecord, which: Callable) -> Comparison:
    """The change that costs most (min) or gains most (max)."""
    return which(record.comparisons, key=lambda comparison: comparison.difference)


def describe_change(comparison: Comparison) -> str:
    """A change with its effect on the base, and the effect's interval."""
    c = comparison
    return f"{c.a} ({c.difference:+.1f} points, from {c.low:+.1f} to {c.high:+.1f})"


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    images, mined, negatives = run.pick(smoke=(24, 4, 40), lecture=(200, 60, 800))
    base = replace(scenes_detector(run), images=images, random=mined, mined=mined, negatives=negatives)
    part = sets.validation.take(slice(0, run.pick(smoke=4, lecture=60)))
    names = list(CHANGES)[:: run.pick(smoke=10, lecture=1)]
    for name in [BASE, *names]:
        with run.method(name, kind="classical") as method:
            detector = method.fit(apply_change(base, CHANGES.get(name, {})), sets.train)
            evaluation = Evaluation(detector.predict(part.images), part.targets, len(part.classes), groups=part.groups)
            method.score_items(METRIC, 100 * evaluation.by_image(0.5), part, unit="%", higher_is_better=True)
    for name in names:
        run.compare(name, BASE)
    run.floor(BASE, METRIC, at_least=35)
    run.figure_over_seeds(
        "differences", draw_effects, METRIC,
        caption=f"What each change does to {METRIC} on {len(part)} validation scenes, with 95 % intervals; coloured "
        "where the paired test finds a difference.",
    )  # fmt: skip
    run.claim(lambda record: f"What costs most: {describe_change(extreme(record, min))}.")
    run.claim(lambda record: f"At the other end: {describe_change(extreme(record, max))}.")
