"""What does each choice of the classical detector buy?

Question   Dalal & Triggs 2005 justify each part of their detector by an experiment. Do their answers hold for clothes?
Method     One change at a time (§6), judged by mAP@0.5 on validation scenes; intervals: paired bootstrap over scenes.
Differs    The paper counts misses at 10⁻⁴ false positives a window, for people. Fewer training scenes here than in the
           lesson before: differences are those of a small detector. One seed: what other training scenes would do is in
           no interval.
Costs      55 s on two cores: fourteen small detectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ch06_detection.dense_hog import Cells
from ch06_detection.hog_detector import HOGDetector
from ch06_detection.scoring import METRIC
from common.ablation import BASE, draw_differences
from common.data.scenes import scenes
from common.metrics.detection import Evaluation
from common.paired import Comparison, ItemScores, Pair
from common.run import Run

CHANGES: dict[str, dict[str, Any]] = {
    "no hard negatives": {"rounds": 0},
    "one round of hard negatives": {"rounds": 1},
    "not mirrored": {"mirrored": False},
    "positives not moved": {"shaken": 0},
    "4 orientations": {"orientations": 4},
    "cells of 6 pixels, as many pixels": {"pixels": 6, "window": 56 * 16 / 36},
    "one cell a block": {"block": 1},
    "blocks by L2, not clipped": {"norm": "L2"},
    "blocks by L1-sqrt": {"norm": "L1-sqrt"},
    "no context": {"margin": 0},
    "no padding": {"padding": 0},
    "levels by 1.4": {"scale_step": 1.4},
    "suppression at 0.6": {"suppression": 0.6},
}
OF_CELLS = ("orientations", "pixels", "block", "norm", "transform_sqrt", "padding")


def changed(base: HOGDetector, change: Mapping[str, Any]) -> HOGDetector:
    """The detector, not fitted, with other settings, of its own or of its cells."""
    own = {key: value for key, value in change.items() if key not in OF_CELLS}
    cells = {key: value for key, value in change.items() if key in OF_CELLS}
    return replace(base, cells=replace(base.cells, **cells), **own)


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    images, mined, negatives = run.pick(smoke=(24, 4, 40), lecture=(50, 12, 300))
    base = HOGDetector(
        cells=Cells(pixels=4, padding=3), images=images, random=mined, mined=mined, negatives=negatives, seed=run.seed
    )
    part = sets.validation.take(slice(0, run.pick(smoke=4, lecture=60)))
    names = list(CHANGES)[:: run.pick(smoke=14, lecture=1)]
    scores = {}
    for name in [BASE, *names]:
        with run.method(name, kind="classical") as method:
            detector = method.fit(changed(base, CHANGES.get(name, {})), sets.train)
            evaluation = Evaluation(detector.predict(part.images), part.targets, len(part.classes))
            values = 100 * evaluation.by_image(0.5)
            method.score_items(METRIC, values, part, unit="%", higher_is_better=True)
            scores[name] = ItemScores(METRIC, part.ids, values, "%", higher_is_better=True)
    compared: list[Comparison] = []
    for name in names:
        run.compare(name, BASE)
        pair = Pair(name, BASE)
        pair.add(scores[name], scores[BASE])
        compared.append(pair.compare())
    run.floor(BASE, METRIC, at_least=17.6)
    run.figure(
        "differences", draw_differences, compared,
        caption="What each change does to mAP@0.5 on validation scenes, with 95 % intervals; filled where the paired "
        "bootstrap is sure.",
    )  # fmt: skip
    worst = min(compared, key=lambda c: c.difference)
    best = max(compared, key=lambda c: c.difference)
    run.note(f"What costs most: {worst.a} ({worst.difference:+.1f} points).")
    run.note(f"At the other end: {best.a} ({best.difference:+.1f}, from {best.low:+.1f} to {best.high:+.1f}).")
