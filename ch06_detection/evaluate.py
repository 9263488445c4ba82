"""Is a detector any good? Precision, recall, and what is made of them.

Question   A detector says many boxes, each with a score, and some are right. What number says how good it is?
Method     Greedy matching by IoU; precision and recall of what is left above a score; the area under their curve, its
           mean over classes and over thresholds of IoU (Everingham et al. 2010, §4.2; Lin et al. 2014). Intervals from
           resampled images (Efron and Tibshirani 1993, ch. 11 and 13). All tried on made-up detectors, which know what
           is there and err as often as they are told (made_up_detections.py).
Rival      The three conventions of average precision; the log-average miss rate (Dollár et al. 2012).
Differs    Own code (common/metrics: matching.py, precision_recall.py, detection.py); it agrees with pycocotools.
Costs      8 s on two cores.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float

from ch06_detection.made_up_detections import MadeUp
from common import plots
from common.data.boxed import BoxedImages
from common.data.scenes import scenes
from common.metrics.detection import COCO_THRESHOLDS, Evaluation
from common.metrics.precision_recall import Curve, average_precision, envelope
from common.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DETECTORS = {  # one says little and places it well, the other finds nearly all and places it roughly
    "careful": MadeUp(found=0.75, spread=0.02),
    "keen": MadeUp(found=0.92, spread=0.08),
}
PLAIN = MadeUp(found=0.9, spread=0.04, copies=0, confused=0, nothing=0, sure=10)
ERRORS = {
    "as it is": {},
    "a fifth fewer found": {"found": 0.72},
    "edges off twice as far": {"spread": 0.08},
    "every object twice": {"copies": 1},
    "a fifth confused": {"confused": 0.2},
    "3 boxes of nothing, some sure": {"nothing": 3, "sure": 1},
    "30 of nothing, none sure": {"nothing": 30},
}
METRICS = {"mAP at 0.5": 0.5, "mAP at 0.75": 0.75, "mAP, 0.5 … 0.95": None}
SIDE = 128
LEVELS = (1000, 100, 30, 10, 5, 3, 2)  # of scores that are rounded
CONVENTIONS = {"11 points": 11, "101 points": 101, "area": None}


def with_ties(evaluation: Evaluation, levels: int) -> list[float]:
    """Mean average precision after scores were rounded: of equal ones the right come last, by chance, or first."""
    found = evaluation.matches.detections
    counts = np.array([len(one["labels"]) for one in evaluation.detections])
    right = np.zeros(counts.sum())
    right[(counts.cumsum() - counts)[found.images] + found.items] = evaluation.matches.true[0]
    rounded = (torch.cat([one["scores"] for one in evaluation.detections]) * levels).round() / levels
    values = []
    for luck in (-1e-6, 0, 1e-6):
        scores = (rounded + luck * torch.from_numpy(right)).split(counts.tolist())
        said = [{**one, "scores": some} for one, some in zip(evaluation.detections, scores, strict=True)]
        values.append(replace(evaluation, detections=said).mean_average_precision(0.5))
    return values


def by_number(part: BoxedImages, numbers: list[int], draws: int, run: Run) -> Float[np.ndarray, "numbers draws"]:
    """Mean average precisions of one detector, each on so many scenes that were drawn by themselves."""
    values = np.zeros((len(numbers), draws))
    for row, number in enumerate(numbers):
        for draw in range(draws):
            targets = [part.targets[k] for k in run.rng.choice(len(part), number, replace=False)]
            said = DETECTORS["keen"](targets, len(part.classes), SIDE, run.rng)
            values[row, draw] = Evaluation(said, targets, len(part.classes)).mean_average_precision()
    return values


def draw_curve(curve: Curve) -> Figure:
    """A ranking's precision and recall, and what each convention takes of them."""
    figure, axes = plots.panels(3, width=3.3, height=3.0, sharey=True)
    for axis, (name, points) in zip(axes, CONVENTIONS.items(), strict=True):
        axis.plot(curve.recall, curve.precision, color=plots.GREY, lw=1, label="as it is")
        best = envelope(curve.precision)
        if points is None:
            recall, best = np.append(0, curve.recall), np.append(best[:1], best)
            axis.fill_between(recall, best, step="pre", color=plots.ORANGE, alpha=0.3, lw=0)
            axis.step(recall, best, where="pre", color=plots.ORANGE, label="best from here on")
        else:
            at = np.linspace(0, 1, points)
            height = np.append(best, 0)[np.searchsorted(curve.recall, at)]
            axis.vlines(at, 0, height, color=plots.ORANGE, lw=4 if points < 50 else 1, alpha=0.5)
            axis.plot(
                at, height, "o", color=plots.ORANGE, markersize=4 if points < 50 else 2, label="best from here on"
            )
        area = average_precision(curve.recall, curve.precision, points)
        axis.set(title=f"{name}: {area:.3f}", xlabel="recall", xlim=(-0.02, 1.02), ylim=(0, 1.05))
    axes[0].set_ylabel("precision")
    axes[2].legend(loc="lower left")
    return figure


