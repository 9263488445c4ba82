"""The pictures of this chapter are composed: does anything give away what was pasted?

Question   A detector needs boxes by the thousand. Composed scenes have them exactly; but will a detector learn the look
           of a boot, or the look of a pasted edge?
Method     Cut, paste and learn (Dwibedi et al. 2017, §4): clothes of Fashion-MNIST on photographs, with distractors,
           truncation, occlusion and blurred outlines. Then a classifier receives 5×5 pixels across an edge. How well
           does it separate outlines of clothes from those of shapes without a class, and from edges in a photograph?
Rival      The same scenes with items cut out at a threshold and without the camera's blur and noise.
Differs    Dwibedi et al. paste each object in several ways, so that none can be learned; here there is one way, the
           same for clothes and distractors.
Costs      7 s on one core, and the same for all scenes of the chapter, which are composed once per run.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ch06_detection.composition.edges import (
    CLOTHES,
    PHOTO,
    RIVALS,
    SHAPE,
    Edges,
    auc,
    brightness_by_depth,
    collect_edges,
    naive_composer,
)
from ch06_detection.drawings.scenes import draw_composition, draw_counts, draw_cues, draw_examples
from common import data, plots
from common.claims import mean_of
from common.data.scene_composer import CHUNK, SEEN, Composer
from common.data.scene_places import SIZE
from common.data.scenes import composers, scenes
from common.results import Interval, bootstrap_interval
from common.run import Run

TOLD = 0.6  # the AUC from which on two kinds of edges count as distinguishable
WHOLE = 0.95  # an object counts as partly hidden if less than this share of its pixels in the picture is visible
COLOURS = (plots.PALE, *plots.CYCLE, plots.INK, plots.GREY)  # of the photograph, and of eight things
WAYS = {"cut out": "classical", "composed": "from scratch"}


class Way(NamedTuple):
    """What was measured for one way to paste. aucs: by the kind of edge that outlines of clothes are compared with."""

    depths: Float[np.ndarray, "items deepest"]
    test: Edges
    aucs: dict[int, Interval]


def seen_shares(composer: Composer, chunks: int, seed: int) -> Float[np.ndarray, "objects"]:
    """Of every article of clothing, the share of its pixels in the picture that is visible."""
    shares = []
    for chunk in range(chunks):
        canvas, layers = composer.prepared(np.random.default_rng((seed, chunk)))
        owner, areas = composer.lay(canvas, layers)
        seen = np.stack([np.count_nonzero(owner == layer, axis=(1, 2)) for layer in range(layers.count)], axis=1)
        clothing = (layers.items >= 0) & (composer.items.labels[layers.items] > 0) & (areas > 0)
        shares.append(seen[clothing] / areas[clothing])
    return np.concatenate(shares)


def examine_edges(training: Composer, testing: Composer, n: int, seed: int) -> Way:
    """Collect edges of n scenes of either composer; a classifier is fitted to the first and judged on the second."""
    train, test, aucs = collect_edges(training, n, 1000 + seed), collect_edges(testing, n, 1001 + seed), {}
    for other in RIVALS:
        own, judged = train.of(CLOTHES, other), test.of(CLOTHES, other)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300))
        scores = model.fit(own.features, own.kinds == CLOTHES).decision_function(judged.features)
        aucs[other] = auc(scores, judged.kinds == CLOTHES, judged.scenes)
    return Way(brightness_by_depth(testing.items), test, aucs)


def off_by(rims: Float[np.ndarray, "*resamples items"], axis: int) -> Float[np.ndarray, "*resamples"] | float:
    """The distance of the median from 100 %."""
    return np.abs(np.median(rims, axis=axis) - 100)


def compose_stages(composer: Composer, seed: int) -> tuple[list[UInt8[np.ndarray, "height width 3"]], list[str]]:
    """How a full scene is composed, step by step, with titles; last, which item is visible at each pixel."""
    rng = np.random.default_rng((seed, 0))
    photographs, layers = composer.prepared(rng)
    place = (layers.items >= 0).cumsum(axis=1)  # in the order of pasting
    scene, pictures = int(place[:, -1].argmax()), []
    for upto in (0, 2, 4, layers.count):
        canvas = photographs.copy()
        owner, _ = composer.lay(canvas, replace(layers, items=np.where(place <= upto, layers.items, -1)))
        pictures.append(canvas[scene].clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    images = np.empty((CHUNK, SIZE, SIZE, 3), np.uint8)
    composer.develop(canvas, images, rng)
    colours = np.array([list(bytes.fromhex(colour[1:])) for colour in COLOURS], np.uint8)
    titles = ["a photograph", "two things", "four", "all", "the camera", "who is seen"]
    return [*pictures, images[scene], colours[owner[scene] + 1]], titles


def lesson(run: Run) -> None:
    fashion, (training, testing) = data.fashion_mnist(run.scale), composers(run.scale)
    n = run.pick(smoke=64, lecture=384)
    training.compose(CHUNK, run.seed)  # to warm up
    start = time.process_time()
    training.compose(n, run.seed)
    run.fact("scenes a second of one processor", n / (time.process_time() - start))
    made = scenes(run.scale)
    boxes = np.concatenate([target["boxes"].numpy() for target in made.train.targets])
    shares = seen_shares(training, chunks=n // CHUNK, seed=run.seed)
    run.fact("objects in the training scenes", len(boxes))
    run.fact("objects a scene", len(boxes) / len(made.train))
    at_border = ((boxes[:, :2] == 0) | (boxes[:, 2:] == SIZE)).any(axis=1)
    truncated = run.fact("boxes that reach the border", 100 * at_border.mean(), "%")
    hidden = run.fact("partly under another thing", 100 * (shares[shares > SEEN] < WHOLE).mean(), "%")

    ways = {}
    composed = {"cut out": [naive_composer(training, fashion.train), naive_composer(testing, fashion.test)]}
    composed["composed"] = [training, testing]
    for name, kind in WAYS.items():
        with run.method(name, kind=kind) as method:
            ways[name] = method.time(examine_edges, *composed[name], run.pick(smoke=64, lecture=320), 2 * run.seed)
            for other, whose in RIVALS.items():
                some = ways[name].test.of(CLOTHES, other)
                method.measure(f"AUC against {whose}", ways[name].aucs[other], n=len(some.kinds))
            rims = 100 * ways[name].depths[:, 0]
            rims = rims[np.isfinite(rims)]
            method.measure("rim, off by", bootstrap_interval(off_by, rims), n=len(rims), unit="%")
        for edge, whose in ({CLOTHES: "outlines of clothes"} | RIVALS).items():
            run.fact(f"steepness of {whose}, {name}", np.median(ways[name].test.of(edge).steepness))
    run.floor("composed", f"AUC against {RIVALS[SHAPE]}", at_most=0.645)
    run.floor("composed", "rim, off by", at_most=9.3)
    run.figure(
        "examples",
        draw_examples,
        made.test,
        list(range(8)),
        caption="Test scenes with their boxes; white: the masks. Shapes without a class are no objects.",
    )
    run.figure(
        "stages",
        draw_composition,
        *compose_stages(training, run.seed),
        caption="How a scene is composed: a crop of a photograph, items pasted from back to front, blur and noise. "
        "Right: the visible pixels of each item, which its box and mask are made of.",
    )
    run.figure(
        "counts", draw_counts, made.train,
        caption="The training scenes. A box ends at the picture's border, or where another item covers the object.",
    )  # fmt: skip
    run.figure(
        "cues",
        draw_cues,
        ways,
        caption="Orange: clothes cut out at a threshold; blue: as they are composed here. Left: medians over the test "
        "items. Middle: edges of test scenes. Right: a logistic regression sees 5×5 pixels across an edge; bars: 95 %.",
    )
    plain, ours = ways.values()
    rims = [100 * np.nanmedian(way.depths[:, 0]) for way in (plain, ours)]
    run.note(
        f"Cut out at a threshold, an item's outermost pixel has {rims[0]:.0f} % of the brightness inside; "
        f"here it has {rims[1]:.0f} %. Its outline is told from that of a shape without a class with "
        f"an AUC of {plain.aucs[SHAPE].value:.2f}; here with {ours.aucs[SHAPE].value:.2f}."
    )
    run.note(
        f"From a photograph's edges, outlines of clothes are told with an AUC of {plain.aucs[PHOTO].value:.2f} if cut "
        f"out, and {ours.aucs[PHOTO].value:.2f} as composed."
    )
    run.claim(
        "That something was pasted is not hidden: the shapes are there for this, pasted alike and no clothing.",
        lambda record: mean_of(record, "composed", f"AUC against {RIVALS[PHOTO]}") > TOLD,
    )
    run.note(
        f"{truncated:.0f} % of the boxes reach the border; {hidden:.0f} % of the objects are partly under a thing."
    )
