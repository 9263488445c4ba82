"""Selective search: proposals from image segments that are merged step by step, instead of windows everywhere.

Question   A costly classifier cannot be applied everywhere. How many proposals are needed until nearly every object
           has a good one among them?
Method     Selective search: Uijlings, van de Sande, Gevers and Smeulders 2013. A picture is segmented; the two
           neighbours most similar in colour, texture, size and fill are merged, again and again; every region on the
           way is a proposal (common/proposals). Several colour spaces give several hierarchies.
Rival      Sliding windows of the shapes of training objects; boxes of such shapes at random places.
Differs    Settings were chosen on training scenes. The fast ones halve the picture first, ignore texture, and use two
           groupings, not the paper's eight. Texture's slopes in eight directions are steered from two.
           Best overlaps are averaged over objects; the paper's MABO averages over classes.
Costs      15 s on two cores.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from ch06_detection.drawings.selective_search import draw_levels, draw_recall, draw_variants
from ch06_detection.proposals.recall import ENOUGH, boxes_needed, overlaps_by_count, recall
from ch06_detection.proposals.rivals import measure_shapes, random_boxes, window_grid
from common.data import Images
from common.data.boxed import BoxedImages, groups_of_objects
from common.data.scenes import scenes
from common.pools import processes
from common.proposals.grouping import FAST, QUALITY, Settings, propose, propose_all
from common.proposals.hierarchy import grow, reduced
from common.proposals.segments import colour_bins, cut_up, in_space, measured
from common.results import bootstrap_interval
from common.run import Method, Run

SEARCHES = {
    "selective search": FAST,
    "selective search, full": QUALITY,
    "HSV alone": Settings(spaces=("HSV",)),
    "Lab alone": Settings(spaces=("Lab",)),
    "RGB alone": Settings(spaces=("RGB",)),
    "texture, too": Settings(similarities=("ctsf",)),
    "no colour": Settings(similarities=("sf",)),
}
STRIDES = (1, 1 / 2, 1 / 3, 1 / 4, 1 / 6, 1 / 8)  # of a window's sides, from one window to the next
THRESHOLDS = (0.5, 0.7)
MOST = 6000  # boxes per scene up to which curves are drawn
FIRST = 100  # boxes with their recall in the table, besides all
SHOWN = 1  # the drawn scene
LEVELS = (60, 20, 6)  # regions left in the drawn levels


class Grouping(NamedTuple):
    """A level of a grouping: the image with each region in its mean colour, and the regions' boxes."""

    picture: UInt8[np.ndarray, "rows columns 3"]
    boxes: Float[Tensor, "regions 4"]


def group(image: UInt8[np.ndarray, "height width 3"], counts: Sequence[int] = LEVELS) -> list[Grouping]:
    """One grouping, step by step: segments, then the most similar neighbours merged down to each of `counts` regions.
    §3.

    The first level is the segments. Every region of every level is a proposal.
    """
    small = reduced(image, FAST.step)
    picture = in_space(small, FAST.spaces[0])
    segments = cut_up(picture, FAST.ks[0], FAST.sigma, FAST.min_size)
    tree = grow(measured(segments, {"c": colour_bins(picture)}), "csf")
    levels = []
    for count in (tree.segments, *(min(tree.segments, count) for count in counts)):
        regions = tree.regions_of(count)
        boxes = torch.tensor(FAST.step * tree.boxes[np.unique(regions)])
        levels.append(Grouping(mean_colours(small, regions[segments]), boxes))
    return levels


def mean_colours(
    image: UInt8[np.ndarray, "height width 3"], regions: Int[np.ndarray, "height width"]
) -> UInt8[np.ndarray, "height width 3"]:
    """The picture with every region in its mean colour."""
    flat, counts = regions.ravel(), np.bincount(regions.ravel())
    sums = [np.bincount(flat, image[..., channel].ravel()) for channel in range(3)]
    return (np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None])[regions].astype(np.uint8)


def score_proposals(
    method: Method, proposals: Sequence[Tensor], part: BoxedImages, items: Images
) -> Float[np.ndarray, "objects most"]:
    """Score the proposals. Returns the overlaps on which the scores are based."""
    best = overlaps_by_count(proposals, part.targets, MOST)
    method.score_items("average best overlap", 100.0 * best[:, -1], items, unit="%", higher_is_better=True)
    for threshold in THRESHOLDS:
        for first, name in ((FIRST, f", first {FIRST}"), (MOST, "")):
            hits = 100.0 * (best[:, first - 1] >= threshold)
            share = bootstrap_interval(np.mean, hits, groups=items.groups)
            method.measure(f"recall at IoU {threshold}{name}", share, n=len(items), unit="%", higher_is_better=True)
    method.run.fact(f"boxes a scene, {method.name}", float(np.mean([len(boxes) for boxes in proposals])))
    return best