def draw_thresholds(evaluations: dict[str, Evaluation]) -> Figure:
    """Mean average precision by the IoU that is asked for."""
    figure, axis = plots.panels(width=4.8, height=3.2)
    for (name, evaluation), colour in zip(evaluations.items(), plots.CYCLE, strict=False):
        draws = np.array([evaluation.bootstrap(threshold, 300) for threshold in COCO_THRESHOLDS])
        axis.fill_between(COCO_THRESHOLDS, *np.quantile(100 * draws, [0.025, 0.975], axis=1), color=colour, alpha=0.2)
        values = [100 * evaluation.mean_average_precision(threshold) for threshold in COCO_THRESHOLDS]
        axis.plot(COCO_THRESHOLDS, values, "o-", color=colour, label=name)
    axis.set(xlabel="IoU that makes a detection right", ylabel="mAP (%)", ylim=(0, None))
    axis.legend()
    return figure


def draw_errors(values: dict[str, list[float]]) -> Figure:
    """What each error costs."""
    figure, axis = plots.panels(width=6.4, height=3.2)
    rows = np.arange(len(values))[::-1]
    for k, (name, colour) in enumerate([("mAP at 0.5", plots.BLUE), ("mAP, 0.5 … 0.95", plots.ORANGE)]):
        axis.barh(rows + 0.2 - 0.4 * k, [pair[k] for pair in values.values()], height=0.36, color=colour, label=name)
    axis.set_yticks(rows, list(values))
    axis.set(xlabel="%", xlim=(0, 100))
    axis.grid(axis="y", visible=False)
    axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def draw_doubts(ties: list[list[float]], numbers: list[int], values: Float[np.ndarray, "numbers draws"]) -> Figure:
    """Left: equal scores. Right: few scenes."""
    figure, (left, right) = plots.panels(2, width=4.4, height=3.2)
    lowest, chance, highest = 100 * np.array(ties).T
    left.fill_between(
        LEVELS, lowest, highest, color=plots.BLUE, alpha=0.2, lw=0, label="wrong ones first … right ones first"
    )
    left.plot(LEVELS, chance, "o-", color=plots.BLUE, label="as they come")
    left.set(title="Equal scores", xlabel="levels of the score", ylabel="mAP at 0.5 (%)", xscale="log")
    left.legend(loc="lower right")
    right.plot(np.repeat(numbers, values.shape[1]), 100 * values.ravel(), "o", color=plots.INK, alpha=0.3, ms=3, mew=0)
    right.plot(numbers, 100 * values.mean(axis=1), "o-", color=plots.ORANGE, label="mean")
    right.set(title="Few scenes", xlabel="scenes", xscale="log")
    right.set_xticks(numbers, [str(number) for number in numbers])
    right.minorticks_off()
    right.legend()
    return figure


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    part, classes = sets.validation, len(sets.classes)
    evaluations = {}
    for name, detector in DETECTORS.items():
        with run.method(name, kind="reference") as method:
            evaluation = Evaluation(
                detector(part.targets, classes, SIDE, run.rng), part.targets, classes, COCO_THRESHOLDS
            )
            evaluations[name] = evaluation
            for metric, threshold in METRICS.items():
                method.score_items(metric, 100 * evaluation.by_image(threshold), part, unit="%", higher_is_better=True)
            miss = 100 * np.nanmean(evaluation.log_average_miss_rate(0.5))
            method.measure("log-average miss rate", miss, n=len(part), unit="%")
    for metric in METRICS:
        run.compare("keen", "careful", metric)
    run.figure(
        "thresholds",
        draw_thresholds,
        evaluations,
        caption="Which detector is better depends on how well a box has to fit. Shaded: 95 % of resampled scenes.",
    )

    few = Evaluation(evaluations["keen"].detections[:60], part.targets[:60], classes)
    label = int(np.argmax([few.objects_by_image(k).sum() for k in range(1, classes + 1)])) + 1
    curve = few.curve(label)
    for name, points in CONVENTIONS.items():
        run.fact(
            f"average precision of one class, {name}",
            100 * average_precision(curve.recall, curve.precision, points),
            "%",
        )
        whole = replace(evaluations["keen"], points=points).mean_average_precision(0.5)
        run.fact(f"mAP at 0.5, keen, {name}", 100 * whole, "%")
    run.figure(
        "curve",
        draw_curve,
        curve,
        caption=f"{sets.classes[label - 1]} in 60 scenes: precision and recall after each detection, the surest first, "
        "and three means of the best precision at each recall or a higher one.",
    )

    for name, low, high in [("small", 0, 40**2), ("medium", 40**2, 56**2), ("large", 56**2, SIDE**2)]:
        sized = evaluations["keen"].of_size(low, high)
        run.fact(f"mAP at 0.5, keen, {name} objects", 100 * sized.mean_average_precision(0.5), "%")

    errors = {}
    luck = int(run.rng.integers(2**31))  # the same for all, so that nothing else differs
    for name, change in ERRORS.items():
        said = replace(PLAIN, **change)(part.targets, classes, SIDE, np.random.default_rng(luck))
        whole = Evaluation(said, part.targets, classes, COCO_THRESHOLDS)
        errors[name] = [100 * whole.mean_average_precision(threshold) for threshold in (0.5, None)]
        run.fact(f"mAP at 0.5, {name}", errors[name][0], "%")
        run.fact(f"mAP, 0.5 … 0.95, {name}", errors[name][1], "%")
    run.figure("errors", draw_errors, errors, caption="One detector, and the same with one more kind of error.")

    ties = [with_ties(evaluations["keen"], levels) for levels in LEVELS]
    numbers = run.pick(smoke=[8, 16], lecture=[25, 50, 100, 300, 1000], full=[25, 50, 100, 500, 1000])
    values = by_number(sets.train, numbers, run.pick(smoke=3, lecture=30), run)
    run.figure(
        "doubts",
        draw_doubts,
        ties,
        numbers,
        values,
        caption="Left: scores rounded to so many levels, and the order of equal ones chosen. Right: the same detector "
        f"on sets of scenes, {values.shape[1]} of each size.",
    )
    drawn = run.fact(f"standard deviation of mAP at 0.5 between sets of {len(part)}", 100 * values[-2].std(ddof=1), "%")
    ways = {"bootstrap": evaluations["keen"].bootstrap(0.5), "jackknife": evaluations["keen"].by_image(0.5)}
    spread = {
        "bootstrap": 100 * ways["bootstrap"].std(ddof=1),
        "jackknife": 100 * ways["jackknife"].std(ddof=1) / len(part) ** 0.5,
    }
    for name, value in spread.items():
        run.fact(f"the same, from one set, {name}", value, "%")
    for number, mean in zip(numbers, 100 * values.mean(axis=1), strict=True):
        run.fact(f"mean mAP at 0.5 of sets of {number}", mean, "%")
    keen, careful = (evaluations[name].mean_average_precision for name in ("keen", "careful"))
    run.note(
        f"Keen or careful: mAP is {100 * keen(0.5):.0f} or {100 * careful(0.5):.0f} % where an IoU of a half will do, "
        f"{100 * keen(0.75):.0f} or {100 * careful(0.75):.0f} % where it has to be three quarters."
    )
    cost = {name: errors["as it is"][0] - value[0] for name, value in errors.items()}
    run.note(
        f"To say every object twice costs {cost['every object twice']:.0f} points; to say thirty boxes of nothing in a "
        f"scene, all less sure than what is right, changes mAP by {abs(cost['30 of nothing, none sure']):.1f}."
    )
    run.note(
        f"Scores of five levels leave mAP anywhere from {100 * ties[4][0]:.0f} to {100 * ties[4][2]:.0f} %, as luck "
        f"orders equal ones. Sets of {numbers[0]} scenes give {100 * values[0].mean():.1f} % on average, sets of "
        f"{numbers[-1]} {100 * values[-1].mean():.1f} %: the best precision from here on is partly luck."
    )
    run.note(
        f"Other scenes would have moved mAP by {drawn:.1f} points (σ); from one set alone, the bootstrap says "
        f"{spread['bootstrap']:.1f} and the jackknife {spread['jackknife']:.1f}."
    )