def lesson(run: Run) -> None:
    sets = scenes(run.scale)
    part = sets.validation.take(slice(run.pick(smoke=2, lecture=60)))
    size, shapes = part.images.shape[1:3], measure_shapes(sets.train.targets)
    labels = torch.cat([target["labels"] for target in part.targets]).numpy()
    groups = groups_of_objects(part)  # an object's photograph
    items = Images(np.zeros((len(labels), 1, 1), np.uint8), labels, groups=groups)  # objects, without their pixels
    photograph = np.unique(groups, return_inverse=True)[1]

    found, counts = {}, {}
    with processes() as pool:
        propose_all(part.images, seed=run.seed, pool=pool)  # starts the processes, so that no search is charged for it
        for name, settings in SEARCHES.items():
            with run.method(name, kind="from scratch") as method:
                start = time.perf_counter()
                proposals = propose_all(part.images, settings, seed=run.seed, pool=pool)
                method.predict_seconds = time.perf_counter() - start
                found[name] = score_proposals(method, proposals, part, items)
                counts[name] = float(np.mean([len(boxes) for boxes in proposals]))
    for name in ("selective search", "selective search, full"):
        start = time.process_time()
        for image in part.images[: run.pick(smoke=1, lecture=10)]:
            propose(image, SEARCHES[name])
        seconds = time.process_time() - start
        run.fact(f"milliseconds a scene, {name}", 1000 * seconds / run.pick(smoke=1, lecture=10))

    # The rivals get about as many boxes as the fast search computes; their curves continue.
    budget = counts["selective search"]
    grids = [window_grid(shapes, stride, size) for stride in STRIDES]
    with run.method("sliding windows", kind="classical") as method:
        grid = min(grids, key=lambda grid: abs(np.log(len(grid) / budget)))
        grid = grid[torch.tensor(run.rng.permutation(len(grid)))]  # in random order: no window is better than another
        found["sliding windows"] = score_proposals(method, [grid] * len(part), part, items)
    scattered = [random_boxes(shapes, MOST, size, run.rng) for _ in range(len(part))]
    with run.method("random boxes", kind="classical") as method:
        found["random boxes"] = score_proposals(method, [boxes[: round(budget)] for boxes in scattered], part, items)
    counts |= {"sliding windows": float(len(grid)), "random boxes": float(round(budget))}
    for other in ("sliding windows", "random boxes", *list(SEARCHES)[1:]):
        run.compare("selective search", other)
    run.floor("selective search", "average best overlap", at_least=87.8)

    drawn = ("selective search", "selective search, full", "HSV alone")
    curves = {name: found[name][:, : SEARCHES[name].most] for name in drawn}
    curves["random boxes"] = overlaps_by_count(scattered, part.targets, MOST)
    dense = [(len(grid), overlaps_by_count([grid] * len(part), part.targets, len(grid))[:, -1]) for grid in grids]
    for threshold in THRESHOLDS:
        takes = {name: boxes_needed(best, threshold) for name, best in curves.items()}
        takes["sliding windows"] = next((n for n, best in dense if recall(best, threshold) >= ENOUGH), None)
        for name, boxes in takes.items():
            if boxes:
                run.fact(f"boxes for a recall of {ENOUGH} at IoU {threshold}, {name}", boxes)
        counted = ", ".join(f"{name} {boxes or 'more than there were'}" for name, boxes in takes.items())
        run.note(f"Boxes a scene until {100 * ENOUGH:.0f} % of the objects have one with IoU ≥ {threshold}: {counted}.")

    run.figure(
        "levels",
        draw_levels,
        part.images[SHOWN],
        group(part.images[SHOWN]),
        propose(part.images[SHOWN], FAST, run.seed),
        part.targets[SHOWN]["boxes"],
        caption="One grouping, in HSV: the segments, and later levels, each region in its mean colour; below, the "
        "regions' boxes. Right: the scene; its objects (dashed), and for each the proposal with the highest IoU "
        "(orange).",
    )
    run.figure(
        "recall",
        draw_recall,
        THRESHOLDS,
        curves,
        dense,
        photograph,
        caption="Recall by the number of boxes per scene. Bands: 95 %, photographs resampled. A curve ends at the "
        "largest number of boxes that the search may propose; each dot is a denser grid of windows.",
    )
    run.figure(
        "variants",
        draw_variants,
        found,
        list(SEARCHES),
        counts,
        groups,
        caption="Average best overlap, with 95 % intervals; right: the number of boxes per scene. The two rivals at "
        "the bottom have about as many as the first search.",
    )
    best = {name: 100 * overlap[:, -1].mean() for name, overlap in found.items()}
    run.note(
        f"The best of {budget:.0f} lies on its object with an IoU of {best['selective search']:.0f} % on average; "
        f"of {counts['sliding windows']:.0f} windows, the best has {best['sliding windows']:.0f} %. HSV alone gives "
        f"{best['HSV alone']:.0f} % with {counts['HSV alone']:.0f} boxes, Lab alone {best['Lab alone']:.0f} % with "
        f"{counts['Lab alone']:.0f}; without colour, {counts['no colour']:.0f} boxes give {best['no colour']:.0f} %."
    )
